"""A complete gateway around fakes of Shopify, Facebook, Kafka and the scheduler. Postgres is real where SQL matters."""

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
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
import uvicorn
from sqlalchemy import text

from contracts.events import ConnectionChanged, KeysChanged, SyncRequested
from contracts.topics import KEY_CHANGED
from database.pool import Database
from fake_platforms import FakeLibrary, FakeOffice, FakeWarehouse
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
from platform_sdk.errors import (
    AccountBlockedError,
    NotFoundError,
    RequestRejectedError,
    TokenRejectedError,
    TransientError,
)
from platform_sdk.grants import Grant
from platforms.facebook import connect as facebook_connect
from platforms.facebook.settings import Settings as FacebookSettings
from platforms.facebook.tests.fake_graph import APP_ID, APP_SECRET, FakeGraph
from platforms.odoo import connect as odoo_connect
from platforms.phpmyadmin import connect as phpmyadmin_connect
from platforms.shopify import connect as shopify_connect
from platforms.shopify.admin_api import ShopifySubscription
from platforms.shopify.graphql import SubscriptionChange
from platforms.shopify.settings import Settings as ShopifySettings
from platforms.shopify.webhooks import ShopifyWebhooks
from response_checks import check_response
from service.client_addresses import ClientAddresses
from service.limited_protocol import ConnectionLimiter, RequestLimits
from service.process import Check
from service.rate_limits import ClientRateLimiter, Rate
from simulated_linker import SimulatedLinker

RESPONSE_CHECKS: Any = {"response": [check_response]}
"""Hooks that compare every response with the OpenAPI description of its route."""
SECRET, PREVIOUS = "the app's secret", "the app's former secret"
KEY = b64encode(b"k" * 32).decode()
OTHER_KEY = b64encode(b"o" * 32).decode()
CALLERS = {
    "shopify-fetcher": "s" * 32,
    "facebook-fetcher": "f" * 32,
    "scheduler": "c" * 32,
    "operator": "p" * 32,
    "data-api": "d" * 32,
    "linker": "i" * 32,
    "warehouse-fetcher": "w" * 32,
    "office-fetcher": "o" * 32,
    "library-fetcher": "l" * 32,
    "shopify-writer": "y" * 32,
    "facebook-writer": "k" * 32,
    "odoo-writer": "e" * 32,
    "spaces-writer": "z" * 32,
}
ACCOUNT = "acme.myshopify.com"
WEBHOOK_ADDRESS = "http://gateway.test/shopify/webhook"
NAME = f"shopify:{ACCOUNT}"
ALL_SCOPES = ("read_discounts", "read_inventory", "read_locations", "read_products")


def get_time_ms() -> int:
    """Returns the current time in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class FakeShopify:
    """Takes the place of `AdminApi`: grants, rotates and rejects tokens and keeps subscriptions as Shopify does."""

    remarks: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.down = False
        self.blocked: str | None = None
        self.missing_accounts: set[str] = set()
        self.uninstalled_accounts: list[str] = []
        self.hanging = False
        self.expiring = True
        self.scopes_granted: tuple[str, ...] = ALL_SCOPES
        self.lifetime = 3600
        self.granted_at: int | None = None
        self.refreshes = 0
        self.responses_to_lose = 0
        self.subscriptions: list[ShopifySubscription] = []
        self.refused_topics: set[str] = set()
        self.valid_access_tokens: set[str] = set()
        self.valid_refresh_tokens: set[str] = set()
        self.codes: set[str] = set()
        self.secrets: list[str] = []
        self.code_count = 0

    def create_code(self) -> str:
        """Returns an authorization code that can be used once."""
        self.code_count += 1
        code = f"secret-code-{self.code_count}"
        self.codes.add(code)
        self.secrets.append(code)
        return code

    def revoke_tokens(self) -> None:
        """Makes all tokens invalid."""
        self.valid_access_tokens.clear()
        self.valid_refresh_tokens.clear()

    async def exchange_code(self, account: str, code: str, *, for_proof: bool = False) -> dict[str, Grant]:
        self._check_available()
        if code not in self.codes:
            raise RequestRejectedError(400, "Shopify does not take the code")
        self.codes.discard(code)
        if not for_proof:
            self.revoke_tokens()
        return {account: self._create_grant()}

    async def refresh_grant(self, account: str, refresh_token: str) -> Grant:
        self._check_available()
        await (asyncio.Event().wait() if self.hanging else asyncio.sleep(0.01))
        if account in self.missing_accounts:
            raise TransientError("Shopify's token endpoint answers HTTP 404")
        if refresh_token not in self.valid_refresh_tokens:
            raise TokenRejectedError
        self.refreshes += 1
        grant = self._create_grant()
        if self.responses_to_lose:
            self.responses_to_lose -= 1
            raise TransientError("the answer was lost")
        self.valid_refresh_tokens &= {refresh_token, grant.refresh_token or ""}
        return grant

    async def is_token_valid(self, account: str, token: str) -> bool:
        self._check_available()
        return token in self.valid_access_tokens

    async def uninstall(self, account: str, token: str) -> None:
        self._check_available()
        if token in self.valid_access_tokens:
            self.revoke_tokens()
            self.uninstalled_accounts.append(account)

    async def fetch_scopes(self, account: str, token: str) -> tuple[str, ...]:
        self._check_token(token)
        return self.scopes_granted

    async def list_subscriptions(self, account: str, token: str) -> list[ShopifySubscription]:
        self._check_token(token)
        return list(self.subscriptions)

    async def change_subscriptions(
        self, account: str, token: str, changes: Sequence[SubscriptionChange], address: str
    ) -> list[str | None]:
        self._check_token(token)
        refusals: list[str | None] = []
        for change in changes:
            is_refused = change.topic in self.refused_topics
            refusals.append("not for this app" if is_refused else None)
            if not is_refused:
                self.subscriptions = [s for s in self.subscriptions if s.id != change.subscription_id]
                number = change.subscription_id or str(uuid4())
                self.subscriptions.append(ShopifySubscription(number, change.topic, address))
        return refusals

    def _create_grant(self) -> Grant:
        access, refresh = f"secret-access-{uuid4()}", f"secret-refresh-{uuid4()}"
        self.valid_access_tokens.add(access)
        self.valid_refresh_tokens.add(refresh)
        self.secrets += [access, refresh]
        now = get_time_ms()
        granted_at = self.granted_at or now
        if not self.expiring:
            return Grant(access, self.scopes_granted, granted_at)
        return Grant(access, self.scopes_granted, granted_at, now + self.lifetime * 1000, refresh, now + 10**10)

    def _check_available(self) -> None:
        if self.down:
            raise TransientError("Shopify does not answer")
        if self.blocked is not None:
            raise AccountBlockedError(self.blocked)

    def _check_token(self, token: str) -> None:
        self._check_available()
        if token not in self.valid_access_tokens:
            raise TokenRejectedError


class FakeKafka:
    """Keeps published messages. It refuses them while `is_unavailable`, and acknowledges none until `holding` is set.

    `publish` has the signature of `BatchingProducer.send`, and `send_raw` that of `EventPublisher.send_raw`.
    """

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes | None, bytes | None, list[tuple[str, bytes]]]] = []
        self.is_unavailable = False
        self.holding: asyncio.Event | None = None
        self.held_count = 0
        self.watchers: list[asyncio.Queue[bytes]] = []
        self.tasks: set[asyncio.Task[None]] = set()

    async def send_raw(
        self, topic: str, key: bytes | None, body: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> None:
        if self.is_unavailable:
            raise UnavailableError("no broker")
        if self.holding:
            self.held_count += 1
            await self.holding.wait()
        self.sent.append((topic, key, body, list(headers)))
        for watcher in self.watchers:
            watcher.put_nowait(dict(headers)["ce_id"])

    async def wait_until_held(self, count: int = 1) -> None:
        """Waits until this many messages were to be sent while `holding` was set."""
        async with asyncio.timeout(10):
            while self.held_count < count:
                await asyncio.sleep(0.005)

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
            except UnavailableError as error:
                on_delivery(error)
            else:
                on_delivery(None)

        task = asyncio.get_running_loop().create_task(send())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    @asynccontextmanager
    async def watch_topic(self, topic: str) -> AsyncIterator[Callable[[UUID, float], Any]]:
        message_ids: asyncio.Queue[bytes] = asyncio.Queue()
        self.watchers.append(message_ids)

        async def wait_for_message(sync_id: UUID, seconds: float) -> bool:
            return not message_ids.empty() and message_ids.get_nowait() == str(sync_id).encode()

        yield wait_for_message

    @property
    def requests(self) -> list[SyncRequested]:
        return [SyncRequested.model_validate_json(body or b"") for _, _, body, _ in self.sent]


class FakeScheduler:
    """Returns the syncs and connections that a test has put in."""

    def __init__(self) -> None:
        self.syncs: dict[UUID, SyncView] = {}
        self.connections: dict[str, ConnectionView] = {}
        self.is_unavailable = False
        self.cancelled: list[tuple[str, UUID]] = []

    def show(self, name: str = NAME, *, revision: int = 2**40, open_full_sync: SyncView | None = None) -> None:
        """Show the connection as it is after the event of this revision; without one, after all its events."""
        self.connections[name] = ConnectionView(connection=name, revision=revision, open_full_sync=open_full_sync)

    async def cancel_sync(self, connection: str, sync_id: UUID) -> None:
        sync = self.syncs.get(sync_id)
        if sync is None or sync.connection != connection:
            raise NotFoundError
        if sync.state != "running":
            raise RequestRejectedError(409, "it has ended already")
        self.cancelled.append((connection, sync_id))

    async def fetch_sync(self, sync_id: UUID) -> SyncView | None:
        if self.is_unavailable:
            raise UnavailableError("the scheduler does not answer")
        return self.syncs.get(sync_id)

    async def fetch_connection(self, name: str) -> ConnectionView | None:
        if self.is_unavailable:
            raise UnavailableError("the scheduler does not answer")
        return self.connections.get(name)


def sign_query(parameters: dict[str, str], secret: str = SECRET) -> str:
    message = "&".join(sorted(f"{name}={value}" for name, value in parameters.items()))
    return urlencode({**parameters, "hmac": hmac.digest(secret.encode(), message.encode(), "sha256").hex()})


def compute_signature(body: bytes, secret: str = SECRET) -> str:
    return b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()


class World:
    """One gateway with its fakes, a browser, and a client of its internal API."""

    def __init__(self, settings: GatewaySettings, database: Database, *, has_test_platforms: bool = True) -> None:
        self.settings = settings
        self.has_test_platforms = has_test_platforms
        self.shopify_settings, self.facebook_settings = create_shopify_settings(), create_facebook_settings()
        self.database = database
        self.shopify = FakeShopify()
        self.graph = FakeGraph()
        self.warehouse = FakeWarehouse()
        self.office = FakeOffice()
        self.library = FakeLibrary()
        self.kafka = FakeKafka()
        self.scheduler = FakeScheduler()
        self.linker = SimulatedLinker()
        self.key_events: list[KeysChanged] = []
        self.outside = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(404)))
        self.restart(settings)
        self.browser = self.create_browser()

    def restart(
        self,
        settings: GatewaySettings,
        checks: Mapping[str, Check] | None = None,
        *,
        shopify: ShopifySettings | None = None,
        facebook: FacebookSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Starts a new gateway on the same database. Settings of a platform that are not passed stay as they are.

        `clock` returns the seconds by which the requests of strangers are limited.
        """
        self.settings = settings
        self.shopify_settings = shopify or self.shopify_settings
        self.facebook_settings = facebook or self.facebook_settings
        graph = httpx.AsyncClient(transport=httpx.MockTransport(self.graph.respond))
        adapters = {
            "shopify": create_shopify_adapter(self.shopify_settings, self.shopify),
            "facebook": facebook_connect.create_adapter(self.facebook_settings, graph, get_time_ms),
            "phpmyadmin": phpmyadmin_connect.create_adapter(
                phpmyadmin_connect.Settings(_env_file=None), graph, get_time_ms
            ),
            "odoo": odoo_connect.create_adapter(odoo_connect.Settings(_env_file=None), graph, get_time_ms),
        }
        if self.has_test_platforms:
            fakes = (self.warehouse, self.office, self.library)
            adapters |= {adapter.slug: adapter for adapter in (fake.create_adapter() for fake in fakes)}
        self.stores = create_stores(
            self.database,
            self.database,
            get_object_key=partial(get_object_key, adapters),
            wake_relay=lambda: None,
            session_idle_seconds=settings.session_idle_seconds,
            audit_kept_days=settings.audit_kept_days,
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
            linker=self.linker.create_client(),
            post_probe=self.post_probe,
            watch_topic=self.kafka.watch_topic,
            metrics=create_metrics(topics, 1)[0],
            http=self.outside,
            now=get_time_ms,
            clock=clock,
        )
        self.public, _, self.internal = create_applications(self.parts, checks or {})
        self.service = httpx.AsyncClient(transport=httpx.ASGITransport(self.internal), base_url="http://inside")

    def create_browser(self, accept: str = "application/json") -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.public),
            base_url="http://gateway.test",
            headers={"Accept": accept},
            event_hooks=RESPONSE_CHECKS,
        )

    async def post_probe(self, address: str, headers: dict[str, str], body: bytes) -> int:
        """Posts a probe to this gateway itself and returns the status."""
        return (await self.create_browser().post(urlsplit(address).path, content=body, headers=headers)).status_code

    async def start_login(self, browser: httpx.AsyncClient | None = None, shop: str = "acme") -> str:
        """Starts a login at Shopify and returns its state."""
        response = await (browser or self.browser).get(f"/shopify/{shop}/login")
        assert response.status_code == 302
        return parse_qs(urlsplit(response.headers["location"]).query)["state"][0]

    def build_callback(self, state: str, *, account: str = ACCOUNT, code: str | None = None, **more: str) -> str:
        """Builds the address to which Shopify redirects the browser after a consent."""
        parameters = {"code": code or self.shopify.create_code(), "shop": account, "state": state}
        return f"/shopify/callback?{sign_query({**parameters, 'timestamp': str(int(time.time())), **more})}"

    async def connect(self, browser: httpx.AsyncClient | None = None, shop: str = "acme") -> dict[str, Any]:
        """Connects a shop and returns the document of the response."""
        browser = browser or self.browser
        state = await self.start_login(browser, shop)
        response = await browser.get(self.build_callback(state, account=f"{shop}.myshopify.com"))
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document

    async def prove(self, browser: httpx.AsyncClient | None = None, shop: str = "acme") -> httpx.Response:
        """Signs in at a shop without connecting it, and returns the response to the callback."""
        browser = browser or self.browser
        response = await browser.get(f"/shopify/{shop}/prove")
        assert response.status_code == 302
        query = parse_qs(urlsplit(response.headers["location"]).query)
        assert query["grant_options[]"] == ["per-user"]
        return await browser.get(self.build_callback(query["state"][0], account=f"{shop}.myshopify.com"))

    async def age_proofs(self, seconds: float) -> None:
        """Makes all proofs older by so many seconds."""
        async with self.database.transaction() as tx:
            statement = text("UPDATE proofs SET proved_at = proved_at - make_interval(secs => :seconds)")
            await tx.execute(statement, {"seconds": seconds})

    async def connect_pages(self, browser: httpx.AsyncClient | None = None) -> dict[str, Any]:
        """Connects pages at Facebook and returns the document of the response."""
        browser = browser or self.browser
        response = await browser.get(self.build_pages_callback(await self.start_pages_login(browser)))
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document

    async def start_pages_login(self, browser: httpx.AsyncClient | None = None, query: str = "") -> str:
        """Starts a login at Facebook and returns its state."""
        response = await (browser or self.browser).get(f"/facebook/login{query}")
        assert response.status_code == 302
        return parse_qs(urlsplit(response.headers["location"]).query)["state"][0]

    def build_pages_callback(self, state: str, *, code: str | None = None, **more: str) -> str:
        """Builds the address to which Facebook redirects the browser after a consent."""
        return f"/facebook/callback?{urlencode({'code': code or self.graph.create_code(), 'state': state, **more})}"

    async def call_internal(self, path: str, body: dict[str, Any], caller: str = "shopify-fetcher") -> httpx.Response:
        """Sends a request of another service to the internal API."""
        return await self.service.post(path, json=body, headers={"Authorization": f"Bearer {CALLERS[caller]}"})

    async def get_internal(self, path: str, caller: str, **query: Any) -> httpx.Response:
        """Gets from the internal API as another service."""
        headers = {"Authorization": f"Bearer {CALLERS[caller]}"}
        return await self.service.get(path, params=query, headers=headers)

    async def fetch_checkup(self, name: str = NAME, caller: str = "operator") -> httpx.Response:
        """Fetches the checkup of a connection, as an operator does."""
        headers = {"Authorization": f"Bearer {CALLERS[caller]}"}
        return await self.service.get(f"/internal/connections/{name}/checkup", headers=headers)

    async def request_token(self, caller: str = "shopify-fetcher", name: str = NAME) -> httpx.Response:
        return await self.call_internal("/internal/tokens", {"connection": name}, caller)

    async def deliver(self, topic: str, body: bytes, **headers: str) -> httpx.Response:
        """Posts a signed delivery of Shopify. `headers` (with _ for -) replace its own."""
        sent = {
            "X-Shopify-Topic": topic,
            "X-Shopify-Shop-Domain": ACCOUNT,
            "X-Shopify-Hmac-Sha256": compute_signature(body),
            "X-Shopify-Webhook-Id": str(uuid4()),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return await self.create_browser().post("/shopify/webhook", content=body, headers=sent)

    async def drain_outbox(self) -> list[ConnectionChanged]:
        """Publishes the messages in the outbox and returns the events of connections."""
        relay = FakeKafka()
        await OutboxRelay(self.database.transaction, relay, source="gateway").publish_batch()
        self.key_events += [
            KeysChanged.model_validate_json(body or b"") for topic, _, body, _ in relay.sent if topic == KEY_CHANGED
        ]
        return [
            ConnectionChanged.model_validate_json(body or b"")
            for topic, _, body, _ in relay.sent
            if topic != KEY_CHANGED
        ]

    async def load_published_keys(self, name: str = NAME) -> KeysChanged:
        """Publishes the messages in the outbox and returns the last event about the keys of a connection."""
        await self.drain_outbox()
        return [event for event in self.key_events if event.connection == name][-1]

    async def dump_database(self) -> str:
        """Returns all rows of all tables as text."""
        rows: list[str] = []
        async with self.database.transaction() as tx:
            for table in (
                *("merchants", "sessions", "oauth_states", "connections", "webhook_checks", "outbox"),
                *("deletion_requests", "proofs", "audit_log", "api_keys", "logins"),
            ):
                rows += [str(row) for row in await tx.execute(text(f"SELECT * FROM {table}"))]
        return "\n".join(rows)

    async def expire_token(self, name: str = NAME) -> None:
        """Makes the access token of a connection expire now."""
        async with self.database.transaction() as tx:
            await tx.execute(text("UPDATE connections SET access_expires_at = :now"), {"now": get_time_ms()})

    async def count_rows(self, table: str) -> int:
        async with self.database.transaction() as tx:
            count: int = (await tx.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()
        return count


REQUIRED: dict[str, Any] = {
    "kafka_bootstrap_servers": "nowhere:9092",
    "database_url": "postgresql://nobody@nowhere/nothing",
    "scheduler_url": "http://scheduler.test",
    "linker_url": "http://linker.test",
    "internal_key_hashes": ",".join(f"{name}:{sha256(key.encode()).hexdigest()}" for name, key in CALLERS.items()),
    "scheduler_key": "g" * 32,
    "linker_key": "i" * 32,
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
    """Creates the adapter of Shopify with a fake API."""
    adapter = shopify_connect.create_adapter(settings, httpx.AsyncClient(), get_time_ms)
    accounts: Any = adapter.accounts
    webhooks = ShopifyWebhooks(api, secrets=settings.secrets, address=settings.shopify_webhook_address)
    method = shopify_connect.ShopifyOAuth(settings, api, accounts)
    return replace(adapter, connection_method=method, api=api, webhooks=webhooks)


@pytest.fixture
def make_settings() -> Callable[..., GatewaySettings]:
    """Makes valid settings, with the given changes."""
    return lambda **more: GatewaySettings(_env_file=None, **{**REQUIRED, **more})


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
    return facebook_connect.create_adapter(create_facebook_settings(), httpx.AsyncClient(), get_time_ms)


@pytest.fixture
def no_facebook() -> FacebookSettings:
    """The settings of an installation without an app at Facebook."""
    return FacebookSettings(_env_file=None)


@pytest.fixture
async def world(postgres: Any, make_settings: Callable[..., GatewaySettings]) -> AsyncIterator[World]:
    """A gateway on its own database schema."""
    schema = f"gateway_{uuid4().hex[:8]}"
    database = Database(postgres.build_admin_database_url(), schema=schema)
    await database.migrate("gateway")
    yield World(make_settings(), database)
    async with database.transaction() as tx:
        await tx.execute(text(f'DROP SCHEMA "{schema}" CASCADE'))
    await database.close()


@pytest.fixture
def world_without_database(make_settings: Callable[..., GatewaySettings]) -> World:
    """A gateway with the real platforms only and an unreachable database, for tests that need none."""
    settings = make_settings()
    database = Database(settings.database_url.get_secret_value(), schema="nothing")
    return World(settings, database, has_test_platforms=False)


class Route:
    """The webhook route alone, with one connected shop and a fake Kafka."""

    def __init__(self, adapter: PlatformAdapter, trusted_proxies: tuple[Any, ...] | None = None) -> None:
        self.kafka = FakeKafka()
        self.loaded_names: list[str] = []
        self.delivery_counts = Counter[tuple[str, str]]()
        self.load_count = 0
        self.address = ("", 0)
        self.clock = 0.0
        self.addresses = ClientAddresses(trusted_proxies)
        self.rows = {NAME: Connection(NAME, uuid4(), "connected", 1, 1, (), 0, None, EncryptedTokens("k1.encrypted"))}

        async def load_connections(names: Collection[str]) -> list[Connection]:
            self.load_count += 1
            self.loaded_names += names
            return [self.rows[name] for name in names if name in self.rows]

        def count_delivery(topic: str, outcome: str) -> None:
            self.delivery_counts[topic, outcome] += 1

        async def respond_elsewhere(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 418, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

        assert adapter.webhooks is not None
        self.handler = WebhookHandler(
            adapter.manifest,
            adapter.webhooks,
            connections=ConnectionCache(load_connections, lambda: self.clock),
            publish=self.kafka.publish,
            installations=None,  # type: ignore[arg-type] # no delivery here is about the app itself
            erasure=None,  # type: ignore[arg-type]
            count_delivery=count_delivery,
            refusals=ClientRateLimiter(
                "refusals",
                self.addresses,
                per_client=Rate(5, 0.001),
                per_process=Rate(50, 0.001),
                clock=lambda: self.clock,
            ),
            max_bytes=4096,
            answer_seconds=0.3,
        )
        self.webhooks = WebhookMiddleware(respond_elsewhere, [self.handler])
        transport = httpx.ASGITransport(self.webhooks)
        self.client = httpx.AsyncClient(
            transport=transport, base_url="http://gateway.test", event_hooks=RESPONSE_CHECKS
        )

    @asynccontextmanager
    async def open_listener(self, limits: RequestLimits = RequestLimits()) -> AsyncIterator[tuple[str, int]]:
        """Serves the route on a socket, as the public listener does; yields host and port."""
        endpoints = WebhookEndpoints([self.handler], body_seconds=0.3)
        self.limiter = ConnectionLimiter(limits, self.addresses)
        http: Any = partial(WebhookProtocol, endpoints=endpoints, limiter=self.limiter)
        listener = socket.create_server(("127.0.0.1", 0))
        host, port = listener.getsockname()
        server = uvicorn.Server(uvicorn.Config(self.webhooks, http=http, log_config=None, lifespan="off"))  # type: ignore[arg-type]
        self.server = server
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}", event_hooks=RESPONSE_CHECKS) as self.client:
            yield host, port
        server.should_exit = True
        await serving

    def compute_signature(self, body: bytes, secret: str = SECRET) -> str:
        return compute_signature(body, secret)

    async def deliver(self, body: bytes = b'{"id": 7}', **changed: Any) -> httpx.Response:
        """Posts a valid `products/update`. `changed` replaces headers (with _ for -); None leaves a header out."""
        headers = {
            "X-Shopify-Topic": "products/update",
            "X-Shopify-Shop-Domain": ACCOUNT,
            "X-Shopify-Hmac-Sha256": compute_signature(body),
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
    """The webhook route alone, called directly and through a socket."""
    route = Route(shopify)
    if request.param == "asgi":
        yield route
    else:
        async with route.open_listener() as route.address:
            yield route
