"""Composition root of the scheduler: the ledger of syncs, the walks' steps, the polls, the only delay queue."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
from fastapi import FastAPI
from faststream.kafka import KafkaBroker
from prometheus_client import CollectorRegistry

from contracts.events import ConnectionChanged, DataStored, SyncProgressed, SyncRequested, platform_of
from contracts.topics import CONNECTION_CHANGED, DATA_STORED, SYNC_PROGRESSED
from messaging.dead_letters import DeadLetters
from messaging.intake import KeyedIntake
from messaging.metrics import IntakeMetrics
from messaging.outbox import Outbox
from messaging.publisher import Publisher
from messaging.tracing import traces
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
from serving.logs import configure_logs
from serving.loops import Loop
from serving.metrics import metrics_route
from serving.process import Check, Served, health_routes, serve
from serving.settings import read_settings
from storing.database import Database

SERVICE = "scheduler"
REQUESTS = r"^sync\.requested\.[a-z0-9_-]+$"
DEAD_LETTERS = r"^.+\.dlq$"


async def _running(stack: AsyncExitStack) -> list[Served]:
    settings = read_settings(SchedulerSettings)
    configure_logs(SERVICE)
    stack.enter_context(traces(SERVICE, settings.otel_exporter_otlp_endpoint))
    crons = poll_crons(settings, read_environment())
    database = Database(settings.database_url.get_secret_value(), schema="scheduler")
    stack.push_async_callback(database.close)
    await database.migrate("scheduler")
    brokers = settings.brokers()
    publisher = await stack.enter_async_context(Publisher(brokers, source=SERVICE))
    http = await stack.enter_async_context(httpx.AsyncClient())
    gateway = Gateway(http, settings.gateway_internal_url, settings.internal_key)
    outbox = Loop("outbox", Outbox(database.transaction, publisher, source=SERVICE).step, rest=1.0)

    def turn_of(connection: str) -> Turn:
        cron = crons.get(platform_of(connection), DEFAULT_CRON)
        return next_turn(cron, connection, settings.poll_spread_seconds, datetime.now(UTC))

    registry = CollectorRegistry()
    metrics = Metrics(registry, crons)
    dispatcher = Dispatcher(database, gateway, next_turn=turn_of, said=outbox.nudge, count=metrics.count)
    await dispatcher.plan_again()
    dispatching = Loop("dispatcher", dispatcher.step, rest=0.5)
    broker = KafkaBroker(brokers.addresses, security=brokers.security, logger=None, allow_auto_create_topics=False)
    intakes = _intakes(broker, database, publisher, outbox, dispatching, turn_of, metrics.count)
    registry.register(IntakeMetrics(intakes))
    stack.push_async_callback(dispatcher.stop)
    await stack.enter_async_context(outbox.running())
    await stack.enter_async_context(dispatching.running())
    await broker.start()
    stack.push_async_callback(broker.stop)
    for intake in intakes:
        stack.push_async_callback(intake.stop)
    app = FastAPI(openapi_url=None)
    app.include_router(reads(database, settings.internal_keys))
    health_routes(app, _checks(database, gateway, [outbox, dispatching, *intakes]))
    metrics_route(app, registry, look=Looking(database.transaction, metrics.show).look)
    return [Served(app, settings.host, settings.port)]


def _intakes(
    broker: KafkaBroker,
    database: Database,
    publisher: Publisher,
    outbox: Loop,
    dispatching: Loop,
    turn_of: Any,
    count: Count,
) -> list[KeyedIntake[Any]]:
    transaction = database.transaction
    progress = ProgressHandler(transaction, said=outbox.nudge, count=count)
    stored = StoredHandler(transaction, said=outbox.nudge, count=count)
    changes = ConnectionsHandler(transaction, next_turn=turn_of, changed=dispatching.nudge, count=count)
    heard: list[tuple[str | None, str | None, Any, Any]] = [
        (CONNECTION_CHANGED, None, ConnectionChanged.model_validate_json, changes),
        (None, REQUESTS, SyncRequested.model_validate_json, RequestsHandler(transaction)),
        (SYNC_PROGRESSED, None, SyncProgressed.model_validate_json, progress),
        (DATA_STORED, None, DataStored.model_validate_json, stored),
        (None, DEAD_LETTERS, _readable, DeadLettersHandler(transaction, count=count)),
    ]
    return [
        KeyedIntake(
            broker,
            *([topic] if topic else []),
            pattern=pattern,
            group=f"{SERVICE}.{topic or ('requests' if pattern == REQUESTS else 'dead-letters')}",
            parse=parse,
            handle=handle,
            dead_letters=DeadLetters(publisher),
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


def _checks(database: Database, gateway: Gateway, parts: Sequence[Loop | KeyedIntake[Any]]) -> dict[str, Check]:
    async def work() -> str | None:
        return next((part.trouble for part in parts if part.trouble), None)

    return {"postgres": database.trouble, "gateway": gateway.trouble, "work": work}


def main() -> None:
    """Run the service until it is asked to end."""
    serve(_running)


if __name__ == "__main__":
    main()
