"""Builds the scheduler from its parts and runs it."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from contracts.events import ConnectionChanged, DataStored, SyncProgressed, SyncRequested, parse_platform
from contracts.topics import CONNECTION_CHANGED, DATA_STORED
from database.pool import Database
from messaging.brokers import Brokers
from messaging.consumers import run_consumers
from messaging.dead_letters import DeadLetterPublisher
from messaging.keyed_consumer import KeyedConsumer
from messaging.outbox import OutboxRelay
from messaging.publisher import EventPublisher
from messaging.tracing import export_traces
from platforms.known_settings import list_known_settings
from platforms.registry import PLATFORMS
from scheduler.client import GatewayClient
from scheduler.handlers import (
    ConnectionStateHandler,
    DataStoredHandler,
    DeadLettersHandler,
    ProgressHandler,
    RequestsHandler,
)
from scheduler.handlers.dead_letters import parse_dead_letter
from scheduler.metrics import RecordCounts, SchedulerMetrics
from scheduler.routes.cancellation import build_cancellation_route
from scheduler.routes.ledger import build_ledger_routes
from scheduler.schedule import ComputeNextPoll, ScheduledRun, compute_longest_pause, compute_next_run
from scheduler.settings import SchedulerSettings
from scheduler.use_cases.dispatcher import SyncDispatcher
from scheduler.use_cases.publish_sync_states import SyncStatePublisher
from scheduler.use_cases.refresh_gauges import GaugeRefresher
from service.logging_setup import configure_logging
from service.metrics import add_metrics_route
from service.periodic_tasks import PeriodicTask
from service.process import Check, Endpoint, add_health_routes, serve
from service.settings import load_settings

SERVICE = "scheduler"
REQUEST_TOPICS = r"^sync\.requested\.[a-z0-9_-]+$"
PROGRESS_TOPICS = r"^sync\.progressed\.[a-z0-9_-]+$"
DEAD_LETTER_TOPICS = r"^.+\.dlq$"


async def _start(exit_stack: AsyncExitStack) -> list[Endpoint]:
    settings = load_settings(SchedulerSettings, list_known_settings())
    configure_logging(SERVICE)
    exit_stack.enter_context(export_traces(SERVICE, settings.otel_exporter_otlp_endpoint))
    database = Database(settings.database_url.get_secret_value(), schema="scheduler")
    exit_stack.push_async_callback(database.close)
    await database.migrate("scheduler")
    brokers = settings.build_brokers()
    publisher = await exit_stack.enter_async_context(EventPublisher(brokers, source=SERVICE))
    http = await exit_stack.enter_async_context(httpx.AsyncClient(verify=settings.create_internal_tls_context()))
    gateway = GatewayClient(http, settings.gateway_internal_url, settings.gateway_key.get_secret_value())
    outbox = PeriodicTask("outbox", OutboxRelay(database.transaction, publisher, source=SERVICE).run_once, interval=1.0)

    def compute_next_poll(connection: str) -> ScheduledRun:
        platform = parse_platform(connection)
        return compute_next_run(
            settings.get_poll_cron(platform),
            connection,
            settings.poll_spread_seconds,
            datetime.now(UTC),
            changes_seconds=settings.get_poll_seconds(platform),
        )

    def compute_poll_pause(connection: str) -> int:
        platform = parse_platform(connection)
        cron = settings.get_poll_cron(platform)
        return settings.get_poll_seconds(platform) or compute_longest_pause(cron, datetime.now(UTC))

    registry = CollectorRegistry()
    metrics = SchedulerMetrics(registry, PLATFORMS)
    dispatcher = SyncDispatcher(
        database,
        gateway,
        compute_next_poll=compute_next_poll,
        wake_outbox=outbox.wake,
        record_counts=metrics.record_transaction,
    )
    await dispatcher.reschedule_polls()
    dispatching = PeriodicTask("dispatcher", dispatcher.run_once, interval=0.5)
    publishing = PeriodicTask("sync states", SyncStatePublisher(database.transaction, publisher).run_once, interval=0.1)
    consumers = _build_consumers(
        brokers, database, publisher, outbox, dispatching, compute_next_poll, metrics.record_transaction
    )
    exit_stack.push_async_callback(dispatcher.stop)
    await exit_stack.enter_async_context(outbox.run())
    await exit_stack.enter_async_context(dispatching.run())
    await exit_stack.enter_async_context(publishing.run())
    await exit_stack.enter_async_context(run_consumers(consumers, registry))
    app = FastAPI(openapi_url=None)
    app.include_router(build_ledger_routes(database, settings.internal_key_hashes, compute_poll_pause))
    app.include_router(build_cancellation_route(database, settings.internal_key_hashes, metrics.record_transaction))
    add_health_routes(app, _build_checks(database, gateway, [outbox, dispatching, publishing, *consumers]))
    add_metrics_route(app, registry, refresh=GaugeRefresher(database.transaction, metrics.set_gauges).refresh)
    return [Endpoint(app, settings.host, settings.port, certificate=settings.internal_certificate)]


def _build_consumers(
    brokers: Brokers,
    database: Database,
    publisher: EventPublisher,
    outbox: PeriodicTask,
    dispatching: PeriodicTask,
    compute_next_poll: ComputeNextPoll,
    record_counts: RecordCounts,
) -> list[KeyedConsumer[Any]]:
    def build(parse: Any, handle: Any, *topics: str, pattern: str | None = None, group: str = "") -> KeyedConsumer[Any]:
        return KeyedConsumer(
            brokers,
            *topics,
            pattern=pattern,
            group=f"{SERVICE}.{group or topics[0]}",
            parse=parse,
            handle=handle,
            dead_letters=DeadLetterPublisher(publisher),
        )

    transaction = database.transaction
    connections = ConnectionStateHandler(
        transaction, compute_next_poll=compute_next_poll, wake_dispatcher=dispatching.wake, record_counts=record_counts
    )
    requests = RequestsHandler(transaction)
    progress = ProgressHandler(transaction, wake_outbox=outbox.wake, record_counts=record_counts)
    data_stored = DataStoredHandler(transaction, wake_outbox=outbox.wake, record_counts=record_counts)
    dead_letters = DeadLettersHandler(transaction, record_counts=record_counts)
    return [
        build(ConnectionChanged.model_validate_json, connections, CONNECTION_CHANGED),
        build(SyncRequested.model_validate_json, requests, pattern=REQUEST_TOPICS, group="requests"),
        build(SyncProgressed.model_validate_json, progress, pattern=PROGRESS_TOPICS, group="progress"),
        build(DataStored.model_validate_json, data_stored, DATA_STORED),
        build(parse_dead_letter, dead_letters, pattern=DEAD_LETTER_TOPICS, group="dead-letters"),
    ]


def _build_checks(
    database: Database, gateway: GatewayClient, parts: Sequence[PeriodicTask | KeyedConsumer[Any]]
) -> dict[str, Check]:
    async def check_work() -> str | None:
        return next((part.health_error for part in parts if part.health_error), None)

    return {"postgres": database.check_health, "gateway": gateway.check_health, "work": check_work}


def main() -> None:
    """Run the service until it is stopped."""
    serve(_start)


if __name__ == "__main__":
    main()
