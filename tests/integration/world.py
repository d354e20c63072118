"""Use a running stack from outside: a merchant's browser, the sandbox's control endpoints, the bucket, the database."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar
from uuid import uuid4

import httpx
import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from merchant_sync.access import Access, resolve_access
from merchant_sync.client import StoredObject, Visit
from merchant_sync.comparison import find_difference
from merchant_sync.demo.facebook_sandbox import ConnectedPages, SandboxPages
from merchant_sync.demo.shopify_sandbox import ConnectedShop, SandboxShops
from merchant_sync.demo.trip import get_if_finished
from merchant_sync.operating.lag import load_lags
from merchant_sync.stack import Stack

Answer = TypeVar("Answer")
OPEN_STATES = {"queued", "running", "storing"}
CACHED_JARS = Path(__file__).parents[2] / "data" / "cache"

BUSY_FACTOR = 4
"""How many times as long anything may take on a machine that does other work too. Tests wait, they measure nothing."""

SETTINGS = {
    # Receivers of webhooks are on this machine.
    "ENDPOINT_PRIVATE_NETWORKS": "127.0.0.0/8",
    "GATEWAY_PORT": "0",
    "DATA_API_PORT": "0",
    "POLL_SPREAD_SECONDS": "0",
    # Once a year: tests that need a poll make it due themselves. Only the changes of Odoo are read by themselves.
    "SHOPIFY_POLL_CRON": "0 0 1 1 *",
    "PHPMYADMIN_POLL_CRON": "0 0 1 1 *",
    "ODOO_POLL_CRON": "0 0 1 1 *",
    "ODOO_POLL_SECONDS": "2",
    # The sandbox's eight retries of a webhook take seconds instead of hours.
    "SANDBOX_RETRY_SCALE": "0.004",
}


class World:
    """Does everything that tests do with a running stack. Its exit closes the HTTP connections."""

    def __init__(self, stack: Stack, access: Access | None = None) -> None:
        self.stack = stack
        self.use_access(access or resolve_access(stack.data_dir, stack.given))
        url = sa.make_url(stack.given.get("DATABASE_URL") or stack.build_admin_database_url()).set(
            drivername="postgresql+asyncpg"
        )
        self.engine = create_async_engine(url, poolclass=sa.NullPool)

    def use_access(self, access: Access) -> None:
        """Use the stack with the addresses and keys in `access` from now on."""
        self.access, self.visit = access, Visit(access)
        self.shops, self.pages = SandboxShops(self.visit), SandboxPages(self.visit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.visit.http.close()

    def restart_stopped_parts(self) -> None:
        """Start every part that is not running."""
        for name in self.stack.names:
            if not self.stack.is_running(name):
                self.stack.start_part(name)

    def kill_at_random(
        self, rng: random.Random, count: int, services: Sequence[str], pause: tuple[float, float]
    ) -> Counter[str]:
        """Kill random services at random moments, `pause` (least and most seconds) apart; return the kills.

        Each is started again at once.
        """
        kills = Counter[str]()
        for _ in range(count):
            time.sleep(rng.uniform(*pause))
            service = rng.choice(services)
            self.stack.kill(service)
            kills[service] += 1
            self.stack.start_part(service, wait=False)
        return kills

    @contextmanager
    def change_settings(self, part: str, **settings: str) -> Iterator[None]:
        """Run a part with other settings while the context lasts."""
        original = dict(self.stack.given)
        self.stack.given.update(settings)
        try:
            self.stack.restart(part)
            yield
        finally:
            self.stack.given.clear()
            self.stack.given.update(original)
            self.stack.restart(part)

    # -- the sandbox

    def make_shop(self, **recipe: Any) -> str:
        """Create a shop in the sandbox; return its full domain."""
        shop = f"shop-{uuid4().hex[:10]}.myshopify.com"
        self.control_sandbox("POST", "", json={"shop": shop, "seed": 7, **recipe})
        return shop

    def control_sandbox(self, method: str, path: str, json: dict[str, Any] | None = None, **query: Any) -> Any:
        """Send a request to the control endpoint of the sandbox's Shopify; return the JSON of its response."""
        return self.shops.call(method, path, json, **query)

    def list_products(self, shop: str, limit: int = 50) -> list[dict[str, Any]]:
        """List products of a shop, with their variants."""
        products: list[dict[str, Any]] = self.control_sandbox("GET", f"/{shop}/products", limit=limit)["products"]
        return products

    def edit_product(self, shop: str, number: int, **fields: Any) -> None:
        """Set fields of a product."""
        self.control_sandbox("PATCH", f"/{shop}/products/{number}", json=fields)

    def set_faults(self, shop: str, **faults: Any) -> None:
        """Set the faults of the shop in the sandbox. Without arguments the shop has no faults."""
        self.control_sandbox("PUT", f"/{shop}/faults", json=faults)

    def fetch_statistics(self, shop: str) -> dict[str, Any]:
        """Fetch the sandbox's counts of the shop's calls and webhooks."""
        statistics: dict[str, Any] = self.control_sandbox("GET", f"/{shop}/statistics")
        return statistics

    @contextmanager
    def hold_webhook_retries(self, shop: str) -> Iterator[None]:
        """Let webhooks that fail while the context lasts be sent again at its end.

        Otherwise their retries would be used up, as after four hours, where a part takes long to start.
        """
        self.control_sandbox("POST", f"/{shop}/deliveries/hold")
        yield
        self.control_sandbox("POST", f"/{shop}/deliveries/release")

    def list_deliveries(self, shop: str) -> list[dict[str, Any]]:
        """List the latest webhooks of the shop, with every attempt to deliver them."""
        deliveries: list[dict[str, Any]] = self.control_sandbox("GET", f"/{shop}/deliveries")["deliveries"]
        return deliveries

    def wait_until_held(self, shop: str) -> None:
        """Wait until the fault `hold_after_ids` holds a call of the shop."""
        wait_until(lambda: self.fetch_statistics(shop)["held_calls"] or None, 60)

    def fetch_truth(self, shop: str) -> Any:
        """Fetch the document that the shop's object must contain."""
        return self.shops.load_expected_document(shop)

    # -- the merchant

    def connect(self, shop: str, browser: httpx.Client | None = None) -> ConnectedShop:
        """Connect a shop as a browser does: login, consent, callback."""
        return self.shops.connect(shop, browser)

    def fetch_sync(self, connected: ConnectedShop, sync_id: str | None = None) -> dict[str, Any]:
        """Fetch a sync as the gateway shows it to the merchant; without `sync_id` the first sync."""
        return connected.load_sync(sync_id)

    def wait_for_sync(self, connected: ConnectedShop, sync_id: str | None = None, within: float = 60) -> dict[str, Any]:
        """Wait until a sync has finished; return it as the gateway shows it to the merchant."""
        return wait_until(lambda: get_if_finished(self.fetch_sync(connected, sync_id)), within)

    def connect_and_sync(self, shop: str, within: float = 60) -> ConnectedShop:
        """Connect a shop and wait until its first snapshot is stored and equals the truth."""
        connected = self.connect(shop)
        sync = self.wait_for_sync(connected, within=within)
        assert sync["state"] == "success", sync
        self.wait_until_equal(shop, within=30)
        # The local store shows an object a moment before its metadata. Both are there once the PUT was answered.
        wait_until(lambda: self.fetch_sync(connected)["upload_status"]["status"] == "success" or None)
        return connected

    def connect_and_hold(self, shop: str, after_ids: int = 1) -> ConnectedShop:
        """Connect a shop and wait until its first sync stands still: so many ids are read, the next call is held.

        `set_faults` without arguments lets the sync go on.
        """
        self.set_faults(shop, hold_after_ids=after_ids)
        connected = self.connect(shop)
        self.wait_until_held(shop)
        return connected

    # -- the bucket

    def delete_object(self, shop: str) -> None:
        """Delete the shop's object directly in the bucket."""
        self.visit.delete_object(f"{shop}/shopify_data.json")

    def overwrite_object(self, shop: str, body: bytes) -> None:
        """Replace the shop's object directly in the bucket by `body`, without metadata."""
        self.visit.put_object(f"{shop}/shopify_data.json", body)

    def read_object(self, shop: str) -> StoredObject | None:
        """Read the shop's object; None when there is none."""
        return self.visit.load_object(f"{shop}/shopify_data.json")

    def find_difference(self, shop: str) -> str | None:
        """Describe the first difference between the stored object and the truth; None when they are equal."""
        stored = self.read_object(shop)
        return "there is no object" if stored is None else find_difference(stored.document, self.fetch_truth(shop))

    def wait_until_equal(self, shop: str, within: float = 20) -> float:
        """Wait until the object equals the truth, byte for byte; return the seconds that this took."""
        started, within = time.monotonic(), within * BUSY_FACTOR
        while (difference := self.find_difference(shop)) is not None:
            assert time.monotonic() - started < within, f"not equal within {within} s: {difference}"
            time.sleep(0.1)
        stored = self.read_object(shop)
        assert stored is not None
        assert stored.body == orjson.dumps(self.fetch_truth(shop), option=orjson.OPT_SORT_KEYS)
        return time.monotonic() - started

    # -- Facebook Pages

    def control_facebook(self, method: str, path: str, json: dict[str, Any] | None = None, **query: Any) -> Any:
        """Send a request to the control endpoint of the sandbox's Facebook; return the JSON of its response."""
        return self.pages.call(method, path, json, **query)

    def create_person(self, pages: int = 2, seed: int = 5) -> dict[str, Any]:
        """Create a user of the sandbox's Facebook with this number of Facebook Pages."""
        recipe = {"name": f"P {uuid4().hex[:8]}", "pages": pages, "seed": seed}
        person: dict[str, Any] = self.control_facebook("POST", "/users", recipe)
        return person

    def connect_pages(self, user: str, browser: httpx.Client | None = None, **decision: str) -> ConnectedPages:
        """Connect the Facebook Pages of a user as a browser does, and wait for their first snapshots."""
        connected = self.pages.connect(user, browser, **decision)
        for page in connected.pages:
            sync = wait_until(lambda p=page: get_if_finished(connected.load_sync(p["sync_id"])), 60)
            assert sync["state"] == "success", sync
            self.wait_until_page_equal(page["id"])
        return connected

    def edit_page(self, page: str, **fields: Any) -> None:
        """Set fields of a Facebook Page."""
        self.control_facebook("PATCH", f"/pages/{page}", fields)

    def read_page_object(self, page: str) -> StoredObject | None:
        """Read the Facebook Page's object; None when there is none."""
        return self.visit.load_object(f"facebook/{page}/page_data.json")

    def wait_until_page_equal(self, page: str, within: float = 20) -> float:
        """Wait until the Facebook Page's object equals the truth, byte for byte; return the seconds that this took."""
        started, within = time.monotonic(), within * BUSY_FACTOR
        while (difference := self._find_page_difference(page)) is not None:
            assert time.monotonic() - started < within, f"not equal within {within} s: {difference}"
            time.sleep(0.05)
        return time.monotonic() - started

    def _find_page_difference(self, page: str) -> str | None:
        stored, truth = self.read_page_object(page), self.pages.load_expected_document(page)
        if stored is None:
            return "there is no object"
        if stored.body == orjson.dumps(truth, option=orjson.OPT_SORT_KEYS):
            return None
        return find_difference(stored.document, truth) or "the bytes differ"

    # -- the databases

    def select_rows(self, sql: str, **values: Any) -> list[Any]:
        """Select rows of any service's schema, as a superuser."""
        return asyncio.run(self._execute(sql, values))

    def execute_sql(self, sql: str, **values: Any) -> None:
        """Execute a statement in any service's schema, as a superuser."""
        asyncio.run(self._execute(sql, values))

    async def _execute(self, sql: str, values: dict[str, Any]) -> list[Any]:
        async with self.engine.begin() as connection:
            result = await connection.execute(sa.text(sql), values)
            return list(result.all()) if result.returns_rows else []

    def load_records(self, shop: str) -> dict[tuple[str, str], Any]:
        """Return the bodies of the shop's stored records by resource and id, as readers are shown them."""
        rows = self.select_rows(
            "SELECT resource, id, body FROM spaces_writer_published.records WHERE connection = :c AND NOT is_deleted",
            c=f"shopify:{shop}",
        )
        return {(row.resource, row.id): orjson.loads(row.body) for row in rows}

    def list_shop_syncs(self, shop: str, **where: str) -> list[Any]:
        """List the shop's syncs in the scheduler's ledger, oldest first; `where` are columns and their values."""
        return self.list_syncs(f"shopify:{shop}", **where)

    def list_syncs(self, connection: str, **where: str) -> list[Any]:
        """List the syncs of any merchant's connection, oldest first; `where` are columns and their values."""
        conditions = "".join(f" AND {name} = :{name}" for name in where)
        sql = f"SELECT * FROM scheduler.syncs WHERE connection = :connection{conditions} ORDER BY requested_at"
        return self.select_rows(sql, connection=connection, **where)

    def wait_until_idle(self, shop: str, within: float = 60) -> None:
        """Wait until no sync of the shop is open. Fail with those that still are after `within` seconds."""
        deadline = time.monotonic() + within
        while still_open := [s for s in self.list_shop_syncs(shop) if s.state in OPEN_STATES]:
            assert time.monotonic() < deadline, f"still open after {within} s: {still_open}"
            time.sleep(0.05)

    def wait_until_consumed(self, group: str, within: float = 30) -> None:
        """Wait until the consumer group has handled every message of its topics."""

        def is_consumed() -> bool | None:
            lags = [lag for lag in load_lags(self.access) if lag.group == group]
            assert lags, f"no consumer group {group}"
            return not any(lag.messages for lag in lags) or None

        wait_until(is_consumed, within)

    def poll_shop_now(self, shop: str) -> None:
        """Make the shop's next poll due, so that the scheduler starts it."""
        self.poll_now(f"shopify:{shop}")

    def poll_now(self, connection: str) -> None:
        """Make the next poll of any merchant's connection due, so that the scheduler starts it."""
        self.execute_sql(
            "UPDATE scheduler.connections SET next_poll_at = now(), poll_slot = now() WHERE connection = :c",
            c=connection,
        )

    def read_writer_state(self, shop: str) -> Any:
        """Read the shop's row in the spaces-writer's database: its `sequence`, its `guarded_sync`."""
        (row,) = self.select_rows("SELECT * FROM spaces_writer.connections WHERE connection = :c", c=f"shopify:{shop}")
        return row

    def read_state(self, connection: str) -> str:
        """Read the connection's state from the gateway's database."""
        (row,) = self.select_rows("SELECT state FROM gateway.connections WHERE name = :c", c=connection)
        return str(row.state)


def wait_until(ask: Callable[[], Answer | None], within: float = 30) -> Answer:
    """Call `ask` until it returns something other than None; return that.

    Fail after `within` seconds, or `BUSY_FACTOR` times as many.
    """
    within *= BUSY_FACTOR
    deadline = time.monotonic() + within
    while (answer := ask()) is None:
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(0.05)
    return answer
