"""The client of the gateway's internal API: it starts syncs of connections."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from linking.records import PRODUCTS
from messaging import tracing
from messaging.errors import UnavailableError
from platform_sdk.errors import describe_ended_state

_REFUSED = frozenset({400, 404, 409})
_MAX_REASON_LENGTH = 300


class SyncRefusedError(Exception):
    """Raised when the gateway starts no sync: the account is not connected, or an id names no record.

    `is_disconnected` says that it is the former.
    """

    def __init__(self, reason: str, *, is_disconnected: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_disconnected = is_disconnected


class SyncClient:
    """Calls the gateway's internal API at `url` with this service's `key`."""

    def __init__(self, http: httpx.AsyncClient, url: str, key: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"}

    async def request_sync(self, connection: str, products: Sequence[str]) -> UUID:
        """Have a connection read, or only these products of it, and return the id of its sync.

        Without `products` that is the full sync that is open already, if there is one. Raises SyncRefusedError, and
        UnavailableError when the gateway does not answer.
        """
        url = f"{self._url}/internal/connections/{quote(connection, safe='')}/refresh"
        body = {"records": {PRODUCTS: list(products)}} if products else {}
        try:
            with tracing.trace_call("POST", url) as span:
                response = await self._http.post(url, json=body, headers=self._headers, timeout=30)
                tracing.record_status(span, response.status_code)
        except httpx.HTTPError as error:
            raise UnavailableError(f"gateway: {error!r}") from error
        answer = _read_answer(response)
        if response.status_code in _REFUSED:
            raise SyncRefusedError(_describe(connection, answer), is_disconnected=response.status_code != 400)
        if response.status_code != 200:
            raise UnavailableError(f"gateway: HTTP {response.status_code}")
        try:
            return UUID(str(answer["sync_id"]))
        except (KeyError, ValueError) as error:
            raise UnavailableError(f"gateway: {error!r}") from error


def _read_answer(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _describe(connection: str, answer: dict[str, Any]) -> str:
    state, reason = str(answer.get("state") or ""), str(answer.get("reason") or "")
    why = describe_ended_state(state) if state else reason or "there is no such connection"
    return f"{connection}: {why}"[:_MAX_REASON_LENGTH]
