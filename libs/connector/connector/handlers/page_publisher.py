"""Publishes the records of a read page by page."""

from connector import event_builders
from connector.pages import MAX_RECORD_BYTES, PageBuilder, measure_record
from connector.source import RecordBatch, UnreadableRecord
from contracts.events import Record
from messaging.publisher import EventPublisher, OutboundMessage
from platform_sdk.session import SyncContext


class PagePublisher:
    """Publishes records to `topic` in pages. Kafka acknowledges each page before the next one is built."""

    def __init__(self, publisher: EventPublisher, topic: str, context: SyncContext, step: int) -> None:
        self._publisher = publisher
        self._topic = topic
        self._context = context
        self._step = step
        self._builder = PageBuilder()
        self._batch = RecordBatch("", ())
        self._number = 0

    async def add_batch(self, batch: RecordBatch) -> list[UnreadableRecord]:
        """Add the records of `batch`, and publish each page that becomes full.

        Returns the records that are too large to publish.
        """
        last = self._batch
        if (batch.resource, batch.id_range, batch.attempt) != (last.resource, last.id_range, last.attempt):
            await self.flush()
        self._batch = batch
        too_large: list[UnreadableRecord] = []
        for record in batch.records:
            size = measure_record(record)
            if size > MAX_RECORD_BYTES:
                too_large.append(_build_too_large(record))
                continue
            page = self._builder.add(record, size)
            if page:
                await self._publish(page)
        return too_large

    async def flush(self) -> None:
        """Publish the records of the page that is not full yet, if there are any."""
        records = self._builder.flush()
        if records:
            await self._publish(records)

    async def publish_marker(self, marker: OutboundMessage) -> None:
        """Publish the remaining records, then the end marker."""
        await self.flush()
        await self._publisher.send_all([marker])

    async def _publish(self, records: tuple[Record, ...]) -> None:
        page = event_builders.build_page(self._topic, self._context, self._step, self._number, self._batch, records)
        await self._publisher.send_all([page])
        self._number += 1


def _build_too_large(record: Record) -> UnreadableRecord:
    return UnreadableRecord(record.resource, record.id, f"larger than {MAX_RECORD_BYTES} bytes: it cannot be carried")
