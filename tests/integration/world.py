"""The running stack as seen from outside: a merchant's browser, the sandbox's control endpoint, the bucket."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar
from uuid import uuid4

import httpx
import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from merchant_sync.access import Access, resolve
from merchant_sync.client import StoredObject, Visit
from merchant_sync.comparison import find_difference
from merchant_sync.demo.facebook_sandbox import ConnectedPages, SandboxPages
from merchant_sync.demo.shopify_sandbox import ConnectedShop, SandboxShops
from merchant_sync.stack import Stack

Answer = TypeVar("Answer")
OPEN = {"queued", "running"}
JARS = Path(__file__).parents[2] / "data" / "cache"

SETTINGS = {
    "GATEWAY_PORT": "0",
    "POLL_SPREAD_SECONDS": "0",
    # Far away: tests that want a poll bring it near by themselves.
    "SHOPIFY_POLL_CRON": "0 0 1 1 *",
    # The sandbox's eight retries of a webhook take seconds instead of hours.
    "SANDBOX_RETRY_SCALE": "0.004",
}


class World:
    """Everything a test does and sees."""

    def __init__(self, stack: Stack, there: Access | None = None) -> None:
        self.stack = stack
        self.visit = Visit(there or resolve(stack.data_dir, stack.given))
        self.shops, self.pages = SandboxShops(self.visit), SandboxPages(self.visit)
        url = sa.make_url(stack.given.get("DATABASE_URL") or stack.build_admin_database_url()).set(
            drivername="postgresql+asyncpg"
        )
        self.engine = create_async_engine(url, poolclass=sa.NullPool)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.visit.http.close()

    def bring_everything_back(self) -> None:
        for name in self.stack.names:
            if not self.stack.is_running(name):
                self.stack.start_part(name)

    @contextmanager
    def scheduler_with(self, **settings: str) -> Iterator[None]:
        """A scheduler with other settings in the place of the usual one, for a while."""
        usual = dict(self.stack.given)
        self.stack.stop_part("scheduler")
        self.stack.given.update(settings)
        self.stack.scale("scheduler", 2)
        try:
            yield
        finally:
            self.stack.given.clear()
            self.stack.given.update(usual)
            self.stack.scale("scheduler", 1)
            self.stack.start_part("scheduler")

    # -- the sandbox

    def make_shop(self, **recipe: Any) -> str:
        """A new shop of the sandbox; its full domain."""
        shop = f"shop-{uuid4().hex[:10]}.myshopify.com"
        self.told("POST", "", json={"shop": shop, "seed": 7, **recipe})
        return shop

    def told(self, method: str, path: str, json: dict[str, Any] | None = None, **query: Any) -> Any:
        """Tell the sandbox's control endpoint something; its JSON answer."""
        return self.shops.call(method, path, json, **query)

    def products(self, shop: str, limit: int = 50) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.told("GET", f"/{shop}/products", limit=limit)["products"]
        return listed

    def edit(self, shop: str, number: int, **fields: Any) -> None:
        self.told("PATCH", f"/{shop}/products/{number}", json=fields)

    def faults(self, shop: str, **faults: Any) -> None:
        """Make the shop misbehave; without faults it heals."""
        self.told("PUT", f"/{shop}/faults", json=faults)

    def statistics(self, shop: str) -> dict[str, Any]:
        told: dict[str, Any] = self.told("GET", f"/{shop}/statistics")
        return told

    def truth(self, shop: str) -> Any:
        return self.shops.load_expected_document(shop)

    # -- the merchant

    def connect(self, shop: str, browser: httpx.Client | None = None) -> ConnectedShop:
        """Connect a shop as a browser does: login, consent, callback."""
        return self.shops.connect(shop, browser)

    def sync(self, connected: ConnectedShop, sync_id: str | None = None) -> dict[str, Any]:
        """A sync as the merchant sees it."""
        return connected.load_sync(sync_id)

    def ended(self, connected: ConnectedShop, sync_id: str | None = None, within: float = 60) -> dict[str, Any]:
        """Wait until a sync is over."""
        return until(lambda: shown if (shown := self.sync(connected, sync_id))["state"] not in OPEN else None, within)

    def synced(self, shop: str, within: float = 60) -> ConnectedShop:
        """Connect a shop and wait for its first snapshot."""
        connected = self.connect(shop)
        shown = self.ended(connected, within=within)
        assert shown["state"] == "success", shown
        self.equal(shop, within=30)
        # The local store shows an object a moment before its metadata: only once the PUT is answered both are there.
        until(lambda: self.sync(connected)["upload_status"]["status"] == "success" or None)
        return connected

    # -- the bucket

    def lose(self, shop: str) -> None:
        """Delete the shop's object behind the product's back."""
        self.visit.delete_object(f"{shop}/shopify_data.json")

    def overwrite(self, shop: str, body: bytes) -> None:
        """Put other bytes in the place of the shop's object, with no word on what they are."""
        self.visit.put_object(f"{shop}/shopify_data.json", body)

    def object(self, shop: str) -> StoredObject | None:
        return self.visit.load_object(f"{shop}/shopify_data.json")

    def difference(self, shop: str) -> str | None:
        """Where the stored object and the sandbox's truth part; None when they are equal."""
        stored = self.object(shop)
        return "there is no object" if stored is None else find_difference(stored.document, self.truth(shop))

    def equal(self, shop: str, within: float = 20) -> float:
        """Wait until the object equals the truth; how many seconds that took."""
        began, last = time.monotonic(), None
        while (last := self.difference(shop)) is not None:
            assert time.monotonic() - began < within, f"not equal within {within} s: {last}"
            time.sleep(0.1)
        stored = self.object(shop)
        assert stored is not None
        assert stored.body == orjson.dumps(self.truth(shop), option=orjson.OPT_SORT_KEYS)
        return time.monotonic() - began

    # -- Facebook Pages

    def meta(self, method: str, path: str, json: dict[str, Any] | None = None, **query: Any) -> Any:
        """Tell the sandbox's Facebook something; its JSON answer."""
        return self.pages.call(method, path, json, **query)

    def person(self, pages: int = 2, seed: int = 5) -> dict[str, Any]:
        """Somebody new at the sandbox's Facebook, with so many pages."""
        about = {"name": f"P {uuid4().hex[:8]}", "pages": pages, "seed": seed}
        made: dict[str, Any] = self.meta("POST", "/users", about)
        return made

    def connect_pages(self, user: str, browser: httpx.Client | None = None, **decision: str) -> ConnectedPages:
        """Connect the pages of a person as a browser does, and wait for their first snapshots."""
        connected = self.pages.connect(user, browser, **decision)
        for page in connected.pages:
            sync_id = page["sync_id"]
            shown = until(lambda i=sync_id: s if (s := connected.load_sync(i))["state"] not in OPEN else None, 60)
            assert shown["state"] == "success", shown
            self.page_equal(page["id"])
        return connected

    def edit_page(self, page: str, **fields: Any) -> None:
        self.meta("PATCH", f"/pages/{page}", fields)

    def page_object(self, page: str) -> StoredObject | None:
        return self.visit.load_object(f"facebook/{page}/page_data.json")

    def page_equal(self, page: str, within: float = 20) -> float:
        """Wait until the page's object equals the truth; how many seconds that took."""
        began, last = time.monotonic(), None
        while (last := self._page_difference(page)) is not None:
            assert time.monotonic() - began < within, f"not equal within {within} s: {last}"
            time.sleep(0.05)
        return time.monotonic() - began

    def _page_difference(self, page: str) -> str | None:
        stored, truth = self.page_object(page), self.pages.load_expected_document(page)
        if stored is None:
            return "there is no object"
        if stored.body == orjson.dumps(truth, option=orjson.OPT_SORT_KEYS):
            return None
        return find_difference(stored.document, truth) or "the bytes differ"

    # -- the ledger

    def rows(self, sql: str, **values: Any) -> list[Any]:
        """Rows of any schema, as a superuser reads them."""
        return asyncio.run(self._execute(sql, values))

    def run(self, sql: str, **values: Any) -> None:
        asyncio.run(self._execute(sql, values))

    async def _execute(self, sql: str, values: dict[str, Any]) -> list[Any]:
        async with self.engine.begin() as connection:
            result = await connection.execute(sa.text(sql), values)
            return list(result.all()) if result.returns_rows else []

    def syncs(self, shop: str, **where: str) -> list[Any]:
        """The shop's syncs in the scheduler's ledger, oldest first."""
        return self.syncs_of(f"shopify:{shop}", **where)

    def syncs_of(self, connection: str, **where: str) -> list[Any]:
        """As `syncs`, for any connection."""
        conditions = "".join(f" AND {name} = :{name}" for name in where)
        sql = f"SELECT * FROM scheduler.syncs WHERE connection = :connection{conditions} ORDER BY requested_at"
        return self.rows(sql, connection=connection, **where)

    def settled(self, shop: str, within: float = 60) -> None:
        """Wait until nothing of the shop is queued or running."""
        until(lambda: True if not {s.state for s in self.syncs(shop)} & OPEN else None, within)

    def poll_now(self, shop: str) -> None:
        """Bring the shop's next poll near; the scheduler's own clock starts it."""
        self.poll_soon(f"shopify:{shop}")

    def poll_soon(self, connection: str) -> None:
        """As `poll_now`, for any connection."""
        self.run(
            "UPDATE scheduler.connections SET next_poll_at = now(), poll_slot = now() WHERE connection = :c",
            c=connection,
        )

    def state_of(self, connection: str) -> str:
        """The connection's state at the gateway."""
        (row,) = self.rows("SELECT state FROM gateway.connections WHERE name = :c", c=connection)
        return str(row.state)


def until(ask: Callable[[], Answer | None], within: float = 30) -> Answer:
    """Ask until there is an answer."""
    deadline = time.monotonic() + within
    while (answer := ask()) is None:
        assert time.monotonic() < deadline, f"not within {within} s"
        time.sleep(0.05)
    return answer
