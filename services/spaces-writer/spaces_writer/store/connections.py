"""Connections as the gateway last described them, with their change number."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import ConnectionChanged


@dataclass(frozen=True)
class Known:
    """A connection's row."""

    connection: str
    revision: int
    epoch: int
    state: str
    merchant: UUID | None
    object_key: str | None
    change: int
    complete: bool
    braked: bool


_COLUMNS = "connection, revision, epoch, state, merchant, object_key, change, complete, braked"
_LOCK = text(f"SELECT {_COLUMNS} FROM connections WHERE connection = :connection FOR UPDATE")
_UPSERT = text("""
INSERT INTO connections (connection, revision, epoch, state, merchant, object_key)
VALUES (:connection, :revision, :epoch, :state, :merchant, :object_key)
ON CONFLICT (connection) DO UPDATE SET
    revision = EXCLUDED.revision, epoch = EXCLUDED.epoch, state = EXCLUDED.state, merchant = EXCLUDED.merchant,
    object_key = EXCLUDED.object_key,
    complete = connections.complete AND connections.epoch = EXCLUDED.epoch
""")
_CHANGED = text("UPDATE connections SET change = change + 1 WHERE connection = :connection RETURNING change")
_COMPLETE = text("""
UPDATE connections SET complete = true, last_source = :source, checks = checks + 1,
    change = change + CASE WHEN complete THEN 0 ELSE 1 END
WHERE connection = :connection RETURNING change
""")
_CHECK = text("UPDATE connections SET checks = checks + 1 WHERE connection = :connection")
_BRAKE = text("UPDATE connections SET braked = :braked WHERE connection = :connection")
_SOURCE = text("UPDATE connections SET last_source = :source WHERE connection = :connection")


async def lock(tx: AsyncConnection, connection: str) -> Known | None:
    """The connection's row, held until the transaction ends: batches of one connection follow each other."""
    row = (await tx.execute(_LOCK, {"connection": connection})).one_or_none()
    return Known(*row) if row else None


async def put(tx: AsyncConnection, event: ConnectionChanged) -> None:
    """Store what the gateway says; a rise of epoch asks for a new full sync before anything is composed."""
    await tx.execute(_UPSERT, event.model_dump(include=set(_COLUMNS.split(", ")) - {"change", "complete", "braked"}))


async def raise_change(tx: AsyncConnection, connection: str) -> int:
    """The snapshot is dirty: the new change number."""
    return int((await tx.execute(_CHANGED, {"connection": connection})).scalar_one())


async def complete(tx: AsyncConnection, connection: str, source: UUID) -> int:
    """A full sync is good: the connection may be composed from now on, and its stored object is to be looked at.

    Returns its change number.
    """
    return int((await tx.execute(_COMPLETE, {"connection": connection, "source": source})).scalar_one())


async def ask_check(tx: AsyncConnection, connection: str) -> None:
    """The stored object is to be looked at."""
    await tx.execute(_CHECK, {"connection": connection})


async def note_brake(tx: AsyncConnection, connection: str, braked: bool) -> None:
    """Remember whether this walk nominated too many."""
    await tx.execute(_BRAKE, {"connection": connection, "braked": braked})


async def note_source(tx: AsyncConnection, connection: str, source: UUID) -> None:
    """Remember the sync whose data came last, for the object's metadata."""
    await tx.execute(_SOURCE, {"connection": connection, "source": source})
