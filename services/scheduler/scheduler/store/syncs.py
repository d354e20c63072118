"""The ledger of syncs: a projection of the events, in any order. Terminal states are never left."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import SyncProgressed, SyncRequested, SyncResult, SyncTotals, Upload

OPEN = "('queued', 'running')"

_REQUESTED = text("""
INSERT INTO syncs (sync_id, connection, epoch, cause, mode, attempts, requested_at, asked)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:connections AS text[]), CAST(:epochs AS int[]),
    CAST(:causes AS text[]), CAST(:modes AS text[]), CAST(:attempts AS int[]),
    CAST(:requested AS timestamptz[]), CAST(:asked AS text[]))
ON CONFLICT (sync_id) DO UPDATE SET
    cause = CASE WHEN syncs.cause = '' THEN EXCLUDED.cause ELSE syncs.cause END,
    requested_at = LEAST(syncs.requested_at, EXCLUDED.requested_at),
    asked = coalesce(syncs.asked, EXCLUDED.asked),
    attempts = GREATEST(syncs.attempts, EXCLUDED.attempts)
""")
_ENSURE = text("""
INSERT INTO syncs (sync_id, connection, epoch, cause, mode, requested_at)
SELECT id, :connection, :epoch, '', 'records', now() FROM unnest(CAST(:ids AS uuid[])) AS id
ON CONFLICT DO NOTHING
""")
_FINISH = text(f"""
UPDATE syncs SET state = :state, reason = :reason, finished_at = now(), due_at = NULL,
    verdict_change = CAST(:change AS bigint), left_out = :left_out
WHERE (sync_id = ANY(CAST(:ids AS uuid[])) OR covered_by = ANY(CAST(:ids AS uuid[]))) AND state IN {OPEN}
RETURNING sync_id, cause, mode, reason
""")
_TOTALS = text(f"""
UPDATE syncs SET pages = GREATEST(pages, :pages), records = GREATEST(records, :records),
    changed = GREATEST(changed, :changed), unchanged = GREATEST(unchanged, :unchanged),
    stale = GREATEST(stale, :stale), removed = GREATEST(removed, :removed),
    progressed_at = now(), state = CASE WHEN state = 'queued' THEN 'running' ELSE state END
WHERE (sync_id = ANY(CAST(:ids AS uuid[])) OR covered_by = ANY(CAST(:ids AS uuid[])))
  AND (state IN {OPEN} OR finished_at > now() - interval '1 minute')
""")
_PROGRESS = text(f"""
UPDATE syncs SET progressed_at = now(), state = 'running', started_at = coalesce(started_at, now()),
    throttled = throttled + :throttled, calls = calls + :calls, points = points + :points
WHERE sync_id = ANY(CAST(:ids AS uuid[])) AND state IN {OPEN}
RETURNING sync_id
""")
_CANCEL = text(f"""
UPDATE syncs SET state = 'cancelled', reason = :reason, finished_at = now(), due_at = NULL
WHERE connection = :connection AND state IN {OPEN} AND (epoch < :epoch OR CAST(:all AS boolean))
RETURNING sync_id, cause, mode
""")
_FORGET = text("DELETE FROM syncs WHERE connection = :connection")
_UPLOADED = text("""
UPDATE syncs SET upload = :upload, uploaded = :uploaded
WHERE connection = :connection AND state = 'success' AND NOT uploaded AND verdict_change <= :change
RETURNING cause, requested_at
""")
_GET = text("SELECT * FROM syncs WHERE sync_id = :sync_id")
_LATEST = text("SELECT * FROM syncs WHERE connection = :connection ORDER BY requested_at DESC LIMIT :limit")
_ASKED = text(
    f"SELECT sync_id, asked, attempts FROM syncs WHERE sync_id = ANY(CAST(:ids AS uuid[])) AND state IN {OPEN}"
)
_SILENT = text(f"""
SELECT sync_id, connection, epoch, asked, attempts FROM syncs
WHERE mode = 'records' AND state IN {OPEN} AND progressed_at < now() - interval '15 minutes' AND asked IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM delayed d WHERE d.connection = syncs.connection)
LIMIT :limit FOR UPDATE SKIP LOCKED
""")
_TOUCH = text("UPDATE syncs SET progressed_at = now() WHERE sync_id = ANY(CAST(:ids AS uuid[]))")
_PRUNE = text("""
DELETE FROM syncs
WHERE finished_at < now() - CASE mode WHEN 'records' THEN interval '7 days' ELSE interval '90 days' END
""")
_PRUNE_STEPS = text("""
DELETE FROM steps USING syncs WHERE steps.sync_id = syncs.sync_id AND syncs.finished_at < now() - interval '7 days'
""")


@dataclass(frozen=True)
class Finished:
    """A sync that has just ended."""

    sync_id: UUID
    cause: str
    mode: str


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


async def note_requests(tx: AsyncConnection, requests: Sequence[SyncRequested]) -> None:
    """Enter requests of the quick lane; one that ended already gets its cause and nothing else."""
    unique = {request.sync_id: request for request in requests}
    listed = [unique[sync_id] for sync_id in sorted(unique)]
    await tx.execute(
        _REQUESTED,
        {
            "ids": [r.sync_id for r in listed],
            "connections": [r.connection for r in listed],
            "epochs": [r.epoch for r in listed],
            "causes": [r.cause for r in listed],
            "modes": ["records" for _ in listed],
            "attempts": [r.attempt for r in listed],
            "requested": [_moment(r.requested_at) for r in listed],
            "asked": [orjson.dumps(r.records).decode() for r in listed],
        },
    )


async def finish(
    tx: AsyncConnection,
    connection: str,
    epoch: int,
    sync_ids: Sequence[UUID],
    state: str,
    verdict: SyncResult | None,
    reason: str | None = None,
    *,
    ensure: bool = False,
) -> list[Finished]:
    """End syncs, and those that they cover. With `ensure`, a request that was not heard of yet is entered as ended."""
    ids = sorted(sync_ids)
    if ensure:
        await tx.execute(_ENSURE, {"ids": ids, "connection": connection, "epoch": epoch})
    rows = await tx.execute(
        _FINISH,
        {
            "ids": ids,
            "state": state,
            "reason": reason or (verdict.reason if verdict else None),
            "change": verdict.sequence if verdict else None,
            "left_out": orjson.dumps(verdict.skipped_resources if verdict else {}).decode(),
        },
    )
    return _finished(rows)


def _finished(rows: Iterable[Row[Any]]) -> list[Finished]:
    return [Finished(row.sync_id, row.cause, row.mode) for row in rows]


async def note_totals(tx: AsyncConnection, sync_ids: Sequence[UUID], totals: SyncTotals) -> None:
    """Raise counters to what the writer says; they never fall, so order and repetition do not matter."""
    counters = totals.model_dump(exclude={"read_id"})
    await tx.execute(_TOTALS, {"ids": list(sync_ids), **counters})


async def note_progress(tx: AsyncConnection, event: SyncProgressed) -> list[UUID]:
    """Note that work went on; returns those of the event's syncs that are open."""
    rows = await tx.execute(
        _PROGRESS,
        {
            "ids": list(event.sync_ids),
            "throttled": int(event.throttled),
            "calls": event.calls,
            "points": event.points,
        },
    )
    return list(rows.scalars())


async def cancel(
    tx: AsyncConnection, connection: str, *, below_epoch: int, everything: bool, reason: str
) -> list[Finished]:
    """Cancel what an ended grant, or with `everything` an ended connection, leaves open."""
    scope = {"connection": connection, "epoch": below_epoch, "all": everything}
    return _finished(await tx.execute(_CANCEL, {**scope, "reason": reason}))


async def forget(tx: AsyncConnection, connection: str) -> None:
    """Delete all of the connection's syncs and their steps."""
    await tx.execute(_FORGET, {"connection": connection})


async def note_upload(tx: AsyncConnection, connection: str, upload: Upload) -> list[datetime]:
    """All good syncs whose data these bytes hold are uploaded; a failed upload is shown until one is not.

    Returns when the webhooks among them were accepted.
    """
    failed = upload.outcome == "failed"
    change = 2**62 if failed else upload.sequence
    told = {"connection": connection, "upload": upload.model_dump_json(), "uploaded": not failed, "change": change}
    accepted = _accepted(await tx.execute(_UPLOADED, told))
    return [] if failed else accepted


async def note_upload_as(tx: AsyncConnection, connection: str, upload: str, change: int) -> list[datetime]:
    """Good syncs whose data the latest upload (as JSON) holds already are uploaded. Returns as `note_upload`."""
    told = {"connection": connection, "upload": upload, "uploaded": True, "change": change}
    return _accepted(await tx.execute(_UPLOADED, told))


def _accepted(rows: Iterable[Row[Any]]) -> list[datetime]:
    return [row.requested_at for row in rows if row.cause == "webhook"]


async def get(tx: AsyncConnection, sync_id: UUID) -> dict[str, Any] | None:
    """One sync's row."""
    row = (await tx.execute(_GET, {"sync_id": sync_id})).mappings().one_or_none()
    return dict(row) if row else None


async def latest(tx: AsyncConnection, connection: str, limit: int) -> list[dict[str, Any]]:
    """The connection's latest syncs, newest first."""
    return [dict(row) for row in (await tx.execute(_LATEST, {"connection": connection, "limit": limit})).mappings()]


async def asked(tx: AsyncConnection, sync_ids: Sequence[UUID]) -> list[tuple[UUID, dict[str, list[str]], int]]:
    """(sync, records asked for, attempts) of those that are open and known to have asked for something."""
    rows = (await tx.execute(_ASKED, {"ids": list(sync_ids)})).all()
    return [(row.sync_id, orjson.loads(row.asked), row.attempts) for row in rows if row.asked]


async def silent(tx: AsyncConnection, limit: int) -> list[tuple[UUID, str, int, dict[str, list[str]], int]]:
    """(sync, connection, epoch, asked, attempts) of requests of which nothing was heard for 15 minutes."""
    rows = (await tx.execute(_SILENT, {"limit": limit})).all()
    await tx.execute(_TOUCH, {"ids": [row.sync_id for row in rows]})
    return [(row.sync_id, row.connection, row.epoch, orjson.loads(row.asked), row.attempts) for row in rows]


async def prune(tx: AsyncConnection) -> None:
    """Forget requests that ended a week ago, walks' steps as well, and walks after three months."""
    await tx.execute(_PRUNE_STEPS)
    await tx.execute(_PRUNE)
