"""Kafka in: pages and markers, and what the gateway says of connections."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from uuid import UUID, uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import (
    ConnectionChanged,
    DataStored,
    FullReadCompleted,
    IncrementalReadCompleted,
    RangeCompleted,
    RecordsPage,
)
from contracts.topics import DATA_STORED
from messaging.errors import UnknownConnectionError
from messaging.outbox import enqueue
from messaging.publisher import OutboundMessage
from spaces_writer import ingest
from spaces_writer.ingest import Ingested
from spaces_writer.store import causes, connections, erasures, merchants
from spaces_writer.store import verdicts as ledger

log = structlog.get_logger()
Transaction = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
Fetched = RecordsPage | RangeCompleted | FullReadCompleted | IncrementalReadCompleted


class PagesHandler:
    """Takes what fetchers say of one connection: one transaction a batch. `walking`: it is walks that say it; `count`
    hears of every batch."""

    def __init__(
        self,
        transaction: Transaction,
        *,
        walking: bool,
        stored: Callable[[], None],
        count: Callable[[Ingested], None],
    ) -> None:
        self._transaction = transaction
        self._walking = walking
        self._stored = stored
        self._count = count

    async def __call__(self, connection: str, events: Sequence[Fetched]) -> None:
        """Store the batch and put what is to be said of it into the outbox."""
        async with self._transaction() as tx:
            known = await connections.lock(tx, connection)
            if known is None:
                raise UnknownConnectionError(connection)
            batch = Ingested(known, self._walking)
            for event in events:
                await self._take(tx, event, batch)
            change = await _changed(tx, connection) if batch.dirty else known.change
            totals = [await ledger.totals(tx, connection, source) for source in sorted(batch.walked)]
            await enqueue(tx, [_stored(event) for event in batch.said(change, totals)])
        self._stored()
        self._count(batch)
        _tell(batch)

    async def _take(self, tx: AsyncConnection, event: Fetched, batch: Ingested) -> None:
        if event.epoch < batch.known.epoch:
            ingest.refuse(event, batch)
            return
        if event.epoch > batch.known.epoch or batch.known.state == "redacted":
            # A redaction raises the epoch: what was read under its own was read by a grant that came after it.
            raise UnknownConnectionError(f"{event.connection} at epoch {event.epoch}")
        match event:
            case RecordsPage():
                await ingest.take_page(tx, event, batch)
                batch.walked.add(event.read_id)
            case RangeCompleted():
                await ingest.end_window(tx, event, batch)
            case FullReadCompleted():
                await ingest.end_walk(tx, event, batch)
            case IncrementalReadCompleted():
                await ingest.settle(tx, event, batch)


async def _changed(tx: AsyncConnection, connection: str) -> int:
    """The batch has made the snapshot dirty: the new change number."""
    change = await connections.raise_change(tx, connection)
    await causes.note(tx, connection, change)
    return change


def _stored(event: DataStored) -> OutboundMessage:
    """Its id needs no story: all that it says is absolute, so twice changes nothing."""
    return OutboundMessage(DATA_STORED, event.connection, event, str(uuid4()))


def _tell(batch: Ingested) -> None:
    for verdict in batch.verdicts:
        say_it = log.info if verdict.status == "success" else log.warning
        sync_id: UUID = verdict.sync_ids[0]
        say_it(
            "verdict given",
            connection=batch.known.connection,
            sync_id=str(sync_id),
            syncs=len(verdict.sync_ids),
            outcome=verdict.status,
            reason=verdict.reason,
        )
    if batch.braked:
        log.error("removal braked", connection=batch.known.connection, reason=batch.braked)


class ConnectionsHandler:
    """Takes the gateway's word on connections. A revision that was passed already changes nothing."""

    def __init__(self, transaction: Transaction, *, changed: Callable[[], None]) -> None:
        self._transaction = transaction
        self._changed = changed

    async def __call__(self, connection: str, events: Sequence[ConnectionChanged]) -> None:
        """Store the newest state, and mark the merchants' documents that show it; a redaction deletes what is here,
        whatever was said after it."""
        newest = max(events, key=lambda event: event.revision)
        async with self._transaction() as tx:
            known = await connections.lock(tx, connection)
            if known is not None and known.revision >= newest.revision:
                return
            await connections.put(tx, newest)
            for event in events:
                if event.state == "redacted" and (known is None or event.revision > known.revision):
                    await erasures.redact(tx, event, known)
            await merchants.mark(tx, {newest.merchant, known.merchant if known else None})
        self._changed()
