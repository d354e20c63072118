"""The transactional outbox: a service stores its changes and the resulting events in one database transaction.

The events are rows of the `outbox` table in the service's own schema. `OutboxRelay` publishes the rows and deletes
them. If the process is killed after publishing and before deleting, a row is published twice. Consumers recognise the
duplicate by the event's id.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.headers import build_headers_for_type
from messaging import tracing
from messaging.publisher import EventPublisher, OutboundMessage

Transaction = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
"""A function that opens a transaction on the service's own schema. The transaction raises `UnavailableError` when
Postgres does not answer."""

_INSERT = text("""
INSERT INTO outbox (topic, key, event_id, event_type, body, traceparent)
SELECT * FROM unnest(CAST(:topics AS text[]), CAST(:keys AS text[]), CAST(:ids AS text[]),
                     CAST(:types AS text[]), CAST(:bodies AS bytea[]), CAST(:traceparents AS text[]))
""")
_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtext(current_schema() || '.outbox'))")
_NEXT = text("SELECT id, topic, key, event_id, event_type, body, traceparent FROM outbox ORDER BY id LIMIT :batch")
_DELETE = text("DELETE FROM outbox WHERE id = ANY(CAST(:ids AS bigint[]))")


async def enqueue(tx: AsyncConnection, messages: Iterable[OutboundMessage]) -> None:
    """Write messages into the outbox as part of the transaction `tx`.

    After the transaction is committed, the messages are published in this order. A message without a `traceparent` gets
    that of the current span.
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
    """Publishes the rows of the outbox table and deletes them.

    A lock lets only one relay at a time work on a schema, so that messages keep their order. `source` is the name of
    the service.
    """

    def __init__(self, transaction: Transaction, publisher: EventPublisher, *, source: str) -> None:
        self._transaction = transaction
        self._publisher = publisher
        self._source = source

    async def run_once(self) -> bool:
        """Publish one batch of rows of the outbox. Return True if there were any, because there may be more then.

        Raises `UnavailableError` when Postgres or Kafka does not answer.
        """
        return await self.publish_batch() > 0

    async def publish_batch(self, max_rows: int = 200) -> int:
        """Publish up to `max_rows` rows of the outbox in order and delete them. Return the number of published rows.

        Returns 0 when the outbox is empty or another relay holds the lock.
        """
        async with self._transaction() as tx:
            if not (await tx.execute(_LOCK)).scalar():
                return 0
            rows = (await tx.execute(_NEXT, {"batch": max_rows})).all()
            for row in rows:
                headers = build_headers_for_type(
                    row.event_type, source=self._source, event_id=row.event_id, subject=row.key
                )
                headers += tracing.build_trace_headers(row.traceparent)
                await self._publisher.send_raw(row.topic, row.key.encode(), row.body, headers)
            if rows:
                await tx.execute(_DELETE, {"ids": [row.id for row in rows]})
        return len(rows)
