"""Redactions: what they delete at once, and the erasures of objects that follow."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import ConnectionChanged
from spaces_writer.store.connections import Known

SECOND_LOOK_SECONDS = 600
"""Longer than a PUT may hang in the bucket's client, its retries included."""
AT_ONCE = 100

_DELETE = [
    text(f"DELETE FROM {table} WHERE connection = :connection")
    for table in ("records", "bodies", "parts", "listings", "windows", "walks", "verdicts", "causes")
]
_FORGET = text("""
UPDATE connections SET complete = false, braked = false, last_source = NULL WHERE connection = :connection
""")
_NOTE = text("""
INSERT INTO erasures (connection, epoch, object_key, merchant) VALUES (:connection, :epoch, :object_key, :merchant)
ON CONFLICT (connection) DO UPDATE SET
    epoch = EXCLUDED.epoch, object_key = coalesce(EXCLUDED.object_key, erasures.object_key),
    merchant = coalesce(EXCLUDED.merchant, erasures.merchant), erased_at = NULL, due_at = now()
WHERE erasures.epoch < EXCLUDED.epoch
""")
_DUE = text("SELECT connection FROM erasures WHERE due_at <= now() ORDER BY due_at LIMIT :limit")
_GET = text("""
SELECT connection, e.epoch, e.object_key, e.merchant, e.erased_at, c.change
FROM erasures e JOIN connections c USING (connection) WHERE connection = :connection AND e.due_at <= now()
""")
_CARRIED_OUT = text("""
UPDATE erasures SET erased_at = :erased_at, due_at = now() + make_interval(secs => :rest)
WHERE connection = :connection AND epoch = :epoch RETURNING epoch
""")
_DROP = text("DELETE FROM erasures WHERE connection = :connection AND epoch = :epoch")


@dataclass(frozen=True)
class PendingErasure:
    """An object that a redaction takes out of the bucket: `erased_at` (ms) is None until it is carried out."""

    connection: str
    epoch: int
    object_key: str | None
    merchant: UUID | None
    erased_at: int | None
    change: int
    """The connection's change number."""


async def redact(tx: AsyncConnection, event: ConnectionChanged, known: Known | None) -> None:
    """Delete all that is stored of the connection, whose row the caller holds, and note that its object is to go.

    The same redaction said again notes nothing new.
    """
    for statement in [*_DELETE, _FORGET]:
        await tx.execute(statement, {"connection": event.connection})
    await tx.execute(
        _NOTE,
        {
            "connection": event.connection,
            "epoch": event.epoch,
            "object_key": known.object_key if known else None,
            "merchant": known.merchant if known else None,
        },
    )


async def due(tx: AsyncConnection) -> list[str]:
    """Connections whose erasure is to be carried out or looked at again now."""
    return list((await tx.execute(_DUE, {"limit": AT_ONCE})).scalars())


async def get(tx: AsyncConnection, connection: str) -> PendingErasure | None:
    """The connection's erasure if it is due."""
    row = (await tx.execute(_GET, {"connection": connection})).one_or_none()
    return PendingErasure(*row) if row else None


async def carried_out(tx: AsyncConnection, erasure: PendingErasure, erased_at: int) -> bool:
    """Note that the object is out, and when to look again; False when another redaction has come meanwhile."""
    place = {"connection": erasure.connection, "epoch": erasure.epoch}
    noted = await tx.execute(_CARRIED_OUT, {**place, "erased_at": erased_at, "rest": SECOND_LOOK_SECONDS})
    return noted.scalar() is not None


async def drop(tx: AsyncConnection, erasure: PendingErasure) -> None:
    """The second look is done."""
    await tx.execute(_DROP, {"connection": erasure.connection, "epoch": erasure.epoch})
