"""Decides and stores the results of syncs, when an id range, a full read or an incremental read has ended."""

from typing import TYPE_CHECKING
from uuid import UUID

from contracts.events import FullReadCompleted, IncrementalReadCompleted, RangeCompleted, SyncResult
from spaces_writer.completeness_checks import (
    check_full_read_completeness,
    check_incremental_completeness,
    check_range_completeness,
)
from spaces_writer.left_out import describe_left_out
from spaces_writer.store import connections, reads, records, trace_links
from spaces_writer.use_cases.batch import IngestedBatch
from spaces_writer.use_cases.deletion_detection import request_deletion_verifications

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


async def save_range_and_recheck_read(tx: "AsyncConnection", event: RangeCompleted, batch: IngestedBatch) -> None:
    """Store whether everything in the id range has been stored. If its full read has ended, decide its result again.

    An id range is a part of a full read: the records of one resource between two ids.
    """
    if await reads.load_result(tx, event.connection, event.read_id) is not None:
        return
    status = check_range_completeness(event, await reads.count_listed(tx, event))
    await reads.save_range(tx, event.connection, event.read_id, status)
    full_read = await reads.load_full_read(tx, event.connection, event.read_id)
    if full_read is not None:
        await _decide_full_read_result(tx, full_read, batch)


async def save_end_and_decide_result(tx: "AsyncConnection", event: FullReadCompleted, batch: IngestedBatch) -> None:
    """Store the event that the full read has ended, and decide the result of its sync."""
    if await _repeat_result(tx, event.connection, event.read_id, batch):
        return
    await reads.save_full_read_end(tx, event)
    await _decide_full_read_result(tx, event, batch)


async def _decide_full_read_result(tx: "AsyncConnection", event: FullReadCompleted, batch: IngestedBatch) -> None:
    name, read_id = event.connection, event.read_id
    status = check_full_read_completeness(event.id_ranges, await reads.list_ranges(tx, name, read_id))
    match status.outcome:
        case "success":
            await _record_success(tx, event, batch)
        case "failed":
            result = SyncResult(sync_ids=(read_id,), status="failed", sequence=0, reason=status.reason)
            await _save_result(tx, batch, read_id, result)
        case "incomplete":
            batch.results.append(
                SyncResult(
                    sync_ids=(read_id,),
                    status="incomplete",
                    sequence=batch.row.sequence,
                    reason=status.reason,
                    retry_cursors=status.retry_cursors,
                )
            )


async def _record_success(tx: "AsyncConnection", event: FullReadCompleted, batch: IngestedBatch) -> None:
    """Request the verification of records that may have been deleted, and store that the full read's sync succeeded."""
    name, read_id = event.connection, event.read_id
    await request_deletion_verifications(tx, event, batch)
    sequence = await connections.record_full_sync_success(tx, name, read_id)
    await trace_links.save_current_span(tx, name, sequence)
    outdated = await records.list_outdated(tx, name)
    result = SyncResult(
        sync_ids=(read_id,),
        status="success",
        sequence=sequence,
        skipped_resources=event.skipped_resources,
        left_out=describe_left_out(record for record in outdated if record.unreadable_at >= event.started_at),
    )
    await _save_result(tx, batch, read_id, result)


async def decide_incremental_read_result(
    tx: "AsyncConnection", event: IncrementalReadCompleted, batch: IngestedBatch
) -> None:
    """Store the result of the incremental read's syncs.

    It is `success` if the stored pages of the read contain every requested id and none was unreadable, else `failed`. A
    record that exists and was left out does not fail it, but is named.
    """
    if await _repeat_result(tx, event.connection, event.read_id, batch):
        return
    listed = await reads.load_listed_ids(tx, event.connection, event.read_id)
    reason = check_incremental_completeness(event.requested, listed, event.unreadable)
    await connections.set_last_sync(tx, event.connection, event.sync_ids[0])
    outdated = await records.list_outdated(tx, event.connection)
    result = SyncResult(
        sync_ids=event.sync_ids,
        status="failed" if reason else "success",
        sequence=batch.row.sequence,
        reason=reason,
        left_out=describe_left_out(one for one in outdated if one.id in event.requested.get(one.resource, ())),
    )
    await _save_result(tx, batch, event.read_id, result)


async def _save_result(tx: "AsyncConnection", batch: IngestedBatch, read_id: UUID, result: SyncResult) -> None:
    name = batch.row.connection
    sequence = batch.row.sequence + (1 if batch.has_changes else 0)
    totals = await reads.compute_totals(tx, name, read_id)
    final = result.model_copy(update={"totals": totals, "sequence": max(result.sequence, sequence)})
    await reads.save_result_and_delete_progress(tx, name, read_id, final)
    batch.open_reads.discard(read_id)
    batch.results.append(final)


async def _repeat_result(tx: "AsyncConnection", connection: str, read_id: UUID, batch: IngestedBatch) -> bool:
    """Add the read's stored final result to the batch, so that it is published again. Return False if none is stored.

    A final result is stored already when Kafka delivers the event for the second time.
    """
    result = await reads.load_result(tx, connection, read_id)
    if result is not None:
        batch.results.append(result)
    return result is not None
