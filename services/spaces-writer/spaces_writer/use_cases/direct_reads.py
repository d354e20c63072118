"""Decides which records a full read must read directly, and what these direct reads prove.

Two kinds of records are read directly: those that the platform lists but that the full read has not stored, and stored
records that the full read did not list. Of the latter, the direct read says whether they were deleted, or whether the
platform's list and count are wrong.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contracts.events import FullReadCompleted, RecordIds
from spaces_writer.deletion_guard import apply_deletion_guard
from spaces_writer.store import connections, direct_reads, id_lists, records
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
    succeed. `note` is what a successful full read must say.
    """

    pending: RecordIds = field(default_factory=dict)
    fault: str | None = None
    note: str | None = None


async def check_direct_reads(tx: "AsyncConnection", event: FullReadCompleted, batch: IngestedBatch) -> DirectReadStatus:
    """Return what must be read directly before the result of a full read, or what the direct reads have proved.

    The id ranges of the full read must be complete. When the deletion guard objects to suspiciously many stored records
    that were not listed, they are not read, the full read fails, and `batch.guard_reason` says why.
    """
    name, read_id = event.connection, event.read_id
    requested = await direct_reads.list_requested(tx, name, read_id)
    unstored = await id_lists.find_unstored(tx, name, read_id)
    pending = [key for key, is_done in requested.items() if not is_done]
    if not pending:
        resources = sorted({resource for resource, _ in event.id_ranges})
        unlisted = await records.find_unlisted(tx, name, read_id, resources, event.started_at)
        batch.guard_reason = await _guard(tx, event, batch, unlisted.keys() - requested.keys(), resources)
        if batch.guard_reason is not None:
            await connections.record_guard_decision(tx, name, is_stopped=True)
            return DirectReadStatus(fault=batch.guard_reason)
        overdue_by_key = {**dict.fromkeys(unstored, False), **unlisted}
        pending = [key for key in overdue_by_key if key not in requested][:MAX_IDS_PER_READ]
        await direct_reads.insert(tx, name, read_id, {key: overdue_by_key[key] for key in pending})
    if pending:
        return DirectReadStatus(_group_by_resource(pending))
    await connections.record_guard_decision(tx, name, is_stopped=False)
    return await _check_results(tx, event, unstored)


async def _guard(
    tx: "AsyncConnection",
    event: FullReadCompleted,
    batch: IngestedBatch,
    candidates: Collection[Key],
    resources: Sequence[str],
) -> str | None:
    known = await direct_reads.list_known_unlisted(tx, event.connection, event.read_id)
    living = await records.count_living(tx, event.connection, resources)
    return apply_deletion_guard(len(set(candidates) - known), living, was_guarded=batch.row.deletions_guarded)


async def _check_results(tx: "AsyncConnection", event: FullReadCompleted, unstored: Sequence[Key]) -> DirectReadStatus:
    name, read_id = event.connection, event.read_id
    if unstored:
        return DirectReadStatus(fault=f"{len(unstored)} listed records could not be read: {_name(unstored)}")
    unlisted = await direct_reads.find_unlisted(tx, name, read_id)
    is_known = set(unlisted) <= await direct_reads.list_known_unlisted(tx, name, read_id)
    await direct_reads.keep_only(tx, name, read_id, unlisted)
    if not unlisted:
        return DirectReadStatus()
    text = f"{len(unlisted)} records exist although the platform neither lists nor counts them: {_name(unlisted)}"
    return DirectReadStatus(note=text) if is_known else DirectReadStatus(fault=text)


def _group_by_resource(keys: Sequence[Key]) -> RecordIds:
    resources = sorted({resource for resource, _ in keys})
    return {name: tuple(record_id for resource, record_id in keys if resource == name) for name in resources}


def _name(keys: Sequence[Key]) -> str:
    """Return the ids of the first records as text, and how many more there are."""
    names = ", ".join(record_id for _, record_id in keys[:MAX_NAMED_IDS])
    more = len(keys) - MAX_NAMED_IDS
    return f"{names} and {more} more" if more > 0 else names
