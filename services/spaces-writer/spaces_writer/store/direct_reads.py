"""The table of the records that full reads read directly, before their results are decided."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import DirectReadCompleted

Key = tuple[str, str]
"""A record's resource and id."""

_INSERT = text("""
INSERT INTO direct_reads (connection, read_id, resource, id, is_overdue)
SELECT :connection, :read_id, * FROM unnest(
    CAST(:resources AS text[]), CAST(:ids AS text[]), CAST(:is_overdue AS boolean[]))
ON CONFLICT DO NOTHING
""")
_LIST = text("""
SELECT resource, id, is_done FROM direct_reads WHERE connection = :connection AND read_id = :read_id
ORDER BY resource, id
""")
_COMPLETE = text("""
UPDATE direct_reads SET is_done = true
WHERE connection = :connection AND read_id = :read_id AND resource = :resource AND id = ANY(CAST(:ids AS text[]))
""")
_FIND_UNLISTED = text("""
SELECT resource, id FROM direct_reads d JOIN records r USING (connection, resource, id)
WHERE connection = :connection AND read_id = :read_id AND is_overdue AND r.content_hash IS NOT NULL
ORDER BY resource, id
""")
_LIST_KNOWN = text("""
SELECT resource, id FROM direct_reads d JOIN records r USING (connection, resource, id)
WHERE connection = :connection AND read_id <> :read_id AND is_unlisted AND r.content_hash IS NOT NULL
""")
_MARK_UNLISTED = text("""
UPDATE direct_reads SET is_unlisted = true WHERE connection = :connection AND read_id = :read_id
""")
_DELETE = text("DELETE FROM direct_reads WHERE connection = :connection AND read_id = :read_id")
_DELETE_OTHERS = text("""
DELETE FROM direct_reads WHERE connection = :connection AND (read_id <> :read_id OR (resource, id) NOT IN (
    SELECT * FROM unnest(CAST(:resources AS text[]), CAST(:ids AS text[]))))
""")


async def insert(tx: AsyncConnection, connection: str, read_id: UUID, overdue_by_key: dict[Key, bool]) -> None:
    """Store which records the full read reads directly.

    The values say whether a truthful list would have named the record.
    """
    await tx.execute(
        _INSERT,
        {
            "connection": connection,
            "read_id": read_id,
            "resources": [resource for resource, _ in overdue_by_key],
            "ids": [record_id for _, record_id in overdue_by_key],
            "is_overdue": list(overdue_by_key.values()),
        },
    )


async def list_requested(tx: AsyncConnection, connection: str, read_id: UUID) -> dict[Key, bool]:
    """Return the records that the full read reads directly. The values say whether this has been done."""
    rows = await tx.execute(_LIST, {"connection": connection, "read_id": read_id})
    return {(row.resource, row.id): row.is_done for row in rows}


async def complete(tx: AsyncConnection, event: DirectReadCompleted) -> None:
    """Store that the records which `event` names have been read directly."""
    for resource, ids in event.requested.items():
        key = event.model_dump(include={"connection", "read_id"})
        await tx.execute(_COMPLETE, {**key, "resource": resource, "ids": list(ids)})


async def find_unlisted(tx: AsyncConnection, connection: str, read_id: UUID) -> list[Key]:
    """Return the records that a truthful list would have named, and that exist by the full read's direct reads."""
    rows = await tx.execute(_FIND_UNLISTED, {"connection": connection, "read_id": read_id})
    return [(row.resource, row.id) for row in rows]


async def list_known_unlisted(tx: AsyncConnection, connection: str, read_id: UUID) -> set[Key]:
    """Return the records that a full read before `read_id` found to exist although they were not listed.

    Those that were found to be deleted since are left out.
    """
    rows = await tx.execute(_LIST_KNOWN, {"connection": connection, "read_id": read_id})
    return {(row.resource, row.id) for row in rows}


async def delete(tx: AsyncConnection, connection: str, read_id: UUID) -> None:
    """Delete which records the full read reads directly."""
    await tx.execute(_DELETE, {"connection": connection, "read_id": read_id})


async def keep_only(tx: AsyncConnection, connection: str, read_id: UUID, unlisted: Collection[Key]) -> None:
    """Store that the full read has found the records `unlisted` to exist, and delete all else of the connection."""
    keys: Sequence[Key] = sorted(unlisted)
    parameters: dict[str, object] = {"connection": connection, "read_id": read_id}
    resources, ids = [resource for resource, _ in keys], [record_id for _, record_id in keys]
    await tx.execute(_DELETE_OTHERS, {**parameters, "resources": resources, "ids": ids})
    await tx.execute(_MARK_UNLISTED, parameters)
