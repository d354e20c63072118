"""The tables of records: an index of versions, and the bodies. Each statement handles many records at once.

Rows are looked up by id with `LATERAL (... OFFSET 0)`, which makes Postgres use the primary key for each id. Without
`OFFSET 0` Postgres would read all records of a connection for each id while it has no statistics about the connection,
as directly after it was connected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import Record
from contracts.lookup_keys import build_lookup_key
from spaces_writer.store.connections import ContinuableRead
from spaces_writer.versions import Version
from spaces_writer.volatile_fields import VolatileFields

MAX_LIST_DELAY_MS = 60_000
"""The longest time after which a platform's lists and counts show a new record."""
MAX_CLOCK_DIFFERENCE_MS = 60_000
"""The longest time by which the clock of readings and the database's, which tells when a change was stored, differ."""

_LOAD_INDEX = text("""
SELECT wanted.id, r.updated_at, r.read_at, r.content_hash, r.volatile_fields, r.volatile_read_at
FROM unnest(CAST(:ids AS text[])) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT updated_at, read_at, content_hash, volatile_fields, volatile_read_at FROM records
    WHERE connection = :connection AND resource = :resource AND records.id = wanted.id AND read_at > 0 OFFSET 0) AS r
""")
# A record that is written without a sequence number (0) has not changed: only its version is stored. Equal lookup keys
# are set to those that are stored, because Postgres would store many of them, which are beside the row, once more.
_WRITE_INDEX = text("""
INSERT INTO records (connection, resource, id, updated_at, read_at, content_hash, body_bytes, sort_key, parent,
                     lookup_fields, volatile_fields, volatile_read_at, sequence, lookup_keys, created_sequence,
                     changed_by)
SELECT :connection, :resource, id, updated_at, read_at, content_hash, body_bytes, sort_key, parent, lookup_fields,
    volatile_fields, volatile_read_at, sequence, CAST(lookup_keys AS uuid[]), sequence, CAST(:read_id AS uuid)
FROM unnest(
    CAST(:ids AS text[]), CAST(:updated_at AS timestamptz[]), CAST(:read_at AS bigint[]),
    CAST(:content_hashes AS bytea[]), CAST(:body_bytes AS int[]), CAST(:sort_keys AS numeric[]),
    CAST(:parents AS text[]), CAST(:lookup_fields AS text[]), CAST(:volatile_fields AS text[]),
    CAST(:volatile_read_at AS bigint[]), CAST(:sequences AS bigint[]), CAST(:lookup_keys AS text[])
) AS reading (id, updated_at, read_at, content_hash, body_bytes, sort_key, parent, lookup_fields, volatile_fields,
              volatile_read_at, sequence, lookup_keys)
ON CONFLICT (connection, resource, id) DO UPDATE SET
    updated_at = EXCLUDED.updated_at, read_at = EXCLUDED.read_at, content_hash = EXCLUDED.content_hash,
    body_bytes = EXCLUDED.body_bytes, sort_key = EXCLUDED.sort_key, parent = EXCLUDED.parent,
    lookup_fields = EXCLUDED.lookup_fields, volatile_fields = EXCLUDED.volatile_fields,
    volatile_read_at = EXCLUDED.volatile_read_at,
    lookup_keys = CASE WHEN records.lookup_keys = EXCLUDED.lookup_keys
        THEN records.lookup_keys ELSE EXCLUDED.lookup_keys END,
    unreadable = CASE WHEN records.unreadable_at > EXCLUDED.read_at THEN records.unreadable END,
    unreadable_at = CASE WHEN records.unreadable_at > EXCLUDED.read_at THEN records.unreadable_at END,
    sequence = CASE WHEN EXCLUDED.sequence > 0 THEN EXCLUDED.sequence ELSE records.sequence END,
    created_sequence = CASE WHEN EXCLUDED.sequence > 0 AND records.content_hash IS NULL
        THEN EXCLUDED.sequence ELSE records.created_sequence END,
    first_seen_at = CASE WHEN EXCLUDED.sequence > 0 AND records.sequence = 0 THEN now() ELSE records.first_seen_at END,
    changed_at = CASE WHEN EXCLUDED.sequence > 0 THEN now() ELSE records.changed_at END,
    changed_by = CASE WHEN EXCLUDED.sequence > 0 THEN EXCLUDED.changed_by ELSE records.changed_by END
""")
# A record of which no reading could be read has `read_at` 0, which is older than any reading: the row of an unreadable
# one has no hash, and with its own time it would refuse older versions, as a tombstone does.
_MARK_OUTDATED = text("""
INSERT INTO records (connection, resource, id, read_at, sort_key, unreadable, unreadable_at)
SELECT :connection, :resource, id, 0, sort_key, reason, read_at FROM unnest(
    CAST(:ids AS text[]), CAST(:read_at AS bigint[]), CAST(:sort_keys AS numeric[]), CAST(:reasons AS text[])
) AS reading (id, read_at, sort_key, reason)
ON CONFLICT (connection, resource, id) DO UPDATE SET
    unreadable = EXCLUDED.unreadable, unreadable_at = EXCLUDED.unreadable_at
WHERE EXCLUDED.unreadable_at >= GREATEST(records.read_at, records.unreadable_at)
""")
_LIST_OUTDATED = text("""
SELECT resource, id, unreadable, read_at, content_hash IS NOT NULL AS is_stored, unreadable_at FROM records
WHERE connection = :connection AND unreadable IS NOT NULL ORDER BY resource, sort_key, id
""")
_WRITE_BODIES = text("""
INSERT INTO bodies (connection, resource, id, body)
SELECT :connection, :resource, * FROM unnest(CAST(:ids AS text[]), CAST(:bodies AS bytea[]))
ON CONFLICT (connection, resource, id) DO UPDATE SET body = EXCLUDED.body
""")
_DELETE_BODIES = text("""
DELETE FROM bodies WHERE connection = :connection AND resource = :resource AND id = ANY(CAST(:ids AS text[]))
""")
_WRITE_TOMBSTONES_OF = """
UPDATE records r SET content_hash = NULL, body_bytes = 0, lookup_fields = '{}', lookup_keys = '{}',
    volatile_fields = '{}', unreadable = NULL, unreadable_at = NULL, read_at = GREATEST(r.read_at, gone.read_at),
    sequence = :after + gone.number, changed_at = now(), changed_by = CAST(:read_id AS uuid)
FROM gone WHERE r.connection = :connection AND r.resource = gone.resource AND r.id = gone.id
RETURNING r.resource, r.id
"""
_DELETE_CHILDREN = text(f"""
WITH gone AS MATERIALIZED (
    SELECT resource, records.id, deleted.read_at, row_number() OVER (ORDER BY resource, sort_key, records.id) AS number
    FROM records
    JOIN unnest(CAST(:ids AS text[]), CAST(:read_at AS bigint[])) AS deleted (id, read_at) ON parent = deleted.id
    WHERE connection = :connection AND parent = ANY(CAST(:ids AS text[])) AND content_hash IS NOT NULL)
{_WRITE_TOMBSTONES_OF}
""")
_DELETE_ORPHANS = text(f"""
WITH gone AS MATERIALIZED (
    SELECT resource, id, CAST(:before AS bigint) AS read_at,
        row_number() OVER (ORDER BY resource, sort_key, id) AS number
    FROM records WHERE connection = :connection AND resource = ANY(CAST(:resources AS text[]))
        AND content_hash IS NOT NULL AND read_at < :before AND parent IS NOT NULL AND parent NOT IN (
            SELECT id FROM records WHERE connection = :connection
                AND resource = ANY(CAST(:parent_resources AS text[])) AND content_hash IS NOT NULL))
{_WRITE_TOMBSTONES_OF}
""")
_FIND_UNLISTED = text("""
SELECT resource, id, read_at < :overdue_before AS is_overdue FROM records
JOIN (
    SELECT resource, id FROM records
    WHERE connection = :connection AND resource = ANY(CAST(:resources AS text[])) AND content_hash IS NOT NULL
        AND read_at < :before
    EXCEPT
    SELECT resource, id FROM pages, unnest(ids) AS id WHERE connection = :connection AND read_id = :read_id
) AS unlisted USING (resource, id)
WHERE connection = :connection ORDER BY resource, sort_key, id
""")
# Two statements in one, because each of them has an index.
_FIND_UNSETTLED = text("""
SELECT resource, id FROM (
    SELECT resource, id FROM records
    WHERE connection = :connection AND sequence > 0 AND sequence > :settled_sequence AND parent IS NULL
        AND (changed_by IS DISTINCT FROM CAST(:previous_read_id AS uuid) OR sequence > :listed_sequence)
        AND changed_at < to_timestamp(:before / 1000.0)
    UNION
    SELECT resource, id FROM records WHERE connection = :connection AND unreadable IS NOT NULL AND parent IS NULL
) AS doubtful
EXCEPT
SELECT resource, id FROM pages, unnest(ids) AS id WHERE connection = :connection AND read_id = :read_id
ORDER BY resource, id
""")
_FIND_SETTLED_SEQUENCE = text("""
SELECT min(sequence) - 1 FROM records
WHERE connection = :connection AND sequence > 0
    AND sequence > (SELECT listed_sequence FROM connections WHERE connection = :connection)
    AND (changed_by IS DISTINCT FROM CAST(:read_id AS uuid)
        OR sequence > :listed_sequence AND (content_hash IS NOT NULL OR CAST(:is_continued AS boolean)))
    AND changed_at >= to_timestamp(:since / 1000.0)
""")
_COUNT_LIVING = text("""
SELECT count(*) FROM records
WHERE connection = :connection AND resource = ANY(CAST(:resources AS text[])) AND content_hash IS NOT NULL
""")


@dataclass(frozen=True)
class PreparedRecord:
    """A record that is ready to be written, with its canonical body and the hash of this body.

    Body and hash are None for a tombstone (a reading that found no record).
    """

    record: Record
    body: bytes | None
    content_hash: bytes | None
    volatile_fields: VolatileFields

    @property
    def version(self) -> Version:
        """The record's version in this reading."""
        return Version(self.record.updated_at, self.record.read_at, self.content_hash)


@dataclass(frozen=True)
class IndexEntry:
    """The stored version and the stored volatile fields of a record."""

    version: Version
    volatile_fields: VolatileFields


@dataclass(frozen=True)
class OutdatedRecord:
    """A record whose latest reading, at `unreadable_at` (ms), could not be read, for `reason`.

    `stored_read_at` (ms) is when the version that is stored and shown was read; None if there is none.
    """

    resource: str
    id: str
    reason: str
    stored_read_at: int | None
    unreadable_at: int


async def mark_outdated(tx: AsyncConnection, connection: str, resource: str, readings: Sequence[Record]) -> None:
    """Mark the stored versions of these records as outdated: each of `readings` could not be read.

    A record of which a later reading is stored is not marked.
    """
    await tx.execute(
        _MARK_OUTDATED,
        {
            "connection": connection,
            "resource": resource,
            "ids": [reading.id for reading in readings],
            "read_at": [reading.read_at for reading in readings],
            "sort_keys": [reading.sort_key for reading in readings],
            "reasons": [reading.unreadable for reading in readings],
        },
    )


async def list_outdated(tx: AsyncConnection, connection: str) -> list[OutdatedRecord]:
    """Return the connection's records whose latest reading could not be read, by resource and sort key."""
    return [
        OutdatedRecord(row.resource, row.id, row.unreadable, row.read_at if row.is_stored else None, row.unreadable_at)
        for row in await tx.execute(_LIST_OUTDATED, {"connection": connection})
    ]


async def load_index(
    tx: AsyncConnection, connection: str, resource: str, ids: Sequence[str]
) -> Mapping[str, IndexEntry]:
    """Return a dict from each id to its index entry: the stored version and volatile fields of the record.

    Ids that were never stored are left out, also those of which no reading could be read.
    """
    rows = await tx.execute(_LOAD_INDEX, {"connection": connection, "resource": resource, "ids": list(ids)})
    return {
        row.id: IndexEntry(
            Version(row.updated_at, row.read_at, row.content_hash),
            VolatileFields(row.volatile_fields, row.volatile_read_at),
        )
        for row in rows
    }


async def write(
    tx: AsyncConnection,
    connection: str,
    resource: str,
    prepared: Sequence[PreparedRecord],
    *,
    after: int,
    read_id: UUID,
) -> int:
    """Write the bodies of changed records, and their index entries (all that is stored of a record but its body).

    The changes get the sequence numbers that follow `after`; `read_id` is the read that brought them. Returns the last
    one of these numbers.
    """
    await _write_index(tx, connection, resource, prepared, range(after + 1, after + 1 + len(prepared)), read_id)
    await tx.execute(
        _WRITE_BODIES,
        {
            "connection": connection,
            "resource": resource,
            "ids": [item.record.id for item in prepared],
            "bodies": [item.body for item in prepared],
        },
    )
    return after + len(prepared)


async def write_tombstones(
    tx: AsyncConnection,
    connection: str,
    resource: str,
    prepared: Sequence[PreparedRecord],
    *,
    after: int,
    read_id: UUID,
) -> int:
    """Mark records and all their child records as deleted: keep index entries without a hash, and delete the bodies.

    The deletions get the sequence numbers that follow `after`; `read_id` is the read that found the records deleted.
    Returns the last one of these numbers.
    """
    ids, read_at = [item.record.id for item in prepared], [item.record.read_at for item in prepared]
    parameters = {"connection": connection, "ids": ids, "read_at": read_at, "after": after, "read_id": read_id}
    children = (await tx.execute(_DELETE_CHILDREN, parameters)).all()
    records = [*((row.resource, row.id) for row in children), *((resource, record_id) for record_id in ids)]
    await _delete_bodies(tx, connection, records)
    numbers = range(after + len(children) + 1, after + len(records) + 1)
    await _write_index(tx, connection, resource, prepared, numbers, read_id)
    return after + len(records)


async def write_versions(
    tx: AsyncConnection, connection: str, resource: str, prepared: Sequence[PreparedRecord], read_id: UUID
) -> None:
    """Write the index entries of records that have not changed: their versions and volatile fields, without bodies."""
    await _write_index(tx, connection, resource, prepared, [0] * len(prepared), read_id)


async def _write_index(
    tx: AsyncConnection,
    connection: str,
    resource: str,
    prepared: Sequence[PreparedRecord],
    sequences: Sequence[int],
    read_id: UUID,
) -> None:
    """Write the index entries of records in one statement, each with its sequence number; 0 keeps the stored one."""
    records = [item.record for item in prepared]
    await tx.execute(
        _WRITE_INDEX,
        {
            "connection": connection,
            "resource": resource,
            "ids": [record.id for record in records],
            "updated_at": [record.updated_at for record in records],
            "read_at": [record.read_at for record in records],
            "content_hashes": [item.content_hash for item in prepared],
            "body_bytes": [len(item.body or b"") for item in prepared],
            "sort_keys": [record.sort_key for record in records],
            "parents": [record.parent for record in records],
            "lookup_fields": [orjson.dumps(record.lookup_fields).decode() for record in records],
            "lookup_keys": [_encode_lookup_keys(record) for record in records],
            "volatile_fields": [item.volatile_fields.json for item in prepared],
            "volatile_read_at": [item.volatile_fields.read_at for item in prepared],
            "sequences": list(sequences),
            "read_id": read_id,
        },
    )


def _encode_lookup_keys(record: Record) -> str:
    """Return the keys of all values by which the record is found as an array of PostgreSQL, equal for equal values."""
    values = [(field, value) for field, value in record.lookup_fields.items() if value is not None]
    values += [(field, value) for field, several in record.lookup_values.items() for value in several]
    keys = {build_lookup_key(record.resource, field, value) for field, value in values}
    return f"{{{','.join(sorted(keys))}}}"


async def find_unlisted(
    tx: AsyncConnection, connection: str, read_id: UUID, resources: Sequence[str], read_started_at: int
) -> dict[tuple[str, str], bool]:
    """Return (resource, id) of the stored records of `resources` that a full read did not list, without deleted ones.

    They were stored before the full read began at `read_started_at` (ms). The values say whether this was more than a
    minute before, so that a truthful list would have named them if they exist.
    """
    parameters = {
        "connection": connection,
        "read_id": read_id,
        "resources": list(resources),
        "before": read_started_at,
        "overdue_before": read_started_at - MAX_LIST_DELAY_MS,
    }
    return {(row.resource, row.id): row.is_overdue for row in await tx.execute(_FIND_UNLISTED, parameters)}


async def find_unsettled(
    tx: AsyncConnection, connection: str, read_id: UUID, previous: ContinuableRead, read_started_at: int
) -> list[tuple[str, str]]:
    """Return (resource, id) of the records that the full read `read_id` did not list and must read directly.

    It continues the full read `previous`. So what it did not list is at the platform as it was listed then, but perhaps
    not as it is stored: another read, or a direct read, has changed or deleted the record since, or its latest reading
    could not be read. Changes that were stored after this full read began at `read_started_at` (ms) are left to the
    next one, and child records to those that list their parents.
    """
    parameters = {
        "connection": connection,
        "read_id": read_id,
        "previous_read_id": previous.read_id,
        "settled_sequence": previous.settled_sequence,
        "listed_sequence": previous.listed_sequence,
        "before": read_started_at + MAX_CLOCK_DIFFERENCE_MS,
    }
    return [(row.resource, row.id) for row in await tx.execute(_FIND_UNSETTLED, parameters)]


async def find_settled_sequence(
    tx: AsyncConnection,
    connection: str,
    read_id: UUID,
    read_started_at: int,
    *,
    is_continued: bool,
    listed_sequence: int,
    latest: int,
) -> int:
    """Return the sequence number above which are all changes by others since the full read `read_id` began.

    It began at `read_started_at` (ms), after the full read before it had listed everything, and had itself listed
    everything at the sequence number `listed_sequence`. Its direct reads after that count as others. But where it has
    not continued another one (`is_continued`), those that found a record deleted only confirm that it was not listed.
    `latest` is the connection's sequence number.
    """
    since = read_started_at - MAX_CLOCK_DIFFERENCE_MS
    read = {"read_id": read_id, "listed_sequence": listed_sequence, "is_continued": is_continued}
    parameters = {"connection": connection, "since": since, **read}
    settled = (await tx.execute(_FIND_SETTLED_SEQUENCE, parameters)).scalar()
    return latest if settled is None else int(settled)


async def count_living(tx: AsyncConnection, connection: str, resources: Sequence[str]) -> int:
    """Return the number of stored records of `resources`, without the deleted ones."""
    parameters = {"connection": connection, "resources": list(resources)}
    return int((await tx.execute(_COUNT_LIVING, parameters)).scalar_one())


async def delete_orphans(
    tx: AsyncConnection,
    connection: str,
    resources: Sequence[str],
    parent_resources: Sequence[str],
    read_started_at: int,
    *,
    after: int,
    read_id: UUID,
) -> int:
    """Mark child records whose parent does not exist as deleted: it was deleted earlier. No snapshot shows them.

    Only child records of `resources` that were read before `read_started_at` (ms) are deleted. `parent_resources` are
    the resources among which the parents are searched. The deletions get the sequence numbers that follow `after`.
    Returns the last one of these numbers.
    """
    parameters = {
        "connection": connection,
        "resources": list(resources),
        "parent_resources": list(parent_resources),
        "before": read_started_at,
        "after": after,
        "read_id": read_id,
    }
    orphans = (await tx.execute(_DELETE_ORPHANS, parameters)).all()
    await _delete_bodies(tx, connection, [(row.resource, row.id) for row in orphans])
    return after + len(orphans)


async def _delete_bodies(tx: AsyncConnection, connection: str, records: Sequence[tuple[str, str]]) -> None:
    for resource in sorted({resource for resource, _ in records}):
        ids = [record_id for record_resource, record_id in records if record_resource == resource]
        await tx.execute(_DELETE_BODIES, {"connection": connection, "resource": resource, "ids": ids})
