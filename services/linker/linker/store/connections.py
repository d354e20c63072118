"""The connections of the installation, as the gateway and the scheduler publish them."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import ConnectionChanged


@dataclass(frozen=True)
class KnownConnection:
    """A connection's state. `is_fully_read` says whether a full sync has succeeded since the account was connected.

    `scopes` are those that the account has granted; empty where the platform has none.
    """

    connection: str
    revision: int
    epoch: int
    state: str
    merchant: UUID | None
    scopes: frozenset[str]
    is_fully_read: bool


_COLUMNS = """
SELECT c.connection, c.revision, c.epoch, c.state, c.merchant, c.scopes,
    coalesce(f.epoch = c.epoch, false) AS is_fully_read
FROM connections c LEFT JOIN full_reads f USING (connection) WHERE c.connection = :connection
"""
_GET = text(_COLUMNS)
_LOCK = text(f"{_COLUMNS} FOR UPDATE OF c")
_UPSERT = text("""
INSERT INTO connections (connection, revision, epoch, state, merchant, scopes)
VALUES (:connection, :revision, :epoch, :state, :merchant, :scopes)
ON CONFLICT (connection) DO UPDATE SET revision = EXCLUDED.revision, epoch = EXCLUDED.epoch, state = EXCLUDED.state,
    merchant = EXCLUDED.merchant, scopes = EXCLUDED.scopes
""")
# Without a change nothing is written: the scheduler publishes the state of a connection several times a second.
_SAVE_FULL_READ = text("""
INSERT INTO full_reads (connection, epoch) VALUES (:connection, :epoch)
ON CONFLICT (connection) DO UPDATE SET epoch = EXCLUDED.epoch WHERE full_reads.epoch < EXCLUDED.epoch
RETURNING connection
""")


def _build(row: RowMapping) -> KnownConnection:
    return KnownConnection(**{**row, "scopes": frozenset(row["scopes"])})


async def get(tx: AsyncConnection, connection: str) -> KnownConnection | None:
    """Return a connection, or None if the gateway has published none of this name."""
    row = (await tx.execute(_GET, {"connection": connection})).mappings().one_or_none()
    return _build(row) if row else None


async def lock(tx: AsyncConnection, connection: str) -> KnownConnection | None:
    """Return a connection, locked until the transaction ends, or None if there is none of this name."""
    row = (await tx.execute(_LOCK, {"connection": connection})).mappings().one_or_none()
    return _build(row) if row else None


async def upsert(tx: AsyncConnection, event: ConnectionChanged) -> None:
    """Store the state of a connection."""
    values = event.model_dump(include={"connection", "revision", "epoch", "state", "merchant"})
    await tx.execute(_UPSERT, {**values, "scopes": list(event.scopes)})


async def save_full_read(tx: AsyncConnection, connection: str, epoch: int) -> bool:
    """Store that a full sync of the connection has succeeded at this epoch. Return whether this was not known."""
    return (await tx.execute(_SAVE_FULL_READ, {"connection": connection, "epoch": epoch})).first() is not None
