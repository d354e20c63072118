"""The ledger of link syncs, and which syncs at the platforms they wait for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import orjson
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import SyncState
from linker.write_requests import SENT_ACTIONS
from linking.planning import Action
from linking.records import Side
from linking.sync_modes import MODES, SyncMode

DRAFT, QUEUED, RUNNING = "draft", "queued", "running"
SUCCESS, FAILED, CANCELLED = "success", "failed", "cancelled"
OPEN = (DRAFT, QUEUED, RUNNING)
MANUAL, HEALTH = "manual", "health"
KEPT_DAYS = 7
_MESSAGE_LENGTH = 500


@dataclass(frozen=True)
class LinkSync:
    """A row of the ledger. `figures` are those of `count_figures`, once it has ended."""

    id: UUID
    link: UUID
    mode: SyncMode
    ids: tuple[str, ...]
    cause: str
    state: str
    reason_code: str | None
    message: str | None
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    plan_number: int | None
    figures: dict[str, int]


@dataclass(frozen=True)
class SourceRead:
    """A read at a platform for a link sync: `sync_id` is None until the gateway has started it.

    `state`, `sequence` and `reason` are what the scheduler says of it once its data is stored, or it has failed.
    """

    connection: str
    sync_id: UUID | None
    state: str | None
    sequence: int | None
    reason: str | None


_COLUMNS = """
id, link, mode, ids, cause, state, reason_code, message, requested_at, started_at, finished_at, plan_number, figures
"""
_INSERT = text("""
INSERT INTO link_syncs (id, link, mode, ids, cause, state) VALUES (:id, :link, :mode, :ids, :cause, 'queued')
ON CONFLICT DO NOTHING
""")
_FIND_QUEUED = text(f"""
SELECT {_COLUMNS} FROM link_syncs
WHERE link = :link AND mode = :mode AND ids = CAST(:ids AS text[]) AND state = 'queued'
""")
_LOCK = text(f"SELECT {_COLUMNS} FROM link_syncs WHERE id = :id FOR UPDATE")
_GET = text(f"SELECT {_COLUMNS} FROM link_syncs WHERE id = :id AND link = :link")
_LIST = text(f"SELECT {_COLUMNS} FROM link_syncs WHERE link = :link ORDER BY requested_at DESC LIMIT :limit")
# Of each link the one that is under way, or else the one that was requested first.
_LIST_FIRST = text("""
SELECT DISTINCT ON (link) id, link FROM link_syncs WHERE state IN ('draft', 'queued', 'running')
ORDER BY link, state = 'queued', requested_at
""")
_START = text("UPDATE link_syncs SET state = 'running', started_at = clock_timestamp() WHERE id = :id")
_SET_STATE = text("UPDATE link_syncs SET state = :state, message = left(:message, :length) WHERE id = :id")
_SET_PLAN_NUMBER = text("UPDATE link_syncs SET plan_number = :number WHERE id = :id")
_FINISH = text("""
UPDATE link_syncs SET state = :state, reason_code = :reason_code, message = left(:message, :length),
    figures = CAST(:figures AS jsonb), finished_at = clock_timestamp()
WHERE id = :id AND finished_at IS NULL
""")
_INSERT_READS = text("""
INSERT INTO link_sync_reads (link_sync, connection)
SELECT :id, connection FROM unnest(CAST(:connections AS text[])) AS connection ON CONFLICT DO NOTHING
""")
_SET_READ = text("UPDATE link_sync_reads SET sync_id = :sync_id WHERE link_sync = :id AND connection = :connection")
_LIST_READS = text("""
SELECT r.connection, r.sync_id, e.state, e.sequence, e.reason
FROM link_sync_reads r LEFT JOIN ended_syncs e USING (connection, sync_id) WHERE r.link_sync = :id ORDER BY r.connection
""")
_IS_READING = text("""
SELECT EXISTS (SELECT FROM link_sync_reads r JOIN link_syncs s ON s.id = r.link_sync
               WHERE r.connection = :connection AND s.state = 'running')
""")
_NOTE_ENDED = text("""
INSERT INTO ended_syncs (connection, sync_id, state, sequence, reason)
VALUES (:connection, :sync_id, :state, :sequence, :reason) ON CONFLICT DO NOTHING
""")
_IS_PLANNED = text("""
SELECT NOT EXISTS (SELECT FROM side_records r WHERE r.link = :link AND NOT r.is_matched)
   AND NOT EXISTS (SELECT FROM pairs p WHERE p.link = :link AND NOT p.is_planned)
""")
_COUNT_UNWRITTEN = text("""
SELECT (SELECT count(*) FROM writes w WHERE w.link = :link AND w.state = 'open' AND w.side = ANY(:targets)
            AND w.plan_number <= :number)
     + (SELECT count(*) FROM plan_lines l JOIN pairs p ON p.id = l.pair
        WHERE l.link = :link AND l.target = ANY(:targets) AND p.plan_number <= :number
          AND l.action = ANY(:actions)
          AND NOT EXISTS (SELECT FROM writes w WHERE w.pair = l.pair AND w.side = l.target
                          AND w.plan_number = p.plan_number))
""")
_COUNT_FIGURES = text("""
SELECT count(*) AS planned, count(*) FILTER (WHERE w.state = 'applied') AS written,
    count(*) FILTER (WHERE w.state = 'unchanged') AS unchanged,
    count(*) FILTER (WHERE w.state IN ('refused', 'failed')) AS errors,
    coalesce(sum(w.attempt), 0) AS attempts, coalesce(sum(w.calls), 0) AS calls, coalesce(sum(w.points), 0) AS points,
    (SELECT count(*) FROM plan_lines l WHERE l.link = :link AND l.action = 'conflict') AS held
FROM writes w WHERE w.link = :link AND w.side = ANY(:targets) AND (w.ended_at >= :since OR w.created_at >= :since)
""")
_FIND_MARK = text("""
SELECT max(started_at) FROM link_syncs WHERE link = :link AND mode = :mode AND state = 'success'
""")
# A link that was never synced is as old as it is.
_LIST_UNCHECKED = text("""
SELECT id FROM links l WHERE state = 'active' AND created_at < now() - make_interval(secs => :seconds)
  AND NOT EXISTS (SELECT FROM link_syncs s WHERE s.link = l.id AND (
      s.state IN ('draft', 'queued', 'running')
      OR (s.state = 'success' AND s.finished_at > now() - make_interval(secs => :seconds))
      OR s.requested_at > now() - make_interval(secs => least(:seconds, :pause))))
ORDER BY id
""")
_PRUNE = text("""
DELETE FROM link_syncs s WHERE finished_at < now() - make_interval(days => :days)
  AND NOT (state = 'success' AND NOT EXISTS (
      SELECT FROM link_syncs n WHERE n.link = s.link AND n.mode = s.mode AND n.state = 'success'
      AND n.finished_at > s.finished_at))
""")
_PRUNE_ENDED = text("""
DELETE FROM ended_syncs e WHERE NOT EXISTS (
    SELECT FROM link_sync_reads r JOIN link_syncs s ON s.id = r.link_sync
    WHERE r.connection = e.connection AND s.state = 'running')
""")


def _build(row: RowMapping) -> LinkSync:
    return LinkSync(**{**row, "mode": MODES[row["mode"]], "ids": tuple(row["ids"])})


async def find_or_insert(tx: AsyncConnection, link: UUID, mode: SyncMode, ids: Collection[str], cause: str) -> LinkSync:
    """Return the queued sync of this mode and these products, in any order; a new one if there is none."""
    wanted = {"link": link, "mode": mode.name, "ids": sorted(set(ids))}
    await tx.execute(_INSERT, {"id": uuid4(), "cause": cause, **wanted})
    return _build((await tx.execute(_FIND_QUEUED, wanted)).mappings().one())


async def lock(tx: AsyncConnection, sync_id: UUID) -> LinkSync | None:
    """Return a sync, locked until the transaction ends; None if there is none with this id."""
    row = (await tx.execute(_LOCK, {"id": sync_id})).mappings().one_or_none()
    return _build(row) if row else None


async def get(tx: AsyncConnection, link: UUID, sync_id: UUID) -> LinkSync | None:
    """Return a sync of a link; None if it has none with this id."""
    row = (await tx.execute(_GET, {"id": sync_id, "link": link})).mappings().one_or_none()
    return _build(row) if row else None


async def list_latest(tx: AsyncConnection, link: UUID, limit: int) -> list[LinkSync]:
    """Return the syncs of a link that were requested last, newest first."""
    return [_build(row) for row in (await tx.execute(_LIST, {"link": link, "limit": limit})).mappings()]


async def list_first(tx: AsyncConnection) -> list[tuple[UUID, UUID]]:
    """Return the sync of each link that is under way, or is the next one: its id and the link's."""
    return [(row.id, row.link) for row in await tx.execute(_LIST_FIRST)]


async def start(tx: AsyncConnection, sync: LinkSync, connections: Sequence[str]) -> None:
    """Store that a sync has begun, and which connections are to be read for it."""
    await tx.execute(_START, {"id": sync.id})
    if connections:
        await tx.execute(_INSERT_READS, {"id": sync.id, "connections": list(connections)})


async def set_state(tx: AsyncConnection, sync: LinkSync, state: str, message: str | None = None) -> None:
    """Store the state of a sync that has not ended, and what it waits for."""
    await tx.execute(_SET_STATE, {"id": sync.id, "state": state, "message": message, "length": _MESSAGE_LENGTH})


async def set_plan_number(tx: AsyncConnection, sync: LinkSync, number: int) -> None:
    """Store that decisions up to this number are the sync's."""
    await tx.execute(_SET_PLAN_NUMBER, {"id": sync.id, "number": number})


async def finish(
    tx: AsyncConnection,
    sync: LinkSync,
    state: str,
    *,
    reason_code: str | None = None,
    message: str | None = None,
) -> None:
    """Store how a sync has ended, with its figures, unless it has ended already."""
    figures = await count_figures(tx, sync) if sync.started_at else {}
    values = {"state": state, "reason_code": reason_code, "message": message, "length": _MESSAGE_LENGTH}
    await tx.execute(_FINISH, {"id": sync.id, "figures": orjson.dumps(figures).decode(), **values})


async def count_figures(tx: AsyncConnection, sync: LinkSync) -> dict[str, int]:
    """Return what was written while a sync ran: the numbers of writes, their attempts, calls and points.

    `held` is the number of conflicts that wait for a person now.
    """
    values = {"link": sync.link, "targets": list(sync.mode.targets), "since": sync.started_at}
    return {name: int(number) for name, number in (await tx.execute(_COUNT_FIGURES, values)).mappings().one().items()}


async def set_read(tx: AsyncConnection, sync_id: UUID, connection: str, read: UUID) -> None:
    """Store the id of the connection's sync that a link sync waits for."""
    await tx.execute(_SET_READ, {"id": sync_id, "connection": connection, "sync_id": read})


async def list_reads(tx: AsyncConnection, sync: LinkSync) -> list[SourceRead]:
    """Return what is read at platforms for a sync."""
    return [SourceRead(**row) for row in (await tx.execute(_LIST_READS, {"id": sync.id})).mappings()]


async def is_reading(tx: AsyncConnection, connection: str) -> bool:
    """Return whether a link sync that runs waits for a sync of the connection, or is about to start one."""
    return bool((await tx.execute(_IS_READING, {"connection": connection})).scalar_one())


async def note_ended(tx: AsyncConnection, connection: str, ended: Sequence[SyncState]) -> None:
    """Store which syncs of a connection have ended, or have stored all of their data."""
    rows = [
        {
            "connection": connection,
            "sync_id": one.sync_id,
            "state": one.state,
            "sequence": one.sequence,
            "reason": one.reason,
        }
        for one in ended
    ]
    if rows:
        await tx.execute(_NOTE_ENDED, rows)


async def is_planned(tx: AsyncConnection, link: UUID) -> bool:
    """Return whether all that is known of both sides is matched and planned."""
    return bool((await tx.execute(_IS_PLANNED, {"link": link})).scalar_one())


async def count_unwritten(
    tx: AsyncConnection, link: UUID, targets: Sequence[Side], number: int, *, with_conflicts: bool
) -> int:
    """Return how much that was decided up to this number is still to be written to these sides.

    An approval would also write the conflicts that somebody may decide: those are counted `with_conflicts`.
    """
    actions = [*SENT_ACTIONS, *((Action.CONFLICT.value,) if with_conflicts else ())]
    values = {"link": link, "targets": list(targets), "number": number, "actions": actions}
    return int((await tx.execute(_COUNT_UNWRITTEN, values)).scalar_one())


async def find_mark(tx: AsyncConnection, sync: LinkSync) -> datetime | None:
    """Return when the last successful sync of the same mode has begun; None if there was none."""
    found: datetime | None = (
        await tx.execute(_FIND_MARK, {"link": sync.link, "mode": sync.mode.name})
    ).scalar_one_or_none()
    return found


async def list_unchecked(tx: AsyncConnection, seconds: float, pause: float) -> Sequence[UUID]:
    """Return the active links of which no sync has succeeded for so long, and none is open.

    Those of which one was requested less than `pause` seconds ago are left out.
    """
    return (await tx.execute(_LIST_UNCHECKED, {"seconds": seconds, "pause": pause})).scalars().all()


async def prune(tx: AsyncConnection) -> None:
    """Delete syncs that ended `KEPT_DAYS` ago, but for the last success of each mode, and what nobody waits for."""
    await tx.execute(_PRUNE, {"days": KEPT_DAYS})
    await tx.execute(_PRUNE_ENDED)


