"""The table of connections: their state as last published by the gateway, their next poll and their latest upload."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import ConnectionChanged
from scheduler.schedule import ScheduledRun


@dataclass(frozen=True)
class LedgerConnection:
    """A row of the table of connections."""

    connection: str
    revision: int
    epoch: int
    state: str
    merchant: UUID | None
    poll_slot: datetime | None
    next_poll_at: datetime | None
    upload: str | None
    """The latest upload that succeeded, as JSON."""
    erased_at: int | None
    """When the connection's latest redaction was completed (ms)."""
    blocked: str | None
    """Why the platform refuses every call about the account; it completes "the account is ...". None if it does not."""
    blocked_since: datetime | None
    refused_probes: int
    """How many calls in a row the platform has refused since then."""
    next_probe_at: datetime | None
    """When the full sync begins that finds out whether a blocked account is open again; None while it runs."""
    redacted_epoch: int
    """The epoch of the connection's latest redaction; 0 if there was none."""


_COLUMNS = """
connection, revision, epoch, state, merchant, poll_slot, next_poll_at, upload, erased_at,
blocked, blocked_since, refused_probes,
CASE WHEN blocked IS NOT NULL THEN (
    SELECT due_at FROM syncs WHERE syncs.connection = connections.connection
      AND syncs.mode = 'full' AND syncs.coalesced_into IS NULL AND syncs.state = 'queued') END,
redacted_epoch
"""
_LOCK = text(f"SELECT {_COLUMNS} FROM connections WHERE connection = :connection FOR UPDATE")
_GET = text(f"SELECT {_COLUMNS} FROM connections WHERE connection = :connection")
_LOCK_STATE = text("""
SELECT state, blocked IS NOT NULL, redacted_epoch FROM connections WHERE connection = :connection FOR SHARE
""")
_GET_EPOCH = text("SELECT epoch FROM connections WHERE connection = :connection")
_IS_SAME_GRANT = "EXCLUDED.epoch = connections.epoch AND EXCLUDED.state = 'connected'"
_UPSERT = text(f"""
INSERT INTO connections (connection, revision, epoch, state, merchant)
VALUES (:connection, :revision, :epoch, :state, :merchant)
ON CONFLICT (connection) DO UPDATE SET
    revision = EXCLUDED.revision, epoch = EXCLUDED.epoch, state = EXCLUDED.state, merchant = EXCLUDED.merchant,
    unsubscribed_sync = CASE WHEN EXCLUDED.epoch = connections.epoch THEN connections.unsubscribed_sync END,
    webhooks_due_at = CASE WHEN EXCLUDED.epoch = connections.epoch THEN connections.webhooks_due_at END,
    webhook_attempts = CASE WHEN EXCLUDED.epoch = connections.epoch THEN connections.webhook_attempts ELSE 0 END,
    blocked = CASE WHEN {_IS_SAME_GRANT} THEN connections.blocked END,
    blocked_since = CASE WHEN {_IS_SAME_GRANT} THEN connections.blocked_since END,
    refused_probes = CASE WHEN {_IS_SAME_GRANT} THEN connections.refused_probes ELSE 0 END,
    poll_slot = CASE WHEN EXCLUDED.state = 'connected' THEN connections.poll_slot END,
    next_poll_at = CASE WHEN EXCLUDED.state = 'connected' THEN connections.next_poll_at END,
    next_changes_at = CASE WHEN EXCLUDED.state = 'connected' THEN connections.next_changes_at END,
    previous_sync = CASE WHEN EXCLUDED.epoch = connections.epoch THEN connections.previous_sync END,
    previous_state = CASE WHEN EXCLUDED.epoch = connections.epoch THEN connections.previous_state END
""")
_BLOCK = text("""
UPDATE connections SET blocked = :reason, refused_probes = :refused, blocked_since = coalesce(blocked_since, now())
WHERE connection = :connection
""")
_UNBLOCK = text("""
UPDATE connections SET blocked = NULL, refused_probes = 0, blocked_since = NULL WHERE connection = :connection
""")
_LOCK_DUE = text(f"""
SELECT {_COLUMNS} FROM connections WHERE state = 'connected' AND next_poll_at <= now()
ORDER BY next_poll_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")
# Without a change nothing is written: at each start of the service the polls of all connections are computed anew.
_SCHEDULE_POLL = text("""
UPDATE connections SET poll_slot = :slot, next_poll_at = :at, next_changes_at = :changes_at
WHERE connection = :connection AND (
    poll_slot IS DISTINCT FROM :slot OR next_poll_at IS DISTINCT FROM :at
    OR next_changes_at IS DISTINCT FROM CAST(:changes_at AS timestamptz))
""")
_LOCK_CHANGES_DUE = text(f"""
SELECT {_COLUMNS} FROM connections WHERE state = 'connected' AND next_changes_at <= now()
ORDER BY next_changes_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")
_SCHEDULE_CHANGES = text("UPDATE connections SET next_changes_at = :changes_at WHERE connection = :connection")
_LOCK_NOT_DUE = text("""
SELECT connection FROM connections WHERE state = 'connected' AND (next_poll_at IS NULL OR next_poll_at > now())
FOR UPDATE
""")
_LIST = text(f"""
SELECT {_COLUMNS} FROM connections
WHERE connection > :after AND starts_with(connection, :prefix)
  AND (CAST(:state AS text) IS NULL OR state = CAST(:state AS text))
ORDER BY connection LIMIT :limit
""")
_CLEAR = text("""
UPDATE connections SET poll_slot = NULL, next_poll_at = NULL, next_changes_at = NULL,
    upload = NULL, upload_sequence = -1, upload_check = 0,
    failed_upload = NULL, next_upload_at = NULL, guarded_sync = NULL, guarded_records = NULL, guarded_of = NULL,
    full_read_epoch = NULL, redacted_epoch = :epoch, erased_at = NULL,
    unsubscribed_sync = NULL, webhooks_due_at = NULL, webhook_attempts = 0,
    blocked = NULL, blocked_since = NULL, refused_probes = 0, previous_sync = NULL, previous_state = NULL
WHERE connection = :connection
""")
_RECORD_ERASURE = text("UPDATE connections SET erased_at = :erased_at WHERE connection = :connection")


async def lock(tx: AsyncConnection, connection: str) -> LedgerConnection | None:
    """Return the connection's row, locked until the transaction ends, or None if there is no such connection."""
    row = (await tx.execute(_LOCK, {"connection": connection})).one_or_none()
    return LedgerConnection(*row) if row else None


async def get(tx: AsyncConnection, connection: str) -> LedgerConnection | None:
    """Return the connection's row, or None if there is no such connection."""
    row = (await tx.execute(_GET, {"connection": connection})).one_or_none()
    return LedgerConnection(*row) if row else None


async def list_page(
    tx: AsyncConnection, *, platform: str | None, state: str | None, after: str, limit: int
) -> list[LedgerConnection]:
    """Return at most `limit` connections in the order of their names, beginning behind the name `after`.

    `platform` and `state` filter the connections; None means any.
    """
    query = {"after": after, "prefix": f"{platform}:" if platform else "", "state": state, "limit": limit}
    return [LedgerConnection(*row) for row in await tx.execute(_LIST, query)]


async def lock_state(tx: AsyncConnection, connection: str) -> tuple[str | None, bool, int]:
    """Return the connection's state, whether it is blocked, and the epoch of its latest redaction (0: none).

    (None, False, 0) means that there is no such connection. A shared lock keeps them from changing until the
    transaction ends.
    """
    row = (await tx.execute(_LOCK_STATE, {"connection": connection})).one_or_none()
    return (row[0], row[1], row[2]) if row else (None, False, 0)


async def block(tx: AsyncConnection, connection: str, reason: str, refused: int) -> None:
    """Store why the platform refuses every call about the account, and how many it has refused in a row."""
    await tx.execute(_BLOCK, {"connection": connection, "reason": reason, "refused": refused})


async def unblock(tx: AsyncConnection, connection: str) -> None:
    """Store that the connection is not blocked."""
    await tx.execute(_UNBLOCK, {"connection": connection})


async def get_epoch(tx: AsyncConnection, connection: str) -> int | None:
    """Return the connection's epoch, or None if there is no such connection."""
    return (await tx.execute(_GET_EPOCH, {"connection": connection})).scalar()


async def upsert(tx: AsyncConnection, event: ConnectionChanged) -> None:
    """Insert or update the connection with the state that the gateway published. Only a connected one has a poll.

    What was stored about webhook retries ends with the epoch, as does the state of the latest full sync; so does a
    block, and at any state but `connected`.
    """
    await tx.execute(_UPSERT, event.model_dump(include={"connection", "revision", "epoch", "state", "merchant"}))


async def lock_due(tx: AsyncConnection, limit: int) -> list[LedgerConnection]:
    """Return at most `limit` connections whose poll (regular full sync) is due, and lock their rows.

    The rows are locked until the transaction ends. Rows that another scheduler process has locked are left out, so that
    each poll is started once.
    """
    return [LedgerConnection(*row) for row in (await tx.execute(_LOCK_DUE, {"limit": limit})).all()]


async def lock_not_due(tx: AsyncConnection) -> list[str]:
    """Return the names of the connected connections whose next poll (full sync) is in the future or not scheduled.

    Their rows are locked until the transaction ends.
    """
    return list((await tx.execute(_LOCK_NOT_DUE)).scalars())


async def schedule_poll(tx: AsyncConnection, connection: str, run: ScheduledRun) -> None:
    """Store when the connection's next poll (regular full sync) starts, and when what has changed is read next."""
    times = {"slot": run.slot, "at": run.at, "changes_at": run.changes_at}
    await tx.execute(_SCHEDULE_POLL, {"connection": connection, **times})


async def lock_changes_due(tx: AsyncConnection, limit: int) -> list[LedgerConnection]:
    """Return at most `limit` connections of which what has changed is to be read now, and lock them like `lock_due`."""
    return [LedgerConnection(*row) for row in (await tx.execute(_LOCK_CHANGES_DUE, {"limit": limit})).all()]


async def schedule_changes(tx: AsyncConnection, connection: str, changes_at: datetime | None) -> None:
    """Store when what has changed is read next; None for not any more."""
    await tx.execute(_SCHEDULE_CHANGES, {"connection": connection, "changes_at": changes_at})


async def clear(tx: AsyncConnection, connection: str, redacted_epoch: int) -> None:
    """Clear what the row of a redacted connection says about its poll, upload, erasure, webhook retry, block and syncs.

    A connection is redacted when its data was requested to be deleted. Its state as published by the gateway is kept.
    `redacted_epoch` is the epoch of this redaction.
    """
    await tx.execute(_CLEAR, {"connection": connection, "epoch": redacted_epoch})


async def record_erasure(tx: AsyncConnection, connection: str, erased_at: int) -> None:
    """Store `erased_at` (ms): the time at which the deletion of the redacted connection's data was completed."""
    await tx.execute(_RECORD_ERASURE, {"connection": connection, "erased_at": erased_at})
