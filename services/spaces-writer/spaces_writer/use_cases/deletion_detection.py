"""Detects deletions at the end of a full read: stored records that the full read did not list may have been deleted."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from contracts.events import FullReadCompleted, GuardedDeletions, RecordIds
from contracts.headers import derive_id
from spaces_writer.deletion_guard import apply_deletion_guard
from spaces_writer.store import connections, records
from spaces_writer.use_cases.batch import IngestedBatch

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

MAX_IDS_PER_VERIFICATION = 250


async def request_deletion_verifications(
    tx: "AsyncConnection", event: FullReadCompleted, batch: IngestedBatch
) -> GuardedDeletions | None:
    """Find the deletion candidates of a successful full read, and request a direct read of each.

    The candidates are the stored records that the full read did not list. This function does not delete them: a
    candidate is deleted only when its direct read does not find it. When the deletion guard objects to suspiciously
    many candidates, no direct read is requested, and the guard is returned for the result of the sync. Child records
    without a living parent are deleted.
    """
    name = event.connection
    resources = sorted({resource for resource, _ in event.id_ranges})
    candidates = await records.find_deletion_candidates(tx, name, resources, event.started_at)
    living = await records.count_living(tx, name, resources)
    guard = apply_deletion_guard(
        event.read_id,
        len(candidates),
        living,
        before=await connections.load_guard(tx, name),
        allowed_sync_id=batch.row.allowed_sync,
        now=datetime.now(UTC),
    )
    await connections.save_guard(tx, name, guard)
    if guard is None:
        batch.verifications += _build_verifications(event.read_id, candidates)
    await records.delete_orphans(tx, name, event.child_resources, resources, event.started_at)
    return GuardedDeletions(sync_id=guard.sync_id, records=len(candidates), stored=living) if guard else None


def _build_verifications(read_id: UUID, candidates: Sequence[tuple[str, str]]) -> list[tuple[UUID, RecordIds]]:
    """Group the candidates, given as (resource, id), into direct reads of at most 250 ids of one resource.

    Returns (id of the sync that is to read the group, ids of the group).
    """
    verifications: list[tuple[UUID, RecordIds]] = []
    for resource in sorted({resource for resource, _ in candidates}):
        ids = [record_id for candidate_resource, record_id in candidates if candidate_resource == resource]
        for start in range(0, len(ids), MAX_IDS_PER_VERIFICATION):
            verification_id = derive_id("deletion-candidates", str(read_id), resource, str(start))
            verifications.append((verification_id, {resource: tuple(ids[start : start + MAX_IDS_PER_VERIFICATION])}))
    return verifications
