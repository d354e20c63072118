"""Publishes the records that a fetcher reads in pages of about TARGET_BYTES.

A record, or a chunk (one part of a large record), that is larger than this has its own page.
"""

import orjson

from connector import event_builders
from connector.source import RecordBatch
from contracts.events import Record
from contracts.topics import MAX_MESSAGE_BYTES
from messaging.publisher import EventPublisher, OutboundMessage
from platform_sdk.session import SyncContext

TARGET_BYTES = 512 * 1024
MAX_RECORD_BYTES = MAX_MESSAGE_BYTES - 64 * 1024
"""The largest record that fits into one message. A larger one is left out, and the sync's result names it."""
ENVELOPE_BYTES = 300
"""The approximate bytes that a record's fields take in addition to its body and items."""


def measure_record(record: Record) -> int:
    """Return the approximate number of bytes that `record` takes in a page."""
    content = record.items if record.body is None else (record.body, record.items)
    return ENVELOPE_BYTES + len(orjson.dumps(content))


class PageBuilder:
    """Collects records into pages of about `target` bytes."""

    def __init__(self, target: int = TARGET_BYTES) -> None:
        self._target = target
        self._records: list[Record] = []
        self._size = 0

    def add(self, record: Record, size: int) -> tuple[Record, ...]:
        """Add a record of `size` bytes.

        If the record does not fit into the current page, return the records of that page and start a new page with
        this one. Otherwise return an empty tuple.
        """
        page = self.flush() if self._records and self._size + size > self._target else ()
        self._records.append(record)
        self._size += size
        return page

    def flush(self) -> tuple[Record, ...]:
        """Return the records of the unfinished page and start an empty one. The tuple is empty when there are none."""
        records, self._records, self._size = tuple(self._records), [], 0
        return records


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

    async def add_batch(self, batch: RecordBatch) -> None:
        """Add the records of `batch` to the current page, and publish each page that becomes full.

        Of a record that is too large to publish, only its id and the reason are added.
        """
        last = self._batch
        if (batch.resource, batch.id_range, batch.attempt) != (last.resource, last.id_range, last.attempt):
            await self.flush()
        self._batch = batch
        for whole in batch.records:
            record, size = whole, measure_record(whole)
            if size > MAX_RECORD_BYTES:
                record, size = _build_too_large(whole), ENVELOPE_BYTES
            page = self._builder.add(record, size)
            if page:
                await self._publish(page)

    async def flush(self) -> None:
        """Publish the records of the page that is not full yet, if there are any."""
        records = self._builder.flush()
        if records:
            await self._publish(records)

    async def flush_and_publish_marker(self, marker: OutboundMessage) -> None:
        """Publish the remaining records, then `marker`, the message that ends a full read or an id range."""
        await self.flush()
        await self._publisher.send_all([marker])

    async def _publish(self, records: tuple[Record, ...]) -> None:
        page = event_builders.build_page(self._topic, self._context, self._step, self._number, self._batch, records)
        await self._publisher.send_all([page])
        self._number += 1


def _build_too_large(record: Record) -> Record:
    reason = f"larger than {MAX_RECORD_BYTES} bytes: it cannot be carried"
    return Record(resource=record.resource, id=record.id, read_at=record.read_at, unreadable=reason)
