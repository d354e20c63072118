"""Decides and stores the results of syncs, when an id range, a full read or an incremental read has ended."""

from typing import TYPE_CHECKING
from uuid import UUID

from contracts.cursors import CursorState
from contracts.events import (
    DirectReadCompleted,
    FullReadCompleted,
    GuardedDeletions,
    IncrementalReadCompleted,
    RangeCompleted,
    SyncResult,
)
from spaces_writer.completeness_checks import (
    check_full_read_completeness,
    check_incremental_completeness,
    check_range_completeness,
)
from spaces_writer.left_out import describe_left_out
from spaces_writer.rollbacks import describe_rollbacks
from spaces_writer.store import connections, direct_reads, id_lists, reads, records, rollbacks, trace_links
from spaces_writer.use_cases.batch import IngestedBatch
from spaces_writer.use_cases.direct_reads import check_direct_reads

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


async def save_range_and_recheck_read(tx: "AsyncConnection", event: RangeCompleted, batch: IngestedBatch) -> None:
    """Store whether everything in the id range has been stored. If its full read has ended, decide its result again.

    An id range is a part of a full read: the records of one resource between two ids.
    """
    if await reads.load_result(tx, event.connection, event.read_id) is not None:
        return
    lists = await id_lists.load(tx, event) if event.has_lists else []
    status = check_range_completeness(event, await reads.count_listed(tx, event), lists)
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


async def save_direct_read_and_decide_result(
    tx: "AsyncConnection", event: DirectReadCompleted, batch: IngestedBatch
) -> None:
    """Store that a full read has read some records directly, and decide the result of its sync again.

    A record that could not be read proves nothing: the sync fails, and the next one reads it again.
    """
    if await _repeat_result(tx, event.connection, event.read_id, batch):
        return
    await direct_reads.complete(tx, event)
    full_read = await reads.load_full_read(tx, event.connection, event.read_id)
    if full_read is not None and event.unreadable:
        example, reason = next(iter(event.unreadable.items()))
        text = f"{len(event.unreadable)} records could not be read directly, e.g. {example}: {reason}"
        await _record_failure(tx, full_read, batch, text)
    elif full_read is not None:
        await _decide_full_read_result(tx, full_read, batch)


async def _decide_full_read_result(tx: "AsyncConnection", event: FullReadCompleted, batch: IngestedBatch) -> None:
    name, read_id = event.connection, event.read_id
    status = check_full_read_completeness(event.id_ranges, await reads.list_ranges(tx, name, read_id))
    match status.outcome:
        case "success":
            await _decide_by_direct_reads(tx, event, batch)
        case "failed":
            await _record_failure(tx, event, batch, status.reason)
        case "incomplete":
            _request_retries(event, batch, status.reason, status.retry_cursors)


async def _decide_by_direct_reads(tx: "AsyncConnection", event: FullReadCompleted, batch: IngestedBatch) -> None:
    """Decide the result of a full read whose id ranges are complete, or request that it reads some records directly."""
    status = await check_direct_reads(tx, event, batch)
    if status.pending:
        count = sum(len(ids) for ids in status.pending.values())
        reason = f"{count} records are read directly: they are listed but not stored, or stored but not listed"
        _request_retries(event, batch, reason, (CursorState(records=status.pending).encode(),))
    elif status.fault is not None:
        await _record_failure(tx, event, batch, status.fault, status.guarded)
    else:
        await _record_success(tx, event, batch, status.note)


def _request_retries(
    event: FullReadCompleted, batch: IngestedBatch, reason: str | None, cursors: tuple[str, ...]
) -> None:
    sync_ids, sequence = (event.read_id,), batch.sequence
    batch.results.append(
        SyncResult(sync_ids=sync_ids, status="incomplete", sequence=sequence, reason=reason, retry_cursors=cursors)
    )


async def _record_failure(
    tx: "AsyncConnection",
    event: FullReadCompleted,
    batch: IngestedBatch,
    reason: str | None,
    guarded: GuardedDeletions | None = None,
) -> None:
    result = SyncResult(
        sync_ids=(event.read_id,),
        status="failed",
        sequence=batch.sequence,
        reason=reason,
        guarded_deletions=guarded,
    )
    await _save_result(tx, batch, event.read_id, result)


async def _record_success(
    tx: "AsyncConnection", event: FullReadCompleted, batch: IngestedBatch, note: str | None
) -> None:
    """Store that the full read's sync succeeded, and delete child records without a living parent."""
    name, read_id = event.connection, event.read_id
    resources = sorted({resource for resource, _ in event.id_ranges})
    batch.sequence = await records.delete_orphans(
        tx, name, event.child_resources, resources, event.started_at, after=batch.sequence, read_id=read_id
    )
    if not batch.row.fully_read:
        # The first snapshot is built even if there is no record.
        batch.sequence += 1
    check = await connections.record_full_sync_success(tx, name, read_id)
    await trace_links.save_current_span(tx, name, batch.sequence)
    outdated = await records.list_outdated(tx, name)
    result = SyncResult(
        sync_ids=(read_id,),
        status="success",
        sequence=batch.sequence,
        reason="; ".join(filter(None, (note, await _describe_rollbacks(tx, name, read_id)))) or None,
        object_check=check,
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
        sequence=batch.sequence,
        reason=reason or await _describe_rollbacks(tx, event.connection, event.read_id),
        left_out=describe_left_out(one for one in outdated if one.id in event.requested.get(one.resource, ())),
    )
    await _save_result(tx, batch, event.read_id, result)


async def _describe_rollbacks(tx: "AsyncConnection", connection: str, read_id: UUID) -> str | None:
    return describe_rollbacks(await rollbacks.list_confirmed(tx, connection, read_id))


async def _save_result(tx: "AsyncConnection", batch: IngestedBatch, read_id: UUID, result: SyncResult) -> None:
    name = batch.row.connection
    totals = await reads.compute_totals(tx, name, read_id)
    final = result.model_copy(update={"totals": totals})
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
