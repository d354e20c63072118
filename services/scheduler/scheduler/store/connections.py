"""Connections as the gateway last described them, their polls, and their latest upload."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import ConnectionChanged, Upload
from scheduler.due import Turn


@dataclass(frozen=True)
class Known:
    """A connection's row."""

    connection: str
    revision: int
    epoch: int
    state: str
    merchant: UUID | None
    poll_slot: datetime | None
    next_poll_at: datetime | None
    upload: str | None
    upload_change: int
    erased_at: int | None
    """When its latest redaction was carried out (ms)."""


_COLUMNS = "connection, revision, epoch, state, merchant, poll_slot, next_poll_at, upload, upload_change, erased_at"
_LOCK = text(f"SELECT {_COLUMNS} FROM connections WHERE connection = :connection FOR UPDATE")
_GET = text(f"SELECT {_COLUMNS} FROM connections WHERE connection = :connection")
_STATE = text("SELECT state FROM connections WHERE connection = :connection FOR SHARE")
_PUT = text("""
INSERT INTO connections (connection, revision, epoch, state, merchant)
VALUES (:connection, :revision, :epoch, :state, :merchant)
ON CONFLICT (connection) DO UPDATE SET
    revision = EXCLUDED.revision, epoch = EXCLUDED.epoch, state = EXCLUDED.state, merchant = EXCLUDED.merchant
""")
_DUE = text(f"""
SELECT {_COLUMNS} FROM connections WHERE state = 'connected' AND next_poll_at <= now()
ORDER BY next_poll_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")
_PLAN = text("UPDATE connections SET poll_slot = :slot, next_poll_at = :at WHERE connection = :connection")
_PLANNED = text("""
SELECT connection FROM connections WHERE state = 'connected' AND (next_poll_at IS NULL OR next_poll_at > now())
FOR UPDATE
""")
_LISTED = text(f"""
SELECT {_COLUMNS} FROM connections
WHERE connection > :after AND starts_with(connection, :beginning)
  AND (CAST(:state AS text) IS NULL OR state = CAST(:state AS text))
ORDER BY connection LIMIT :limit
""")
_UPLOAD = text("""
UPDATE connections SET upload = :upload, upload_change = GREATEST(upload_change, :change)
WHERE connection = :connection
""")


_FORGET = text("""
UPDATE connections SET poll_slot = NULL, next_poll_at = NULL, upload = NULL, upload_change = -1, erased_at = NULL
WHERE connection = :connection
""")
_ERASED = text("UPDATE connections SET erased_at = :erased_at WHERE connection = :connection")


async def lock(tx: AsyncConnection, connection: str) -> Known | None:
    """The connection's row, held until the transaction ends."""
    row = (await tx.execute(_LOCK, {"connection": connection})).one_or_none()
    return Known(*row) if row else None


async def get(tx: AsyncConnection, connection: str) -> Known | None:
    """The connection's row."""
    row = (await tx.execute(_GET, {"connection": connection})).one_or_none()
    return Known(*row) if row else None


async def listed(
    tx: AsyncConnection, *, platform: str | None, state: str | None, after: str, limit: int
) -> list[Known]:
    """Connections by name, those after `after`; of one platform or state where it is given."""
    asked = {"after": after, "beginning": f"{platform}:" if platform else "", "state": state, "limit": limit}
    return [Known(*row) for row in await tx.execute(_LISTED, asked)]


async def state(tx: AsyncConnection, connection: str) -> str | None:
    """The connection's state, which stays until the transaction ends."""
    return (await tx.execute(_STATE, {"connection": connection})).scalar()


async def put(tx: AsyncConnection, event: ConnectionChanged) -> None:
    """Store what the gateway says."""
    await tx.execute(_PUT, event.model_dump(include={"connection", "revision", "epoch", "state", "merchant"}))


async def due(tx: AsyncConnection, limit: int) -> list[Known]:
    """Connections whose poll is due, held, so that two schedulers start each once."""
    return [Known(*row) for row in (await tx.execute(_DUE, {"limit": limit})).all()]


async def planned(tx: AsyncConnection) -> list[str]:
    """Connections whose next poll lies in the future or was never planned."""
    return list((await tx.execute(_PLANNED)).scalars())


async def plan(tx: AsyncConnection, connection: str, turn: Turn) -> None:
    """Set the connection's next poll."""
    await tx.execute(_PLAN, {"connection": connection, "slot": turn.slot, "at": turn.at})


async def note_upload(tx: AsyncConnection, connection: str, upload: Upload) -> None:
    """Keep the latest upload, and the change number that the bucket now holds; a failed one holds nothing new."""
    change = -1 if upload.outcome == "failed" else upload.sequence
    await tx.execute(_UPLOAD, {"connection": connection, "upload": upload.model_dump_json(), "change": change})


async def forget(tx: AsyncConnection, connection: str) -> None:
    """Keep nothing of a redacted connection but what the gateway says of it."""
    await tx.execute(_FORGET, {"connection": connection})


async def note_erased(tx: AsyncConnection, connection: str, erased_at: int) -> None:
    """The connection's redaction was carried out at `erased_at` (ms)."""
    await tx.execute(_ERASED, {"connection": connection, "erased_at": erased_at})
