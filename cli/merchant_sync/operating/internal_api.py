"""Call the internal APIs of the gateway, the scheduler and the linker with the keys of the caller `operator`."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import quote

import httpx

from merchant_sync.access import Access
from merchant_sync.internal_keys import HASHES_SETTING, KEY_SETTINGS
from merchant_sync.parts import GATEWAY, LINKER, SCHEDULER, StackError

TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_URL_SETTINGS = {GATEWAY: "GATEWAY_INTERNAL_URL", SCHEDULER: "SCHEDULER_URL", LINKER: "LINKER_URL"}
LISTED = 20
"""How many entries of a list are shown unless all are asked for."""
ALL = 2**31 - 1
"""The limit for a list that is wanted whole, where the scheduler cuts it unless it is given one."""
_NO_CONNECTION = "none:none"
"""The name of a connection that does not exist."""
PAGE_SIZE = 500
"""How many connections or entries are fetched with one call: the most that the scheduler answers."""
SEE_ALL = "`merchant-sync status --all` lists all of them"


def count_hidden(overview: dict[str, Any], name: str) -> int:
    """Return how many entries of the list `name` the overview leaves out, because it was asked for a limited number."""
    return int(overview["totals"][name]) - len(overview[name])


class InternalApi:
    """Calls the internal APIs of the gateway, the scheduler and the linker, whose settings are needed for links alone.

    Every method raises StackError when the call fails. The error's `status` is the HTTP status with which the service
    refused, or None when there was no answer.
    """

    def __init__(self, access: Access) -> None:
        for settings in (_URL_SETTINGS, KEY_SETTINGS):
            access.require_settings(*(settings[service] for service in (GATEWAY, SCHEDULER)))
        self._access = access
        self._http = httpx.Client(timeout=TIMEOUT, verify=access.create_tls_context())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def load_overview(self, *, limit: int | None = LISTED) -> dict[str, Any]:
        """Return the scheduler's overview of all connections and syncs.

        Each of its lists has at most `limit` entries, None means all; `totals` has the numbers of entries without it.
        """
        return self._call_scheduler("/overview", **({} if limit is None else {"limit": limit}))

    def list_connections(
        self, *, platform: str | None = None, state: str | None = None, after: str = "", limit: int = 100
    ) -> list[dict[str, Any]]:
        """Return up to `limit` connections, ordered by name, beginning behind the name `after`.

        Only those of `platform` and in `state` are returned if these are given.
        """
        filters = {"platform": platform, "state": state, "after": after, "limit": limit}
        query = {name: value for name, value in filters.items() if value is not None}
        listed: list[dict[str, Any]] = self._call_scheduler("/connections", **query)["connections"]
        return listed

    def iterate_connections(self, *, platform: str | None = None, state: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield all connections, ordered by name; only those of `platform` and in `state` if given."""
        after = ""
        while True:
            page = self.list_connections(platform=platform, state=state, after=after, limit=PAGE_SIZE)
            yield from page
            if len(page) < PAGE_SIZE:
                return
            after = page[-1]["connection"]

    def load_connection(self, name: str, *, syncs: int | None = LISTED) -> dict[str, Any]:
        """Return one merchant's connection with its latest `syncs` syncs, None means all.

        `sync_count` is the number of all of them.
        """
        return self._call_scheduler(f"/connections/{_quote(name)}", syncs_limit=syncs or ALL)

    def load_sync(self, sync_id: str) -> dict[str, Any] | None:
        """Return one sync; None while the scheduler does not know the sync yet."""
        try:
            return self._call_scheduler(f"/syncs/{sync_id}")
        except StackError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def check_connection(self, name: str) -> dict[str, Any]:
        """Let the gateway inspect a connection's webhook subscriptions at its platform now; return its report."""
        return self._call("GET", GATEWAY, f"/internal/connections/{_quote(name)}/checkup")

    def load_hint_path(self, name: str) -> str:
        """Return the path of the gateway at which hints about a connection are taken. It has a secret token."""
        return str(self._call("GET", GATEWAY, f"/internal/connections/{_quote(name)}/hint")["path"])

    def check_access_to_gateway(self) -> None:
        """Raise a StackError unless the gateway accepts the operator's key."""
        try:
            self.check_connection(_NO_CONNECTION)
        except StackError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    def request_sync(self, name: str, records: dict[str, list[str]] | None) -> str:
        """Start a sync of the connection `name` and return the sync's id.

        It is an incremental sync of `records` (ids by resource), or a full sync when `records` is None.
        """
        path = f"/internal/connections/{_quote(name)}/sync"
        answer = self._call("POST", GATEWAY, path, json={"records": records})
        return str(answer["sync_id"])

    def iterate_audit_log(self, *, connection: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield the entries of the gateway's audit log from the oldest on; only those of `connection` if given."""
        query: dict[str, Any] = {"after": 0, "count": PAGE_SIZE, **({"connection": connection} if connection else {})}
        while True:
            answer = self._call("GET", GATEWAY, "/internal/audit", params=query)
            yield from answer["entries"]
            if len(answer["entries"]) < PAGE_SIZE:
                return
            query["after"] = answer["entries"][-1]["id"]

    def cancel_sync(self, name: str, sync_id: str) -> dict[str, Any]:
        """Cancel an open full sync of the connection `name`; return its id and state."""
        path = f"/internal/connections/{_quote(name)}/syncs/{sync_id}/cancel"
        return self._call("POST", GATEWAY, path)

    def allow_deletions(self, name: str, guarded_sync: str, reason: str) -> str:
        """Allow the stopped deletions of the full sync `guarded_sync`; return the id of the sync that makes them."""
        path, body = f"/internal/connections/{_quote(name)}/deletions", {"guarded_sync": guarded_sync, "reason": reason}
        return str(self._call("POST", GATEWAY, path, json=body)["sync_id"])

    def list_keys(self, name: str) -> list[dict[str, Any]]:
        """Return the keys of a connection for the data API, the oldest first. They are without the keys themselves."""
        listed: list[dict[str, Any]] = self._call("GET", GATEWAY, f"/internal/connections/{_quote(name)}/keys")["keys"]
        return listed

    def make_key(self, connection: str, name: str, scopes: list[str], days: int | None) -> dict[str, Any]:
        """Make a key for the data API; return it with the key itself. It expires after `days`, None means never."""
        body = {"name": name, "scopes": scopes, "days": days}
        return self._call("POST", GATEWAY, f"/internal/connections/{_quote(connection)}/keys", json=body)

    def rotate_key(self, connection: str, key: str, keep_hours: int) -> dict[str, Any]:
        """Replace the key with the id `key`, which stays good for `keep_hours`; return the new one with its text."""
        path = f"/internal/connections/{_quote(connection)}/keys/{key}/rotate"
        return self._call("POST", GATEWAY, path, json={"keep_hours": keep_hours})

    def revoke_keys(self, connection: str, key: str | None) -> int:
        """Revoke the key with the id `key`, or all keys of a connection for None; return how many these were."""
        keys = f"/internal/connections/{_quote(connection)}/keys"
        path = f"{keys}/revoke" if key is None else f"{keys}/{key}/revoke"
        return int(self._call("POST", GATEWAY, path)["revoked"])

    def list_links(self) -> list[dict[str, Any]]:
        """Return all links that have not ended, ordered by shop."""
        listed: list[dict[str, Any]] = self._call("GET", LINKER, "/links")["links"]
        return listed

    def create_link(self, shop: str, database: str, settings: dict[str, Any]) -> dict[str, Any]:
        """Link the connections of a shop and of a database of its merchant; return the link."""
        return self._call("POST", LINKER, "/links", json={"shop": shop, "database": database, "settings": settings})

    def load_link(self, shop: str) -> dict[str, Any]:
        """Return the link of a shop with its state, both sides' feeds, and numbers of pairs."""
        return self._call("GET", LINKER, f"/links/{_quote(shop)}")

    def load_plan(self, shop: str, limit: int, *, action: str | None = None) -> dict[str, Any]:
        """Return what a link sync would write: numbers by field and reason, and the first `limit` entries of each.

        With `action`, the only lines among them are those with this action.
        """
        params = {"limit": limit, **({"action": action} if action else {})}
        return self._call("GET", LINKER, f"/links/{_quote(shop)}/plan", params=params)

    def approve_plan(self, shop: str, plan: int | None) -> dict[str, Any]:
        """Let the draft of a link be written, if its plan still has this number; return the link."""
        return self._call("POST", LINKER, f"/links/{_quote(shop)}/approve", json={"plan": plan})

    def settle_conflicts(
        self, shop: str, winner: str, record: str | None, resource: str | None, field: str | None
    ) -> dict[str, Any]:
        """Let one side win the conflicts of a record and a field, or of all; return the number of pairs."""
        choice = {"winner": winner, "record": record, "resource": resource, "field": field}
        return self._call("POST", LINKER, f"/links/{_quote(shop)}/settle", json=choice)

    def list_unbooked(self, shop: str, limit: int) -> list[dict[str, Any]]:
        """Return what was sold on one side that the other does not know of, by variant and location."""
        path = f"/links/{_quote(shop)}/unbooked"
        listed: list[dict[str, Any]] = self._call("GET", LINKER, path, params={"limit": limit})["unbooked"]
        return listed

    def book_sales(self, shop: str, record: str | None, location: str | None, quantity: int | None) -> dict[str, Any]:
        """Say that sales were booked on the side that counts the stock; return the number of units."""
        booking = {"record": record, "location": location, "quantity": quantity}
        return self._call("POST", LINKER, f"/links/{_quote(shop)}/book", json=booking)

    def load_failures(self, shop: str, limit: int) -> dict[str, Any]:
        """Return the writes of a link that were refused or have failed, and numbers of all writes by outcome."""
        return self._call("GET", LINKER, f"/links/{_quote(shop)}/failures", params={"limit": limit})

    def retry_writes(self, shop: str, reason: str | None) -> dict[str, Any]:
        """Have failed writes made again, those of a reason or all; return the number of pairs."""
        return self._call("POST", LINKER, f"/links/{_quote(shop)}/retry", json={"reason": reason})

    def request_link_sync(self, shop: str, mode: str, ids: list[str]) -> dict[str, Any]:
        """Have a link synced in this mode, of these products if it takes any; return the sync."""
        return self._call("POST", LINKER, f"/links/{_quote(shop)}/syncs", json={"mode": mode, "ids": ids})

    def list_link_syncs(self, shop: str, limit: int) -> list[dict[str, Any]]:
        """Return the latest syncs of a link, newest first."""
        path = f"/links/{_quote(shop)}/syncs"
        listed: list[dict[str, Any]] = self._call("GET", LINKER, path, params={"limit": limit})["syncs"]
        return listed

    def load_link_sync(self, shop: str, sync_id: str) -> dict[str, Any]:
        """Return a sync of a link."""
        return self._call("GET", LINKER, f"/links/{_quote(shop)}/syncs/{_quote(sync_id)}")

    def change_link_sync(self, shop: str, sync_id: str, action: str) -> dict[str, Any]:
        """Do `cancel` to a sync of a link, and return it, or `requeue`, and return the new one."""
        return self._call("POST", LINKER, f"/links/{_quote(shop)}/syncs/{_quote(sync_id)}/{action}")

    def change_link(self, shop: str, action: str) -> dict[str, Any]:
        """Do `pause`, `resume` or `end` to the link of a shop; return the link."""
        return self._call("POST", LINKER, f"/links/{_quote(shop)}/{action}")

    def _call_scheduler(self, path: str, **query: Any) -> dict[str, Any]:
        return self._call("GET", SCHEDULER, path, params=query)

    def _call(self, method: str, service: str, path: str, **options: Any) -> dict[str, Any]:
        base, key = self._access.require_settings(_URL_SETTINGS[service], KEY_SETTINGS[service])
        headers = {"Authorization": f"Bearer {key}"}
        try:
            response = self._http.request(method, base.rstrip("/") + path, headers=headers, **options)
        except httpx.HTTPError as error:
            name = _URL_SETTINGS[service]
            raise StackError(f"{base} ({name}) does not answer: {type(error).__name__} {error}") from error
        if response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise StackError(
                f"{base} refuses {KEY_SETTINGS[service]}: its hash must be operator's in {service}'s {HASHES_SETTING}.",
                status=response.status_code,
            )
        if response.is_error:
            reason = _parse_reason(response)
            raise StackError(f"{base} answers {response.status_code}: {reason}", status=response.status_code)
        answer: dict[str, Any] = response.json()
        return answer


def _quote(connection: str) -> str:
    """Return the name of a connection as one segment of a path."""
    return quote(connection, safe="")


def _parse_reason(response: httpx.Response) -> str:
    try:
        answer = response.json()
    except ValueError:
        return response.text[:200]
    return str(answer.get("reason") or answer.get("detail") or answer.get("state") or answer)
