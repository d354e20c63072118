"""The table of syncs, the ledger. It is updated from events, which may arrive in any order.

A sync is open (queued, running), then storing (its data is stored, but in no uploaded snapshot yet), then final. A sync
that has reached a final state (success, failed, cancelled) never changes its state again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import SyncProgressed, SyncRequested, SyncResult, SyncTotals

OPEN = "('queued', 'running')"
_BEGUN = "CASE WHEN state = 'queued' AND mode = 'incremental' THEN 'running' ELSE state END"
"""The state after an event about the sync. A full sync begins by the request for its first step alone."""
STORING = "storing"

_RECORD_REQUESTS = text("""
INSERT INTO syncs (sync_id, connection, epoch, cause, mode, attempts, requested_at, requested_records)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:connections AS text[]), CAST(:epochs AS int[]),
    CAST(:causes AS text[]), CAST(:modes AS text[]), CAST(:attempts AS int[]),
    CAST(:requested_at AS timestamptz[]), CAST(:requested_records AS text[]))
ON CONFLICT (sync_id) DO UPDATE SET
    cause = CASE WHEN syncs.cause = '' THEN EXCLUDED.cause ELSE syncs.cause END,
    requested_at = LEAST(syncs.requested_at, EXCLUDED.requested_at),
    requested_records = coalesce(syncs.requested_records, EXCLUDED.requested_records),
    attempts = GREATEST(syncs.attempts, EXCLUDED.attempts)
WHERE syncs.connection = EXCLUDED.connection
""")
_INSERT_MISSING = text("""
INSERT INTO syncs (sync_id, connection, epoch, cause, mode, requested_at)
SELECT id, :connection, :epoch, '', 'incremental', now() FROM unnest(CAST(:ids AS uuid[])) AS id
ON CONFLICT DO NOTHING
""")
_FINISH = text(f"""
UPDATE syncs SET state = :state, reason = :reason, due_at = NULL,
    stored_at = CASE WHEN CAST(:is_storing AS boolean) THEN now() END,
    finished_at = CASE WHEN CAST(:is_storing AS boolean) THEN NULL ELSE now() END,
    result_sequence = CAST(:sequence AS bigint), object_check = :object_check, skipped_resources = :skipped_resources,
    left_out = :left_out, previous_state = NULL
WHERE connection = :connection
  AND (sync_id = ANY(CAST(:ids AS uuid[])) OR coalesced_into = ANY(CAST(:ids AS uuid[]))) AND state IN {OPEN}
  AND (mode = 'full' OR NOT CAST(:full_only AS boolean))
RETURNING sync_id, cause, mode, reason
""")
_RECORD_TOTALS = text(f"""
UPDATE syncs SET pages = GREATEST(pages, :pages), records = GREATEST(records, :records),
    changed = GREATEST(changed, :changed), unchanged = GREATEST(unchanged, :unchanged),
    stale = GREATEST(stale, :stale), deleted = GREATEST(deleted, :deleted),
    progressed_at = now(), state = {_BEGUN}
WHERE connection = :connection
  AND (sync_id = ANY(CAST(:ids AS uuid[])) OR coalesced_into = ANY(CAST(:ids AS uuid[])))
  AND (state IN {OPEN} OR state = 'storing' OR finished_at > now() - interval '1 minute')
""")
_RECORD_PROGRESS = text(f"""
UPDATE syncs SET progressed_at = now(), started_at = coalesce(started_at, now()), state = {_BEGUN},
    throttled = throttled + :throttled, calls = calls + :calls, points = points + :points
WHERE connection = :connection AND sync_id = ANY(CAST(:ids AS uuid[])) AND state IN {OPEN} AND coalesced_into IS NULL
RETURNING sync_id
""")
_CANCEL = text(f"""
UPDATE syncs SET state = 'cancelled', reason = :reason, finished_at = now(), due_at = NULL, previous_state = NULL
WHERE connection = :connection AND state IN {OPEN} AND (epoch < :epoch OR CAST(:all AS boolean))
RETURNING sync_id, cause, mode
""")
_DELETE = text("DELETE FROM syncs WHERE connection = :connection")
_SELECT_WITH_CONNECTION = """
SELECT syncs.*, c.next_upload_at, c.failed_upload, c.fully_read, c.blocked
FROM syncs LEFT JOIN connections c ON c.connection = syncs.connection
"""
_GET = text(f"{_SELECT_WITH_CONNECTION} WHERE sync_id = :sync_id")
_LIST_LATEST = text(f"""
{_SELECT_WITH_CONNECTION} WHERE syncs.connection = :connection ORDER BY requested_at DESC LIMIT :limit
""")
_FIND_LAST_FULL_SYNC = text(f"""
{_SELECT_WITH_CONNECTION} WHERE syncs.connection = :connection AND mode = 'full' AND coalesced_into IS NULL
  AND syncs.state NOT IN {OPEN} AND syncs.state <> 'cancelled' ORDER BY requested_at DESC LIMIT 1
""")
_FIND_OPEN_FULL_SYNC = text(f"""
{_SELECT_WITH_CONNECTION} WHERE syncs.connection = :connection AND mode = 'full' AND coalesced_into IS NULL
  AND syncs.state IN {OPEN} ORDER BY syncs.state DESC LIMIT 1
""")
_LIST_OPEN_REQUESTS = text(f"""
SELECT sync_id, connection, epoch, requested_records, attempts FROM syncs
WHERE connection = :connection AND sync_id = ANY(CAST(:ids AS uuid[])) AND state IN {OPEN} AND coalesced_into IS NULL
""")
_FIND_FOREIGN = text("""
SELECT sync_id FROM syncs WHERE sync_id = ANY(CAST(:ids AS uuid[])) AND connection <> :connection LIMIT 1
""")
_LOCK_SILENT = text(f"""
SELECT sync_id, connection, epoch, requested_records, attempts FROM syncs
WHERE mode = 'incremental' AND state IN {OPEN} AND coalesced_into IS NULL
  AND progressed_at < now() - interval '15 minutes' AND requested_records IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM delayed_requests d WHERE d.connection = syncs.connection)
LIMIT :limit FOR UPDATE SKIP LOCKED
""")
_TOUCH = text("UPDATE syncs SET progressed_at = now() WHERE sync_id = ANY(CAST(:ids AS uuid[]))")
_PRUNE = text("""
DELETE FROM syncs
WHERE finished_at < now() - CASE mode WHEN 'incremental' THEN interval '7 days' ELSE interval '90 days' END
""")
# Of a connection that is polled every few seconds these would be the most of what the ledger has. The latest stays.
_PRUNE_QUIET_POLLS = text("""
DELETE FROM syncs USING connections c
WHERE c.connection = syncs.connection AND c.next_changes_at IS NOT NULL
  AND syncs.cause = 'poll' AND syncs.mode = 'full' AND syncs.state = 'success'
  AND syncs.changed = 0 AND syncs.deleted = 0 AND syncs.finished_at < now() - interval '5 minutes'
  AND EXISTS (SELECT 1 FROM syncs AS later WHERE later.connection = syncs.connection
    AND later.mode = 'full' AND later.state = 'success' AND later.requested_at > syncs.requested_at)
  AND NOT EXISTS (SELECT 1 FROM syncs AS served WHERE served.coalesced_into = syncs.sync_id)
""")
_PRUNE_STEPS = text("""
DELETE FROM steps USING syncs WHERE steps.sync_id = syncs.sync_id AND syncs.finished_at < now() - interval '7 days'
""")


@dataclass(frozen=True)
class FinishedSync:
    """A sync that has just left the open states."""

    sync_id: UUID
    cause: str
    mode: str


@dataclass(frozen=True)
class OpenRequest:
    """An incremental sync that has not finished. `requested_records` maps each resource to the requested ids."""

    sync_id: UUID
    connection: str
    epoch: int
    requested_records: Mapping[str, Sequence[str]]
    attempts: int


def _parse_time_ms(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


async def record_requests(tx: AsyncConnection, requests: Sequence[SyncRequested]) -> None:
    """Insert the requested incremental syncs.

    If the result of a sync arrived before its request, the sync is already stored as finished: only its cause and the
    details of its request are added.
    """
    unique = {request.sync_id: request for request in requests}
    ordered = [unique[sync_id] for sync_id in sorted(unique)]
    await tx.execute(
        _RECORD_REQUESTS,
        {
            "ids": [r.sync_id for r in ordered],
            "connections": [r.connection for r in ordered],
            "epochs": [r.epoch for r in ordered],
            "causes": [r.cause for r in ordered],
            "modes": ["incremental" for _ in ordered],
            "attempts": [r.attempt for r in ordered],
            "requested_at": [_parse_time_ms(r.requested_at) for r in ordered],
            "requested_records": [orjson.dumps(r.records).decode() for r in ordered],
        },
    )


async def insert_if_missing(tx: AsyncConnection, connection: str, epoch: int, sync_ids: Sequence[UUID]) -> None:
    """Insert those of the incremental syncs that the table does not have, because their requests come later."""
    await tx.execute(_INSERT_MISSING, {"ids": sorted(sync_ids), "connection": connection, "epoch": epoch})


async def finish(
    tx: AsyncConnection,
    connection: str,
    epoch: int,
    sync_ids: Sequence[UUID],
    state: str,
    result: SyncResult | None,
    reason: str | None = None,
    *,
    insert_missing: bool = False,
    full_only: bool = False,
) -> list[FinishedSync]:
    """Set those of the connection's syncs that are open to `state`, which is final or `storing`, and return them.

    This includes the open syncs that were coalesced into one of them, because these end together. `result` is the
    result that the spaces-writer published, if there is one. With `insert_missing`, a sync whose request has not been
    received yet is inserted in this state. With `full_only`, incremental syncs stay open.
    """
    if insert_missing:
        await insert_if_missing(tx, connection, epoch, sync_ids)
    rows = await tx.execute(
        _FINISH,
        {
            "connection": connection,
            "ids": sorted(sync_ids),
            "state": state,
            "is_storing": state == STORING,
            "reason": reason or (result.reason if result else None),
            "sequence": result.sequence if result else None,
            "object_check": result.object_check if result else 0,
            "skipped_resources": orjson.dumps(result.skipped_resources if result else {}).decode(),
            "left_out": orjson.dumps(result.left_out if result else {}).decode(),
            "full_only": full_only,
        },
    )
    return _build_finished(rows)


def _build_finished(rows: Iterable[Row[Any]]) -> list[FinishedSync]:
    return [FinishedSync(row.sync_id, row.cause, row.mode) for row in rows]


async def record_totals(tx: AsyncConnection, connection: str, sync_ids: Sequence[UUID], totals: SyncTotals) -> None:
    """Raise the counters of stored pages and records of the connection's syncs to `totals`.

    A counter is never lowered, so that events may arrive in any order and more than once.
    """
    counters = totals.model_dump(exclude={"read_id"})
    await tx.execute(_RECORD_TOTALS, {"connection": connection, "ids": list(sync_ids), **counters})


async def record_progress(tx: AsyncConnection, event: SyncProgressed) -> list[UUID]:
    """Store the progress of syncs that a fetcher reported. Return the ids of those that it concerns.

    These are open, and no full sync does their work instead.
    """
    rows = await tx.execute(
        _RECORD_PROGRESS,
        {
            "connection": event.connection,
            "ids": list(event.sync_ids),
            "throttled": int(event.throttled),
            "calls": event.calls,
            "points": event.points,
        },
    )
    return list(rows.scalars())


async def cancel(
    tx: AsyncConnection, connection: str, *, below_epoch: int, all_epochs: bool, reason: str
) -> list[FinishedSync]:
    """Cancel the connection's open syncs of epochs below `below_epoch`, or all of them with `all_epochs`.

    The epoch is a number that the gateway raises when a connection ends. Returns the cancelled syncs.
    """
    scope = {"connection": connection, "epoch": below_epoch, "all": all_epochs}
    return _build_finished(await tx.execute(_CANCEL, {**scope, "reason": reason}))


async def delete(tx: AsyncConnection, connection: str) -> None:
    """Delete all of the connection's syncs and their steps."""
    await tx.execute(_DELETE, {"connection": connection})


async def get(tx: AsyncConnection, sync_id: UUID) -> dict[str, Any] | None:
    """Return the sync's row as a dict from column name to value, or None if there is no such sync.

    The dict also has what the connection's row says about uploads, and why the connection is blocked.
    """
    row = (await tx.execute(_GET, {"sync_id": sync_id})).mappings().one_or_none()
    return dict(row) if row else None


async def list_latest(tx: AsyncConnection, connection: str, limit: int) -> list[dict[str, Any]]:
    """Return the rows of the connection's latest `limit` syncs, newest first, as dicts like those of `get`."""
    rows = await tx.execute(_LIST_LATEST, {"connection": connection, "limit": limit})
    return [dict(row) for row in rows.mappings()]


async def find_last_full_sync(tx: AsyncConnection, connection: str) -> dict[str, Any] | None:
    """Return the row of the connection's latest full sync that is not open, as a dict like that of `get`, or None.

    Neither syncs of webhooks, however many, nor cancelled ones hide it.
    """
    row = (await tx.execute(_FIND_LAST_FULL_SYNC, {"connection": connection})).mappings().one_or_none()
    return dict(row) if row else None


async def find_open_full_sync(tx: AsyncConnection, connection: str) -> dict[str, Any] | None:
    """Return the row of the connection's full sync that is running or else queued, as a dict like that of `get`."""
    row = (await tx.execute(_FIND_OPEN_FULL_SYNC, {"connection": connection})).mappings().one_or_none()
    return dict(row) if row else None


async def list_open_requests(tx: AsyncConnection, connection: str, sync_ids: Sequence[UUID]) -> list[OpenRequest]:
    """Return those of the connection's syncs that are open, read by no full sync instead, and whose requested ids
    are known."""
    values = {"connection": connection, "ids": list(sync_ids)}
    return _build_open_requests(await tx.execute(_LIST_OPEN_REQUESTS, values))


async def find_foreign(tx: AsyncConnection, connection: str, sync_ids: Iterable[UUID]) -> UUID | None:
    """Return one of the ids that is the id of another connection's sync, or None if there is none."""
    values = {"connection": connection, "ids": list(sync_ids)}
    return (await tx.execute(_FIND_FOREIGN, values)).scalar()


async def claim_silent_requests(tx: AsyncConnection, limit: int) -> list[OpenRequest]:
    """Return open incremental syncs about which no event was received for 15 minutes, and restart their 15 minutes."""
    requests = _build_open_requests(await tx.execute(_LOCK_SILENT, {"limit": limit}))
    await tx.execute(_TOUCH, {"ids": [request.sync_id for request in requests]})
    return requests


def _build_open_requests(rows: Iterable[Row[Any]]) -> list[OpenRequest]:
    return [
        OpenRequest(row.sync_id, row.connection, row.epoch, orjson.loads(row.requested_records), row.attempts)
        for row in rows
        if row.requested_records
    ]


async def prune(tx: AsyncConnection) -> None:
    """Delete old rows: incremental syncs and the steps of full syncs after 7 days, full syncs after 90 days.

    Polls of changes that found none are deleted after 5 minutes. The time counts from the moment at which the sync
    finished.
    """
    await tx.execute(_PRUNE_QUIET_POLLS)
    await tx.execute(_PRUNE_STEPS)
    await tx.execute(_PRUNE)
