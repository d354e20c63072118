"""Builds the spaces-writer from its parts and runs it.

The service stores records, decides the results of syncs, builds and uploads snapshots, and publishes the change feed.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from contracts.events import FETCHED_ADAPTER, ConnectionChanged, ReadRequested
from contracts.topics import CONNECTION_CHANGED, READ_REQUESTED
from database.pool import Database
from messaging.brokers import Brokers
from messaging.consumers import run_consumers
from messaging.dead_letters import DeadLetterPublisher
from messaging.keyed_consumer import ConsumerLimits, KeyedConsumer
from messaging.outbox import OutboxRelay
from messaging.publisher import EventPublisher
from messaging.tracing import export_traces
from platforms.known_settings import list_known_settings
from service.logging_setup import configure_logging
from service.metrics import add_metrics_route
from service.periodic_tasks import PeriodicTask
from service.process import Check, Endpoint, add_health_routes, serve
from service.settings import load_settings
from spaces_writer.client import open_bucket
from spaces_writer.handlers import ConnectionChangedHandler, FetchedHandler, ReadRequestedHandler
from spaces_writer.metrics import WriterMetrics
from spaces_writer.settings import WriterSettings
from spaces_writer.use_cases import feed_relay
from spaces_writer.use_cases.eraser import Eraser
from spaces_writer.use_cases.feed_relay import FeedRelay
from spaces_writer.use_cases.merchant_documents import MerchantDocuments
from spaces_writer.use_cases.snapshot_builder import SnapshotBuilder
from spaces_writer.use_cases.upload_scheduler import UploadScheduler

SERVICE = "spaces-writer"
FETCHED_TOPICS = r"^data\.fetched\.[a-z0-9_-]+$"
FULL_FETCHED_TOPICS = r"^data\.fetched\.[a-z0-9_-]+\.full$"
BUCKET_SECONDS = 4.0
"""How long the bucket may take to answer at the start before an error is logged."""
# Pages are large: what is buffered is bounded by bytes, so that memory does not grow with the size of a shop.
PAGE_LIMITS = ConsumerLimits(batch_bytes=2 * 1024 * 1024, concurrency=8, buffered_bytes=16 * 1024 * 1024)


async def _start(exit_stack: AsyncExitStack) -> list[Endpoint]:
    settings = load_settings(WriterSettings, list_known_settings())
    configure_logging(SERVICE)
    exit_stack.enter_context(export_traces(SERVICE, settings.otel_exporter_otlp_endpoint))
    url = settings.database_url.get_secret_value()
    database = Database(url, schema="spaces_writer")
    exit_stack.push_async_callback(database.close)
    await database.migrate("spaces_writer")
    brokers = settings.build_brokers()
    publisher = await exit_stack.enter_async_context(EventPublisher(brokers, source=SERVICE))
    bucket = await exit_stack.enter_async_context(open_bucket(settings))
    report = asyncio.create_task(bucket.log_error_if_unavailable(BUCKET_SECONDS))
    exit_stack.callback(report.cancel)
    # A pool of its own: a build holds one connection and reads through a second one.
    upload_database = Database(url, schema="spaces_writer", pool_size=2 * settings.snapshot_concurrency + 2)
    exit_stack.push_async_callback(upload_database.close)
    outbox = PeriodicTask("outbox", OutboxRelay(database.transaction, publisher, source=SERVICE).run_once, interval=1.0)

    # The relay has a pool of its own, too: it holds its lease while it publishes.
    feed_database = Database(url, schema="spaces_writer", pool_size=feed_relay.POOL_SIZE)
    exit_stack.push_async_callback(feed_database.close)

    def wake_after_storing() -> None:
        outbox.wake()
        feeding.wake()
        uploading.wake()

    def wake_after_upload() -> None:
        wake_after_storing()
        # An erasure may have waited for a merchant's document.
        erasing.wake()

    def wake_after_connection_change() -> None:
        wake_after_storing()
        erasing.wake()

    registry = CollectorRegistry()
    metrics = WriterMetrics(registry)
    scheduler = UploadScheduler(
        upload_database,
        SnapshotBuilder(upload_database, bucket, on_upload=metrics.count_upload),
        MerchantDocuments(upload_database, bucket),
        concurrency=settings.snapshot_concurrency,
        on_success=wake_after_upload,
    )
    eraser = Eraser(database, bucket, on_erased=wake_after_storing)
    uploading = PeriodicTask("uploads", scheduler.start_due_uploads, interval=1.0)
    erasing = PeriodicTask("eraser", eraser.execute_due_erasures, interval=1.0)
    relay = FeedRelay(feed_database, publisher, count_page=metrics.count_feed_page, set_lag=metrics.set_feed_lag)
    feeding = PeriodicTask("feed", relay.publish_pages, interval=1.0)
    consumers = _build_consumers(
        brokers,
        database,
        publisher,
        metrics,
        on_stored=wake_after_storing,
        on_connection_change=wake_after_connection_change,
    )
    exit_stack.push_async_callback(scheduler.stop)
    await exit_stack.enter_async_context(outbox.run())
    await exit_stack.enter_async_context(feeding.run())
    await exit_stack.enter_async_context(uploading.run())
    await exit_stack.enter_async_context(erasing.run())
    await exit_stack.enter_async_context(run_consumers(consumers, registry))
    app = FastAPI(openapi_url=None)
    add_health_routes(
        app, _build_checks(database, bucket.check_health, [outbox, feeding, uploading, erasing, *consumers])
    )
    add_metrics_route(app, registry)
    return [Endpoint(app, settings.host, settings.port)]


def _build_consumers(
    brokers: Brokers,
    database: Database,
    publisher: EventPublisher,
    metrics: WriterMetrics,
    *,
    on_stored: Callable[[], None],
    on_connection_change: Callable[[], None],
) -> list[KeyedConsumer[Any]]:
    transaction, count_batch = database.transaction, metrics.count_batch
    incremental = FetchedHandler(transaction, is_full_read=False, on_stored=on_stored, count_batch=count_batch)
    full = FetchedHandler(transaction, is_full_read=True, on_stored=on_stored, count_batch=count_batch)
    changes = ConnectionChangedHandler(transaction, on_changed=on_connection_change)
    reads = ReadRequestedHandler(transaction, on_requested=on_stored)
    subscriptions: list[tuple[str, str | None, Any, Any, ConsumerLimits]] = [
        ("data.fetched", FETCHED_TOPICS, FETCHED_ADAPTER.validate_json, incremental, PAGE_LIMITS),
        ("data.fetched.full", FULL_FETCHED_TOPICS, FETCHED_ADAPTER.validate_json, full, PAGE_LIMITS),
        (CONNECTION_CHANGED, None, ConnectionChanged.model_validate_json, changes, ConsumerLimits()),
        (READ_REQUESTED, None, ReadRequested.model_validate_json, reads, ConsumerLimits()),
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
        for name, pattern, parse, handle, limits in subscriptions
    ]


def _build_checks(
    database: Database, check_bucket: Check, workers: Sequence[PeriodicTask | KeyedConsumer[Any]]
) -> dict[str, Check]:
    async def check_work() -> str | None:
        return next((worker.health_error for worker in workers if worker.health_error), None)

    return {"postgres": database.check_health, "bucket": check_bucket, "work": check_work}


def main() -> None:
    """Run the service until it is stopped."""
    serve(_start)


if __name__ == "__main__":
    main()
