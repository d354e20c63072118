"""Handlers of Kafka messages: the events that fetchers publish, and the states of connections."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from uuid import uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import ConnectionChanged, DataStored, FetchedEvent, ReadRequested
from contracts.topics import DATA_STORED
from messaging.errors import UnknownConnectionError
from messaging.outbox import enqueue
from messaging.publisher import OutboundMessage
from spaces_writer.store import connections, feed
from spaces_writer.use_cases.batch import IngestedBatch
from spaces_writer.use_cases.connection_state import apply_connection_events
from spaces_writer.use_cases.ingestion import ingest_batch

log = structlog.get_logger()
Transaction = Callable[[], AbstractAsyncContextManager[AsyncConnection]]


class FetchedHandler:
    """Stores each batch of events from fetchers in one transaction.

    `is_full_read` says whether the events come from full reads. After each commit `on_stored()` and
    `count_batch(batch)` are called.
    """

    def __init__(
        self,
        transaction: Transaction,
        *,
        is_full_read: bool,
        on_stored: Callable[[], None],
        count_batch: Callable[[IngestedBatch], None],
    ) -> None:
        self._transaction = transaction
        self._is_full_read = is_full_read
        self._on_stored = on_stored
        self._count_batch = count_batch

    async def __call__(self, connection: str, events: Sequence[FetchedEvent]) -> None:
        """Store the data of the events, and enqueue the events that report what was stored."""
        async with self._transaction() as tx:
            batch, stored = await ingest_batch(tx, connection, events, is_full_read=self._is_full_read)
            await enqueue(tx, [_build_message(event) for event in stored])
        self._on_stored()
        self._count_batch(batch)
        _log_batch(batch)


def _build_message(event: DataStored) -> OutboundMessage:
    # A random id will do: everything in the event is absolute, so that handling it twice changes nothing.
    return OutboundMessage(DATA_STORED, event.connection, event, str(uuid4()))


def _log_batch(batch: IngestedBatch) -> None:
    for result in batch.results:
        write_log = log.info if result.status == "success" else log.warning
        write_log(
            "sync result stored",
            connection=batch.row.connection,
            sync_id=str(result.sync_ids[0]),
            syncs=len(result.sync_ids),
            outcome=result.status,
            reason=result.reason,
        )
        if result.guarded_deletions:
            guarded = result.guarded_deletions
            fields = {"sync_id": str(guarded.sync_id), "records": guarded.records, "stored": guarded.stored}
            log.error("deletions guarded", connection=batch.row.connection, **fields)


class ConnectionChangedHandler:
    """Stores the state of connections. `on_changed` is called after the commit if a state was stored."""

    def __init__(self, transaction: Transaction, *, on_changed: Callable[[], None]) -> None:
        self._transaction = transaction
        self._on_changed = on_changed

    async def __call__(self, connection: str, events: Sequence[ConnectionChanged]) -> None:
        """Store the newest state among the events, unless a state of the same or a later revision is stored already."""
        async with self._transaction() as tx:
            is_changed = await apply_connection_events(tx, connection, events)
        if is_changed:
            self._on_changed()


class ReadRequestedHandler:
    """Stores requests for the whole state of connections. `on_requested` is called after the commit."""

    def __init__(self, transaction: Transaction, *, on_requested: Callable[[], None]) -> None:
        self._transaction = transaction
        self._on_requested = on_requested

    async def __call__(self, connection: str, events: Sequence[ReadRequested]) -> None:
        """Store each request once, however often it arrives until its read is published.

        Raises `UnknownConnectionError` if the gateway's state of the connection has not been received yet.
        """
        async with self._transaction() as tx:
            if await connections.lock(tx, connection) is None:
                raise UnknownConnectionError(connection)
            for event in events:
                await feed.save_read_request(tx, connection, event.read_id)
        self._on_requested()
