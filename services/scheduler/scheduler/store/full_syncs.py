"""The full syncs in the table of syncs.

Besides those that are coalesced into another one, a connection has at most one that runs and one that has not begun.

Callers advance an open full sync by compare-and-set: they lock it, and change it only if its step is the expected one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True)
class FullSync:
    """An open full sync, and the step and cursor that it has reached.

    A step is a bounded part of the full sync, and the cursor is the position at which a step begins.
    """

    sync_id: UUID
    connection: str
    epoch: int
    cause: str
    state: str
    step: int
    """The number of the step that was requested last; 0 before the first step."""
    cursor: str | None
    attempts: int
    read_completed: bool
    """Whether the fetcher has read everything. The full sync waits for its result if this is True."""
    retry_cursors: tuple[str, ...]
    """Cursors of the id ranges that must be read again."""
    reason: str | None
    previous_sync: UUID | None
    """The full sync that this one may continue; None if everything is read, and before the first step."""
    previous_state: str | None
    """What the source has left with `previous_sync`."""


_COLUMNS = """
sync_id, connection, epoch, cause, state, step, cursor, attempts, read_completed, retry_cursors, reason,
previous_sync, previous_state
"""
_IS_OPEN = "mode = 'full' AND coalesced_into IS NULL AND state IN ('queued', 'running')"
READS_ALL = ("connect", "whole_poll")
"""The causes of full syncs that read everything."""
_READS_ALL = ", ".join(f"'{cause}'" for cause in READS_ALL)
# A running full sync may have skipped already what a sign-in or new scope makes readable, or continue another one.
_IS_COVERING = f"(state = 'queued' OR CAST(:cause AS text) NOT IN ({_READS_ALL}))"
_IS_OWN = "connection = :connection AND sync_id = :sync_id"

_OPEN = text(f"""
INSERT INTO syncs (sync_id, connection, epoch, cause, mode, requested_at, due_at)
SELECT :sync_id, :connection, :epoch, :cause, 'full', now(), now()
WHERE NOT EXISTS (SELECT 1 FROM syncs WHERE connection = :connection AND {_IS_OPEN} AND {_IS_COVERING})
ON CONFLICT DO NOTHING RETURNING sync_id
""")
_COALESCE = text(f"""
INSERT INTO syncs (sync_id, connection, epoch, cause, mode, requested_at, coalesced_into)
SELECT :sync_id, :connection, :epoch, :cause, 'full', now(), sync_id FROM syncs
WHERE connection = :connection AND {_IS_OPEN} AND {_IS_COVERING}
ORDER BY state LIMIT 1 ON CONFLICT DO NOTHING RETURNING sync_id
""")
_CLAIM_DUE = text(f"""
UPDATE syncs SET due_at = now() + interval '60 seconds' WHERE sync_id IN (
    SELECT sync_id FROM syncs AS due WHERE {_IS_OPEN} AND due_at <= now()
      AND (state = 'running' OR NOT EXISTS (
        SELECT 1 FROM syncs AS other WHERE other.connection = due.connection
          AND other.mode = 'full' AND other.coalesced_into IS NULL AND other.state = 'running'))
    ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING {_COLUMNS}
""")
_IS_RUNNING = text(f"SELECT 1 FROM syncs WHERE connection = :connection AND {_IS_OPEN} AND state = 'running'")
_LIST_COALESCED_KINDS = text("""
SELECT DISTINCT mode, cause FROM syncs WHERE connection = :connection AND coalesced_into = :sync_id
""")
_LOCK = text(f"SELECT {_COLUMNS} FROM syncs WHERE {_IS_OWN} AND {_IS_OPEN} FOR UPDATE")
_START_STEP = text(f"""
UPDATE syncs SET state = 'running', step = :step, cursor = :cursor, due_at = NULL, read_completed = false,
    retry_cursors = '{{}}', attempts = :attempts, started_at = coalesce(started_at, now()), progressed_at = now()
WHERE {_IS_OWN}
""")
# A full sync for a sign-in may read what was not readable before, and one with which incremental syncs end brings what
# these could not read: it reads everything.
_CHOOSE_PREVIOUS = text(f"""
UPDATE syncs SET (previous_sync, previous_state) = (
    SELECT c.previous_sync, c.previous_state FROM connections c
    WHERE c.connection = syncs.connection AND c.epoch = syncs.epoch AND NOT EXISTS (
        SELECT 1 FROM syncs AS served WHERE served.connection = syncs.connection
          AND (served.sync_id = syncs.sync_id OR served.coalesced_into = syncs.sync_id)
          AND (served.mode = 'incremental' OR served.cause IN ({_READS_ALL}))))
WHERE connection = :connection AND sync_id = :sync_id RETURNING previous_sync, previous_state
""")
_RECORD_PREVIOUS = text("""
UPDATE connections SET previous_sync = CAST(:sync_id AS uuid), previous_state = CAST(:state AS text)
WHERE connection = :connection AND epoch = :epoch
""")
_FORGET_PREVIOUS = text("""
UPDATE connections SET previous_sync = NULL, previous_state = NULL
WHERE connection = :connection AND previous_sync IS NOT NULL
""")
_START_COALESCED = text("""
UPDATE syncs SET state = 'running', started_at = coalesce(started_at, now())
WHERE connection = :connection AND coalesced_into = :sync_id AND state = 'queued'
""")
_INSERT_STEP = text("""
INSERT INTO steps (sync_id, step, cursor) VALUES (:sync_id, :step, :cursor) ON CONFLICT DO NOTHING
""")
_USED_CURSORS = text("SELECT cursor FROM steps WHERE sync_id = :sync_id AND cursor = ANY(CAST(:cursors AS text[]))")
RATE_LIMIT = "the rate limit"
_POSTPONE = text(f"""
UPDATE syncs SET cursor = :cursor, due_at = CAST(:due AS timestamptz), attempts = :attempts, reason = :reason
WHERE {_IS_OWN} AND {_IS_OPEN} AND step = :step
""")
_COMPLETE_READ = text(f"UPDATE syncs SET read_completed = true, cursor = NULL WHERE {_IS_OWN}")
_RECORD_RETRY_CURSORS = text(f"""
UPDATE syncs SET retry_cursors = CAST(:cursors AS text[]), reason = :reason WHERE {_IS_OWN}
""")
_RESUME_SILENT = text(f"""
UPDATE syncs SET due_at = now(), progressed_at = now(), attempts = attempts + 1
WHERE {_IS_OPEN} AND state = 'running' AND due_at IS NULL AND NOT read_completed
  AND progressed_at < now() - interval '15 minutes' * power(2, LEAST(attempts - 1, 5))
""")
_WITHOUT_RESULT = text(f"""
SELECT sync_id, connection, epoch FROM syncs
WHERE {_IS_OPEN} AND read_completed AND progressed_at < now() - interval '1 hour' LIMIT 100
""")


def _build_full_sync(row: Sequence[object]) -> FullSync:
    values = list(row)
    values[9] = tuple(values[9])  # type: ignore[arg-type] # an array column
    return FullSync(*values)  # type: ignore[arg-type] # columns in the order of the fields


async def open_or_coalesce(tx: AsyncConnection, sync_id: UUID, connection: str, epoch: int, cause: str) -> bool:
    """Open a full sync, or coalesce it into one that is already open. Return False if it was stored already.

    A coalesced full sync reads nothing itself: it ends with the full sync into which it was coalesced. That is the one
    that has not begun, if there are two. One of the causes `READS_ALL` is coalesced into none that runs.
    """
    values = {"sync_id": sync_id, "connection": connection, "epoch": epoch, "cause": cause}
    # The third statement is needed when the open full sync ends between the first two.
    for statement in (_OPEN, _COALESCE, _OPEN):
        if (await tx.execute(statement, values)).scalar() is not None:
            return True
    return False


async def open_unless_open(tx: AsyncConnection, sync_id: UUID, connection: str, epoch: int, cause: str) -> bool:
    """Open a full sync if none of the connection is open. Return whether it was opened."""
    values = {"sync_id": sync_id, "connection": connection, "epoch": epoch, "cause": cause}
    return (await tx.execute(_OPEN, values)).scalar() is not None


async def claim_due(tx: AsyncConnection, limit: int) -> list[FullSync]:
    """Claim at most `limit` full syncs whose next step is due, and return them.

    One that has not begun waits while another one of its connection runs. A claim keeps other processes away for one
    minute. If this process dies, the full syncs are due again when their
    claims have expired.
    """
    return [_build_full_sync(row) for row in (await tx.execute(_CLAIM_DUE, {"limit": limit})).all()]


async def is_running(tx: AsyncConnection, connection: str) -> bool:
    """Return whether a full sync of the connection has started and not finished."""
    return (await tx.execute(_IS_RUNNING, {"connection": connection})).scalar() is not None


async def list_coalesced_kinds(tx: AsyncConnection, connection: str, sync_id: UUID) -> list[tuple[str, str]]:
    """Return (mode, cause) of the connection's syncs that were coalesced into this one, each pair once."""
    rows = await tx.execute(_LIST_COALESCED_KINDS, {"connection": connection, "sync_id": sync_id})
    return [(row.mode, row.cause) for row in rows]


async def lock(tx: AsyncConnection, connection: str, sync_id: UUID) -> FullSync | None:
    """Return the connection's full sync, locked until the transaction ends, or None if it is not open."""
    row = (await tx.execute(_LOCK, {"connection": connection, "sync_id": sync_id})).one_or_none()
    return _build_full_sync(row) if row else None


async def start_step(tx: AsyncConnection, full_sync: FullSync, step: int, cursor: str | None, *, attempts: int) -> None:
    """Store that step number `step` of the full sync, which begins at `cursor`, has been requested.

    `attempts` is the number of attempts at this cursor, including this one.
    """
    key, position = _build_key(full_sync), {"step": step, "cursor": cursor}
    await tx.execute(_START_STEP, {**key, **position, "attempts": attempts})
    await tx.execute(_INSERT_STEP, {"sync_id": full_sync.sync_id, **position})
    await tx.execute(_START_COALESCED, key)


async def choose_previous(tx: AsyncConnection, full_sync: FullSync) -> FullSync:
    """Store which full sync this one, which begins, may continue, with the state that its source has left.

    None is continued by one that brings what no other sync brings. Returns the full sync with what was stored.
    """
    row = (await tx.execute(_CHOOSE_PREVIOUS, _build_key(full_sync))).one()
    return replace(full_sync, previous_sync=row.previous_sync, previous_state=row.previous_state)


async def record_previous(tx: AsyncConnection, connection: str, epoch: int, sync_id: UUID, state: str | None) -> None:
    """Store that the full sync `sync_id` of this epoch has succeeded, and the state that its source has left.

    If there is no state, the connection's next full sync reads everything.
    """
    values = {"connection": connection, "epoch": epoch, "sync_id": None if state is None else sync_id, "state": state}
    await tx.execute(_RECORD_PREVIOUS, values)


async def forget_previous(tx: AsyncConnection, connection: str) -> None:
    """Let the connection's next full sync read everything."""
    await tx.execute(_FORGET_PREVIOUS, {"connection": connection})


async def postpone(
    tx: AsyncConnection, full_sync: FullSync, cursor: str | None, due: datetime, *, attempts: int, reason: str | None
) -> None:
    """Store that the next step begins at `cursor`, not before the time `due`.

    `reason` says why the sync waits; it is RATE_LIMIT when it waits for the platform's rate limit. Nothing is stored if
    the sync has ended or begun anew since.
    """
    key = {**_build_key(full_sync), "step": full_sync.step}
    await tx.execute(_POSTPONE, {**key, "cursor": cursor, "due": due, "attempts": attempts, "reason": reason})


async def complete_read(tx: AsyncConnection, full_sync: FullSync) -> None:
    """Store that the fetcher has read everything. The full sync now waits for its result from the spaces-writer."""
    await tx.execute(_COMPLETE_READ, _build_key(full_sync))


async def record_retry_cursors(
    tx: AsyncConnection, full_sync: FullSync, cursors: Sequence[str], reason: str | None
) -> None:
    """Store the cursors at which incomplete id ranges begin, and the reason why they are incomplete.

    An id range is a part of the full sync: the records of one resource between two ids. These id ranges are read again
    after all other records have been read.
    """
    await tx.execute(_RECORD_RETRY_CURSORS, {**_build_key(full_sync), "cursors": list(cursors), "reason": reason})


async def list_unused_cursors(tx: AsyncConnection, full_sync: FullSync, cursors: Sequence[str]) -> list[str]:
    """Return those of `cursors` at which no step of the full sync has begun yet.

    Callers request steps for these only, so that a result that is delivered twice requests no step twice.
    """
    rows = await tx.execute(_USED_CURSORS, {"sync_id": full_sync.sync_id, "cursors": list(cursors)})
    used = set(rows.scalars())
    return [cursor for cursor in cursors if cursor not in used]


async def resume_silent_steps(tx: AsyncConnection) -> None:
    """Make each step due again about which no event was received for 15 minutes.

    These 15 minutes double with each attempt at the step, up to 8 hours.
    """
    await tx.execute(_RESUME_SILENT)


async def list_without_result(tx: AsyncConnection) -> list[tuple[UUID, str, int]]:
    """Return (sync id, connection, epoch) of full syncs that have waited for their result for more than an hour."""
    return [(row.sync_id, row.connection, row.epoch) for row in (await tx.execute(_WITHOUT_RESULT)).all()]


def _build_key(full_sync: FullSync) -> dict[str, object]:
    return {"connection": full_sync.connection, "sync_id": full_sync.sync_id}
