"""Owed full syncs: each brings the changes that incremental syncs were to read and could not.

These incremental syncs are coalesced into the owed one and end with it. The owed one must begin after them, so only a
full sync that has not begun can take them over.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler.store.syncs import OPEN

_IS_QUEUED = "connection = :connection AND mode = 'full' AND coalesced_into IS NULL AND state = 'queued'"
_LOCK_QUEUED = text(f"SELECT sync_id FROM syncs WHERE {_IS_QUEUED} FOR UPDATE")
_OPEN = text("""
INSERT INTO syncs (sync_id, connection, epoch, cause, mode, requested_at, due_at)
VALUES (:sync_id, :connection, :epoch, 'owed', 'full', now(), :due)
""")
_COUNT_RECENT = text("""
SELECT count(*) FROM syncs
WHERE connection = :connection AND cause = 'owed' AND requested_at > now() - interval '24 hours'
""")
_LIST_UNCOVERED = text(f"""
SELECT sync_id FROM syncs
WHERE connection = :connection AND mode = 'incremental' AND state IN {OPEN}
  AND (sync_id = ANY(CAST(:ids AS uuid[])) AND coalesced_into IS NULL OR coalesced_into = ANY(CAST(:ids AS uuid[])))
""")
_COALESCE = text(f"""
UPDATE syncs SET coalesced_into = :owed, reason = coalesce(CAST(:reason AS text), reason)
WHERE connection = :connection AND mode = 'incremental' AND state IN {OPEN}
  AND sync_id = ANY(CAST(:ids AS uuid[])) AND coalesced_into IS DISTINCT FROM :owed
""")
_COALESCE_ALL = text(f"""
UPDATE syncs SET coalesced_into = :owed, due_at = NULL, reason = :reason
WHERE connection = :connection AND state IN {OPEN} AND sync_id <> :owed
""")
_REQUEUE = text("""
UPDATE syncs SET state = 'queued', step = step + 1, attempts = 1 WHERE connection = :connection AND sync_id = :sync_id
""")
_POSTPONE = text("""
UPDATE syncs SET due_at = GREATEST(due_at, CAST(:due AS timestamptz)), reason = :reason
WHERE connection = :connection AND sync_id = :sync_id
""")
_MAKE_DUE = text(f"UPDATE syncs SET due_at = now(), step = step + 1 WHERE {_IS_QUEUED} AND due_at > now()")


async def lock_queued(tx: AsyncConnection, connection: str) -> UUID | None:
    """Return the id of the connection's full sync that has not begun, locked until the transaction ends, or None."""
    sync_id: UUID | None = (await tx.execute(_LOCK_QUEUED, {"connection": connection})).scalar()
    return sync_id


async def open_owed(tx: AsyncConnection, connection: str, epoch: int, due: datetime) -> UUID:
    """Open an owed full sync that begins not before the time `due`, and return its id.

    The caller has locked the connection, and there is no other full sync that has not begun.
    """
    sync_id = uuid4()
    await tx.execute(_OPEN, {"sync_id": sync_id, "connection": connection, "epoch": epoch, "due": due})
    return sync_id


async def count_recent(tx: AsyncConnection, connection: str) -> int:
    """Return how many owed full syncs were opened for the connection within the last 24 hours."""
    return int((await tx.execute(_COUNT_RECENT, {"connection": connection})).scalar_one())


async def list_uncovered(tx: AsyncConnection, connection: str, sync_ids: Sequence[UUID]) -> list[UUID]:
    """Return the open incremental syncs whose changes nothing brings once the syncs `sync_ids` have failed.

    These are those of `sync_ids` that wait for no full sync, and those that were coalesced into one of `sync_ids`.
    """
    rows = await tx.execute(_LIST_UNCOVERED, {"connection": connection, "ids": list(sync_ids)})
    return list(rows.scalars())


async def coalesce(
    tx: AsyncConnection, connection: str, owed: UUID, sync_ids: Sequence[UUID], reason: str | None = None
) -> None:
    """Coalesce the open incremental syncs `sync_ids` into the full sync `owed`.

    `reason` says why; None leaves their reasons as they are.
    """
    values = {"connection": connection, "owed": owed, "ids": sorted(sync_ids), "reason": reason}
    await tx.execute(_COALESCE, values)


async def coalesce_all(tx: AsyncConnection, connection: str, owed: UUID, reason: str) -> None:
    """Coalesce all other open syncs of the connection, also full ones, into the full sync `owed`. `reason` says why."""
    await tx.execute(_COALESCE_ALL, {"connection": connection, "owed": owed, "reason": reason})


async def requeue(tx: AsyncConnection, connection: str, sync_id: UUID) -> None:
    """Let a full sync begin anew that has read nothing yet. Events about the steps before are ignored from now on."""
    await tx.execute(_REQUEUE, {"connection": connection, "sync_id": sync_id})


async def postpone(tx: AsyncConnection, connection: str, sync_id: UUID, due: datetime, reason: str) -> None:
    """Let a full sync that has not begun begin not before the time `due`. `reason` says why it waits."""
    await tx.execute(_POSTPONE, {"connection": connection, "sync_id": sync_id, "due": due, "reason": reason})


async def make_due(tx: AsyncConnection, connection: str) -> None:
    """Let the connection's full sync that has not begun, if there is one, begin now.

    A start that is under way has no effect any more: it has compared the webhook subscriptions too early.
    """
    await tx.execute(_MAKE_DUE, {"connection": connection})
