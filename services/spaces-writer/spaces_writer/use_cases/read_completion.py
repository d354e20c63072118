"""The end of id ranges, full reads and incremental reads: are they complete, and which result do their syncs have?"""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from contracts.events import FullReadCompleted, IncrementalReadCompleted, RangeCompleted, RecordIds, SyncResult
from contracts.headers import derive_id
from spaces_writer.completeness import check_full_read, check_incremental_read, check_range
from spaces_writer.deletion_guard import check_deletions
from spaces_writer.store import connections, reads, records, trace_links
from spaces_writer.use_cases.batch import IngestedBatch

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

MAX_IDS_PER_VERIFICATION = 250


async def complete_range(tx: "AsyncConnection", event: RangeCompleted, batch: IngestedBatch) -> None:
    """Store the status of the id range. If the end of its full read has come before, check the full read again."""
    if await reads.load_result(tx, event.connection, event.read_id) is not None:
        return
    status = check_range(event, await reads.count_listed(tx, event))
    await reads.save_range(tx, event.connection, event.read_id, status)
    full_read = await reads.load_full_read(tx, event.connection, event.read_id)
    if full_read is not None:
        await _check_full_read(tx, full_read, batch)


async def complete_full_read(tx: "AsyncConnection", event: FullReadCompleted, batch: IngestedBatch) -> None:
    """Store the end of the full read and check it."""
    if await _repeat_result(tx, event.connection, event.read_id, batch):
        return
    await reads.save_full_read(tx, event)
    await _check_full_read(tx, event, batch)


async def _check_full_read(tx: "AsyncConnection", event: FullReadCompleted, batch: IngestedBatch) -> None:
    name, read_id = event.connection, event.read_id
    status = check_full_read(event.id_ranges, await reads.list_ranges(tx, name, read_id))
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
    """End the full read with `success`.

    A full read deletes nothing: the records that it did not list are deletion candidates, which are read directly.
    """
    name, read_id = event.connection, event.read_id
    resources = sorted({resource for resource, _ in event.id_ranges})
    candidates = await records.find_deletion_candidates(tx, name, resources, event.started_at)
    living = await records.count_living(tx, name, resources)
    batch.guard_reason = check_deletions(len(candidates), living, was_guarded=batch.row.deletions_guarded)
    await connections.set_deletions_guarded(tx, name, batch.guard_reason is not None)
    if batch.guard_reason is None:
        batch.verifications += _build_verifications(read_id, candidates)
    await records.delete_orphans(tx, name, event.child_resources, resources, event.started_at)
    sequence = await connections.mark_fully_read(tx, name, read_id)
    await trace_links.save_current_span(tx, name, sequence)
    result = SyncResult(
        sync_ids=(read_id,), status="success", sequence=sequence, skipped_resources=event.skipped_resources
    )
    await _save_result(tx, batch, read_id, result)


def _build_verifications(read_id: UUID, candidates: Sequence[tuple[str, str]]) -> list[tuple[UUID, RecordIds]]:
    """Group deletion candidates into verifications of at most 250 ids of one resource."""
    verifications: list[tuple[UUID, RecordIds]] = []
    for resource in sorted({resource for resource, _ in candidates}):
        ids = [record_id for candidate_resource, record_id in candidates if candidate_resource == resource]
        for start in range(0, len(ids), MAX_IDS_PER_VERIFICATION):
            verification_id = derive_id("deletion-candidates", str(read_id), resource, str(start))
            verifications.append((verification_id, {resource: tuple(ids[start : start + MAX_IDS_PER_VERIFICATION])}))
    return verifications


async def complete_incremental_read(
    tx: "AsyncConnection", event: IncrementalReadCompleted, batch: IngestedBatch
) -> None:
    """End the syncs of the incremental read: with `success` when every requested id was listed."""
    if await _repeat_result(tx, event.connection, event.read_id, batch):
        return
    listed = await reads.list_ids(tx, event.connection, event.read_id)
    reason = check_incremental_read(event.requested, listed, event.unreadable)
    await connections.set_last_sync(tx, event.connection, event.sync_ids[0])
    result = SyncResult(
        sync_ids=event.sync_ids, status="failed" if reason else "success", sequence=batch.row.sequence, reason=reason
    )
    await _save_result(tx, batch, event.read_id, result)


async def _save_result(tx: "AsyncConnection", batch: IngestedBatch, read_id: UUID, result: SyncResult) -> None:
    name = batch.row.connection
    sequence = batch.row.sequence + (1 if batch.has_changes else 0)
    totals = await reads.compute_totals(tx, name, read_id)
    final = result.model_copy(update={"totals": totals, "sequence": max(result.sequence, sequence)})
    await reads.save_result(tx, name, read_id, final)
    batch.open_reads.discard(read_id)
    batch.results.append(final)


async def _repeat_result(tx: "AsyncConnection", connection: str, read_id: UUID, batch: IngestedBatch) -> bool:
    """Publish the stored final result again for an event that is delivered again. Returns whether there is one."""
    result = await reads.load_result(tx, connection, read_id)
    if result is not None:
        batch.results.append(result)
    return result is not None
