"""Use tables behind the sandbox's phpMyAdmin on a running stack: create, edit and connect them, break their host."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import orjson

from merchant_sync.client import StoredObject
from merchant_sync.demo.phpmyadmin_sandbox import ConnectedTables, SandboxTables, get_object_key
from merchant_sync.operating.internal_api import InternalApi
from world import OPEN_STATES, World, wait_until

FETCHER = "phpmyadmin-fetcher"
COLUMNS = (
    {"name": "id", "type": "bigint(20)"},
    {"name": "name", "type": "varchar(120)"},
    {"name": "total", "type": "decimal(10,2)"},
    {"name": "note", "type": "text", "nullable": True},
)
KEY = ({"name": "PRIMARY", "columns": ["id"]},)


class Tables:
    """Does everything that tests do with tables of the sandbox. Each test has tables of its own, and all one login."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sandbox = SandboxTables(world.visit)

    # -- the sandbox

    def create(self, rows: int = 30, *, columns: Sequence[Any] = COLUMNS, indexes: Sequence[Any] = KEY) -> str:
        """Create a table with generated rows; return its name."""
        table = f"t_{uuid4().hex[:10]}"
        self.sandbox.call_table("PUT", table, body={"columns": list(columns), "indexes": list(indexes)})
        self.sandbox.call_table("POST", table, "/fill", {"rows": rows})
        return table

    def edit(self, table: str, mark: str) -> None:
        """Change one row of a table that `create` has made, add one and delete one. The change has the text `mark`."""
        rows = self.sandbox.call_table("GET", table)["rows"]
        self.sandbox.call_table("PATCH", table, "/rows", {"where": {"id": rows[0]["id"]}, "set": {"note": mark}})
        added = {**rows[2], "id": str(1_000_000 + int(uuid4().hex[:6], 16)), "name": "added"}
        self.sandbox.call_table("POST", table, "/rows", {"rows": [added]})
        self.sandbox.call_table("DELETE", table, "/rows", {"where": {"id": rows[1]["id"]}})

    def set_faults(self, **faults: Any) -> None:
        """Replace the faults of the phpMyAdmin. Without arguments it has none."""
        self.sandbox.call("PUT", "/faults", faults)

    def set_up(self, **setup: Any) -> None:
        """Replace the setup of the phpMyAdmin. Without arguments it is the usual one."""
        self.sandbox.call("PUT", "/setup", setup)

    def reset_statistics(self) -> None:
        """Set the counts of the phpMyAdmin to zero."""
        self.sandbox.call("DELETE", "/statistics")

    def fetch_statistics(self) -> dict[str, Any]:
        """Fetch the counts of the phpMyAdmin."""
        statistics: dict[str, Any] = self.sandbox.call("GET", "/statistics")
        return statistics

    @contextmanager
    def use_password(self, password: str) -> Iterator[None]:
        """Give the user of the database another password while the context lasts.

        The fetcher, which waits a minute after a refusal, has forgotten it when the context ends.
        """
        before = self.sandbox.call("GET", "")["password"]
        self.sandbox.call("POST", "/password", {"password": password})
        try:
            yield
        finally:
            self.sandbox.call("POST", "/password", {"password": before})
            self.forget_sessions()

    def forget_sessions(self) -> None:
        """Restart the fetcher, which otherwise signs in only once a minute."""
        self.world.stack.restart(FETCHER)

    # -- the merchant

    def connect(
        self,
        *tables: str,
        browser: httpx.Client | None = None,
        options: Mapping[str, Sequence[str]] | None = None,
    ) -> ConnectedTables:
        """Connect tables with one sign-in, and wait until their first syncs are successes and their objects right."""
        connected = self.sandbox.connect(tables, browser, options)
        for one in connected.connections:
            assert self.wait_for_sync(one["connection"], one["sync_id"])["state"] == "success"
        for table in tables:
            self.wait_until_equal(table, get_name(connected, table), exclude=(options or {}).get("exclude", ()))
        return connected

    def make_reader(self, connection: str, *scopes: str) -> httpx.Client:
        """Make a key with these scopes, and return a client of the data API that shows it."""
        with InternalApi(self.world.access) as api:
            key = api.make_key(connection, "reader", list(scopes), None)["key"]
        reader = httpx.Client(base_url=self.world.stack.data_api_url, headers={"X-API-Key": key}, timeout=60)
        wait_until(lambda: reader.get("/fetch-data").status_code == httpx.codes.OK or None)
        return reader

    # -- syncs

    def request_sync(self, connection: str) -> str:
        """Request a full sync as an operator does; return its id."""
        with InternalApi(self.world.access) as api:
            return api.request_sync(connection, None)

    def sync(self, connection: str, within: float = 60) -> dict[str, Any]:
        """Request a full sync and wait until it has ended; return its row in the ledger."""
        return self.wait_for_sync(connection, self.request_sync(connection), within)

    def load_sync(self, connection: str, sync_id: str) -> dict[str, Any] | None:
        """Return a sync's row in the ledger; None before there is one."""
        return next((dict(row._mapping) for row in self.world.list_syncs(connection, sync_id=sync_id)), None)

    def wait_for_sync(self, connection: str, sync_id: str, within: float = 60) -> dict[str, Any]:
        """Wait until a sync has ended, without its waits between two attempts; return its row in the ledger."""

        def load_if_ended() -> dict[str, Any] | None:
            self.hasten(connection)
            sync = self.load_sync(connection, sync_id)
            return sync if sync is not None and sync["state"] not in OPEN_STATES else None

        return wait_until(load_if_ended, within)

    def wait_for_reason(self, connection: str, sync_id: str, part: str) -> dict[str, Any]:
        """Wait until a sync names a reason that has this text in it; return its row in the ledger."""

        def load_if_named() -> dict[str, Any] | None:
            sync = self.load_sync(connection, sync_id)
            assert sync is None or sync["state"] != "success", sync
            return sync if sync is not None and part in (sync["reason"] or "") else None

        return wait_until(load_if_named)

    def hasten(self, connection: str) -> None:
        """Let the next attempt of the connection's syncs begin now."""
        self.world.execute_sql(
            "UPDATE scheduler.syncs SET due_at = now() WHERE connection = :c AND due_at > now()", c=connection
        )

    # -- the bucket

    def load_object(self, connection: str) -> StoredObject | None:
        """Read the object of a table; None when there is none."""
        return self.world.visit.load_object(get_object_key(connection))

    def load_truth(self, table: str, exclude: Sequence[str] = ()) -> Any:
        """Return the document that the table's object must have."""
        return self.sandbox.call("GET", f"/tables/1/shop/{table}/document", exclude=",".join(exclude))

    def wait_until_equal(self, table: str, connection: str, exclude: Sequence[str] = ()) -> None:
        """Wait until the object of a table is the truth, byte for byte, but for the order of rows without a key."""
        has_key = bool(self.sandbox.call_table("GET", table)["table"]["indexes"])

        def compare() -> bool | None:
            stored, truth = self.load_object(connection), self.load_truth(table, exclude)
            if stored is None:
                return None
            if not has_key:
                rows, true_rows = (sorted(map(_dump, document["data"])) for document in (stored.document, truth))
                return rows == true_rows or None
            return stored.body == _dump(truth) or None

        wait_until(compare)


def get_name(connected: ConnectedTables, table: str) -> str:
    """Return the name of the connection of a table."""
    return next(one["connection"] for one in connected.connections if one["connection"].endswith(f"/{table}"))


def _dump(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
