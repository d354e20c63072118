"""A whole gateway around fakes with logic: a Shopify, a Kafka, a scheduler; Postgres, where SQL matters, is real."""

import asyncio
import hmac
import socket
import time
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
import uvicorn
from sqlalchemy import text

from contracts.events import ConnectionChanged, SyncRequested
from database.pool import Database
from fake_platforms import FakeOffice, FakeWarehouse
from gateway.app import get_object_key
from gateway.applications import Parts, create_applications
from gateway.connections import Connection, EncryptedTokens
from gateway.metrics import create_metrics
from gateway.pages.views import ConnectionView, SyncView
from gateway.settings import GatewaySettings
from gateway.store import create_stores
from gateway.webhooks.asgi import WebhookMiddleware
from gateway.webhooks.connection_cache import ConnectionCache
from gateway.webhooks.handler import WebhookHandler
from gateway.webhooks.protocol import WebhookEndpoints, WebhookProtocol
from messaging.errors import UnavailableError
from messaging.outbox import OutboxRelay
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.errors import PermanentError, RequestRejectedError, TokenRejectedError, TransientError
from platform_sdk.grants import Grant
from platforms.facebook import connect as facebook_connect
from platforms.facebook.settings import Settings as FacebookSettings
from platforms.facebook.tests.fake_graph import APP_ID, APP_SECRET, FakeGraph
from platforms.shopify import connect as shopify_connect
from platforms.shopify.admin_api import ShopifySubscription
from platforms.shopify.settings import Settings as ShopifySettings
from platforms.shopify.webhooks import ShopifyWebhooks
from service.process import Check
from truth import hold_true

TRUE: Any = {"response": [hold_true]}
"""Every answer to a client of these tests is held against the description of the routes."""
SECRET, PREVIOUS = "the app's secret", "the app's former secret"
KEY = b64encode(b"k" * 32).decode()
OTHER_KEY = b64encode(b"o" * 32).decode()
CALLERS = {
    "shopify-fetcher": "s" * 20,
    "facebook-fetcher": "f" * 20,
    "scheduler": "c" * 20,
    "operator": "p" * 20,
    "warehouse-fetcher": "w" * 20,
    "office-fetcher": "o" * 20,
}
ACCOUNT = "acme.myshopify.com"
WEBHOOK_ADDRESS = "http://gateway.test/shopify/webhook"
NAME = f"shopify:{ACCOUNT}"
ALL_SCOPES = ("read_discounts", "read_inventory", "read_locations", "read_products")


def milliseconds() -> int:
    return time.time_ns() // 1_000_000


class FakeShopify:
    """Grants, rotates and refuses tokens, and keeps subscriptions, as Shopify does: in place of `AdminApi`."""

    remarks: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.down = False
        self.gone: set[str] = set()
        self.left: list[str] = []
        self.hanging = False
        self.expiring = True
        self.scopes_granted: tuple[str, ...] = ALL_SCOPES
        self.lifetime = 3600
        self.granted_at: int | None = None
        self.refreshes = 0
        self.lose_answers = 0
        self.subscribed: list[ShopifySubscription] = []
        self.refused_topics: set[str] = set()
        self.good_access: set[str] = set()
        self.good_refresh: set[str] = set()
        self.codes: set[str] = set()
        self.secrets: list[str] = []
        self.first_codes = 0

    def code(self) -> str:
        """An authorization code, good once."""
        self.first_codes += 1
        code = f"secret-code-{self.first_codes}"
        self.codes.add(code)
        self.secrets.append(code)
        return code

    def revoke_tokens(self) -> None:
        """All tokens die."""
        self.good_access.clear()
        self.good_refresh.clear()

    async def exchange_code(self, account: str, code: str) -> dict[str, Grant]:
        self._answer()
        if code not in self.codes:
            raise RequestRejectedError(400, "Shopify does not take the code")
        self.codes.discard(code)
        self.revoke_tokens()
        return {account: self._grant()}

    async def refresh_grant(self, account: str, refresh_token: str) -> Grant:
        self._answer()
        await asyncio.sleep(30 if self.hanging else 0.01)
        if account in self.gone:
            raise TransientError("Shopify's token endpoint answers HTTP 404")
        if refresh_token not in self.good_refresh:
            raise TokenRejectedError
        self.refreshes += 1
        grant = self._grant()
        if self.lose_answers:
            self.lose_answers -= 1
            raise TransientError("the answer was lost")
        self.good_refresh &= {refresh_token, grant.refresh_token or ""}
        return grant

    async def is_token_valid(self, account: str, token: str) -> bool:
        self._answer()
        return token in self.good_access

    async def uninstall(self, account: str, token: str) -> None:
        self._answer()
        if token in self.good_access:
            self.revoke_tokens()
            self.left.append(account)

    async def fetch_scopes(self, account: str, token: str) -> tuple[str, ...]:
        self._check(token)
        return self.scopes_granted

    async def list_subscriptions(self, account: str, token: str) -> list[ShopifySubscription]:
        self._check(token)
        return list(self.subscribed)

    async def subscribe(self, account: str, token: str, topic: str, address: str) -> None:
        self._check(token)
        if topic in self.refused_topics:
            raise PermanentError("not for this app")
        self.subscribed.append(ShopifySubscription(str(uuid4()), topic, address))

    async def move_subscription(self, account: str, token: str, subscription: str, address: str) -> None:
        self._check(token)
        self.subscribed = [replace(s, address=address) if s.id == subscription else s for s in self.subscribed]

    def _grant(self) -> Grant:
        access, refresh = f"secret-access-{uuid4()}", f"secret-refresh-{uuid4()}"
        self.good_access.add(access)
        self.good_refresh.add(refresh)
        self.secrets += [access, refresh]
        now = milliseconds()
        granted_at = self.granted_at or now
        if not self.expiring:
            return Grant(access, self.scopes_granted, granted_at)
        return Grant(access, self.scopes_granted, granted_at, now + self.lifetime * 1000, refresh, now + 10**10)

    def _answer(self) -> None:
        if self.down:
            raise TransientError("Shopify does not answer")

    def _check(self, token: str) -> None:
        self._answer()
        if token not in self.good_access:
            raise TokenRejectedError


class FakeKafka:
    """Keeps what is published. `away`: refuses; `holding`: gives no word until it is set.

    `publish` is as `send` of `messaging.batching_producer.BatchingProducer`, `send_raw` as the `Publisher`'s.
    """

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes | None, bytes | None, list[tuple[str, bytes]]]] = []
        self.away = False
        self.holding: asyncio.Event | None = None
        self.watchers: list[asyncio.Queue[bytes]] = []
        self.giving: set[asyncio.Task[None]] = set()

    async def send_raw(
        self, topic: str, key: bytes | None, body: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> None:
        if self.away:
            raise UnavailableError("no broker")
        if self.holding:
            await self.holding.wait()
        self.sent.append((topic, key, body, list(headers)))
        for watcher in self.watchers:
            watcher.put_nowait(dict(headers)["ce_id"])

    def publish(
        self,
        topic: str,
        key: bytes,
        body: bytes,
        headers: Sequence[tuple[str, bytes]],
        on_delivery: Callable[[UnavailableError | None], None],
        is_cancelled: Callable[[], bool],
    ) -> None:
        async def send() -> None:
            try:
                await self.send_raw(topic, key, body, headers)
            except UnavailableError as away:
                on_delivery(away)
            else:
                on_delivery(None)

        task = asyncio.get_running_loop().create_task(send())
        self.giving.add(task)
        task.add_done_callback(self.giving.discard)

    @asynccontextmanager
    async def watch_topic(self, topic: str) -> AsyncIterator[Callable[[UUID, float], Any]]:
        came: asyncio.Queue[bytes] = asyncio.Queue()
        self.watchers.append(came)

        async def seen(sync_id: UUID, seconds: float) -> bool:
            return not came.empty() and came.get_nowait() == str(sync_id).encode()

        yield seen

    @property
    def requests(self) -> list[SyncRequested]:
        return [SyncRequested.model_validate_json(body or b"") for _, _, body, _ in self.sent]


class FakeScheduler:
    """Knows the syncs that it was told of."""

    def __init__(self) -> None:
        self.syncs: dict[UUID, SyncView] = {}
        self.connections: dict[str, ConnectionView] = {}
        self.away = False

    async def fetch_sync(self, sync_id: UUID) -> SyncView | None:
        if self.away:
            raise UnavailableError("the scheduler does not answer")
        return self.syncs.get(sync_id)

    async def fetch_connection(self, name: str) -> ConnectionView | None:
        if self.away:
            raise UnavailableError("the scheduler does not answer")
        return self.connections.get(name)


def signed_query(given: dict[str, str], secret: str = SECRET) -> str:
    message = "&".join(sorted(f"{name}={value}" for name, value in given.items()))
    return urlencode({**given, "hmac": hmac.digest(secret.encode(), message.encode(), "sha256").hex()})


def signature(body: bytes, secret: str = SECRET) -> str:
    return b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()


class World:
    """One gateway with its fakes, a browser, and the other services' hands."""

    def __init__(self, settings: GatewaySettings, database: Database, *, has_test_platforms: bool = True) -> None:
        self.settings = settings
        self.has_test_platforms = has_test_platforms
        self.shopify_settings, self.facebook_settings = create_shopify_settings(), create_facebook_settings()
        self.database = database
        self.shopify = FakeShopify()
        self.graph = FakeGraph()
        self.warehouse = FakeWarehouse()
        self.office = FakeOffice()
        self.kafka = FakeKafka()
        self.scheduler = FakeScheduler()
        self.outside = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(404)))
        self.restart(settings)
        self.browser = self.new_browser()

    def restart(
        self,
        settings: GatewaySettings,
        checks: Mapping[str, Check] | None = None,
        *,
        shopify: ShopifySettings | None = None,
        facebook: FacebookSettings | None = None,
    ) -> None:
        """Begin anew on the same rows, perhaps with other settings; those of a platform stay unless they are given."""
        self.settings = settings
        self.shopify_settings = shopify or self.shopify_settings
        self.facebook_settings = facebook or self.facebook_settings
        graph = httpx.AsyncClient(transport=httpx.MockTransport(self.graph.answer))
        adapters = {
            "shopify": create_shopify_adapter(self.shopify_settings, self.shopify),
            "facebook": facebook_connect.create_adapter(self.facebook_settings, graph, milliseconds),
        }
        if self.has_test_platforms:
            adapters |= {"warehouse": self.warehouse.create_adapter(), "office": self.office.create_adapter()}
        self.stores = create_stores(
            self.database,
            self.database,
            get_object_key=partial(get_object_key, adapters),
            wake_relay=lambda: None,
        )
        topics = {
            slug: adapter.webhooks.metric_topics if adapter.webhooks else () for slug, adapter in adapters.items()
        }
        self.parts = Parts(
            settings=settings,
            adapters=adapters,
            stores=self.stores,
            publish=self.kafka.publish,
            scheduler=self.scheduler,
            post_probe=self.post_probe,
            watch_topic=self.kafka.watch_topic,
            metrics=create_metrics(topics, 1)[0],
            http=self.outside,
            now=milliseconds,
        )
        self.public, _, self.internal = create_applications(self.parts, checks or {})
        self.service = httpx.AsyncClient(transport=httpx.ASGITransport(self.internal), base_url="http://inside")

    def new_browser(self, accept: str = "application/json") -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.public),
            base_url="http://gateway.test",
            headers={"Accept": accept},
            event_hooks=TRUE,
        )

    async def post_probe(self, address: str, headers: dict[str, str], body: bytes) -> int:
        """The test delivery, to ourselves."""
        return (await self.new_browser().post(urlsplit(address).path, content=body, headers=headers)).status_code

    async def started(self, browser: httpx.AsyncClient | None = None, shop: str = "acme") -> str:
        """A login up to the consent page; its state."""
        answer = await (browser or self.browser).get(f"/shopify/{shop}/login")
        assert answer.status_code == 302
        return parse_qs(urlsplit(answer.headers["location"]).query)["state"][0]

    def callback(self, state: str, *, account: str = ACCOUNT, code: str | None = None, **more: str) -> str:
        """Where Shopify sends the browser after a consent."""
        given = {"code": code or self.shopify.code(), "shop": account, "state": state}
        return f"/shopify/callback?{signed_query({**given, 'timestamp': str(int(time.time())), **more})}"

    async def connect(self, browser: httpx.AsyncClient | None = None, shop: str = "acme") -> dict[str, Any]:
        """A whole login; the answer's document."""
        browser = browser or self.browser
        state = await self.started(browser, shop)
        answer = await browser.get(self.callback(state, account=f"{shop}.myshopify.com"))
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def connect_pages(self, browser: httpx.AsyncClient | None = None) -> dict[str, Any]:
        """A whole consent at Facebook; the answer's document."""
        browser = browser or self.browser
        answer = await browser.get(self.pages_callback(await self.pages_started(browser)))
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def pages_started(self, browser: httpx.AsyncClient | None = None, query: str = "") -> str:
        """A login up to Facebook's dialog; its state."""
        answer = await (browser or self.browser).get(f"/facebook/login{query}")
        assert answer.status_code == 302
        return parse_qs(urlsplit(answer.headers["location"]).query)["state"][0]

    def pages_callback(self, state: str, *, code: str | None = None, **more: str) -> str:
        """Where Facebook sends the browser after a consent."""
        return f"/facebook/callback?{urlencode({'code': code or self.graph.code(), 'state': state, **more})}"

    async def ask(self, path: str, body: dict[str, Any], caller: str = "shopify-fetcher") -> httpx.Response:
        """What another service asks on the internal listener."""
        return await self.service.post(path, json=body, headers={"Authorization": f"Bearer {CALLERS[caller]}"})

    async def checkup(self, name: str = NAME, caller: str = "operator") -> httpx.Response:
        """The look that an operator has taken at a connection."""
        headers = {"Authorization": f"Bearer {CALLERS[caller]}"}
        return await self.service.get(f"/internal/connections/{name}/checkup", headers=headers)

    async def token(self, caller: str = "shopify-fetcher", name: str = NAME) -> httpx.Response:
        return await self.ask("/internal/tokens", {"connection": name}, caller)

    async def deliver(self, topic: str, body: bytes, **headers: str) -> httpx.Response:
        """A delivery as Shopify sends it, unless `headers` (with _ for -) say otherwise."""
        sent = {
            "X-Shopify-Topic": topic,
            "X-Shopify-Shop-Domain": ACCOUNT,
            "X-Shopify-Hmac-Sha256": signature(body),
            "X-Shopify-Webhook-Id": str(uuid4()),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return await self.new_browser().post("/shopify/webhook", content=body, headers=sent)

    async def said(self) -> list[ConnectionChanged]:
        """What the outbox has said since the last look."""
        relay = FakeKafka()
        await OutboxRelay(self.database.transaction, relay, source="gateway").publish_batch()
        return [ConnectionChanged.model_validate_json(body or b"") for _, _, body, _ in relay.sent]

    async def dump(self) -> str:
        """All that the database holds, as text."""
        found = []
        async with self.database.transaction() as tx:
            for table in (
                *("merchants", "sessions", "oauth_states", "connections", "webhook_probes", "outbox"),
                "deletion_requests",
            ):
                found += [str(row) for row in await tx.execute(text(f"SELECT * FROM {table}"))]
        return "\n".join(found)

    async def expire(self, name: str = NAME) -> None:
        """The access token of a connection comes to its end."""
        async with self.database.transaction() as tx:
            await tx.execute(text("UPDATE connections SET access_expires_at = :now"), {"now": milliseconds()})

    async def rows(self, table: str) -> int:
        async with self.database.transaction() as tx:
            count: int = (await tx.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()
        return count


GIVEN: dict[str, Any] = {
    "kafka_bootstrap_servers": "nowhere:9092",
    "database_url": "postgresql://nobody@nowhere/nothing",
    "scheduler_url": "http://scheduler.test",
    "internal_keys": ",".join(f"{name}:{key}" for name, key in CALLERS.items()),
    "internal_key": "g" * 20,
    "state_token_secret": "a secret of more than thirty-two characters",
    "token_encryption_keys": f"k1:{KEY}",
}
SHOPIFY: dict[str, Any] = {
    "shopify_api_key": "the app",
    "shopify_api_secret": SECRET,
    "shopify_api_secret_previous": PREVIOUS,
    "shopify_redirect_uri": "http://gateway.test/shopify/callback",
    "shopify_webhook_address": WEBHOOK_ADDRESS,
}

FACEBOOK_PREVIOUS = "facebook's former secret"
FACEBOOK: dict[str, Any] = {
    "facebook_app_id": APP_ID,
    "facebook_app_secret": APP_SECRET,
    "facebook_app_secret_previous": FACEBOOK_PREVIOUS,
    "facebook_verify_token": "the verify token",
    "facebook_redirect_uri": "http://gateway.test/facebook/callback",
    "facebook_webhook_address": "http://gateway.test/facebook/webhook",
    "facebook_graph_url": "https://graph.test",
}


def create_shopify_settings(**more: Any) -> ShopifySettings:
    return ShopifySettings(_env_file=None, **{**SHOPIFY, **more})


def create_facebook_settings(**more: Any) -> FacebookSettings:
    return FacebookSettings(_env_file=None, **{**FACEBOOK, **more})


def create_shopify_adapter(settings: ShopifySettings, api: Any) -> PlatformAdapter:
    """Shopify with a fake API behind its own rules."""
    adapter = shopify_connect.create_adapter(settings, httpx.AsyncClient(), milliseconds)
    accounts: Any = adapter.accounts
    webhooks = ShopifyWebhooks(api, secrets=settings.secrets, address=settings.shopify_webhook_address)
    method = shopify_connect.ShopifyOAuth(settings, api, accounts)
    return replace(adapter, connection_method=method, api=api, webhooks=webhooks)


@pytest.fixture
def make_settings() -> Callable[..., GatewaySettings]:
    """Settings that are good, unless something else is given."""
    return lambda **more: GatewaySettings(_env_file=None, **{**GIVEN, **more})


@pytest.fixture
def make_shopify() -> Callable[..., ShopifySettings]:
    """Makes settings of Shopify's app, with the given changes."""
    return create_shopify_settings


@pytest.fixture
def shopify() -> PlatformAdapter:
    """Shopify as the gateway under test sees it."""
    return create_shopify_adapter(create_shopify_settings(), FakeShopify())


@pytest.fixture
def facebook() -> PlatformAdapter:
    """Facebook as the gateway under test sees it."""
    return facebook_connect.create_adapter(create_facebook_settings(), httpx.AsyncClient(), milliseconds)


@pytest.fixture
def no_facebook() -> FacebookSettings:
    """The settings of an installation without an app at Facebook."""
    return FacebookSettings(_env_file=None)


@pytest.fixture
async def world(postgres: Any, make_settings: Callable[..., GatewaySettings]) -> AsyncIterator[World]:
    """A gateway on a schema of its own."""
    schema = f"gateway_{uuid4().hex[:8]}"
    database = Database(postgres.build_admin_database_url(), schema=schema)
    await database.migrate("gateway")
    yield World(make_settings(), database)
    async with database.transaction() as tx:
        await tx.execute(text(f'DROP SCHEMA "{schema}" CASCADE'))
    await database.close()


@pytest.fixture
def storeless(make_settings: Callable[..., GatewaySettings]) -> World:
    """A gateway of the real platforms whose database answers nobody: for what needs none."""
    settings = make_settings()
    database = Database(settings.database_url.get_secret_value(), schema="nothing")
    return World(settings, database, has_test_platforms=False)


class Route:
    """The webhook route alone, with one live connection and a Kafka."""

    def __init__(self, adapter: PlatformAdapter) -> None:
        self.kafka = FakeKafka()
        self.asked: list[str] = []
        self.counted = Counter[tuple[str, str]]()
        self.looks = 0
        self.address = ("", 0)
        self.clock = 0.0
        self.rows = {NAME: Connection(NAME, uuid4(), "connected", 1, 1, (), 0, None, EncryptedTokens("k1.encrypted"))}

        async def ask(names: Collection[str]) -> list[Connection]:
            self.looks += 1
            self.asked += names
            return [self.rows[name] for name in names if name in self.rows]

        def count(topic: str, outcome: str) -> None:
            self.counted[topic, outcome] += 1

        async def elsewhere(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 418, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

        assert adapter.webhooks is not None
        self.handler = WebhookHandler(
            adapter.manifest,
            adapter.webhooks,
            connections=ConnectionCache(ask, lambda: self.clock),
            publish=self.kafka.publish,
            installations=None,  # type: ignore[arg-type] # no delivery here is about the app itself
            erasure=None,  # type: ignore[arg-type]
            count_delivery=count,
            max_bytes=4096,
            answer_seconds=0.3,
        )
        self.webhooks = WebhookMiddleware(elsewhere, [self.handler])
        transport = httpx.ASGITransport(self.webhooks)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://gateway.test", event_hooks=TRUE)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[tuple[str, int]]:
        """The route behind real connections, as the public listener has them."""
        endpoints = WebhookEndpoints([self.handler], body_seconds=0.3)
        http: Any = partial(WebhookProtocol, endpoints=endpoints)
        listener = socket.create_server(("127.0.0.1", 0))
        host, port = listener.getsockname()
        server = uvicorn.Server(uvicorn.Config(self.webhooks, http=http, log_config=None, lifespan="off"))  # type: ignore[arg-type]
        self.server = server
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}", event_hooks=TRUE) as self.client:
            yield host, port
        server.should_exit = True
        await serving

    def signature(self, body: bytes, secret: str = SECRET) -> str:
        return signature(body, secret)

    async def deliver(self, body: bytes = b'{"id": 7}', **changed: Any) -> httpx.Response:
        """A good `products/update`, but for what is changed (with _ for -); None leaves a header out."""
        headers = {
            "X-Shopify-Topic": "products/update",
            "X-Shopify-Shop-Domain": ACCOUNT,
            "X-Shopify-Hmac-Sha256": signature(body),
            "X-Shopify-Webhook-Id": str(uuid4()),
            **{name.replace("_", "-"): value for name, value in changed.items()},
        }
        pairs = [(name.encode(), value) for name, value in headers.items() if value is not None]
        return await self.client.post("/shopify/webhook", content=body, headers=pairs)


@pytest.fixture
def make_route() -> type[Route]:
    """Makes the webhook route alone."""
    return Route


@pytest.fixture(params=["asgi", "connection"])
async def route(shopify: PlatformAdapter, request: pytest.FixtureRequest) -> AsyncIterator[Route]:
    """The webhook route alone, by each of the two ways to it."""
    made = Route(shopify)
    if request.param == "asgi":
        yield made
    else:
        async with made.listening() as made.address:
            yield made
