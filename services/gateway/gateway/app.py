"""The gateway's process: reads settings, makes clients, wires routes. Decides nothing."""

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cache, partial
from typing import Protocol

import httpx
import structlog
from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import Response

from contracts.events import parse_account, parse_platform
from contracts.topics import get_sync_topic, list_topics
from database.pool import Database
from gateway.client.facebook import FacebookClient
from gateway.client.shopify import ShopifyClient
from gateway.connect.facebook import facebook_routes
from gateway.connect.oauth_flow import CodeExchange, Logins
from gateway.connect.shopify import shopify_routes
from gateway.erasure.routes import DeletionRequests, create_callback_routes, create_erasure_routes
from gateway.erasure.service import ErasureService
from gateway.internal.routes import add_error_handlers, create_internal_routes
from gateway.internal.sync_requests import ManualSyncs
from gateway.metrics import GatewayMetrics, create_metrics
from gateway.pages.api_docs.documents import Documents, documents
from gateway.pages.api_docs.routes import docs_routes
from gateway.pages.client import SchedulerClient
from gateway.pages.responses import SafeHeaders, problem
from gateway.pages.routes.pages import Merchants, Scheduler, page_routes
from gateway.pages.routes.sandbox import sandbox_routes
from gateway.platforms import PLATFORMS, Platform
from gateway.sessions.browser_keys import BrowserKeys
from gateway.sessions.cookies import Cookies
from gateway.settings import GatewaySettings
from gateway.store import Stores, create_stores
from gateway.tokens.encryption import TokenCipher
from gateway.tokens.service import TokenService
from gateway.webhooks.asgi import Asgi, WebhookMiddleware
from gateway.webhooks.client import post_probe, watch_topic
from gateway.webhooks.connection_cache import ConnectionCache
from gateway.webhooks.handler import Publish, WebhookHandler, WebhookReceiver
from gateway.webhooks.installations import Installations
from gateway.webhooks.probe import PostProbe, WatchTopic
from gateway.webhooks.protocol import WebhookEndpoints, WebhookProtocol
from gateway.webhooks.subscriptions import SubscriptionApi, WebhookSubscriptions
from gateway.webhooks.tracing import trace_handler, trace_publish
from messaging.batching_producer import BatchingProducer
from messaging.errors import UnavailableError
from messaging.outbox import OutboxRelay
from messaging.provisioning import provision
from messaging.publisher import EventPublisher
from messaging.tracing import export_traces
from platform_sdk.adapters import AccountApi
from service.logging_setup import configure_logging
from service.metrics import add_metrics_route
from service.periodic_tasks import PeriodicTask
from service.process import Check, Endpoint, add_health_routes, hide_details, serve
from service.settings import load_settings

NAME = "gateway"
log = structlog.get_logger()


class Remote(CodeExchange, AccountApi, SubscriptionApi, Protocol):
    """All that the gateway asks of a platform."""


@dataclass(frozen=True)
class Parts:
    """What the gateway is made of; tests give others than the process does."""

    settings: GatewaySettings
    platforms: Mapping[str, Platform]
    remotes: Mapping[str, Remote]
    stores: Stores
    publish: Publish
    scheduler: Scheduler
    post_probe: PostProbe
    watch_topic: WatchTopic
    metrics: GatewayMetrics
    http: httpx.AsyncClient

    @property
    def configured(self) -> list[Platform]:
        """The platforms at which this installation has an app."""
        return [platform for platform in self.platforms.values() if platform.configured]


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


PRUNE_SECONDS = 300.0
ERASURE_SECONDS = 30.0
"""How soon a deletion request that was interrupted is continued."""


def main() -> None:
    """Run the gateway until SIGTERM."""
    configure_logging(NAME)
    settings = load_settings(GatewaySettings)
    for doubt in settings.doubts():
        log.warning("setting in doubt", reason=doubt)
    topics = {slug: make(settings).delivered for slug, make in PLATFORMS.items()}
    all_metrics = create_metrics(topics, settings.gateway_processes)
    serve(*(partial(start, settings=settings, metrics=metrics) for metrics in all_metrics))


async def start(stack: AsyncExitStack, *, settings: GatewaySettings, metrics: GatewayMetrics) -> list[Endpoint]:
    """Enter all that the gateway needs; its public and its internal application, each with its address."""
    stack.enter_context(export_traces(NAME, settings.otel_exporter_otlp_endpoint))
    database, locks = _database(stack, settings), _database(stack, settings)
    await database.migrate("gateway")
    brokers = settings.build_brokers()
    await provision(brokers, list_topics(tuple(PLATFORMS)))
    publisher = await stack.enter_async_context(EventPublisher(brokers, source=NAME))
    outbox = PeriodicTask("outbox", OutboxRelay(database.transaction, publisher, source=NAME).run_once, interval=1.0)
    await stack.enter_async_context(outbox.run())
    http = await stack.enter_async_context(httpx.AsyncClient(follow_redirects=False))
    producer = BatchingProducer(publisher)
    await producer.prepare([get_sync_topic(slug) for slug in PLATFORMS])
    parts = create_parts(settings, database, locks, outbox, producer, http, metrics)
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


def create_parts(
    settings: GatewaySettings,
    database: Database,
    locks: Database,
    outbox: PeriodicTask,
    producer: BatchingProducer,
    http: httpx.AsyncClient,
    metrics: GatewayMetrics,
) -> Parts:
    """The parts of a real gateway. A further platform's client goes into `remotes`."""
    platforms = {slug: make(settings) for slug, make in PLATFORMS.items()}
    shopify, facebook = settings.shopify(), settings.facebook()
    return Parts(
        settings=settings,
        platforms=platforms,
        remotes={
            shopify.slug: ShopifyClient(http, shopify, version=settings.shopify_api_version, now=now),
            facebook.slug: FacebookClient(http, facebook, url=settings.facebook_graph_url, now=now),
        },
        stores=create_stores(
            database, locks, get_object_key=partial(_get_object_key, platforms), wake_relay=outbox.wake
        ),
        publish=producer.send,
        scheduler=SchedulerClient(http, settings.scheduler_url, key=settings.internal_key.get_secret_value()),
        post_probe=partial(post_probe, http),
        watch_topic=partial(watch_topic, settings.build_brokers()),
        metrics=metrics,
        http=http,
    )


def create_applications(parts: Parts, checks: Mapping[str, Check]) -> tuple[Asgi, list[WebhookReceiver], FastAPI]:
    """The public application with the handlers of its webhooks, and the internal one."""
    settings, stores, apis = parts.settings, parts.stores, parts.remotes
    tokens = _create_token_service(parts)
    subscriptions = WebhookSubscriptions(
        stores.webhook_probes,
        tokens,
        parts.platforms,
        apis,
        post_probe=parts.post_probe,
        watch_topic=parts.watch_topic,
        now=now,
    )
    handlers = [_create_handler(parts, tokens, platform) for platform in parts.configured]
    public = WebhookMiddleware(SafeHeaders(_public(parts, hide_details(checks))), handlers)
    internal = _application(checks)
    add_metrics_route(internal, parts.metrics.registry)
    add_error_handlers(internal)
    syncs = ManualSyncs(stores.connections, parts.platforms, now=now)
    internal.include_router(create_internal_routes(tokens, subscriptions, syncs, keys=settings.internal_keys))
    return public, handlers, internal


def _create_token_service(parts: Parts) -> TokenService:
    cipher = TokenCipher(parts.settings.token_encryption_keys)
    return TokenService(
        parts.stores.connections, cipher, parts.remotes, now=now, count_refresh=parts.metrics.count_refresh
    )


def _public(parts: Parts, checks: Mapping[str, Check]) -> FastAPI:
    settings, shopify, facebook = parts.settings, parts.settings.shopify(), parts.settings.facebook()
    keys = BrowserKeys(settings.state_token_secret.get_secret_value())
    cipher = TokenCipher(settings.token_encryption_keys)
    cookies = Cookies(secure=settings.https, session_seconds=settings.session_ttl_seconds)
    merchants = Merchants(parts.stores, parts.scheduler, parts.platforms, keys, now=now)
    logins = {
        platform.slug: Logins(
            parts.stores,
            cipher,
            parts.remotes[platform.slug],
            keys,
            platform=platform.slug,
            session_seconds=settings.session_ttl_seconds,
            sessions_go_on=platform.slug == facebook.slug,
        )
        for platform in (shopify, facebook)
    }
    app = _application(checks)
    app.add_middleware(
        CORSMiddleware, allow_origins=list(settings.cors_allowed_origins), allow_methods=["GET"], allow_credentials=True
    )
    app.add_exception_handler(UnavailableError, _away)
    app.add_exception_handler(404, _nowhere)
    app.include_router(shopify_routes(logins[shopify.slug], shopify, cookies))
    app.include_router(facebook_routes(logins[facebook.slug], facebook, cookies))
    erasure = create_erasure_service(parts)
    requests = DeletionRequests(parts.stores, parts.scheduler)
    app.include_router(create_erasure_routes(erasure, requests, merchants, cookies))
    if facebook.configured:
        callbacks = create_callback_routes(
            erasure, facebook.slug, parse_signed_request=facebook.user_of, origin=facebook.origin
        )
        app.include_router(callbacks)
    app.include_router(page_routes(merchants, cookies, parts.configured, sandbox_url=settings.sandbox_url))
    if settings.sandbox_relayed:
        app.include_router(sandbox_routes(parts.http, settings.sandbox_relayed))
    app.include_router(docs_routes(cache(partial(documents, app, parts.configured))))
    return app


def described(parts: Parts) -> Documents:
    """What `/docs` of a gateway of these parts serves."""
    return documents(_public(parts, {}), parts.configured)


def create_erasure_service(parts: Parts) -> ErasureService:
    """What disconnects and redacts connections of any platform."""
    return ErasureService(parts.stores, _create_token_service(parts), parts.remotes)


def _create_handler(parts: Parts, tokens: TokenService, platform: Platform) -> WebhookReceiver:
    connections = parts.stores.connections
    handler = WebhookHandler(
        platform,
        connections=ConnectionCache(connections.find_many, time.monotonic),
        publish=trace_publish(parts.publish),
        installations=Installations(connections, tokens, parts.remotes),
        erasure=create_erasure_service(parts),
        count_delivery=parts.metrics.build_delivery_counter(platform.slug),
        max_bytes=parts.settings.webhook_max_bytes,
        source=NAME,
    )
    return trace_handler(handler)


def _application(checks: Mapping[str, Check]) -> FastAPI:
    app = FastAPI(title="merchant-sync gateway", docs_url=None, redoc_url=None, openapi_url=None)
    add_health_routes(app, checks)
    return app


def _database(stack: AsyncExitStack, settings: GatewaySettings) -> Database:
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


def _get_object_key(platforms: Mapping[str, Platform], connection: str) -> str:
    return platforms[parse_platform(connection)].get_object_key(parse_account(connection))


async def _away(request: Request, error: Exception) -> Response:
    route = request.scope.get("route")  # not the path itself: that of a receipt is its code
    log.warning("request held", path=getattr(route, "path", ""), reason=str(error))
    return problem(request, 503, "a part of the service does not answer now; try again in a moment")


async def _nowhere(request: Request, _error: Exception) -> Response:
    return problem(request, 404, "there is no such page")


if __name__ == "__main__":
    main()
