"""The table of readings with an earlier `updated_at` than the stored version."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from spaces_writer.rollbacks import Rollback
from spaces_writer.versions import Version

_LOAD = text("""
SELECT id, updated_at, read_at, content_hash, confirmed_at FROM rollbacks
WHERE connection = :connection AND resource = :resource AND id = ANY(CAST(:ids AS text[]))
""")
_SAVE = text("""
INSERT INTO rollbacks (connection, resource, id, updated_at, read_at, content_hash, confirmed_at, confirmed_by)
SELECT :connection, :resource, reading.*, CASE WHEN CAST(:confirmed_by AS uuid) IS NOT NULL THEN reading.read_at END,
       CAST(:confirmed_by AS uuid)
FROM unnest(CAST(:ids AS text[]), CAST(:updated_at AS timestamptz[]), CAST(:read_at AS bigint[]),
            CAST(:content_hashes AS bytea[])) AS reading (id, updated_at, read_at, content_hash)
ON CONFLICT (connection, resource, id) DO UPDATE SET
    updated_at = EXCLUDED.updated_at, read_at = EXCLUDED.read_at, content_hash = EXCLUDED.content_hash,
    confirmed_at = coalesce(EXCLUDED.confirmed_at, rollbacks.confirmed_at),
    confirmed_by = coalesce(EXCLUDED.confirmed_by, rollbacks.confirmed_by)
""")
_LIST_CONFIRMED = text("""
SELECT id FROM rollbacks WHERE connection = :connection AND confirmed_by = :read_id ORDER BY resource, id
""")


async def load(tx: AsyncConnection, connection: str, resource: str, ids: Sequence[str]) -> Mapping[str, Rollback]:
    """Return by id what is known of those of the records whose `updated_at` has gone back."""
    rows = await tx.execute(_LOAD, {"connection": connection, "resource": resource, "ids": list(ids)})
    return {row.id: Rollback(Version(row.updated_at, row.read_at, row.content_hash), row.confirmed_at) for row in rows}


async def save(
    tx: AsyncConnection,
    connection: str,
    resource: str,
    versions: Mapping[str, Version],
    *,
    confirmed_by: UUID | None = None,
) -> None:
    """Store these readings by the ids of their records. `confirmed_by` is the read that has confirmed all of them."""
    await tx.execute(
        _SAVE,
        {
            "connection": connection,
            "resource": resource,
            "ids": list(versions),
            "updated_at": [version.updated_at for version in versions.values()],
            "read_at": [version.read_at for version in versions.values()],
            "content_hashes": [version.content_hash for version in versions.values()],
            "confirmed_by": confirmed_by,
        },
    )


async def list_confirmed(tx: AsyncConnection, connection: str, read_id: UUID) -> list[str]:
    """Return the ids of the records that this read has confirmed to have gone back."""
    return list((await tx.execute(_LIST_CONFIRMED, {"connection": connection, "read_id": read_id})).scalars())
