"""The outbox: a service changes its rows and speaks in one move.

A row in the service's own `outbox` table is written in the same transaction as the change, and a loop publishes it.
Killed between publishing and deleting, the row is published again: every event is idempotent by its id.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.headers import build_headers_for_type
from messaging import tracing
from messaging.publisher import OutboundMessage

Transaction = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
"""Opens a transaction on the service's own schema; raises `Away` when its store does not answer."""


class RawPublisher(Protocol):
    """What the outbox needs of a publisher."""

    async def send_raw(
        self, topic: str, key: bytes | None, body: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> None:
        """Send bytes that are already an event, with Kafka's word. Raises `Away`."""
        ...


_INSERT = text("""
INSERT INTO outbox (topic, key, event_id, event_type, body, traceparent)
SELECT * FROM unnest(CAST(:topics AS text[]), CAST(:keys AS text[]), CAST(:ids AS text[]),
                     CAST(:types AS text[]), CAST(:bodies AS bytea[]), CAST(:traceparents AS text[]))
""")
_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtext(current_schema() || '.outbox'))")
_NEXT = text("SELECT id, topic, key, event_id, event_type, body, traceparent FROM outbox ORDER BY id LIMIT :batch")
_DELETE = text("DELETE FROM outbox WHERE id = ANY(CAST(:ids AS bigint[]))")


async def enqueue(tx: AsyncConnection, messages: Iterable[OutboundMessage]) -> None:
    """Put messages into the outbox of the transaction `tx`; they are published after it commits, in this order,
    as said by the present span where they name no other."""
    listed = list(messages)
    if not listed:
        return
    present = tracing.get_traceparent()
    await tx.execute(
        _INSERT,
        {
            "topics": [m.topic for m in listed],
            "keys": [m.key for m in listed],
            "ids": [m.event_id for m in listed],
            "types": [type(m.event).__name__ for m in listed],
            "bodies": [m.event.model_dump_json().encode() for m in listed],
            "traceparents": [m.traceparent or present for m in listed],
        },
    )


class OutboxRelay:
    """Publishes what `say` has put down. One relay at a time works on a schema, so that order is kept."""

    def __init__(self, transaction: Transaction, publisher: RawPublisher, *, source: str) -> None:
        self._transaction = transaction
        self._publisher = publisher
        self._source = source

    async def run_once(self) -> bool:
        """Publish some; whether there may be more. Raises `Away`."""
        return await self.publish_batch() > 0

    async def publish_batch(self, batch: int = 200) -> int:
        """Publish up to `batch` rows in order and delete them; returns how many."""
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
