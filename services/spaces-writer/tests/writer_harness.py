"""The writer on a schema of its own, with a bucket in memory that can be unavailable or slow."""

import asyncio
from collections.abc import Mapping
from typing import IO, Any, cast

import orjson
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from contracts.events import ConnectionChanged, DataStored, RecordChanged, RecordsRead, Upload
from contracts.topics import RECORD_CHANGED, RECORDS_READ
from database.pool import Database
from messaging.errors import UnavailableError
from messaging.publisher import Headers
from spaces_writer.handlers import ConnectionChangedHandler, FetchedHandler
from spaces_writer.metrics import WriterMetrics
from spaces_writer.use_cases.eraser import Eraser
from spaces_writer.use_cases.feed_relay import FeedRelay
from spaces_writer.use_cases.merchant_documents import MerchantDocuments
from spaces_writer.use_cases.snapshot_builder import SnapshotBuilder


class MemoryBucket:
    """Objects by key with their metadata. With `is_unavailable` every call fails, and every call about a key of
    `refused_keys` does. With `release_put` a PUT waits until that event is set."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, Mapping[str, str]]] = {}
        self.puts = 0
        self.is_unavailable = False
        self.refused_keys = set[str]()
        self.release_put: asyncio.Event | None = None
        self.put_started = asyncio.Event()

    async def put(self, key: str, body: IO[bytes] | bytes, metadata: Mapping[str, str]) -> None:
        self._check_available(key)
        self.put_started.set()
        if self.release_put is not None:
            await self.release_put.wait()
        self.puts += 1
        self.objects[key] = (body if isinstance(body, bytes) else body.read(), metadata)

    async def load_metadata(self, key: str) -> Mapping[str, str] | None:
        self._check_available(key)
        return self.objects[key][1] if key in self.objects else None

    async def delete(self, key: str) -> None:
        self._check_available(key)
        self.objects.pop(key, None)

    def _check_available(self, key: str) -> None:
        if self.is_unavailable or key in self.refused_keys:
            raise UnavailableError("SlowDown: try again later")


class Writer:
    """The writer's handlers, snapshot builder, merchants' documents and eraser."""

    def __init__(self, database: Database, bucket: MemoryBucket | None = None) -> None:
        self.database = database
        self.bucket = bucket or MemoryBucket()
        self.registry = CollectorRegistry()
        metrics = WriterMetrics(self.registry)
        hooks: Any = {"on_stored": lambda: None, "count_batch": metrics.count_batch}
        self.incremental_handler = FetchedHandler(database.transaction, is_full_read=False, **hooks)
        self.full_handler = FetchedHandler(database.transaction, is_full_read=True, **hooks)
        self.connection_handler = ConnectionChangedHandler(database.transaction, on_changed=lambda: None)
        self.builder = SnapshotBuilder(database, self.bucket, on_upload=metrics.count_upload)
        self.merchant_documents = MerchantDocuments(database, self.bucket)
        self.eraser = Eraser(database, self.bucket, on_erased=lambda: None)

    async def update_connection(self, *events: ConnectionChanged) -> list[DataStored]:
        """Handle states of a connection, and return what the writer publishes."""
        await self.connection_handler(events[0].connection, events)
        return await self.drain_outbox()

    async def ingest(self, *events: Any) -> list[DataStored]:
        """Handle the events of an incremental read, and return what the writer publishes."""
        await self.incremental_handler(events[0].connection, events)
        return await self.drain_outbox()

    async def ingest_full_read(self, *events: Any) -> list[DataStored]:
        """Handle the events of a full read, and return what the writer publishes."""
        await self.full_handler(events[0].connection, events)
        return await self.drain_outbox()

    async def drain_outbox(self) -> list[DataStored]:
        """Return the events in the outbox, and delete them."""
        async with self.database.transaction() as tx:
            rows = await tx.execute(text("DELETE FROM outbox RETURNING id, body"))
            return [DataStored.model_validate_json(row.body) for row in sorted(rows, key=lambda r: int(r.id))]

    async def build(self, connection: str) -> Upload | None:
        """Build and upload the connection's document if it is due."""
        upload = await self.builder.build_and_upload_if_changed(connection)
        await self.drain_outbox()
        return upload

    async def load_titles(self) -> dict[str, str]:
        """Return the titles of the stored products by id."""
        async with self.database.transaction() as tx:
            rows = await tx.execute(text("SELECT id, body FROM bodies WHERE resource = 'products'"))
            return {row.id: orjson.loads(row.body)["title"] for row in rows}

    async def query_scalar(self, sql: str) -> Any:
        """Return the one value that `sql` selects."""
        async with self.database.transaction() as tx:
            return (await tx.execute(text(sql))).scalar()

    async def execute(self, sql: str) -> None:
        """Execute `sql`."""
        async with self.database.transaction() as tx:
            await tx.execute(text(sql))


async def assert_second_delivery_changes_nothing(writer: Writer, *batch: Any) -> None:
    """Let Kafka deliver a batch twice, and check that the second time stores nothing and publishes the same results."""
    first = await writer.ingest(*batch)
    second = await writer.ingest(*batch)
    assert [r for e in second for r in e.results] == [r for e in first for r in e.results]
    assert await writer.query_scalar("SELECT sequence FROM connections") == first[-1].sequence


class RecordingPublisher:
    """Keeps what the feed's relay sends, instead of Kafka. With `is_unavailable` every call fails."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self.event_ids: list[bytes] = []
        self.is_unavailable = False

    async def send_raw(self, topic: str, key: bytes | None, body: bytes | None, headers: Headers) -> None:
        if self.is_unavailable:
            raise UnavailableError("Kafka: away")
        assert body is not None and orjson.loads(body)["connection"].encode() == key
        self.messages.append((topic, body))
        self.event_ids.append(dict(headers)["ce_id"])


class Feed:
    """The relay of the change feed, and what it has published."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.publisher = RecordingPublisher()
        self.lags: list[float] = []
        self.relay = FeedRelay(
            database, cast(Any, self.publisher), count_page=lambda _connection, _changes: None, set_lag=self.lags.append
        )

    async def publish_all(self) -> list[RecordChanged]:
        """Let the relay publish until it has nothing to do. Return the pages of changes that it has published.

        What waits for a full page, because nobody is shown the connection yet, has waited long enough.
        """
        while True:
            async with self._database.transaction() as tx:
                await tx.execute(text("UPDATE feed_positions SET published_at = now() - interval '1 minute'"))
            if not await self.relay.publish_pages():
                break
        messages, self.publisher.messages = self.publisher.messages, []
        return [RecordChanged.model_validate_json(body) for topic, body in messages if topic == RECORD_CHANGED]

    async def publish_reads(self) -> list[RecordsRead]:
        """Let the relay publish until it has nothing to do. Return the pages of reads that it has published."""
        while await self.relay.publish_pages():
            pass
        messages, self.publisher.messages = self.publisher.messages, []
        return [RecordsRead.model_validate_json(body) for topic, body in messages if topic == RECORDS_READ]
