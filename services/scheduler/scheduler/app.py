"""Composition root of the scheduler: the ledger of syncs, the walks' steps, the polls, the only delay queue."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from contracts.events import ConnectionChanged, DataStored, SyncProgressed, SyncRequested, parse_platform
from contracts.topics import CONNECTION_CHANGED, DATA_STORED, SYNC_PROGRESSED
from database.pool import Database
from messaging.brokers import Brokers
from messaging.consumers import run_consumers
from messaging.dead_letters import DeadLetterPublisher
from messaging.keyed_consumer import KeyedConsumer
from messaging.outbox import OutboxRelay
from messaging.publisher import EventPublisher
from messaging.tracing import export_traces
from scheduler.client import Gateway
from scheduler.dispatcher import Dispatcher
from scheduler.due import Turn, next_turn
from scheduler.handlers import (
    ConnectionsHandler,
    DeadLettersHandler,
    ProgressHandler,
    RequestsHandler,
    StoredHandler,
)
from scheduler.metrics import Count, Looking, Metrics
from scheduler.routes.reads import reads
from scheduler.settings import DEFAULT_CRON, SchedulerSettings, poll_crons, read_environment
from service.logging_setup import configure_logging
from service.metrics import add_metrics_route
from service.periodic_tasks import PeriodicTask
from service.process import Check, Endpoint, add_health_routes, serve
from service.settings import load_settings

SERVICE = "scheduler"
REQUESTS = r"^sync\.requested\.[a-z0-9_-]+$"
DEAD_LETTERS = r"^.+\.dlq$"


async def _running(stack: AsyncExitStack) -> list[Endpoint]:
    settings = load_settings(SchedulerSettings)
    configure_logging(SERVICE)
    stack.enter_context(export_traces(SERVICE, settings.otel_exporter_otlp_endpoint))
    crons = poll_crons(settings, read_environment())
    database = Database(settings.database_url.get_secret_value(), schema="scheduler")
    stack.push_async_callback(database.close)
    await database.migrate("scheduler")
    brokers = settings.build_brokers()
    publisher = await stack.enter_async_context(EventPublisher(brokers, source=SERVICE))
    http = await stack.enter_async_context(httpx.AsyncClient())
    gateway = Gateway(http, settings.gateway_internal_url, settings.internal_key)
    outbox = PeriodicTask("outbox", OutboxRelay(database.transaction, publisher, source=SERVICE).run_once, interval=1.0)

    def turn_of(connection: str) -> Turn:
        cron = crons.get(parse_platform(connection), DEFAULT_CRON)
        return next_turn(cron, connection, settings.poll_spread_seconds, datetime.now(UTC))

    registry = CollectorRegistry()
    metrics = Metrics(registry, crons)
    dispatcher = Dispatcher(database, gateway, next_turn=turn_of, said=outbox.wake, count=metrics.count)
    await dispatcher.plan_again()
    dispatching = PeriodicTask("dispatcher", dispatcher.step, interval=0.5)
    intakes = _intakes(brokers, database, publisher, outbox, dispatching, turn_of, metrics.count)
    stack.push_async_callback(dispatcher.stop)
    await stack.enter_async_context(outbox.run())
    await stack.enter_async_context(dispatching.run())
    await stack.enter_async_context(run_consumers(intakes, registry))
    app = FastAPI(openapi_url=None)
    app.include_router(reads(database, settings.internal_keys))
    add_health_routes(app, _checks(database, gateway, [outbox, dispatching, *intakes]))
    add_metrics_route(app, registry, refresh=Looking(database.transaction, metrics.show).look)
    return [Endpoint(app, settings.host, settings.port)]


def _intakes(
    brokers: Brokers,
    database: Database,
    publisher: EventPublisher,
    outbox: PeriodicTask,
    dispatching: PeriodicTask,
    turn_of: Any,
    count: Count,
) -> list[KeyedConsumer[Any]]:
    transaction = database.transaction
    progress = ProgressHandler(transaction, said=outbox.wake, count=count)
    stored = StoredHandler(transaction, said=outbox.wake, count=count)
    changes = ConnectionsHandler(transaction, next_turn=turn_of, changed=dispatching.wake, count=count)
    heard: list[tuple[str | None, str | None, Any, Any]] = [
        (CONNECTION_CHANGED, None, ConnectionChanged.model_validate_json, changes),
        (None, REQUESTS, SyncRequested.model_validate_json, RequestsHandler(transaction)),
        (SYNC_PROGRESSED, None, SyncProgressed.model_validate_json, progress),
        (DATA_STORED, None, DataStored.model_validate_json, stored),
        (None, DEAD_LETTERS, _readable, DeadLettersHandler(transaction, count=count)),
    ]
    return [
        KeyedConsumer(
            brokers,
            *([topic] if topic else []),
            pattern=pattern,
            group=f"{SERVICE}.{topic or ('requests' if pattern == REQUESTS else 'dead-letters')}",
            parse=parse,
            handle=handle,
            dead_letters=DeadLetterPublisher(publisher),
        )
        for topic, pattern, parse, handle in heard
    ]


def _readable(body: bytes) -> dict[str, Any]:
    """A dead letter's body as far as it can be read: it may be the very thing that could not be."""
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return read if isinstance(read, dict) else {}


def _checks(
    database: Database, gateway: Gateway, parts: Sequence[PeriodicTask | KeyedConsumer[Any]]
) -> dict[str, Check]:
    async def work() -> str | None:
        return next((part.health_error for part in parts if part.health_error), None)

    return {"postgres": database.check_health, "gateway": gateway.trouble, "work": work}


def main() -> None:
    """Run the service until it is asked to end."""
    serve(_running)


if __name__ == "__main__":
    main()
