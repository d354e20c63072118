"""Builds the linker from its parts and runs it."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from contracts.events import ConnectionChanged, SyncChanged, WriteCompleted
from contracts.topics import CONNECTION_CHANGED, LINKER, RECORD_CHANGED, RECORDS_READ, SYNC_CHANGED, get_written_topic
from database.pool import Database
from linker.client import SyncClient
from linker.handlers import ChangesHandler, ConnectionStateHandler, ReadsHandler, SyncStateHandler, WritesHandler
from linker.metrics import LinkerMetrics
from linker.routes.links import build_link_routes
from linker.settings import LinkerSettings
from linker.use_cases.feed_pages import FeedPages
from linker.use_cases.link_sync_runner import LinkSyncRunner
from linker.use_cases.link_syncs import LinkHealth
from linker.use_cases.old_writes import OldWrites
from linker.use_cases.planner import LinkPlanner
from linker.use_cases.reads import StalledReads
from linker.use_cases.refresh_gauges import GaugeRefresher
from linking.records import Side
from messaging.consumers import run_consumers
from messaging.dead_letters import DeadLetterPublisher
from messaging.keyed_consumer import KeyedConsumer
from messaging.outbox import OutboxRelay
from messaging.publisher import EventPublisher
from messaging.tracing import export_traces
from platforms.known_settings import list_known_settings
from platforms.registry import load_role
from service.logging_setup import configure_logging
from service.metrics import add_metrics_route
from service.periodic_tasks import PeriodicTask
from service.process import Check, Endpoint, add_health_routes, serve
from service.settings import load_settings


async def _start(exit_stack: AsyncExitStack) -> list[Endpoint]:
    settings = load_settings(LinkerSettings, list_known_settings())
    configure_logging(LINKER)
    exit_stack.enter_context(export_traces(LINKER, settings.otel_exporter_otlp_endpoint))
    database = Database(settings.database_url.get_secret_value(), schema="linker")
    exit_stack.push_async_callback(database.close)
    await database.migrate("linker")
    publisher = await exit_stack.enter_async_context(EventPublisher(settings.build_brokers(), source=LINKER))
    registry = CollectorRegistry()
    metrics = LinkerMetrics(registry)
    outbox = PeriodicTask("outbox", OutboxRelay(database.transaction, publisher, source=LINKER).run_once, interval=1.0)
    planner = LinkPlanner(
        database.transaction,
        record_planned=metrics.record_planned,
        wake_outbox=outbox.wake,
        write_attempts=settings.write_attempts,
    )
    planning = PeriodicTask("planner", planner.run_once, interval=0.5)
    pruning = PeriodicTask("old writes", OldWrites(database.transaction).run_once, interval=3600.0)
    reading = PeriodicTask("stalled reads", StalledReads(database.transaction).run_once, interval=30.0)

    http = await exit_stack.enter_async_context(httpx.AsyncClient(verify=settings.create_internal_tls_context()))
    gateway = SyncClient(http, settings.gateway_internal_url, settings.gateway_key.get_secret_value())
    syncing = PeriodicTask("link syncs", LinkSyncRunner(database.transaction, gateway).run_once, interval=1.0)

    def wake() -> None:
        for task in (planning, outbox, syncing):
            task.wake()

    health = LinkHealth(database.transaction, seconds=settings.link_health_seconds)
    checking = PeriodicTask("health of links", health.run_once, interval=30.0)
    consumers = _build_consumers(settings, database, publisher, wake)
    tasks = (outbox, planning, reading, pruning, syncing, checking)
    for task in tasks:
        await exit_stack.enter_async_context(task.run())
    await exit_stack.enter_async_context(run_consumers(consumers, registry))
    app = FastAPI(openapi_url=None)
    app.include_router(build_link_routes(database, settings.internal_key_hashes, on_changed=wake))
    add_health_routes(app, _build_checks(database, [*tasks, *consumers]))
    add_metrics_route(app, registry, refresh=GaugeRefresher(database.transaction, metrics.set_gauges).refresh)
    return [Endpoint(app, settings.host, settings.port, certificate=settings.internal_certificate)]


def _build_consumers(
    settings: LinkerSettings, database: Database, publisher: EventPublisher, wake: Any
) -> list[KeyedConsumer[Any]]:
    brokers, transaction = settings.build_brokers(), database.transaction
    pages = FeedPages({side: load_role(side, "linking") for side in Side})

    def build(topic: str, parse: Any, handle: Any) -> KeyedConsumer[Any]:
        letters = DeadLetterPublisher(publisher)
        return KeyedConsumer(
            brokers, topic, group=f"{LINKER}.{topic}", parse=parse, handle=handle, dead_letters=letters
        )

    written = WritesHandler(transaction, on_changed=wake)
    return [
        build(CONNECTION_CHANGED, ConnectionChanged.model_validate_json, ConnectionStateHandler(transaction)),
        build(SYNC_CHANGED, SyncChanged.model_validate_json, SyncStateHandler(transaction, on_changed=wake)),
        build(RECORD_CHANGED, bytes, ChangesHandler(transaction, pages, on_changed=wake)),
        build(RECORDS_READ, bytes, ReadsHandler(transaction, pages, on_changed=wake)),
        *(build(get_written_topic(side), WriteCompleted.model_validate_json, written) for side in Side),
    ]


def _build_checks(database: Database, parts: Sequence[PeriodicTask | KeyedConsumer[Any]]) -> dict[str, Check]:
    async def check_work() -> str | None:
        return next((part.health_error for part in parts if part.health_error), None)

    return {"postgres": database.check_health, "work": check_work}


def main() -> None:
    """Run the service until it is stopped."""
    serve(_start)


if __name__ == "__main__":
    main()
