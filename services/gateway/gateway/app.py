"""The gateway's process: reads settings, creates clients and applications, and starts the periodic tasks."""

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial

import httpx
import structlog

from contracts.events import parse_account, parse_platform
from contracts.topics import get_sync_topic, list_topics
from database.pool import Database
from gateway.adapters import create_adapters, list_port_warnings, load_platform_settings
from gateway.applications import (
    NAME,
    Parts,
    create_applications,
    create_erasure_service,
    create_own_accounts_connectors,
)
from gateway.connect.own_accounts import RETRY_SECONDS, connect_own_accounts
from gateway.links.client import LinkerClient
from gateway.metrics import GatewayMetrics, create_metrics
from gateway.pages.client import SchedulerClient
from gateway.settings import GatewaySettings
from gateway.store import Stores, create_stores
from gateway.webhooks.client import post_probe, watch_topic
from gateway.webhooks.protocol import WebhookEndpoints, WebhookProtocol
from messaging.batching_producer import BatchingProducer
from messaging.outbox import OutboxRelay
from messaging.provisioning import ensure_topics
from messaging.publisher import EventPublisher
from messaging.tracing import export_traces
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.settings import PlatformSettings
from platforms.known_settings import list_known_settings
from platforms.registry import DESTINATIONS, PLATFORMS
from service.limited_protocol import ConnectionLimiter, RequestLimits
from service.logging_setup import configure_logging
from service.periodic_tasks import PeriodicTask
from service.process import Check, Endpoint, serve
from service.settings import load_settings

PRUNE_SECONDS = 300.0
ERASURE_SECONDS = 30.0
"""The seconds between two runs of the task that continues interrupted deletion requests."""

log = structlog.get_logger()


def get_time_ms() -> int:
    """Return the time in milliseconds since 1970 (the Unix epoch)."""
    return time.time_ns() // 1_000_000


def main() -> None:
    """Run the gateway until SIGTERM."""
    configure_logging(NAME)
    settings = load_settings(GatewaySettings, list_known_settings())
    platform_settings = load_platform_settings()
    # These adapters only show what the processes, which create their own, will have: topics and addresses.
    adapters = create_adapters(platform_settings, httpx.AsyncClient(), get_time_ms)
    for warning in list_port_warnings(adapters.values(), settings.gateway_port):
        log.warning("setting in doubt", reason=warning)
    topics = {slug: adapter.webhooks.metric_topics if adapter.webhooks else () for slug, adapter in adapters.items()}
    all_metrics = create_metrics(topics, settings.gateway_processes)
    serve(
        *(
            partial(
                start,
                settings=settings,
                platform_settings=platform_settings,
                metrics=metrics,
                # One process is enough: each attempt is a login at the platform.
                connects_own_accounts=number == 0,
            )
            for number, metrics in enumerate(all_metrics)
        )
    )


async def start(
    exit_stack: AsyncExitStack,
    *,
    settings: GatewaySettings,
    platform_settings: Mapping[str, PlatformSettings],
    metrics: GatewayMetrics,
    connects_own_accounts: bool,
) -> list[Endpoint]:
    """Start one process of the gateway: its clients, its periodic tasks and its two applications.

    Before that, migrate the database and, where the gateway's user of Kafka may, create missing topics. Return the
    endpoints (application, host and port) of the public and the internal application. `exit_stack` stops everything at
    its end. With `connects_own_accounts` the process connects the accounts that platforms' settings name.
    """
    exit_stack.enter_context(export_traces(NAME, settings.otel_exporter_otlp_endpoint))
    database, locks = _open_database(exit_stack, settings), _open_database(exit_stack, settings)
    await database.migrate("gateway")
    brokers = settings.build_brokers()
    await ensure_topics(brokers, list_topics(PLATFORMS, DESTINATIONS), service=NAME)
    publisher = await exit_stack.enter_async_context(EventPublisher(brokers, source=NAME))
    outbox = PeriodicTask("outbox", OutboxRelay(database.transaction, publisher, source=NAME).run_once, interval=1.0)
    await exit_stack.enter_async_context(outbox.run())
    http = await exit_stack.enter_async_context(httpx.AsyncClient(follow_redirects=False))
    inside = await exit_stack.enter_async_context(httpx.AsyncClient(verify=settings.create_internal_tls_context()))
    producer = BatchingProducer(publisher)
    await producer.load_partitions([get_sync_topic(slug) for slug in PLATFORMS])
    adapters = create_adapters(platform_settings, http, get_time_ms)
    parts = Parts(
        settings=settings,
        adapters=adapters,
        stores=create_stores(
            database,
            locks,
            get_object_key=partial(get_object_key, adapters),
            wake_relay=outbox.wake,
            session_idle_seconds=settings.session_idle_seconds,
            audit_kept_days=settings.audit_kept_days,
        ),
        publish=producer.send,
        scheduler=SchedulerClient(inside, settings.scheduler_url, key=settings.scheduler_key.get_secret_value()),
        linker=LinkerClient(inside, settings.linker_url, key=settings.linker_key.get_secret_value()),
        post_probe=partial(post_probe, http),
        watch_topic=partial(watch_topic, brokers),
        metrics=metrics,
        http=http,
        now=get_time_ms,
    )
    pruning = PeriodicTask("pruning", partial(_prune_stores, parts.stores), interval=PRUNE_SECONDS)
    await exit_stack.enter_async_context(pruning.run())
    erasure = PeriodicTask("erasure", create_erasure_service(parts).run_once, interval=ERASURE_SECONDS)
    await exit_stack.enter_async_context(erasure.run())
    if connects_own_accounts and (connectors := create_own_accounts_connectors(parts)):
        own = PeriodicTask("own accounts", partial(connect_own_accounts, connectors), interval=RETRY_SECONDS)
        await exit_stack.enter_async_context(own.run())
    checks = _build_checks(settings, database, outbox, erasure)
    public, handlers, internal = create_applications(parts, checks)
    limits = RequestLimits(
        connections=settings.gateway_max_connections,
        body_bytes=max(RequestLimits.body_bytes, 2 * settings.webhook_max_bytes),
    )
    limiter = ConnectionLimiter(limits, parts.addresses)
    protocol = partial(WebhookProtocol, endpoints=WebhookEndpoints(handlers), limiter=limiter)
    return [
        Endpoint(public, settings.gateway_host, settings.gateway_port, protocol),
        Endpoint(
            internal,
            settings.gateway_internal_host,
            settings.gateway_internal_port,
            certificate=settings.internal_certificate,
        ),
    ]


def get_object_key(adapters: Mapping[str, PlatformAdapter], connection: str) -> str:
    """Return the key in the bucket of the connection's snapshot, the document of all its current records."""
    return adapters[parse_platform(connection)].manifest.build_object_key(parse_account(connection))


def _open_database(exit_stack: AsyncExitStack, settings: GatewaySettings) -> Database:
    database = Database(settings.database_url.get_secret_value(), schema=NAME)
    exit_stack.push_async_callback(database.close)
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


async def _prune_stores(stores: Stores) -> bool:
    await stores.prune()
    return False


if __name__ == "__main__":
    main()
