"""The outbox: a service changes its rows and publishes events in one transaction.

The events are rows of the `outbox` table of the service's own schema. `OutboxRelay` publishes and deletes them. A
process that is killed between the two publishes a row twice: consumers recognise an event by its id.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.headers import build_headers_for_type
from messaging import tracing
from messaging.publisher import EventPublisher, OutboundMessage

Transaction = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
"""Opens a transaction on the service's own schema. Raises `UnavailableError` when its database does not answer."""

_INSERT = text("""
INSERT INTO outbox (topic, key, event_id, event_type, body, traceparent)
SELECT * FROM unnest(CAST(:topics AS text[]), CAST(:keys AS text[]), CAST(:ids AS text[]),
                     CAST(:types AS text[]), CAST(:bodies AS bytea[]), CAST(:traceparents AS text[]))
""")
_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtext(current_schema() || '.outbox'))")
_NEXT = text("SELECT id, topic, key, event_id, event_type, body, traceparent FROM outbox ORDER BY id LIMIT :batch")
_DELETE = text("DELETE FROM outbox WHERE id = ANY(CAST(:ids AS bigint[]))")


async def enqueue(tx: AsyncConnection, messages: Iterable[OutboundMessage]) -> None:
    """Write messages into the outbox within the transaction `tx`. After its commit they are published in this order.

    A message without a `traceparent` belongs to the current span.
    """
    listed = list(messages)
    if not listed:
        return
    current = tracing.get_traceparent()
    await tx.execute(
        _INSERT,
        {
            "topics": [m.topic for m in listed],
            "keys": [m.key for m in listed],
            "ids": [m.event_id for m in listed],
            "types": [type(m.event).__name__ for m in listed],
            "bodies": [m.event.model_dump_json().encode() for m in listed],
            "traceparents": [m.traceparent or current for m in listed],
        },
    )


class OutboxRelay:
    """Publishes the rows of the outbox. Only one relay at a time works on a schema, so that the order is kept."""

    def __init__(self, transaction: Transaction, publisher: EventPublisher, *, source: str) -> None:
        self._transaction = transaction
        self._publisher = publisher
        self._source = source

    async def run_once(self) -> bool:
        """Publish a batch and return whether there may be more rows. Raises `UnavailableError`."""
        return await self.publish_batch() > 0

    async def publish_batch(self, batch: int = 200) -> int:
        """Publish up to `batch` rows in order, delete them, and return their number."""
        async with self._transaction() as tx:
            if not (await tx.execute(_LOCK)).scalar():
                return 0
            rows = (await tx.execute(_NEXT, {"batch": batch})).all()
            for row in rows:
                headers = build_headers_for_type(
                    row.event_type, source=self._source, event_id=row.event_id, subject=row.key
                )
                headers += tracing.build_trace_headers(row.traceparent)
                await self._publisher.send_raw(row.topic, row.key.encode(), row.body, headers)
            if rows:
                await tx.execute(_DELETE, {"ids": [row.id for row in rows]})
        return len(rows)
