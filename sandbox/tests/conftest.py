"""Fixtures: a shop in memory, a running sandbox with clients for it, and a receiver of webhooks."""

import asyncio
import hashlib
import hmac
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import uvicorn

# pytest imports this file by its path and so registers the project folder `sandbox` as the package of that name.
if not hasattr(sys.modules.get("sandbox"), "__file__") or sys.modules["sandbox"].__file__ is None:
    sys.modules.pop("sandbox", None)

from sandbox.app import build_app
from sandbox.settings import Settings
from sandbox.shopify import grants, rate_limit
from sandbox.shopify.change_set import ChangeSet
from sandbox.shopify.engine import Engine, GraphQLRequest
from sandbox.shopify.generator import Recipe, generate_shop
from sandbox.shopify.model import Product
from sandbox.shopify.tenants import Tenant
from sandbox.shopify.webhooks import Subscriptions

KEY, SECRET = "sandbox-key", "sandbox-secret"
APP, APP_SECRET = "123456789012345", "facebook-sandbox-secret"
ALL_PERMISSIONS = "pages_show_list,pages_manage_metadata,pages_read_engagement,pages_messaging"
SCOPES = frozenset({"read_products", "read_inventory", "read_locations", "read_discounts"})


WRITE_SCOPES = frozenset({"write_products", "write_inventory", "read_locations"})
WRITE_TOPICS = frozenset(
    {
        "PRODUCTS_CREATE", "PRODUCTS_UPDATE", "PRODUCTS_DELETE", "INVENTORY_ITEMS_CREATE", "INVENTORY_ITEMS_UPDATE",
        "INVENTORY_ITEMS_DELETE", "INVENTORY_LEVELS_CONNECT", "INVENTORY_LEVELS_UPDATE",
    }
)  # fmt: skip


@pytest.fixture(scope="session")
def engine() -> Engine:
    return Engine()


@pytest.fixture
def make_tenant() -> Callable[..., Tenant]:
    def make(**fields: Any) -> Tenant:
        recipe = Recipe(**{"shop": "acme.myshopify.com", "plan": "enterprise", **fields})
        shop = generate_shop(recipe)
        subscriptions = Subscriptions([], shop.allocate_number, lambda _: None)
        return Tenant(recipe, shop, rate_limit.build_bucket(recipe.plan), grants.Grants(), subscriptions)

    return make


@pytest.fixture
def execute(engine: Engine) -> Callable[..., dict[str, Any]]:
    """Executes a GraphQL query on a shop in memory; returns the body of the answer."""

    def execute(tenant: Tenant, query: str, scopes: frozenset[str] = SCOPES, **variables: Any) -> dict[str, Any]:
        return engine.execute(tenant, GraphQLRequest(query, variables, None, "2026-10", KEY, scopes), ChangeSet())

    return execute


class WrittenShop:
    """A shop in memory, whose mutations are executed with the changes and webhooks that they cause."""

    def __init__(self, tenant: Tenant, engine: Engine) -> None:
        self.tenant, self.engine = tenant, engine
        self.events: list[str] = []

    def execute(
        self, query: str, scopes: frozenset[str] = WRITE_SCOPES, version: str = "2026-10", **variables: Any
    ) -> dict[str, Any]:
        """Execute a document and return the body of the answer. `events` has the topics of its webhooks then."""
        changes = ChangeSet(WRITE_TOPICS)
        request = GraphQLRequest(query, variables, None, version, KEY, scopes)
        body = self.engine.execute(self.tenant, request, changes)
        self.events = [topic for topic, _ in changes.events]
        return body

    def send(self, query: str, **variables: Any) -> Any:
        """Execute a document without errors, and return the value of its first field."""
        body = self.execute(query, **variables)
        assert "errors" not in body, body["errors"]
        return next(iter(body["data"].values()))

    def work(self) -> None:
        """Do all work in the background, whenever it is due."""
        while self.tenant.work.pending:
            changes = ChangeSet(WRITE_TOPICS)
            pending, self.tenant.work.pending = self.tenant.work.pending, []
            for _, work in pending:
                work(self.tenant.shop, changes)

    @property
    def product(self) -> Product:
        return next(iter(self.tenant.shop.products))

    @property
    def gid(self) -> str:
        return f"gid://shopify/Product/{self.product.number}"

    def variant_gid(self, index: int) -> str:
        return f"gid://shopify/ProductVariant/{self.product.variants[index].number}"


@pytest.fixture
def shop(make_tenant: Callable[..., Tenant], engine: Engine) -> WrittenShop:
    """A shop in memory with three products, all of them last changed long ago."""
    tenant = make_tenant(products=3)
    for product in tenant.shop.products:
        product.updated_at = "2026-01-01T00:00:00Z"
        for variant in product.variants:
            variant.updated_at = variant.item_updated_at = "2026-01-01T00:00:00Z"
    return WrittenShop(tenant, engine)


@dataclass
class Sandbox:
    """A client of a running sandbox."""

    http: httpx.AsyncClient
    url: str

    async def create_shop(self, shop: str = "acme.myshopify.com", **recipe: Any) -> dict[str, Any]:
        answer = await self.http.post("/control/shops", json={"shop": shop, **recipe})
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    async def authorize(
        self, shop: str = "acme.myshopify.com", scope: str = ",".join(sorted(SCOPES)), **more: str
    ) -> str:
        params = {"client_id": KEY, "scope": scope, "redirect_uri": "https://app.example/cb", "state": "s", **more}
        answer = await self.http.post(
            f"/shops/{shop}/admin/oauth/authorize", params=params, data={"decision": "accept"}
        )
        return httpx.URL(answer.headers["location"]).params["code"]

    async def request_token(self, shop: str = "acme.myshopify.com", **fields: str) -> dict[str, Any]:
        body = {"client_id": KEY, "client_secret": SECRET, **fields}
        return (await self.http.post(f"/shops/{shop}/admin/oauth/access_token", data=body)).json()

    async def install(self, shop: str = "acme.myshopify.com", **kwargs: str) -> str:
        tokens = await self.request_token(shop, code=await self.authorize(shop, **kwargs), expiring="1")
        return str(tokens["access_token"])

    async def query(
        self, token: str, query: str, shop: str = "acme.myshopify.com", version: str = "2026-10", **variables: Any
    ) -> httpx.Response:
        return await self.http.post(
            f"/shops/{shop}/admin/api/{version}/graphql.json",
            json={"query": query, "variables": variables},
            headers={"X-Shopify-Access-Token": token},
        )

    async def control(self, method: str, path: str, body: Any = None, shop: str = "acme.myshopify.com") -> Any:
        answer = await self.http.request(
            method, f"/control/shops/{shop}{path}", content=orjson.dumps(body) if body is not None else None
        )
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def subscribe(self, token: str, topic: str, uri: str) -> dict[str, Any]:
        query = """mutation($topic: WebhookSubscriptionTopic!, $uri: String!) {
          webhookSubscriptionCreate(topic: $topic, webhookSubscription: {uri: $uri}) {
            webhookSubscription { id } userErrors { field message } } }"""
        return (await self.query(token, query, topic=topic, uri=uri)).json()["data"]["webhookSubscriptionCreate"]


@dataclass
class GraphClient:
    """The app's client to the simulated Facebook: it signs its calls, and can complete the login as a person."""

    http: httpx.AsyncClient
    version: str = "v25.0"
    app_token: str = f"{APP}|{APP_SECRET}"

    async def request(self, method: str, path: str, token: str = "", **params: Any) -> httpx.Response:
        if token:
            params |= {"access_token": token, "appsecret_proof": compute_facebook_proof(token)}
        arguments = {"params": params} if method == "GET" else {"data": params}
        return await self.http.request(method, f"/graph/{self.version}/{path}", **arguments)

    async def get(self, path: str, token: str = "", **params: Any) -> dict[str, Any]:
        response = await self.request("GET", path, token, **params)
        assert response.status_code == 200, response.text
        return response.json()

    async def submit_dialog(self, scope: str = ALL_PERMISSIONS, auth_type: str = "", **form: str) -> dict[str, str]:
        """Submit the login dialog, accepting it by default. Returns the parameters of the redirect."""
        params = {"client_id": APP, "redirect_uri": "https://app.example/cb", "state": "s", "scope": scope}
        params |= {"auth_type": auth_type} if auth_type else {}
        response = await self.http.post(
            f"/facebook/{self.version}/dialog/oauth", params=params, data={"decision": "accept", **form}
        )
        assert response.status_code == 302, response.text
        return dict(httpx.URL(response.headers["location"]).params)

    async def request_token(self, **params: str) -> httpx.Response:
        return await self.request("GET", "oauth/access_token", client_id=APP, client_secret=APP_SECRET, **params)

    async def sign_in(self, **form: str) -> str:
        """Complete the login. Returns the long-lived user token."""
        code = (await self.submit_dialog(**form))["code"]
        response = await self.request_token(code=code, redirect_uri="https://app.example/cb")
        short_lived = response.json()["access_token"]
        response = await self.request_token(grant_type="fb_exchange_token", fb_exchange_token=short_lived)
        return str(response.json()["access_token"])

    async def connect_pages(self, **form: str) -> dict[str, str]:
        """Complete the login. Returns the tokens of all pages that the app may use, by page id."""
        accounts = await self.get("me/accounts", await self.sign_in(**form), limit=100)
        return {page["id"]: page["access_token"] for page in accounts["data"]}

    async def subscribe(self, url: str, fields: str, pages: dict[str, str], **params: str) -> None:
        """Subscribe the app and all `pages` (tokens by id) to webhook fields, with `url` as the receiver."""
        form = {"object": "page", "callback_url": url, "verify_token": "verify", "include_values": "true", **params}
        responses = [await self.request("POST", f"{APP}/subscriptions", self.app_token, fields=fields, **form)]
        for page, token in pages.items():
            responses.append(await self.request("POST", f"{page}/subscribed_apps", token, subscribed_fields=fields))
        assert [response.json() for response in responses] == [{"success": True}] * len(responses)

    async def call_control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the control API under `/control/facebook`."""
        content = orjson.dumps(body) if body is not None else None
        response = await self.http.request(method, f"/control/facebook{path}", content=content)
        assert response.status_code < 300, response.text
        return response.json()


@dataclass
class PhpMyAdminClient:
    """A browser at the simulated phpMyAdmin, with cookies of its own. `token` is the one of its last page."""

    http: httpx.AsyncClient
    token: str = ""

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the control API under `/control/phpmyadmin`."""
        content = orjson.dumps(body) if body is not None else None
        response = await self.http.request(method, f"/control/phpmyadmin{path}", content=content)
        assert response.status_code < 300, response.text
        return response.json()

    async def read_password(self) -> str:
        return str((await self.control("GET", ""))["password"])

    async def open_page(self, **query: str) -> httpx.Response:
        response = await self.http.get("/phpmyadmin/index.php", params=query)
        token = re.search(r'name="token" value="([0-9a-f]+)"', response.text)
        self.token = token[1] if token else ""
        return response

    async def submit_login(self, password: str, **fields: str) -> httpx.Response:
        """Submit the form of the last page. Fields replace those of the form; an empty one is left out."""
        form = {
            "route": "/", "lang": "en", "token": self.token, "set_session": self.http.cookies["phpMyAdmin"],
            "server": "1", "pma_username": "merchant", "pma_password": password, **fields,
        }  # fmt: skip
        data = {name: value for name, value in form.items() if value}
        return await self.http.post("/phpmyadmin/index.php?route=/", data=data)

    async def sign_in(self, server: str = "1") -> None:
        await self.open_page(server=server)
        response = await self.submit_login(await self.read_password(), server=server)
        assert response.status_code == 302, response.text
        await self.open_page(server=server)

    async def export(self, statement: str, what: str = "json", **fields: str) -> httpx.Response:
        """Export the rows of a statement. An empty field is left out."""
        form = {**EXPORT_FIELDS, "what": what, "sql_query": statement, "token": self.token, **fields}
        data = {name: value for name, value in form.items() if value}
        return await self.http.post("/phpmyadmin/index.php?route=/export", data=data)

    async def select(self, statement: str) -> list[dict[str, str | None]]:
        """Return the rows of a statement."""
        response = await self.export(statement)
        return response.json()[1]["data"]


EXPORT_FIELDS = {
    "server": "1", "db": "shop", "export_type": "raw", "quick_or_custom": "custom", "output_format": "sendit",
    "filename_template": "export", "json_unicode": "something", "json_structure_or_data": "data",
    "csv_separator": ",", "csv_enclosed": '"', "csv_escaped": '"', "csv_terminated": "AUTO", "csv_null": r"\N",
    "csv_columns": "something",
}  # fmt: skip


@pytest.fixture
async def pma(sandbox: Sandbox) -> AsyncIterator[PhpMyAdminClient]:
    """A browser at the phpMyAdmin, at which nobody is signed in."""
    async with httpx.AsyncClient(base_url=sandbox.url, timeout=10) as http:
        yield PhpMyAdminClient(http)


@dataclass
class OdooServerClient:
    """A client of the simulated Odoo by JSON-RPC, as its administrator."""

    http: httpx.AsyncClient
    key: str
    database: str = "company"
    user: int = 2

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the control API under `/control/odoo`. Its answer is JSON, and no error."""
        content = orjson.dumps(body) if body is not None else None
        response = await self.http.request(method, f"/control/odoo{path}", content=content)
        assert response.status_code < 300, response.text
        return response.json()

    async def control_database(self, method: str, path: str, body: Any = None) -> Any:
        """Call the control API for the database."""
        return await self.control(method, f"/databases/{self.database}{path}", body)

    async def post(self, service: str, method: str, *args: Any) -> dict[str, Any]:
        """Call a service by JSON-RPC; return the whole answer."""
        params = {"service": service, "method": method, "args": args}
        body = {"jsonrpc": "2.0", "method": "call", "params": params, "id": 1}
        response = await self.http.post("/jsonrpc", json=body)
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def authenticate(self, key: str | None = None) -> Any:
        """Return the id of the user, or False."""
        answer = await self.post("common", "authenticate", self.database, "admin", self.key if key is None else key, {})
        return answer["result"]

    async def call(self, model: str, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method; return its result, or the name of the error."""
        answer = await self.post(
            "object", "execute_kw", self.database, self.user, self.key, model, method, list(args), kwargs
        )
        return answer["error"]["data"]["name"] if "error" in answer else answer.get("result")


@pytest.fixture
async def odoo_server(sandbox: Sandbox) -> OdooServerClient:
    """A client of the simulated Odoo, with the sample database."""
    return OdooServerClient(sandbox.http, (await sandbox.http.get("/control/odoo")).json()["key"])


def compute_facebook_proof(token: str) -> str:
    return hmac.new(APP_SECRET.encode(), token.encode(), hashlib.sha256).hexdigest()


@pytest.fixture
def make_graph_client() -> Callable[[Sandbox], GraphClient]:
    return lambda sandbox: GraphClient(sandbox.http)


@pytest.fixture
def graph(sandbox: Sandbox, make_graph_client: Callable[[Sandbox], GraphClient]) -> GraphClient:
    return make_graph_client(sandbox)


@pytest.fixture
def compute_proof() -> Callable[[str], str]:
    return compute_facebook_proof


@asynccontextmanager
async def _serve_app(app: Any) -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", date_header=False))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.005)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await running
    listener.close()


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., Any]:
    @asynccontextmanager
    async def serve(retry_scale: float = 0.000_01) -> AsyncIterator[Sandbox]:
        settings = Settings(
            shopify_api_key=KEY, shopify_api_secret=SECRET, sandbox_state=tmp_path, sandbox_retry_scale=retry_scale,
            facebook_app_id=APP, facebook_app_secret=APP_SECRET,
        )  # fmt: skip
        async with _serve_app(build_app(settings)) as url, httpx.AsyncClient(base_url=url, timeout=10) as http:
            yield Sandbox(http, url)

    return serve


@pytest.fixture
async def sandbox(serve: Callable[..., Any]) -> AsyncIterator[Sandbox]:
    async with serve() as sandbox:
        yield sandbox


async def _send(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Receiver:
    """A receiver of webhooks.

    It answers with `statuses` one after the other, then with 200, and with `answer` as the body. `received` are the
    headers and bodies of all requests. It answers the challenge of a Facebook subscription whose token is
    `verify_token`.
    """

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answer: bytes = b""
    verify_token: str = "verify"
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] == "GET":
            query = httpx.QueryParams(scope["query_string"].decode())
            is_valid = query.get("hub.verify_token") == self.verify_token
            await _send(send, 200 if is_valid else 403, query.get("hub.challenge", "").encode() if is_valid else b"")
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.received.append(({k.decode(): v.decode() for k, v in scope["headers"]}, body))
        self.arrived.set()
        status = self.statuses.pop(0) if self.statuses else 200
        await _send(send, status, self.answer)

    async def wait(self, count: int) -> list[tuple[dict[str, str], bytes]]:
        async with asyncio.timeout(5):
            while len(self.received) < count:
                self.arrived.clear()
                await self.arrived.wait()
        return self.received


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await receiver(scope, receive, send)

    async with _serve_app(app) as url:
        receiver.url = f"{url}/hooks"
        yield receiver


@pytest.fixture
def references() -> Path:
    """The folder with Shopify's published schema and captured costs; the test is skipped where it does not exist."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "reference"
    if not folder.is_dir():
        pytest.skip("no references here")
    return folder
