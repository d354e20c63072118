"""The tables of the progress of reads: listed ids, completed id ranges, completed full reads, and final results."""

from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import FullReadCompleted, RangeCompleted, RecordsPage, SyncResult, SyncTotals
from spaces_writer.completeness_checks import RangeStatus
from spaces_writer.versions import DispositionCounts

_SAVE_PAGE = text("""
INSERT INTO pages (connection, read_id, resource, id_range, attempt, step, page, ids,
                   records, changed, unchanged, stale, deleted)
VALUES (:connection, :read_id, :resource, :id_range, :attempt, :step, :page, CAST(:ids AS text[]),
        :records, :changed, :unchanged, :stale, :deleted)
ON CONFLICT (connection, read_id, resource, id_range, attempt, step, page)
DO UPDATE SET ids = pages.ids || EXCLUDED.ids
""")
_COUNT_LISTED = text("""
SELECT count(DISTINCT id) FROM pages, unnest(ids) AS id
WHERE connection = :connection AND read_id = :read_id AND resource = :resource
  AND id_range = :id_range AND attempt = :attempt
""")
_LIST_IDS = text("""
SELECT DISTINCT resource, id FROM pages, unnest(ids) AS id WHERE connection = :connection AND read_id = :read_id
""")
_COUNT_ALL_LISTED = text("""
SELECT count(DISTINCT (resource, id)) FROM pages, unnest(ids) AS id
WHERE connection = :connection AND read_id = :read_id AND attempt <> 0
""")
_COMPUTE_TOTALS = text("""
SELECT count(*) AS pages, coalesce(sum(records), 0) AS records, coalesce(sum(changed), 0) AS changed,
       coalesce(sum(unchanged), 0) AS unchanged, coalesce(sum(stale), 0) AS stale, coalesce(sum(deleted), 0) AS deleted
FROM pages WHERE connection = :connection AND read_id = :read_id
""")
_SAVE_RANGE = text("""
INSERT INTO id_ranges (connection, read_id, resource, id_range, attempt, is_complete, reason, retry_cursor, is_final,
                       sent_count)
VALUES (:connection, :read_id, :resource, :id_range, :attempt, :is_complete, :reason, :retry_cursor, :is_final,
        :sent_count)
ON CONFLICT (connection, read_id, resource, id_range, attempt)
DO UPDATE SET is_complete = EXCLUDED.is_complete, reason = EXCLUDED.reason, is_final = EXCLUDED.is_final,
    sent_count = EXCLUDED.sent_count
""")
_LIST_RANGES = text("""
SELECT resource, id_range, attempt, is_complete, reason, retry_cursor, is_final, sent_count FROM id_ranges
WHERE connection = :connection AND read_id = :read_id ORDER BY attempt
""")
_SAVE_FULL_READ = text("""
INSERT INTO full_reads (connection, read_id, event) VALUES (:connection, :read_id, :event) ON CONFLICT DO NOTHING
""")
_RECORD_LISTED = text("""
UPDATE full_reads SET listed_sequence = coalesce(listed_sequence, :sequence)
WHERE connection = :connection AND read_id = :read_id RETURNING listed_sequence
""")
_LOAD_FULL_READ = text("SELECT event FROM full_reads WHERE connection = :connection AND read_id = :read_id")
_SAVE_RESULT = text("""
INSERT INTO sync_results (connection, read_id, result) VALUES (:connection, :read_id, :result) ON CONFLICT DO NOTHING
""")
_LOAD_RESULT = text("SELECT result FROM sync_results WHERE connection = :connection AND read_id = :read_id")
_DELETE_PROGRESS = [
    text(f"DELETE FROM {table} WHERE connection = :connection AND read_id = :read_id")
    for table in ("pages", "id_lists", "id_ranges", "full_reads")
]
_DELETE_EXPIRED = [
    text(f"DELETE FROM {table} WHERE stored_at < now() - interval '8 days'")
    for table in ("pages", "id_lists", "id_ranges", "full_reads", "sync_results", "chunks")
]


def _build_key(connection: str, read_id: UUID) -> dict[str, object]:
    return {"connection": connection, "read_id": read_id}


async def save_listed_ids_and_counts(
    tx: AsyncConnection, page: RecordsPage, ids: Sequence[str], counts: DispositionCounts
) -> None:
    """Store the `ids` that a page of records listed, and the `counts` of what became of its records.

    If a page with the same number is stored already, `ids` are added to the stored ids, and `counts` is ignored.
    """
    await tx.execute(
        _SAVE_PAGE,
        {
            **_build_key(page.connection, page.read_id),
            **page.model_dump(include={"resource", "id_range", "attempt", "step", "page"}),
            "ids": list(ids),
            **asdict(counts),
        },
    )


async def count_listed(tx: AsyncConnection, event: RangeCompleted) -> int:
    """Return the number of distinct ids that one attempt at an id range listed. `event` names the attempt."""
    key = _build_key(event.connection, event.read_id)
    attempt = event.model_dump(include={"resource", "id_range", "attempt"})
    return int((await tx.execute(_COUNT_LISTED, {**key, **attempt})).scalar_one())


async def load_listed_ids(tx: AsyncConnection, connection: str, read_id: UUID) -> set[tuple[str, str]]:
    """Return (resource, id) of all records on the stored pages of an incremental read."""
    return {(row.resource, row.id) for row in await tx.execute(_LIST_IDS, _build_key(connection, read_id))}


async def count_all_listed(tx: AsyncConnection, connection: str, read_id: UUID) -> int:
    """Return the number of distinct records that any attempt at any id range of the full read has listed."""
    return int((await tx.execute(_COUNT_ALL_LISTED, _build_key(connection, read_id))).scalar_one())


async def compute_totals(tx: AsyncConnection, connection: str, read_id: UUID) -> SyncTotals:
    """Return how many pages and records of the read were stored so far.

    The records are also counted by what became of them: changed, unchanged, stale or deleted.
    """
    row = (await tx.execute(_COMPUTE_TOTALS, _build_key(connection, read_id))).one()
    return SyncTotals(read_id=read_id, **{name: int(value) for name, value in row._mapping.items()})


async def save_range(tx: AsyncConnection, connection: str, read_id: UUID, status: RangeStatus) -> None:
    """Store whether an attempt to read an id range (the records of one resource between two ids) is complete."""
    await tx.execute(_SAVE_RANGE, {**_build_key(connection, read_id), **asdict(status)})


async def list_ranges(tx: AsyncConnection, connection: str, read_id: UUID) -> list[RangeStatus]:
    """Return the status of each attempt to read an id range of the full read."""
    return [RangeStatus(*row) for row in (await tx.execute(_LIST_RANGES, _build_key(connection, read_id))).all()]


async def save_full_read_end(tx: AsyncConnection, event: FullReadCompleted) -> None:
    """Store the event that a full read has ended. Some of its id ranges may still be read again."""
    key = _build_key(event.connection, event.read_id)
    await tx.execute(_SAVE_FULL_READ, {**key, "event": event.model_dump_json()})


async def record_listed(tx: AsyncConnection, connection: str, read_id: UUID, sequence: int) -> int:
    """Store that the full read has ended and has listed everything, at the connection's sequence number `sequence`.

    Returns the sequence number of the first time. What the full read changes after that, it reads directly.
    """
    values = {**_build_key(connection, read_id), "sequence": sequence}
    return int((await tx.execute(_RECORD_LISTED, values)).scalar_one())


async def load_full_read(tx: AsyncConnection, connection: str, read_id: UUID) -> FullReadCompleted | None:
    """Return the stored event that says that the full read has ended, or None if it has not been received yet."""
    event = (await tx.execute(_LOAD_FULL_READ, _build_key(connection, read_id))).scalar()
    return FullReadCompleted.model_validate_json(event) if event else None


async def save_result_and_delete_progress(
    tx: AsyncConnection, connection: str, read_id: UUID, result: SyncResult
) -> None:
    """Store the final result of a read, unless one is stored already, and delete the progress of the read.

    The progress is the ids that the read stored and listed, the status of its id ranges, and the event that it has
    ended.
    """
    await tx.execute(_SAVE_RESULT, {**_build_key(connection, read_id), "result": result.model_dump_json()})
    await delete_progress(tx, connection, read_id)


async def delete_progress(tx: AsyncConnection, connection: str, read_id: UUID) -> None:
    """Delete the progress of a read, as `save_result_and_delete_progress` does. The records stay stored."""
    for statement in _DELETE_PROGRESS:
        await tx.execute(statement, _build_key(connection, read_id))


async def load_result(tx: AsyncConnection, connection: str, read_id: UUID) -> SyncResult | None:
    """Return the final result of the read, or None if there is none yet."""
    result = (await tx.execute(_LOAD_RESULT, _build_key(connection, read_id))).scalar()
    return SyncResult.model_validate_json(result) if result else None


async def delete_expired(tx: AsyncConnection) -> None:
    """Delete the progress, results and chunks of reads that were stored more than eight days ago.

    Kafka does not keep the messages of a read for so long.
    """
    for statement in _DELETE_EXPIRED:
        await tx.execute(statement)
