"""The gateway's process: reads settings, creates clients, and wires the routes. It decides nothing."""

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cache, cached_property, partial

import httpx
import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import Response

from contracts.events import parse_account, parse_platform
from contracts.topics import get_sync_topic, list_topics
from database.pool import Database
from gateway.adapters import (
    create_adapters,
    is_https,
    list_configured,
    list_doubtful_addresses,
    load_platform_settings,
)
from gateway.connect.client_credentials import ClientCredentialsConnector
from gateway.connect.grants import GrantService
from gateway.connect.oauth_flow import OAuthFlow
from gateway.connect.routes.credentials import CredentialsFlow, create_credentials_routes
from gateway.connect.routes.oauth import create_oauth_routes
from gateway.connect.routes.webhook_challenge import create_challenge_routes
from gateway.erasure.routes import DeletionRequests, create_callback_routes, create_erasure_routes
from gateway.erasure.service import ErasureService
from gateway.internal.routes import add_error_handlers, create_internal_routes
from gateway.internal.sync_requests import ManualSyncs
from gateway.metrics import Metrics, create_metrics
from gateway.pages.api_docs.documents import Documents, build_documents
from gateway.pages.api_docs.routes import create_docs_routes
from gateway.pages.client import SchedulerClient
from gateway.pages.merchant_reader import MerchantReader
from gateway.pages.responses import SafeHeaders, respond_problem
from gateway.pages.routes.pages import create_page_routes
from gateway.pages.routes.sandbox import create_sandbox_routes
from gateway.sessions.browser_keys import BrowserKeys
from gateway.sessions.cookies import Cookies
from gateway.settings import GatewaySettings
from gateway.store import Stores, create_stores
from gateway.tokens.encryption import TokenCipher
from gateway.tokens.service import TokenService
from gateway.webhooks.asgi import Asgi, WebhookMiddleware
from gateway.webhooks.client import post_probe, watch_topic
from gateway.webhooks.connection_cache import ConnectionCache
from gateway.webhooks.handler import Publish, WebhookHandler
from gateway.webhooks.installations import Installations
from gateway.webhooks.probe import PostProbe, WatchTopic
from gateway.webhooks.protocol import WebhookEndpoints, WebhookProtocol
from gateway.webhooks.subscriptions import WebhookSubscriptions
from gateway.webhooks.tracing import WebhookReceiver, trace_handler, trace_publish
from messaging.batching_producer import BatchingProducer
from messaging.errors import UnavailableError
from messaging.outbox import OutboxRelay
from messaging.provisioning import provision
from messaging.publisher import EventPublisher
from messaging.tracing import export_traces
from platform_sdk.adapters import AccountApi, PlatformAdapter, Webhooks
from platform_sdk.connection_methods import Credentials, OAuth
from platform_sdk.settings import PlatformSettings
from platforms.registry import PLATFORMS
from service.logging_setup import configure_logging
from service.metrics import add_metrics_route
from service.periodic_tasks import PeriodicTask
from service.process import Check, Endpoint, add_health_routes, hide_details, serve
from service.settings import load_settings

NAME = "gateway"
PRUNE_SECONDS = 300.0
ERASURE_SECONDS = 30.0
"""How soon a deletion request that was interrupted is continued."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Parts:
    """What the gateway is made of; tests give others than the process does."""

    settings: GatewaySettings
    adapters: Mapping[str, PlatformAdapter]
    stores: Stores
    publish: Publish
    scheduler: SchedulerClient
    post_probe: PostProbe
    watch_topic: WatchTopic
    metrics: Metrics
    http: httpx.AsyncClient

    @property
    def available(self) -> list[PlatformAdapter]:
        """The platforms at which accounts can be connected here."""
        return list_configured(self.adapters)

    @property
    def apis(self) -> dict[str, AccountApi]:
        """The API of each platform."""
        return {slug: adapter.api for slug, adapter in self.adapters.items()}

    @cached_property
    def cipher(self) -> TokenCipher:
        """Encrypts the stored tokens."""
        return TokenCipher(self.settings.token_encryption_keys)

    @cached_property
    def keys(self) -> BrowserKeys:
        """The keys for the values that browsers hold."""
        return BrowserKeys(self.settings.state_token_secret.get_secret_value())


def get_time_ms() -> int:
    """Return the time in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def main() -> None:
    """Run the gateway until SIGTERM."""
    configure_logging(NAME)
    settings, platform_settings = load_settings(GatewaySettings), load_platform_settings()
    # These adapters only show what the processes, which create their own, will have: topics and addresses.
    adapters = create_adapters(platform_settings, httpx.AsyncClient(), get_time_ms)
    for doubt in list_doubtful_addresses(adapters.values(), settings.gateway_port):
        log.warning("setting in doubt", reason=doubt)
    topics = {slug: adapter.webhooks.metric_topics if adapter.webhooks else () for slug, adapter in adapters.items()}
    all_metrics = create_metrics(topics, settings.gateway_processes)
    serve(
        *(
            partial(start, settings=settings, platform_settings=platform_settings, metrics=metrics)
            for metrics in all_metrics
        )
    )


async def start(
    stack: AsyncExitStack,
    *,
    settings: GatewaySettings,
    platform_settings: Mapping[str, PlatformSettings],
    metrics: Metrics,
) -> list[Endpoint]:
    """Start everything that the gateway needs; return its public and its internal application with their addresses."""
    stack.enter_context(export_traces(NAME, settings.otel_exporter_otlp_endpoint))
    database, locks = _open_database(stack, settings), _open_database(stack, settings)
    await database.migrate("gateway")
    brokers = settings.build_brokers()
    await provision(brokers, list_topics(PLATFORMS))
    publisher = await stack.enter_async_context(EventPublisher(brokers, source=NAME))
    outbox = PeriodicTask("outbox", OutboxRelay(database.transaction, publisher, source=NAME).run_once, interval=1.0)
    await stack.enter_async_context(outbox.run())
    http = await stack.enter_async_context(httpx.AsyncClient(follow_redirects=False))
    producer = BatchingProducer(publisher)
    await producer.prepare([get_sync_topic(slug) for slug in PLATFORMS])
    adapters = create_adapters(platform_settings, http, get_time_ms)
    parts = Parts(
        settings=settings,
        adapters=adapters,
        stores=create_stores(database, locks, get_object_key=partial(get_object_key, adapters), wake_relay=outbox.wake),
        publish=producer.send,
        scheduler=SchedulerClient(http, settings.scheduler_url, key=settings.internal_key.get_secret_value()),
        post_probe=partial(post_probe, http),
        watch_topic=partial(watch_topic, brokers),
        metrics=metrics,
        http=http,
    )
    pruning = PeriodicTask("pruning", partial(_prune, parts.stores), interval=PRUNE_SECONDS)
    await stack.enter_async_context(pruning.run())
    erasure = PeriodicTask("erasure", create_erasure_service(parts).run_once, interval=ERASURE_SECONDS)
    await stack.enter_async_context(erasure.run())
    checks = _build_checks(settings, database, outbox, erasure)
    public, handlers, internal = create_applications(parts, checks)
    protocol = partial(WebhookProtocol, endpoints=WebhookEndpoints(handlers))
    return [
        Endpoint(public, settings.gateway_host, settings.gateway_port, protocol),
        Endpoint(internal, settings.gateway_internal_host, settings.gateway_internal_port),
    ]


def get_object_key(adapters: Mapping[str, PlatformAdapter], connection: str) -> str:
    """Return where the connection's snapshot is stored in the bucket."""
    return adapters[parse_platform(connection)].accounts.get_object_key(parse_account(connection))


def create_applications(parts: Parts, checks: Mapping[str, Check]) -> tuple[Asgi, list[WebhookReceiver], FastAPI]:
    """Return the public application, the handlers of its webhooks, and the internal application."""
    tokens = _create_token_service(parts)
    handlers = [
        _create_handler(parts, tokens, adapter, adapter.webhooks) for adapter in parts.available if adapter.webhooks
    ]
    public = WebhookMiddleware(SafeHeaders(_create_public(parts, hide_details(checks))), handlers)
    return public, handlers, _create_internal(parts, tokens, checks)


def describe_api(parts: Parts) -> Documents:
    """Return what `/docs` of a gateway of these parts serves."""
    return build_documents(_create_public(parts, {}), parts.available)


def create_erasure_service(parts: Parts) -> ErasureService:
    """Return what disconnects and redacts connections of any platform."""
    return ErasureService(parts.stores, _create_token_service(parts), parts.apis)


def _create_public(parts: Parts, checks: Mapping[str, Check]) -> FastAPI:
    settings = parts.settings
    cookies = Cookies(secure=is_https(parts.available), session_seconds=settings.session_ttl_seconds)
    merchants = MerchantReader(parts.stores, parts.scheduler, parts.adapters, parts.keys, now=get_time_ms)
    app = _create_application(checks)
    app.add_middleware(
        CORSMiddleware, allow_origins=list(settings.cors_allowed_origins), allow_methods=["GET"], allow_credentials=True
    )
    app.add_exception_handler(UnavailableError, _respond_unavailable)
    app.add_exception_handler(404, _respond_missing_page)
    erasure = create_erasure_service(parts)
    for adapter in parts.adapters.values():
        for routes in _create_platform_routes(parts, adapter, cookies, erasure):
            app.include_router(routes)
    requests = DeletionRequests(parts.stores, parts.scheduler)
    app.include_router(create_erasure_routes(erasure, requests, merchants, cookies))
    app.include_router(create_page_routes(merchants, cookies, parts.available, sandbox_url=settings.sandbox_url))
    if settings.sandbox_relayed:
        app.include_router(create_sandbox_routes(parts.http, settings.sandbox_relayed, parts.adapters))
    app.include_router(create_docs_routes(cache(partial(build_documents, app, parts.available))))
    return app


def _create_platform_routes(
    parts: Parts, adapter: PlatformAdapter, cookies: Cookies, erasure: ErasureService
) -> list[APIRouter]:
    """Return the routes of one platform: those of its connection method, and what else its adapter has."""
    method, grants = adapter.connection_method, _create_grant_service(parts, adapter)
    routes = []
    if isinstance(method, OAuth):
        flow = OAuthFlow(adapter.slug, method, parts.stores, grants, parts.keys)
        routes.append(create_oauth_routes(adapter, method, flow, cookies))
    elif isinstance(method, Credentials):
        check = CredentialsFlow(method, parts.stores.connections, grants)
        routes.append(create_credentials_routes(adapter, method, check, cookies, parts.keys))
    if adapter.is_configured and adapter.webhooks:
        routes.append(create_challenge_routes(adapter, adapter.webhooks))
    if adapter.is_configured and adapter.person_requests:
        routes.append(
            create_callback_routes(
                erasure,
                adapter.slug,
                parse_signed_request=adapter.person_requests.parse_signed_request,
                origin=adapter.origin,
            )
        )
    return routes


def _create_internal(parts: Parts, tokens: TokenService, checks: Mapping[str, Check]) -> FastAPI:
    subscriptions = WebhookSubscriptions(
        parts.stores.webhook_probes,
        tokens,
        parts.adapters,
        post_probe=parts.post_probe,
        watch_topic=parts.watch_topic,
        now=get_time_ms,
    )
    syncs = ManualSyncs(parts.stores.connections, parts.adapters, now=get_time_ms)
    connector = ClientCredentialsConnector(
        parts.adapters, {slug: _create_grant_service(parts, adapter) for slug, adapter in parts.adapters.items()}
    )
    internal = _create_application(checks)
    add_metrics_route(internal, parts.metrics.registry)
    add_error_handlers(internal)
    internal.include_router(
        create_internal_routes(tokens, subscriptions, syncs, connector, keys=parts.settings.internal_keys)
    )
    return internal


def _create_token_service(parts: Parts) -> TokenService:
    return TokenService(
        parts.stores.connections,
        parts.cipher,
        parts.apis,
        now=get_time_ms,
        count_refresh=parts.metrics.count_refresh,
    )


def _create_grant_service(parts: Parts, adapter: PlatformAdapter) -> GrantService:
    return GrantService(
        adapter,
        parts.stores.connections,
        parts.cipher,
        parts.keys,
        session_seconds=parts.settings.session_ttl_seconds,
    )


def _create_handler(
    parts: Parts, tokens: TokenService, adapter: PlatformAdapter, webhooks: Webhooks
) -> WebhookReceiver:
    connections = parts.stores.connections
    handler = WebhookHandler(
        adapter.manifest,
        webhooks,
        connections=ConnectionCache(connections.find_many, time.monotonic),
        publish=trace_publish(parts.publish),
        installations=Installations(connections, tokens, parts.apis),
        erasure=create_erasure_service(parts),
        count_delivery=parts.metrics.build_delivery_counter(adapter.slug),
        max_bytes=parts.settings.webhook_max_bytes,
        source=NAME,
    )
    return trace_handler(handler)


def _create_application(checks: Mapping[str, Check]) -> FastAPI:
    app = FastAPI(title="merchant-sync gateway", docs_url=None, redoc_url=None, openapi_url=None)
    add_health_routes(app, checks)
    return app


def _open_database(stack: AsyncExitStack, settings: GatewaySettings) -> Database:
    database = Database(settings.database_url.get_secret_value(), schema=NAME)
    stack.push_async_callback(database.close)
    return database


def _build_checks(
    settings: GatewaySettings, database: Database, outbox: PeriodicTask, erasure: PeriodicTask
) -> dict[str, Check]:
    async def check_outbox() -> str | None:
        return outbox.health_error

    async def check_erasure() -> str | None:
        return erasure.health_error

    return {
        "postgres": database.check_health,
        "kafka": settings.build_brokers().check_health,
        "outbox": check_outbox,
        "erasure": check_erasure,
    }


async def _prune(stores: Stores) -> bool:
    await stores.prune()
    return False


async def _respond_unavailable(request: Request, error: Exception) -> Response:
    # The route's pattern, and not the path, because the path of a deletion request holds its code.
    route = request.scope.get("route")
    log.warning("request held", path=getattr(route, "path", ""), reason=str(error))
    return respond_problem(request, 503, "a part of the service does not answer now; try again in a moment")


async def _respond_missing_page(request: Request, _error: Exception) -> Response:
    return respond_problem(request, 404, "there is no such page")


if __name__ == "__main__":
    main()
