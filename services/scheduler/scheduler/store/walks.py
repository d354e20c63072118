"""Walks: at most one open a connection, advanced by compare-and-set on (sync, step)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True)
class Walk:
    """An open walk's place."""

    sync_id: UUID
    connection: str
    epoch: int
    cause: str
    state: str
    step: int
    cursor: str | None
    attempts: int
    walked: bool
    again: tuple[str, ...]
    reason: str | None


_COLUMNS = "sync_id, connection, epoch, cause, state, step, cursor, attempts, walked, again, reason"
_OPEN = "mode = 'full' AND covered_by IS NULL AND state IN ('queued', 'running')"

_WANT = text("""
INSERT INTO syncs (sync_id, connection, epoch, cause, mode, requested_at, due_at)
VALUES (:sync_id, :connection, :epoch, :cause, 'full', now(), now()) ON CONFLICT DO NOTHING RETURNING sync_id
""")
_COVER = text(f"""
INSERT INTO syncs (sync_id, connection, epoch, cause, mode, requested_at, covered_by)
SELECT :sync_id, :connection, :epoch, :cause, 'full', now(), sync_id FROM syncs
WHERE connection = :connection AND {_OPEN} ON CONFLICT DO NOTHING RETURNING sync_id
""")
_CLAIM = text(f"""
UPDATE syncs SET due_at = now() + interval '60 seconds' WHERE sync_id IN (
    SELECT sync_id FROM syncs WHERE {_OPEN} AND due_at <= now()
    ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING {_COLUMNS}
""")
_LOCK = text(f"SELECT {_COLUMNS} FROM syncs WHERE sync_id = :sync_id AND {_OPEN} FOR UPDATE")
_ASK = text("""
UPDATE syncs SET state = 'running', step = :step, cursor = :cursor, due_at = NULL, walked = false, again = '{}',
    attempts = :attempts, started_at = coalesce(started_at, now()), progressed_at = now()
WHERE sync_id = :sync_id
""")
_COVERED_RUN = text("""
UPDATE syncs SET state = 'running', started_at = coalesce(started_at, now())
WHERE covered_by = :sync_id AND state = 'queued'
""")
_STEP = text("INSERT INTO steps (sync_id, step, cursor) VALUES (:sync_id, :step, :cursor) ON CONFLICT DO NOTHING")
_ASKED_FROM = text("SELECT cursor FROM steps WHERE sync_id = :sync_id AND cursor = ANY(CAST(:cursors AS text[]))")
_POSTPONE = text("""
UPDATE syncs SET cursor = :cursor, due_at = CAST(:due AS timestamptz), attempts = :attempts, reason = :reason
WHERE sync_id = :sync_id
""")
_WALKED = text("UPDATE syncs SET walked = true, cursor = NULL WHERE sync_id = :sync_id")
_AGAIN = text("UPDATE syncs SET again = CAST(:again AS text[]), reason = :reason WHERE sync_id = :sync_id")
_SILENT = text(f"""
UPDATE syncs SET due_at = now(), progressed_at = now(), attempts = attempts + 1
WHERE {_OPEN} AND state = 'running' AND due_at IS NULL AND NOT walked
  AND progressed_at < now() - interval '15 minutes' * power(2, LEAST(attempts - 1, 5))
""")
_UNJUDGED = text(f"""
SELECT sync_id, connection, epoch FROM syncs
WHERE {_OPEN} AND walked AND progressed_at < now() - interval '1 hour' LIMIT 100
""")


def _walk(row: Sequence[object]) -> Walk:
    values = list(row)
    values[-2] = tuple(values[-2])  # type: ignore[arg-type] # an array column
    return Walk(*values)  # type: ignore[arg-type] # columns in the order of the fields


async def want(tx: AsyncConnection, sync_id: UUID, connection: str, epoch: int, cause: str) -> bool:
    """Wish for a full sync. A wish while a walk is open is covered by it. Returns whether a walk was opened."""
    wish = {"sync_id": sync_id, "connection": connection, "epoch": epoch, "cause": cause}
    opened = (await tx.execute(_WANT, wish)).scalar() is not None
    if not opened and not (await tx.execute(_COVER, wish)).scalar():
        # The open walk ended between the two statements, or this very wish is entered already.
        opened = (await tx.execute(_WANT, wish)).scalar() is not None
    return opened


async def claim(tx: AsyncConnection, limit: int) -> list[Walk]:
    """Walks that are due, claimed for a minute: a scheduler that dies with them leaves them to the next look."""
    return [_walk(row) for row in (await tx.execute(_CLAIM, {"limit": limit})).all()]


async def lock(tx: AsyncConnection, sync_id: UUID) -> Walk | None:
    """The walk if it is open, held until the transaction ends."""
    row = (await tx.execute(_LOCK, {"sync_id": sync_id})).one_or_none()
    return _walk(row) if row else None


async def ask(tx: AsyncConnection, walk: Walk, step: int, cursor: str | None, *, attempts: int) -> None:
    """Note that step `step` from `cursor` is being asked for, after `attempts` tries at this place."""
    place = {"sync_id": walk.sync_id, "step": step, "cursor": cursor}
    await tx.execute(_ASK, {**place, "attempts": attempts})
    await tx.execute(_STEP, place)
    await tx.execute(_COVERED_RUN, {"sync_id": walk.sync_id})


async def postpone(
    tx: AsyncConnection, walk: Walk, cursor: str | None, due: datetime, *, attempts: int, reason: str | None
) -> None:
    """The next step begins at `cursor`, not before `due`."""
    await tx.execute(
        _POSTPONE,
        {"sync_id": walk.sync_id, "cursor": cursor, "due": due, "attempts": attempts, "reason": reason},
    )


async def note_walked(tx: AsyncConnection, walk: Walk) -> None:
    """The walk has come to its end; its verdict is awaited."""
    await tx.execute(_WALKED, {"sync_id": walk.sync_id})


async def note_again(tx: AsyncConnection, walk: Walk, again: Sequence[str], reason: str | None) -> None:
    """Windows to be walked again once the walk has come to its end."""
    await tx.execute(_AGAIN, {"sync_id": walk.sync_id, "again": list(again), "reason": reason})


async def not_asked_from(tx: AsyncConnection, walk: Walk, cursors: Sequence[str]) -> list[str]:
    """Those of `cursors` from which no step was asked for yet: a verdict said twice asks once."""
    rows = await tx.execute(_ASKED_FROM, {"sync_id": walk.sync_id, "cursors": list(cursors)})
    used = set(rows.scalars())
    return [cursor for cursor in cursors if cursor not in used]


async def wake_silent(tx: AsyncConnection) -> None:
    """Steps of which nothing was heard for 15 minutes are asked for again, each time after twice as long."""
    await tx.execute(_SILENT)


async def unjudged(tx: AsyncConnection) -> list[tuple[UUID, str, int]]:
    """(sync, connection, epoch) of walks that came to their end an hour ago and have had no verdict."""
    return [(row.sync_id, row.connection, row.epoch) for row in (await tx.execute(_UNJUDGED)).all()]
