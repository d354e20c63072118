"""Which full syncs the spaces-writer's deletion guard has stopped from deleting records, for the operator."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import GuardedDeletions

_RECORD = text("""
UPDATE connections SET guarded_sync = CAST(:sync_id AS uuid), guarded_records = CAST(:records AS int),
    guarded_of = CAST(:stored AS int)
WHERE connection = :connection
""")
_RECORD_OF_SYNCS = text("""
UPDATE syncs SET guarded_records = CAST(:records AS int)
WHERE connection = :connection AND sync_id = ANY(CAST(:ids AS uuid[]))
""")
_LIST = text("""
SELECT connection, guarded_sync, guarded_records, guarded_of FROM connections
WHERE guarded_sync IS NOT NULL AND (CAST(:connection AS text) IS NULL OR connection = CAST(:connection AS text))
ORDER BY connection LIMIT :limit
""")


@dataclass(frozen=True)
class GuardedConnection:
    """A connection whose latest full sync missed `records` of `stored` records, so that none of them is deleted.

    `sync_id` is the full sync that the guard stopped first, which an operator may allow to delete them.
    """

    connection: str
    sync_id: UUID
    records: int
    stored: int


async def record(
    tx: AsyncConnection, connection: str, sync_ids: Sequence[UUID], guarded: GuardedDeletions | None
) -> None:
    """Store what the deletion guard stopped in the connection's latest full sync; None if it stopped nothing.

    `sync_ids` are that full sync and those that were coalesced into it.
    """
    values = guarded.model_dump() if guarded else {"sync_id": None, "records": None, "stored": None}
    await tx.execute(_RECORD, {"connection": connection, **values})
    await tx.execute(_RECORD_OF_SYNCS, {"connection": connection, "ids": list(sync_ids), "records": values["records"]})


async def list_guarded(
    tx: AsyncConnection, *, connection: str | None = None, limit: int = 100
) -> list[GuardedConnection]:
    """Return at most `limit` connections whose deletions are stopped. With `connection`, look for this one only."""
    rows = await tx.execute(_LIST, {"connection": connection, "limit": limit})
    return [GuardedConnection(*row) for row in rows]
