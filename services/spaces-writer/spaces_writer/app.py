"""Composition root of the spaces-writer: deduplicates, gives verdicts, composes and uploads."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from contracts.events import FETCHED_ADAPTER, ConnectionChanged
from contracts.topics import CONNECTION_CHANGED
from database.pool import Database
from messaging.brokers import Brokers
from messaging.consumers import run_consumers
from messaging.dead_letters import DeadLetterPublisher
from messaging.keyed_consumer import ConsumerLimits, KeyedConsumer
from messaging.outbox import OutboxRelay
from messaging.publisher import EventPublisher
from messaging.tracing import export_traces
from service.logging_setup import configure_logging
from service.metrics import add_metrics_route
from service.periodic_tasks import PeriodicTask
from service.process import Check, Endpoint, add_health_routes, serve
from service.settings import load_settings
from spaces_writer.client import open_bucket
from spaces_writer.composer import Composer
from spaces_writer.eraser import Eraser
from spaces_writer.handlers import ConnectionsHandler, PagesHandler
from spaces_writer.metrics import Metrics
from spaces_writer.settings import WriterSettings

SERVICE = "spaces-writer"
FETCHED_TOPICS = r"^data\.fetched\.[a-z0-9_-]+$"
FULL_FETCHED_TOPICS = r"^data\.fetched\.[a-z0-9_-]+\.full$"
PAGES = ConsumerLimits(batch_bytes=2 * 1024 * 1024, concurrency=8, buffered_bytes=16 * 1024 * 1024)
"""Pages are large: what waits is bounded by bytes, so that memory does not grow with a shop."""


async def _running(stack: AsyncExitStack) -> list[Endpoint]:
    settings = load_settings(WriterSettings)
    configure_logging(SERVICE)
    stack.enter_context(export_traces(SERVICE, settings.otel_exporter_otlp_endpoint))
    url = settings.database_url.get_secret_value()
    database = Database(url, schema="spaces_writer")
    stack.push_async_callback(database.close)
    await database.migrate("spaces_writer")
    brokers = settings.build_brokers()
    publisher = await stack.enter_async_context(EventPublisher(brokers, source=SERVICE))
    bucket = await stack.enter_async_context(open_bucket(settings))
    composing = Database(url, schema="spaces_writer", pool=2 * settings.composes_at_once + 2)
    stack.push_async_callback(composing.close)
    outbox = PeriodicTask("outbox", OutboxRelay(database.transaction, publisher, source=SERVICE).run_once, interval=1.0)

    def put() -> None:
        outbox.wake()
        looking.wake()

    def changed() -> None:
        looking.wake()
        erasing.wake()

    registry = CollectorRegistry()
    metrics = Metrics(registry)
    composer = Composer(composing, bucket, at_once=settings.composes_at_once, put=put, count=metrics.composed)
    looking = PeriodicTask("composer", composer.step, interval=1.0)
    erasing = PeriodicTask("eraser", Eraser(database, bucket, said=put).step, interval=1.0)
    intakes = _intakes(brokers, database, publisher, metrics, stored=put, changed=changed)
    stack.push_async_callback(composer.stop)
    await stack.enter_async_context(outbox.run())
    await stack.enter_async_context(looking.run())
    await stack.enter_async_context(erasing.run())
    await stack.enter_async_context(run_consumers(intakes, registry))
    app = FastAPI(openapi_url=None)
    add_health_routes(app, _checks(database, bucket.check, [outbox, looking, erasing, *intakes]))
    add_metrics_route(app, registry)
    return [Endpoint(app, settings.host, settings.port)]


def _intakes(
    brokers: Brokers,
    database: Database,
    publisher: EventPublisher,
    metrics: Metrics,
    *,
    stored: Callable[[], None],
    changed: Callable[[], None],
) -> list[KeyedConsumer[Any]]:
    transaction = database.transaction
    pages = PagesHandler(transaction, walking=False, stored=stored, count=metrics.ingested)
    walked = PagesHandler(transaction, walking=True, stored=stored, count=metrics.ingested)
    changes = ConnectionsHandler(transaction, changed=changed)
    heard: list[tuple[str, str | None, Any, Any, ConsumerLimits]] = [
        ("data.fetched", FETCHED_TOPICS, FETCHED_ADAPTER.validate_json, pages, PAGES),
        ("data.fetched.full", FULL_FETCHED_TOPICS, FETCHED_ADAPTER.validate_json, walked, PAGES),
        (CONNECTION_CHANGED, None, ConnectionChanged.model_validate_json, changes, ConsumerLimits()),
    ]
    return [
        KeyedConsumer(
            brokers,
            *([] if pattern else [name]),
            pattern=pattern,
            group=f"{SERVICE}.{name}",
            parse=parse,
            handle=handle,
            dead_letters=DeadLetterPublisher(publisher),
            limits=limits,
        )
        for name, pattern, parse, handle, limits in heard
    ]


def _checks(database: Database, bucket: Check, parts: Sequence[PeriodicTask | KeyedConsumer[Any]]) -> dict[str, Check]:
    async def work() -> str | None:
        return next((part.health_error for part in parts if part.health_error), None)

    return {"postgres": database.check_health, "bucket": bucket, "work": work}


def main() -> None:
    """Run the service until it is asked to end."""
    serve(_running)


if __name__ == "__main__":
    main()
