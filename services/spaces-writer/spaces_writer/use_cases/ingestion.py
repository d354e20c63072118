"""Stores a batch of fetched events of one connection in one transaction.

If the process is killed, Kafka delivers the batch again. If it is killed after the commit, the second delivery finds
every record unchanged and every final result stored, and publishes the same events once more.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from contracts.events import (
    DataStored,
    DirectReadCompleted,
    FetchedEvent,
    FullReadCompleted,
    IdsListed,
    IncrementalReadCompleted,
    RangeCompleted,
    RecordsPage,
    SyncResult,
)
from messaging.errors import UnknownConnectionError
from spaces_writer.store import connections, feed, id_lists, reads, trace_links
from spaces_writer.use_cases.batch import IngestedBatch
from spaces_writer.use_cases.page_storage import store_page
from spaces_writer.use_cases.sync_results import (
    decide_incremental_read_result,
    save_direct_read_and_decide_result,
    save_end_and_decide_result,
    save_range_and_recheck_read,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


async def ingest_batch(
    tx: "AsyncConnection", connection: str, events: Sequence[FetchedEvent], *, is_full_read: bool
) -> tuple[IngestedBatch, list[DataStored]]:
    """Store the data of the events. Return what was stored and decided, and the events that report this.

    `is_full_read` says whether the events come from full reads. Raises `UnknownConnectionError` if the gateway's
    state of the connection, or of the epoch of an event, has not been received yet. (The epoch is a number that the
    gateway raises when a connection ends.)
    """
    row = await connections.lock(tx, connection)
    if row is None:
        raise UnknownConnectionError(connection)
    batch = IngestedBatch(row, is_full_read)
    for event in events:
        await _ingest_event(tx, event, batch)
    if batch.has_changes:
        await connections.save_sequence(tx, connection, batch.sequence)
        await feed.save_head(tx, connection, batch.sequence)
        await trace_links.save_current_span(tx, connection, batch.sequence)
    totals = [await reads.compute_totals(tx, connection, read_id) for read_id in sorted(batch.open_reads)]
    return batch, batch.build_events(totals)


async def _ingest_event(tx: "AsyncConnection", event: FetchedEvent, batch: IngestedBatch) -> None:
    if event.epoch < batch.row.epoch:
        _refuse_event(event, batch)
        return
    if event.epoch > batch.row.epoch or batch.row.state == "redacted":
        # A redaction raises the epoch: what was read in its own epoch was read with a grant that is newer than it.
        raise UnknownConnectionError(f"{event.connection} at epoch {event.epoch}")
    match event:
        case RecordsPage():
            await store_page(tx, event, batch)
            batch.open_reads.add(event.read_id)
        case IdsListed():
            await id_lists.save(tx, event)
        case RangeCompleted():
            await save_range_and_recheck_read(tx, event, batch)
        case FullReadCompleted():
            await save_end_and_decide_result(tx, event, batch)
        case DirectReadCompleted():
            await save_direct_read_and_decide_result(tx, event, batch)
        case IncrementalReadCompleted():
            await decide_incremental_read_result(tx, event, batch)


def _refuse_event(event: FetchedEvent, batch: IngestedBatch) -> None:
    """Add the result `cancelled` for the syncs of an event from an earlier epoch, without storing its data.

    The gateway raises the epoch when a connection ends, so what was read before that is not stored any more.
    """
    reason = "the account was disconnected, or connected again, after this was read; it is not stored"
    sync_ids = event.sync_ids if isinstance(event, IncrementalReadCompleted) else (event.read_id,)
    batch.results.append(SyncResult(sync_ids=sync_ids, status="cancelled", sequence=batch.row.sequence, reason=reason))
