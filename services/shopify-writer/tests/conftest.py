"""Builders: a sandbox as a process of its own, and a shop in it whose writes are requested as a linker would."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest

from contracts.events import WriteCompleted, WriteRequested
from destination.handler import WriteHandler
from messaging.publisher import OutboundMessage
from messaging.tracing import trace_call
from platform_sdk.errors import ConnectionEndedError
from platform_sdk.tokens import AccessToken
from platforms.shopify.session import open_client
from shopify_writer.destination import ShopifyDestination

KEY, SECRET = "sandbox-key", "sandbox-secret"
SCOPES = "write_products,read_inventory"
LINK = uuid4()


@dataclass
class FakePublisher:
    """Keeps what came of writes, in order."""

    results: list[WriteCompleted] = field(default_factory=list)

    async def send_all(self, messages: Iterable[OutboundMessage]) -> None:
        """Keep messages."""
        self.results += [message.event for message in messages if isinstance(message.event, WriteCompleted)]


@dataclass
class FakeTokens:
    """Gives `token`, and `granted` where a fresh one is requested. A rejected token ends the connection."""

    token: AccessToken
    granted: AccessToken | None = None

    async def get_token(self, connection: str, epoch: int, *, fresh: bool = False) -> AccessToken:
        """The token that was set."""
        if fresh and self.granted is not None:
            self.token = self.granted
        return self.token

    async def replace_rejected_token(self, token: AccessToken) -> AccessToken:
        """There is no other one."""
        raise ConnectionEndedError("reauthorise")


@dataclass
class Shop:
    """A shop of the sandbox, with a handler that writes to it."""

    name: str
    url: str
    http: httpx.Client
    tokens: FakeTokens
    publisher: FakePublisher
    handle: Callable[[str, list[WriteRequested]], Awaitable[None]]
    handle_stock: Callable[[str, list[WriteRequested]], Awaitable[None]]

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Returns the response of a control call for this shop."""
        content = orjson.dumps(body) if body is not None else None
        response = self.http.request(method, f"/control/shops/{self.name}{path}", content=content)
        assert response.status_code < 300, response.text
        return response.json() if response.content else None

    def set_faults(self, **faults: Any) -> None:
        """Switch on faults; those that are left out end."""
        self.control("PUT", "/faults", faults)

    def make_product(self, *, variants: int = 0, **fields: Any) -> Any:
        """Make a product of one variant; with `variants`, take a generated one that has as many. Returns it."""
        if variants:
            generated = self.control("GET", "/products?limit=250")["products"]
            taken = next(one for one in generated if len(one["variants"]) == variants)
            return self.control("PATCH", f"/products/{taken['number']}", {"status": "ACTIVE", **fields})
        return self.control("POST", "/products", {"title": "Mug", **fields})

    def show(self, product: Any) -> Any:
        """Returns a product as it is now."""
        return self.control("GET", f"/products/{product['number']}")

    def count_writes(self) -> dict[str, int]:
        """Returns how many mutations were executed, by name."""
        writes: dict[str, int] = self.control("GET", "/statistics")["writes"]
        return writes

    def request(self, record: str | None, fields: Any = None, expected: Any = None, **more: Any) -> WriteRequested:
        """A request to update a record, by default of its kind."""
        more.setdefault("operation", "update")
        more.setdefault("resource", "variants" if record and "ProductVariant" in record else "products")
        more.setdefault("currency", "EUR")
        return WriteRequested(
            write_id=uuid4(),
            link_id=LINK,
            connection=f"shopify:{self.name}",
            epoch=1,
            record=record,
            fields=fields or {},
            expected=expected or {},
            requested_at=0,
            **more,
        )

    async def write(self, *requests: WriteRequested) -> list[WriteCompleted]:
        """Have it written; returns what came of each request, in the order of the requests."""
        return await self._write(self.handle, *requests)

    async def write_stock(self, *requests: WriteRequested) -> list[WriteCompleted]:
        """Have stock written; returns what came of each request, in the order of the requests."""
        return await self._write(self.handle_stock, *requests)

    async def _write(self, handle: Any, *requests: WriteRequested) -> list[WriteCompleted]:
        began = len(self.publisher.results)
        await handle(f"shopify:{self.name}", list(requests))
        by_id: dict[UUID, WriteCompleted] = {one.write_id: one for one in self.publisher.results[began:]}
        assert len(self.publisher.results) - began == len(by_id) == len(requests)
        return [by_id[request.write_id] for request in requests]

    def execute(self, query: str, **variables: Any) -> Any:
        """Returns the response to a GraphQL request."""
        response = self.http.post(
            f"/shops/{self.name}/admin/api/2026-10/graphql.json",
            json={"query": query, "variables": variables},
            headers={"X-Shopify-Access-Token": self.tokens.token.token},
        )
        assert response.status_code == httpx.codes.OK
        return response.json()


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of one sandbox for all tests; each makes shops of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "SANDBOX_PORT": str(port),
        "SANDBOX_STATE": str(tmp_path_factory.mktemp("sandbox")),
        "SHOPIFY_API_KEY": KEY,
        "SHOPIFY_API_SECRET": SECRET,
    }
    process = subprocess.Popen([sys.executable, "-m", "sandbox.app"], env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as http:
            _wait_until_it_serves(http, process)
            yield http
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_it_serves(http: httpx.Client, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        assert process.poll() is None, "the sandbox has ended"
        try:
            http.get("/control/shops")
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the sandbox does not serve")


def _make_shop(http: httpx.Client, recipe: dict[str, Any], scopes: str) -> str:
    """Makes a shop, and returns the token that its merchant's consent gives."""
    assert http.post("/control/shops", json=recipe).status_code == 201
    return _install(http, recipe["shop"], scopes)


def _install(http: httpx.Client, shop: str, scope: str) -> str:
    params = {"client_id": KEY, "scope": scope, "redirect_uri": "https://app.example/cb", "state": "s"}
    consent = http.post(f"/shops/{shop}/admin/oauth/authorize", params=params, data={"decision": "accept"})
    code = httpx.URL(consent.headers["location"]).params["code"]
    body = {"client_id": KEY, "client_secret": SECRET, "code": code}
    return str(http.post(f"/shops/{shop}/admin/oauth/access_token", data=body).json()["access_token"])


@pytest.fixture
async def open_shop(sandbox: httpx.Client) -> AsyncIterator[Any]:
    """Opens a shop of the sandbox whose currency is EUR: `open_shop(scopes=…, **recipe)`."""
    async with AsyncExitStack() as exit_stack:

        async def open_one(*, scopes: str = SCOPES, **recipe: Any) -> Shop:
            name = f"shop-{uuid4().hex[:10]}.myshopify.com"
            recipe = {"products": 1, "collections": 0, "discounts": 0, **recipe}
            token = _make_shop(sandbox, {"shop": name, **recipe}, scopes)
            url = str(sandbox.base_url).rstrip("/")
            client = await exit_stack.enter_async_context(
                open_client(url + "/shops/{shop}", "2026-10", trace=trace_call)
            )
            tokens = FakeTokens(AccessToken(f"shopify:{name}", 1, token, frozenset(scopes.split(","))))
            publisher = FakePublisher()
            destination = ShopifyDestination(client)
            handlers = [
                WriteHandler(write, tokens, publisher, record_result=lambda _: None)
                for write in (destination.write, destination.write_stock)
            ]
            shop = Shop(name, url, sandbox, tokens, publisher, *handlers)
            shop.control("PATCH", "", {"currency": "EUR"})
            shop.control("DELETE", "/statistics")
            return shop

        yield open_one


@pytest.fixture
async def shop(open_shop: Any) -> Any:
    """A shop with ten products of three variants each."""
    return await open_shop(products=10)


@pytest.fixture
def references() -> Path:
    """Published schemas, where somebody has put them beside the checkout."""
    folder = Path(__file__).resolve().parents[4] / "shared" / "reference"
    if not folder.is_dir():
        pytest.skip("no references here")
    return folder
