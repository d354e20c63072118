"""Stores a page of records, after each record's version has been compared with the stored version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from contracts.events import Record, RecordsPage
from contracts.headers import derive_id
from platform_sdk.documents import canonicalize, hash_content
from spaces_writer.chunks import join_chunks
from spaces_writer.rollbacks import CONFIRM_AFTER_MS, RollbackCheck, apply_rollback_check, check_rollback
from spaces_writer.store import chunks, reads, records, rollbacks
from spaces_writer.store.records import IndexEntry, PreparedRecord
from spaces_writer.use_cases.batch import IngestedBatch, Verification
from spaces_writer.versions import (
    INDISTINGUISHABLE_MS,
    Disposition,
    DispositionCounts,
    Version,
    VersionComparison,
    compare_versions,
    count_dispositions,
)
from spaces_writer.volatile_fields import NO_VOLATILE_FIELDS, VolatileFields, should_renew

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


async def store_page(tx: "AsyncConnection", page: RecordsPage, batch: IngestedBatch) -> None:
    """Store the records of the page and the ids that the page listed, and add what this changed to `batch`.

    Of a record that could not be read, the stored version stays and is marked as outdated; the record counts as listed.
    """
    whole = await _save_chunks_and_collect_whole(tx, page)
    counts = DispositionCounts()
    by_resource: dict[str, dict[str, Record]] = {}
    unreadable: dict[str, dict[str, Record]] = {}
    for record in whole:
        readings = by_resource if record.unreadable is None else unreadable
        readings.setdefault(record.resource, {})[record.id] = record
    for resource, left_out in unreadable.items():
        await records.mark_outdated(tx, page.connection, resource, list(left_out.values()))
    for resource, incoming in by_resource.items():
        stored = await _store_records(tx, page, resource, list(incoming.values()), batch)
        counts = counts + stored.counts if resource == page.resource else counts
        if ids := stored.ids_to_verify:
            verification_id = derive_id("verification", str(page.read_id), resource, *sorted(ids))
            batch.verifications.append(Verification(verification_id, {resource: ids}))
        if ids := stored.ids_to_confirm:
            verification_id = derive_id("confirmation", str(page.read_id), resource, *sorted(ids))
            not_before = max(record.read_at for record in incoming.values()) + CONFIRM_AFTER_MS + INDISTINGUISHABLE_MS
            batch.verifications.append(Verification(verification_id, {resource: ids}, not_before))
    own_ids = [record.id for record in whole if record.resource == page.resource]
    await reads.save_listed_ids_and_counts(tx, page, own_ids, counts)
    batch.pages, batch.counts = batch.pages + 1, batch.counts + counts


async def _save_chunks_and_collect_whole(tx: "AsyncConnection", page: RecordsPage) -> list[Record]:
    """Store the chunks on the page. Return its whole records, and the records that these chunks complete.

    A record is complete when the last of its chunks is on the page and none of the others is missing.
    """
    whole = [record for record in page.records if record.chunk is None]
    for record in page.records:
        if record.chunk is None:
            continue
        await chunks.save(tx, page.connection, record)
        joined = join_chunks(await chunks.load(tx, page.connection, record)) if record.chunk.is_last else None
        if joined is not None:
            whole.append(joined)
            await chunks.delete(tx, page.connection, record)
    return whole


@dataclass(frozen=True)
class StorageOutcome:
    """The effect of storing records of one resource.

    `ids_to_verify` are the ids of records that must be read again, `ids_to_confirm` those that must be read again after
    a while, because their `updated_at` has gone back.
    """

    counts: DispositionCounts
    ids_to_verify: tuple[str, ...]
    ids_to_confirm: tuple[str, ...]


async def _store_records(
    tx: "AsyncConnection", page: RecordsPage, resource: str, incoming: Sequence[Record], batch: IngestedBatch
) -> StorageOutcome:
    connection, read_id = page.connection, page.read_id
    index = await records.load_index(tx, connection, resource, [record.id for record in incoming])
    prepared = [_prepare_record(record) for record in incoming]
    checks = await _check_rollbacks(tx, page, resource, prepared, index)
    compared = [(item, _compare(item, index, checks[item.record.id])) for item in prepared]
    changed = [item for item, comparison in compared if comparison.disposition is Disposition.CHANGED]
    deleted = [item for item, comparison in compared if comparison.disposition is Disposition.DELETED]
    unchanged = [
        _keep_volatile_fields(item, index.get(item.record.id), is_full_read=batch.is_full_read)
        for item, comparison in compared
        if comparison.disposition is Disposition.UNCHANGED and comparison.replaces_stored
    ]
    if changed:
        batch.sequence = await records.write(tx, connection, resource, changed, after=batch.sequence, read_id=read_id)
    if deleted:
        batch.sequence = await records.write_tombstones(
            tx, connection, resource, deleted, after=batch.sequence, read_id=read_id
        )
    if unchanged:
        await records.write_versions(tx, connection, resource, unchanged, read_id)
    if any(
        item.record.id in index and item.volatile_fields != index[item.record.id].volatile_fields for item in unchanged
    ):
        # No record has changed, but the snapshot has.
        batch.sequence += 1
    return StorageOutcome(
        count_dispositions(comparison.disposition for _, comparison in compared),
        tuple(item.record.id for item, comparison in compared if comparison.needs_verification),
        tuple(record_id for record_id, check in checks.items() if check is RollbackCheck.SUSPECTED),
    )


async def _check_rollbacks(
    tx: "AsyncConnection",
    page: RecordsPage,
    resource: str,
    prepared: Sequence[PreparedRecord],
    index: Mapping[str, IndexEntry],
) -> dict[str, RollbackCheck]:
    """Check by id whether the `updated_at` of records has gone back, and store the readings in which it has."""
    versions = {item.record.id: item.version for item in prepared}
    known = await rollbacks.load(tx, page.connection, resource, list(versions))
    checks = {
        item.record.id: check_rollback(item.version, _get_version(index, item), known.get(item.record.id))
        for item in prepared
    }
    for check, read_id in ((RollbackCheck.SUSPECTED, None), (RollbackCheck.CONFIRMED, page.read_id)):
        found = {record_id: versions[record_id] for record_id in checks if checks[record_id] is check}
        if found:
            await rollbacks.save(tx, page.connection, resource, found, confirmed_by=read_id)
    return checks


def _compare(item: PreparedRecord, index: Mapping[str, IndexEntry], check: RollbackCheck) -> VersionComparison:
    stored = _get_version(index, item)
    return apply_rollback_check(compare_versions(item.version, stored), item.version, stored, check)


def _get_version(index: Mapping[str, IndexEntry], item: PreparedRecord) -> Version | None:
    entry = index.get(item.record.id)
    return entry.version if entry else None


def _keep_volatile_fields(item: PreparedRecord, entry: IndexEntry | None, *, is_full_read: bool) -> PreparedRecord:
    """Return an unchanged record with its stored volatile fields (those that change without an edit).

    The values that were just read are kept instead if a full read must renew the stored ones, or if the record was
    never stored.
    """
    if entry is None or (is_full_read and should_renew(item.volatile_fields, entry.volatile_fields)):
        return item
    return replace(item, volatile_fields=entry.volatile_fields)


def _prepare_record(record: Record) -> PreparedRecord:
    if record.body is None:
        return PreparedRecord(record, None, None, NO_VOLATILE_FIELDS)
    body = canonicalize(record.body)
    volatile_fields = VolatileFields(canonicalize(record.volatile_fields).decode(), record.read_at)
    return PreparedRecord(record, body, hash_content(body), volatile_fields)
