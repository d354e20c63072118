"""The table of connections: their state as last published by the gateway, and their sequence number.

The sequence number is raised with each change of a record, and with what else changes the connection's snapshot.
"""

from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import ConnectionChanged
from spaces_writer.deletion_guard import DeletionGuard
from spaces_writer.store import feed
from spaces_writer.store.feed import DATABASE_IDENTITY


@dataclass(frozen=True)
class ConnectionRow:
    """A row of the table of connections."""

    connection: str
    revision: int
    epoch: int
    state: str
    merchant: UUID | None
    sequence: int
    fully_read: bool
    """Whether a full sync has succeeded since the account was connected, or before it was disconnected."""
    allowed_sync: UUID | None
    """The guarded full sync whose deletions an operator has allowed."""


@dataclass(frozen=True)
class ContinuableRead:
    """A full read that the next one may continue.

    It had listed everything when the connection's sequence number was `listed_sequence`. What has been changed since it
    began, but not by what it has listed, has sequence numbers above `settled_sequence`.
    """

    read_id: UUID
    settled_sequence: int
    listed_sequence: int


_COLUMNS = "connection, revision, epoch, state, merchant, sequence, fully_read, allowed_sync"
_LOCK = text(f"""
SELECT {_COLUMNS}, (SELECT database = {DATABASE_IDENTITY} FROM feed) AS has_current_feed FROM connections
WHERE connection = :connection FOR UPDATE
""")
_SAVE = text("""
INSERT INTO connections (connection, revision, epoch, state, merchant, allowed_sync)
VALUES (:connection, :revision, :epoch, :state, :merchant, :allowed_deletions)
ON CONFLICT (connection) DO UPDATE SET
    revision = EXCLUDED.revision, epoch = EXCLUDED.epoch, state = EXCLUDED.state, merchant = EXCLUDED.merchant,
    allowed_sync = EXCLUDED.allowed_sync
""")
_SAVED_FIELDS = {"connection", "revision", "epoch", "state", "merchant", "allowed_deletions"}
_SAVE_SEQUENCE = text("UPDATE connections SET sequence = :sequence WHERE connection = :connection")
_MARK_FULLY_READ = text("""
UPDATE connections SET full_read_epoch = epoch, last_sync_id = :sync_id, requested_checks = requested_checks + 1,
    last_full_read = :sync_id, settled_sequence = CAST(:settled_sequence AS bigint), listed_sequence = :listed_sequence
WHERE connection = :connection RETURNING requested_checks
""")
_FORGET_LAST_FULL_READ = text("""
UPDATE connections SET last_full_read = NULL, settled_sequence = NULL, listed_sequence = :sequence
WHERE connection = :connection
""")
_LOAD_CONTINUABLE_READ = text("""
SELECT last_full_read, settled_sequence, listed_sequence FROM connections
WHERE connection = :connection AND full_read_epoch = epoch AND last_full_read = :read_id
  AND settled_sequence IS NOT NULL
""")
_REQUEST_CHECK = text("""
UPDATE connections SET requested_checks = requested_checks + 1 WHERE connection = :connection
""")
_LOAD_GUARD = text("""
SELECT guarded_sync, guarded_candidates, guarded_since FROM connections
WHERE connection = :connection AND guarded_sync IS NOT NULL
""")
_SET_GUARD = text("""
UPDATE connections SET guarded_sync = :sync_id, guarded_candidates = :candidates,
    guarded_since = CAST(:since AS timestamptz)
WHERE connection = :connection
""")
_SET_LAST_SYNC = text("UPDATE connections SET last_sync_id = :sync_id WHERE connection = :connection")


async def lock(tx: AsyncConnection, connection: str) -> ConnectionRow | None:
    """Return the connection's row, or None if there is no such connection.

    The row is locked until the transaction ends, so that batches of one connection are stored one after the other.
    Whoever raises its sequence number locks it first: so here the change feed gets a new id where the database was
    restored or failed over since.
    """
    row = (await tx.execute(_LOCK, {"connection": connection})).one_or_none()
    if row is None:
        return None
    if not row.has_current_feed:
        await feed.renew_feed(tx)
    return ConnectionRow(*row[:-1])


async def save(tx: AsyncConnection, event: ConnectionChanged) -> None:
    """Store the state that the gateway published.

    The gateway raises the epoch when a connection ends. Once an account is connected again, snapshots are not built
    until a full sync has succeeded. Until then, what was stored before the end is still uploaded.
    """
    await tx.execute(_SAVE, event.model_dump(include=_SAVED_FIELDS))


async def save_sequence(tx: AsyncConnection, connection: str, sequence: int) -> None:
    """Store the connection's sequence number, which the changes of the connection's records have raised."""
    await tx.execute(_SAVE_SEQUENCE, {"connection": connection, "sequence": sequence})


async def record_full_sync_success(
    tx: AsyncConnection, connection: str, sync_id: UUID, listed_sequence: int, settled_sequence: int | None
) -> int:
    """Record that a full sync succeeded. Return the number of the check of the object that it requests.

    From now on the connection's snapshot may be built. The check is a comparison of its object in the bucket with the
    last upload. For the sequence numbers see `ContinuableRead`: the next full sync may continue this one, unless
    `settled_sequence` is None.
    """
    values = {"listed_sequence": listed_sequence, "settled_sequence": settled_sequence}
    parameters = {"connection": connection, "sync_id": sync_id, **values}
    return int((await tx.execute(_MARK_FULLY_READ, parameters)).scalar_one())


async def record_full_sync_failure(tx: AsyncConnection, connection: str, sequence: int) -> None:
    """Record that a full sync failed, at the connection's sequence number `sequence`. The next one continues none."""
    await tx.execute(_FORGET_LAST_FULL_READ, {"connection": connection, "sequence": sequence})


async def load_continuable_read(tx: AsyncConnection, connection: str, read_id: UUID) -> ContinuableRead | None:
    """Return the full read `read_id` if another one may continue it, otherwise None.

    It is the latest one of the connection and of its epoch, has succeeded, and its source has left a state.
    """
    row = (await tx.execute(_LOAD_CONTINUABLE_READ, {"connection": connection, "read_id": read_id})).one_or_none()
    return ContinuableRead(*row) if row else None


async def request_object_check(tx: AsyncConnection, connection: str) -> None:
    """Request that the object in the bucket is compared with the last upload."""
    await tx.execute(_REQUEST_CHECK, {"connection": connection})


async def load_guard(tx: AsyncConnection, connection: str) -> DeletionGuard | None:
    """Return the deletion guard that stops deletions of the connection, or None if there is none."""
    row = (await tx.execute(_LOAD_GUARD, {"connection": connection})).one_or_none()
    return DeletionGuard(*row) if row else None


async def save_guard(tx: AsyncConnection, connection: str, guard: DeletionGuard | None) -> None:
    """Store the deletion guard that stopped the latest full read's deletions; None if none did."""
    values = asdict(guard) if guard else {"sync_id": None, "candidates": None, "since": None}
    await tx.execute(_SET_GUARD, {"connection": connection, **values})


async def set_last_sync(tx: AsyncConnection, connection: str, sync_id: UUID) -> None:
    """Store the id of the sync whose data was stored last. The metadata of the uploaded object shows this id."""
    await tx.execute(_SET_LAST_SYNC, {"connection": connection, "sync_id": sync_id})
