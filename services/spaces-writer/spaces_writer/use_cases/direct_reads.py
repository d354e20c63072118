"""Decides which records a full read must read directly, and what these direct reads prove.

Two kinds of records are read directly: those that the platform lists but that the full read has not stored, and stored
records that the full read did not list. Of the latter, the direct read says whether they were deleted, or whether the
platform's list and count are wrong.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from contracts.events import FullReadCompleted, GuardedDeletions, RecordIds
from spaces_writer.deletion_guard import apply_deletion_guard
from spaces_writer.store import connections, direct_reads, id_lists, records
from spaces_writer.store.connections import ContinuableRead
from spaces_writer.store.direct_reads import Key
from spaces_writer.use_cases.batch import IngestedBatch

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

MAX_IDS_PER_READ = 250
MAX_NAMED_IDS = 5


@dataclass(frozen=True)
class DirectReadStatus:
    """What the direct reads of a full read prove so far.

    `pending` are the records that must be read next; nothing is proved before. `fault` says why the full read cannot
    succeed, `guarded` what the deletion guard stopped, if that is the fault. `note` is what a successful full read must
    say.
    """

    pending: RecordIds = field(default_factory=dict)
    fault: str | None = None
    guarded: GuardedDeletions | None = None
    note: str | None = None


async def check_direct_reads(tx: "AsyncConnection", event: FullReadCompleted, batch: IngestedBatch) -> DirectReadStatus:
    """Return what must be read directly before the result of a full read, or what the direct reads have proved.

    The id ranges of the full read must be complete. When the deletion guard objects to suspiciously many stored records
    that were not listed, they are not read, and the full read fails.
    """
    name, read_id = event.connection, event.read_id
    requested = await direct_reads.list_requested(tx, name, read_id)
    unstored = await id_lists.find_unstored(tx, name, read_id)
    pending = [key for key, is_done in requested.items() if not is_done]
    if not pending:
        resources = sorted({resource for resource, _ in event.id_ranges})
        unlisted = await records.find_unlisted(tx, name, read_id, resources, event.started_at)
        # Before the first complete full sync nothing is shown that a fault could take away.
        candidates = unlisted.keys() - requested.keys() if batch.row.fully_read else ()
        guarded = await _apply_guard(tx, event, batch, candidates, resources)
        if guarded is not None:
            text = f"{guarded.records} of {guarded.stored} records were not listed by this full read; none is deleted"
            return DirectReadStatus(fault=text, guarded=guarded)
        overdue_by_key = {**dict.fromkeys(unstored, False), **unlisted}
        pending = [key for key in overdue_by_key if key not in requested][:MAX_IDS_PER_READ]
        await direct_reads.insert(tx, name, read_id, {key: overdue_by_key[key] for key in pending})
    if pending:
        return DirectReadStatus(_group_by_resource(pending))
    # Not before: the guard of an earlier full sync, once its deletions are allowed, lets all reads of this one pass.
    await connections.save_guard(tx, name, None)
    return await _check_results(tx, event, unstored)


async def check_continuation(
    tx: "AsyncConnection", event: FullReadCompleted, previous: ContinuableRead
) -> DirectReadStatus:
    """Return what a full read that continues the full read `previous` must read directly, or what that has proved.

    Records that it did not list are no deletion candidates: the platform has them as `previous` has listed them. So
    those of them are read directly that others have changed since, or could not read.
    """
    name, read_id = event.connection, event.read_id
    requested = await direct_reads.list_requested(tx, name, read_id)
    unstored = await id_lists.find_unstored(tx, name, read_id)
    pending = [key for key, is_done in requested.items() if not is_done]
    if not pending:
        unsettled = await records.find_unsettled(tx, name, read_id, previous, event.started_at)
        pending = [key for key in dict.fromkeys((*unstored, *unsettled)) if key not in requested][:MAX_IDS_PER_READ]
        await direct_reads.insert(tx, name, read_id, dict.fromkeys(pending, False))
    if pending:
        return DirectReadStatus(_group_by_resource(pending))
    # Those of the full reads before stay: they are still not listed.
    await direct_reads.delete(tx, name, read_id)
    if unstored:
        return DirectReadStatus(fault=_describe_unstored(unstored))
    known = sorted(await direct_reads.list_known_unlisted(tx, name, read_id))
    return DirectReadStatus(note=_describe_unlisted(known) if known else None)


async def _apply_guard(
    tx: "AsyncConnection",
    event: FullReadCompleted,
    batch: IngestedBatch,
    candidates: Collection[Key],
    resources: Sequence[str],
) -> GuardedDeletions | None:
    """Return what the deletion guard stops, and store the guard; None if the candidates may be read directly."""
    name = event.connection
    known = await direct_reads.list_known_unlisted(tx, name, event.read_id)
    missing, living = len(set(candidates) - known), await records.count_living(tx, name, resources)
    guard = apply_deletion_guard(
        event.read_id,
        missing,
        living,
        before=await connections.load_guard(tx, name),
        allowed_sync_id=batch.row.allowed_sync,
        now=datetime.now(UTC),
    )
    if guard is None:
        return None
    await connections.save_guard(tx, name, guard)
    return GuardedDeletions(sync_id=guard.sync_id, records=missing, stored=living)


async def _check_results(tx: "AsyncConnection", event: FullReadCompleted, unstored: Sequence[Key]) -> DirectReadStatus:
    name, read_id = event.connection, event.read_id
    if unstored:
        return DirectReadStatus(fault=_describe_unstored(unstored))
    unlisted = await direct_reads.find_unlisted(tx, name, read_id)
    is_known = set(unlisted) <= await direct_reads.list_known_unlisted(tx, name, read_id)
    await direct_reads.keep_only(tx, name, read_id, unlisted)
    if not unlisted:
        return DirectReadStatus()
    text = _describe_unlisted(unlisted)
    return DirectReadStatus(note=text) if is_known else DirectReadStatus(fault=text)


def _describe_unstored(keys: Sequence[Key]) -> str:
    return f"{len(keys)} listed records could not be read: {_name(keys)}"


def _describe_unlisted(keys: Sequence[Key]) -> str:
    return f"{len(keys)} records exist although the platform neither lists nor counts them: {_name(keys)}"


def _group_by_resource(keys: Sequence[Key]) -> RecordIds:
    resources = sorted({resource for resource, _ in keys})
    return {name: tuple(record_id for resource, record_id in keys if resource == name) for name in resources}


def _name(keys: Sequence[Key]) -> str:
    """Return the ids of the first records as text, and how many more there are."""
    names = ", ".join(record_id for _, record_id in keys[:MAX_NAMED_IDS])
    more = len(keys) - MAX_NAMED_IDS
    return f"{names} and {more} more" if more > 0 else names
