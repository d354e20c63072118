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
from gateway.erasure.routes import Receipts, callback_routes, departure_routes
from gateway.erasure.service import Departures, Leaving
from gateway.internal.routes import internal_problems, internal_routes
from gateway.internal.sync_requests import Wishes
from gateway.metrics import Metrics, metrics_of
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
from gateway.store import Store
from gateway.tokens.encryption import Sealer
from gateway.tokens.service import Refreshing, Tokens
from gateway.webhooks.asgi import Asgi, Webhooks
from gateway.webhooks.checkups import Checkups, Looking
from gateway.webhooks.client import post_delivery
from gateway.webhooks.connection_cache import LiveConnections
from gateway.webhooks.handler import Give, Receiving, Reception
from gateway.webhooks.handlers import watching
from gateway.webhooks.installations import Installations, Installed
from gateway.webhooks.probe import Post, Watching
from gateway.webhooks.protocol import PublicConnection, Receptions
from gateway.webhooks.status import Subscriptions
from gateway.webhooks.subscriptions import Assertions
from gateway.webhooks.tracing import traced, traced_give
from messaging.batching_producer import BatchingProducer
from messaging.errors import UnavailableError
from messaging.outbox import OutboxRelay
from messaging.provisioning import provision
from messaging.publisher import EventPublisher
from messaging.tracing import export_traces
from service.logging_setup import configure_logging
from service.metrics import add_metrics_route
from service.periodic_tasks import PeriodicTask
from service.process import Check, Endpoint, add_health_routes, hide_details, serve
from service.settings import load_settings

NAME = "gateway"
log = structlog.get_logger()


class Remote(CodeExchange, Refreshing, Subscriptions, Looking, Installed, Leaving, Protocol):
    """All that the gateway asks of a platform."""


@dataclass(frozen=True)
class Parts:
    """What the gateway is made of; tests give others than the process does."""

    settings: GatewaySettings
    platforms: Mapping[str, Platform]
    remotes: Mapping[str, Remote]
    store: Store
    give: Give
    scheduler: Scheduler
    post: Post
    watching: Watching
    metrics: Metrics
    http: httpx.AsyncClient

    @property
    def configured(self) -> list[Platform]:
        """The platforms at which this installation has an app."""
        return [platform for platform in self.platforms.values() if platform.configured]


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


PRUNE_SECONDS = 300.0
DEPARTURES_SECONDS = 30.0
"""How soon a letting go that was cut off is taken up again."""


def main() -> None:
    """Run the gateway until SIGTERM."""
    configure_logging(NAME)
    settings = load_settings(GatewaySettings)
    for doubt in settings.doubts():
        log.warning("setting in doubt", reason=doubt)
    topics = {slug: make(settings).delivered for slug, make in PLATFORMS.items()}
    counted = metrics_of(topics, settings.gateway_processes)
    serve(*(partial(running, settings=settings, metrics=metrics) for metrics in counted))


async def running(stack: AsyncExitStack, *, settings: GatewaySettings, metrics: Metrics) -> list[Endpoint]:
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
    gathering = BatchingProducer(publisher)
    await gathering.prepare([get_sync_topic(slug) for slug in PLATFORMS])
    parts = real_parts(settings, database, locks, outbox, gathering, http, metrics)
    await stack.enter_async_context(PeriodicTask("pruning", partial(_prune, parts.store), interval=PRUNE_SECONDS).run())
    departing = PeriodicTask("departures", departures_of(parts).step, interval=DEPARTURES_SECONDS)
    await stack.enter_async_context(departing.run())
    checks = _checks(settings, database, outbox, departing)
    public, receptions, internal = applications(parts, checks)
    connections = partial(PublicConnection, receptions=Receptions(receptions))
    return [
        Endpoint(public, settings.gateway_host, settings.gateway_port, connections),
        Endpoint(internal, settings.gateway_internal_host, settings.gateway_internal_port),
    ]


def real_parts(
    settings: GatewaySettings,
    database: Database,
    locks: Database,
    outbox: PeriodicTask,
    gathering: BatchingProducer,
    http: httpx.AsyncClient,
    metrics: Metrics,
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
        store=Store(database, locks, object_key=partial(_object_key, platforms), said=outbox.wake),
        give=gathering.send,
        scheduler=SchedulerClient(http, settings.scheduler_url, key=settings.internal_key.get_secret_value()),
        post=partial(post_delivery, http),
        watching=partial(watching, settings.build_brokers()),
        metrics=metrics,
        http=http,
    )


def applications(parts: Parts, checks: Mapping[str, Check]) -> tuple[Asgi, list[Receiving], FastAPI]:
    """The public application with the receptions of its webhooks, and the internal one."""
    settings, store, remotes = parts.settings, parts.store, parts.remotes
    tokens = _tokens(parts)
    assertions = Assertions(store, tokens, parts.platforms, remotes, post=parts.post, watching=parts.watching, now=now)
    receptions = [_reception(parts, tokens, platform) for platform in parts.configured]
    public = Webhooks(SafeHeaders(_public(parts, hide_details(checks))), receptions)
    internal = _application(checks)
    add_metrics_route(internal, parts.metrics.registry)
    internal_problems(internal)
    wishes = Wishes(store, parts.platforms, now=now)
    checkups = Checkups(tokens, parts.platforms, remotes)
    internal.include_router(internal_routes(tokens, assertions, wishes, checkups, keys=settings.internal_keys))
    return public, receptions, internal


def _tokens(parts: Parts) -> Tokens:
    sealer = Sealer(parts.settings.token_encryption_keys)
    return Tokens(parts.store, sealer, parts.remotes, now=now, count=parts.metrics.refreshes)


def _public(parts: Parts, checks: Mapping[str, Check]) -> FastAPI:
    settings, shopify, facebook = parts.settings, parts.settings.shopify(), parts.settings.facebook()
    keys = BrowserKeys(settings.state_token_secret.get_secret_value())
    sealer = Sealer(settings.token_encryption_keys)
    cookies = Cookies(secure=settings.https, session_seconds=settings.session_ttl_seconds)
    merchants = Merchants(parts.store, parts.scheduler, parts.platforms, keys, now=now)
    logins = {
        platform.slug: Logins(
            parts.store,
            sealer,
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
    departures = departures_of(parts)
    app.include_router(departure_routes(departures, Receipts(parts.store, parts.scheduler), merchants, cookies))
    if facebook.configured:
        callbacks = callback_routes(departures, facebook.slug, user_of=facebook.user_of, origin=facebook.origin)
        app.include_router(callbacks)
    app.include_router(page_routes(merchants, cookies, parts.configured, sandbox_url=settings.sandbox_url))
    if settings.sandbox_relayed:
        app.include_router(sandbox_routes(parts.http, settings.sandbox_relayed))
    app.include_router(docs_routes(cache(partial(documents, app, parts.configured))))
    return app


def described(parts: Parts) -> Documents:
    """What `/docs` of a gateway of these parts serves."""
    return documents(_public(parts, {}), parts.configured)


def departures_of(parts: Parts) -> Departures:
    """What lets go of connections, whatever their platform."""
    return Departures(parts.store, _tokens(parts), parts.remotes)


def _reception(parts: Parts, tokens: Tokens, platform: Platform) -> Receiving:
    reception = Reception(
        platform,
        live=LiveConnections(parts.store.connections, time.monotonic),
        give=traced_give(parts.give),
        installations=Installations(parts.store, tokens, parts.remotes),
        departures=departures_of(parts),
        count=parts.metrics.deliveries(platform.slug),
        max_bytes=parts.settings.webhook_max_bytes,
        source=NAME,
    )
    return traced(reception)


def _application(checks: Mapping[str, Check]) -> FastAPI:
    app = FastAPI(title="merchant-sync gateway", docs_url=None, redoc_url=None, openapi_url=None)
    add_health_routes(app, checks)
    return app


def _database(stack: AsyncExitStack, settings: GatewaySettings) -> Database:
    database = Database(settings.database_url.get_secret_value(), schema=NAME)
    stack.push_async_callback(database.close)
    return database


def _checks(
    settings: GatewaySettings, database: Database, outbox: PeriodicTask, departures: PeriodicTask
) -> dict[str, Check]:
    async def relayed() -> str | None:
        return outbox.health_error

    async def departed() -> str | None:
        return departures.health_error

    return {
        "postgres": database.check_health,
        "kafka": settings.build_brokers().check_health,
        "outbox": relayed,
        "departures": departed,
    }


async def _prune(store: Store) -> bool:
    """What has expired goes: logins, sessions, old self-tests."""
    await store.prune()
    return False


def _object_key(platforms: Mapping[str, Platform], connection: str) -> str:
    return platforms[parse_platform(connection)].object_key(parse_account(connection))


async def _away(request: Request, error: Exception) -> Response:
    route = request.scope.get("route")  # not the path itself: that of a receipt is its code
    log.warning("request held", path=getattr(route, "path", ""), reason=str(error))
    return problem(request, 503, "a part of the service does not answer now; try again in a moment")


async def _nowhere(request: Request, _error: Exception) -> Response:
    return problem(request, 404, "there is no such page")


if __name__ == "__main__":
    main()
