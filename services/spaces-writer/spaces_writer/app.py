"""Composition root of the spaces-writer: deduplicates, gives verdicts, composes and uploads."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from fastapi import FastAPI
from faststream.kafka import KafkaBroker
from prometheus_client import CollectorRegistry

from contracts.events import FETCHED, ConnectionChanged
from contracts.topics import CONNECTION_CHANGED, DATA_FETCHED, DATA_FETCHED_WALK
from messaging.dead_letters import DeadLetters
from messaging.intake import IntakeLimits, KeyedIntake
from messaging.metrics import IntakeMetrics
from messaging.outbox import Outbox
from messaging.publisher import Publisher
from messaging.tracing import traces
from serving.logs import configure_logs
from serving.loops import Loop
from serving.metrics import metrics_route
from serving.process import Check, Served, health_routes, serve
from serving.settings import read_settings
from spaces_writer.client import open_bucket
from spaces_writer.composer import Composer
from spaces_writer.eraser import Eraser
from spaces_writer.handlers import ConnectionsHandler, PagesHandler
from spaces_writer.metrics import Metrics
from spaces_writer.settings import WriterSettings
from storing.database import Database

SERVICE = "spaces-writer"
PAGES = IntakeLimits(batch_bytes=2 * 1024 * 1024, keys=8, held_bytes=16 * 1024 * 1024)
"""Pages are large: what waits is bounded by bytes, so that memory does not grow with a shop."""


async def _running(stack: AsyncExitStack) -> list[Served]:
    settings = read_settings(WriterSettings)
    configure_logs(SERVICE)
    stack.enter_context(traces(SERVICE, settings.otel_exporter_otlp_endpoint))
    url = settings.database_url.get_secret_value()
    database = Database(url, schema="spaces_writer")
    stack.push_async_callback(database.close)
    await database.migrate("spaces_writer")
    brokers = settings.brokers()
    publisher = await stack.enter_async_context(Publisher(brokers, source=SERVICE))
    bucket = await stack.enter_async_context(open_bucket(settings))
    composing = Database(url, schema="spaces_writer", pool=2 * settings.composes_at_once + 2)
    stack.push_async_callback(composing.close)
    outbox = Loop("outbox", Outbox(database.transaction, publisher, source=SERVICE).step, rest=1.0)

    def put() -> None:
        outbox.nudge()
        looking.nudge()

    def changed() -> None:
        looking.nudge()
        erasing.nudge()

    registry = CollectorRegistry()
    metrics = Metrics(registry)
    composer = Composer(composing, bucket, at_once=settings.composes_at_once, put=put, count=metrics.composed)
    looking = Loop("composer", composer.step, rest=1.0)
    erasing = Loop("eraser", Eraser(database, bucket, said=put).step, rest=1.0)
    broker = KafkaBroker(brokers.addresses, security=brokers.security, logger=None, allow_auto_create_topics=False)
    intakes = _intakes(broker, database, publisher, metrics, stored=put, changed=changed)
    registry.register(IntakeMetrics(intakes))
    stack.push_async_callback(composer.stop)
    await stack.enter_async_context(outbox.running())
    await stack.enter_async_context(looking.running())
    await stack.enter_async_context(erasing.running())
    await broker.start()
    stack.push_async_callback(broker.stop)
    for intake in intakes:
        stack.push_async_callback(intake.stop)
    app = FastAPI(openapi_url=None)
    health_routes(app, _checks(database, bucket.check, [outbox, looking, erasing, *intakes]))
    metrics_route(app, registry)
    return [Served(app, settings.host, settings.port)]


def _intakes(
    broker: KafkaBroker,
    database: Database,
    publisher: Publisher,
    metrics: Metrics,
    *,
    stored: Callable[[], None],
    changed: Callable[[], None],
) -> list[KeyedIntake[Any]]:
    transaction = database.transaction
    pages = PagesHandler(transaction, walking=False, stored=stored, count=metrics.ingested)
    walked = PagesHandler(transaction, walking=True, stored=stored, count=metrics.ingested)
    changes = ConnectionsHandler(transaction, changed=changed)
    heard: list[tuple[str, Any, Any, IntakeLimits]] = [
        (DATA_FETCHED, FETCHED.validate_json, pages, PAGES),
        (DATA_FETCHED_WALK, FETCHED.validate_json, walked, PAGES),
        (CONNECTION_CHANGED, ConnectionChanged.model_validate_json, changes, IntakeLimits()),
    ]
    return [
        KeyedIntake(
            broker,
            topic,
            group=f"{SERVICE}.{topic}",
            parse=parse,
            handle=handle,
            dead_letters=DeadLetters(publisher),
            limits=limits,
        )
        for topic, parse, handle, limits in heard
    ]


def _checks(database: Database, bucket: Check, parts: Sequence[Loop | KeyedIntake[Any]]) -> dict[str, Check]:
    async def work() -> str | None:
        return next((part.trouble for part in parts if part.trouble), None)

    return {"postgres": database.trouble, "bucket": bucket, "work": work}


def main() -> None:
    """Run the service until it is asked to end."""
    serve(_running)


if __name__ == "__main__":
    main()
