"""Decides and stores the results of syncs, when an id range, a full read or an incremental read has ended."""

from collections.abc import Sequence
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
    RangeStatus,
    check_full_read_completeness,
    check_incremental_completeness,
    check_range_completeness,
    count_sent,
)
from spaces_writer.left_out import describe_left_out
from spaces_writer.rollbacks import describe_rollbacks
from spaces_writer.store import connections, direct_reads, id_lists, reads, records, rollbacks, trace_links
from spaces_writer.store.connections import ContinuableRead
from spaces_writer.use_cases.batch import IngestedBatch
from spaces_writer.use_cases.direct_reads import check_continuation, check_direct_reads

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
    name, read_id, previous = event.connection, event.read_id, None
    if event.continues is not None:
        previous = await connections.load_continuable_read(tx, name, event.continues)
        if previous is None:
            await _refuse_continuation(tx, event, batch)
            return
    attempts = await reads.list_ranges(tx, name, read_id)
    status = check_full_read_completeness(event.id_ranges, attempts)
    match status.outcome:
        case "success":
            is_exact = await _check_listing(tx, event, attempts)
            if previous is not None and not is_exact:
                await _refuse_continuation(tx, event, batch)
            else:
                await _decide_by_direct_reads(tx, event, batch, previous, event.state if is_exact else None)
        case "failed":
            await _record_failure(tx, event, batch, status.reason)
        case "incomplete":
            _request_retries(event, batch, status.reason, status.retry_cursors)


async def _check_listing(tx: "AsyncConnection", event: FullReadCompleted, attempts: Sequence[RangeStatus]) -> bool:
    """Return whether the full read has listed no more than its end speaks of. Of one without a state, nobody asks.

    A step that was killed may have listed a record that was deleted before it was read again. A range that was read
    again may have other versions of records than the source knew at its end. What the source has left covers neither.
    """
    if event.continues is None and (event.state is None or len(attempts) > len(event.id_ranges)):
        return False
    listed = await reads.count_all_listed(tx, event.connection, event.read_id)
    return listed <= count_sent(event.id_ranges, attempts)


async def _refuse_continuation(tx: "AsyncConnection", event: FullReadCompleted, batch: IngestedBatch) -> None:
    """Request that a full read reads everything, because what it has read and what is stored do not fit together.

    What it has listed is forgotten: it may be deleted before the read of everything begins, and would count as listed.
    """
    await reads.delete_progress(tx, event.connection, event.read_id)
    await direct_reads.delete(tx, event.connection, event.read_id)
    reason = "everything is read, because what was read since an earlier full sync does not fit what is stored of it"
    _request_retries(event, batch, reason, (event.retry_cursor or "",))


async def _decide_by_direct_reads(
    tx: "AsyncConnection",
    event: FullReadCompleted,
    batch: IngestedBatch,
    previous: ContinuableRead | None,
    state: str | None,
) -> None:
    """Decide the result of a full read whose id ranges are complete, or request that it reads some records directly.

    `previous` is the full read that it continues, or None if it has read everything. `state` is what its source has
    left, or None if that is not kept.
    """
    listed_sequence = await reads.record_listed(tx, event.connection, event.read_id, batch.sequence)
    if previous is None:
        status = await check_direct_reads(tx, event, batch)
    else:
        status = await check_continuation(tx, event, previous)
    if status.pending:
        count = sum(len(ids) for ids in status.pending.values())
        reason = f"{count} records are read directly: they are listed but not stored, or stored but not listed"
        _request_retries(event, batch, reason, (CursorState(records=status.pending).encode(),))
    elif status.fault is not None:
        await _record_failure(tx, event, batch, status.fault, status.guarded)
    else:
        await _record_success(tx, event, batch, listed_sequence, state, status.note)


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
    """Store that the full read's sync failed. The next one reads everything: it must see what this one has seen."""
    await connections.record_full_sync_failure(tx, event.connection, batch.sequence)
    result = SyncResult(
        sync_ids=(event.read_id,),
        status="failed",
        sequence=batch.sequence,
        reason=reason,
        guarded_deletions=guarded,
    )
    await _save_result(tx, batch, event.read_id, result)


async def _record_success(
    tx: "AsyncConnection",
    event: FullReadCompleted,
    batch: IngestedBatch,
    listed_sequence: int,
    state: str | None,
    note: str | None,
) -> None:
    """Store that the full read's sync succeeded, and delete child records without a living parent.

    A full read that continues another one names only the resources in which it has read something, so that the parents
    of child records may be of another one. It deletes none.
    """
    name, read_id = event.connection, event.read_id
    if event.continues is None:
        resources = sorted({resource for resource, _ in event.id_ranges})
        batch.sequence = await records.delete_orphans(
            tx, name, event.child_resources, resources, event.started_at, after=batch.sequence, read_id=read_id
        )
    if not batch.row.fully_read:
        # The first snapshot is built even if there is no record.
        batch.sequence += 1
    settled = None if state is None else await _find_settled_sequence(tx, event, batch, listed_sequence)
    check = await connections.record_full_sync_success(tx, name, read_id, listed_sequence, settled)
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
        state=state,
    )
    await _save_result(tx, batch, read_id, result)


async def _find_settled_sequence(
    tx: "AsyncConnection", event: FullReadCompleted, batch: IngestedBatch, listed_sequence: int
) -> int:
    return await records.find_settled_sequence(
        tx,
        event.connection,
        event.read_id,
        event.started_at,
        is_continued=event.continues is not None,
        listed_sequence=listed_sequence,
        latest=batch.sequence,
    )


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
