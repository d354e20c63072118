"""Which uploads of a connection's snapshot are in the bucket, and the syncs that wait for one.

A sync whose data the spaces-writer has stored is in state `storing`: its data is in no uploaded snapshot yet.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import Upload
from scheduler.store.syncs import FinishedSync

_RECORD_UPLOAD = text("""
UPDATE connections SET upload = :upload, upload_sequence = GREATEST(upload_sequence, :sequence),
    upload_check = GREATEST(upload_check, :object_check), failed_upload = NULL,
    next_upload_at = to_timestamp(:not_before / 1000.0)
WHERE connection = :connection
""")
_RECORD_FAILED_UPLOAD = text("UPDATE connections SET failed_upload = :upload WHERE connection = :connection")
_RECORD_FULL_READ = text("""
UPDATE connections SET full_read_epoch = GREATEST(full_read_epoch, :epoch) WHERE connection = :connection
""")
_FINISH_UPLOADED = text("""
UPDATE syncs SET state = 'success', upload = :upload, finished_at = now()
FROM connections c
WHERE syncs.connection = :connection AND c.connection = :connection AND syncs.state = 'storing'
  AND syncs.result_sequence <= c.upload_sequence AND syncs.object_check <= c.upload_check
RETURNING syncs.sync_id, syncs.cause, syncs.mode, syncs.requested_at, syncs.coalesced_into IS NOT NULL
""")
_CANCEL_WITHOUT_SNAPSHOT = text("""
UPDATE syncs SET state = 'cancelled', reason = :reason, finished_at = now()
FROM connections c
WHERE syncs.connection = :connection AND c.connection = :connection AND syncs.state = 'storing'
  AND c.state = 'uninstalled' AND NOT c.fully_read
RETURNING syncs.sync_id, syncs.cause, syncs.mode
""")
# The upload is due when the data is stored and the pace allows it. A failed upload moves this moment no further.
_BEHIND = """
SELECT s.connection, count(*) AS syncs, min(s.stored_at) AS since, c.fully_read, c.next_upload_at, c.failed_upload,
    CASE WHEN c.fully_read THEN
        CAST(extract(epoch FROM now() - GREATEST(min(s.stored_at), c.next_upload_at)) AS double precision)
    END AS overdue
FROM syncs s JOIN connections c ON c.connection = s.connection
WHERE s.state = 'storing' AND (CAST(:connection AS text) IS NULL OR s.connection = CAST(:connection AS text))
GROUP BY s.connection, c.connection
"""
_LIST_BEHIND = text(f"""
SELECT *, count(*) OVER () AS total FROM ({_BEHIND}) behind
ORDER BY overdue DESC NULLS LAST, connection LIMIT CAST(:limit AS int)
""")
_COUNT_WAITING = text(f"""
SELECT split_part(connection, ':', 1) AS platform, count(*) AS connections, CAST(sum(syncs) AS bigint) AS syncs,
    GREATEST(max(overdue), 0) AS overdue
FROM ({_BEHIND}) behind GROUP BY 1
""")


@dataclass(frozen=True)
class UploadedSync(FinishedSync):
    """A sync that has just ended with success, because an upload contains its data."""

    requested_at: datetime
    is_coalesced: bool


@dataclass(frozen=True)
class UploadWait:
    """What stored data waits for until it is in the bucket. Times are milliseconds since 1970 (UTC)."""

    since: int
    """When the oldest of this data was stored."""
    next_attempt_at: int | None
    """The time before which no upload is tried: by the pace of uploads, or after a failed one. It may have passed."""
    reason: str | None
    """Why the latest upload failed; None if it did not."""
    needs_full_sync: bool
    """Whether no full sync has been stored since the account was connected. Nothing is uploaded before."""


@dataclass(frozen=True)
class ConnectionBehind:
    """A connection whose snapshot in the bucket lacks the data of `syncs` syncs, and what this data waits for.

    `overdue` is how many seconds ago the upload was due; negative while the pace does not allow it, None while it
    needs a full sync first.
    """

    connection: str
    syncs: int
    overdue: float | None
    wait: UploadWait


@dataclass(frozen=True)
class WaitingUploads:
    """Number of one platform's connections whose snapshot in the bucket is behind, and of their storing syncs.

    `overdue` is how many seconds ago the oldest of these uploads was due; 0 if none is due yet.
    """

    platform: str
    connections: int
    syncs: int
    overdue: float


async def record_upload(tx: AsyncConnection, connection: str, upload: Upload) -> None:
    """Store the latest upload of the connection's snapshot, and up to which sequence number it contains the changes.

    A failed upload is stored beside the latest successful one, until the next succeeds.
    """
    values = {"connection": connection, "upload": upload.model_dump_json()}
    if upload.outcome == "failed":
        await tx.execute(_RECORD_FAILED_UPLOAD, values)
        return
    numbers = upload.model_dump(include={"sequence", "object_check", "not_before"})
    await tx.execute(_RECORD_UPLOAD, {**values, **numbers})


async def record_full_read(tx: AsyncConnection, connection: str, epoch: int) -> None:
    """Store that a full sync of this epoch of the connection has been stored."""
    await tx.execute(_RECORD_FULL_READ, {"connection": connection, "epoch": epoch})


async def finish_uploaded(tx: AsyncConnection, connection: str, upload: Upload) -> list[UploadedSync]:
    """End with success the storing syncs whose data the recorded uploads contain, and return them.

    `upload` is stored with them: the upload that contains their data.
    """
    rows = await tx.execute(_FINISH_UPLOADED, {"connection": connection, "upload": upload.model_dump_json()})
    return [UploadedSync(*row) for row in rows]


async def cancel_without_snapshot(tx: AsyncConnection, connection: str, reason: str) -> list[FinishedSync]:
    """Cancel the storing syncs of a connection that was disconnected before its first complete full sync.

    No snapshot is built of it, so that no upload would ever end them. Returns the cancelled syncs.
    """
    rows = await tx.execute(_CANCEL_WITHOUT_SNAPSHOT, {"connection": connection, "reason": reason})
    return [FinishedSync(*row) for row in rows]


async def list_behind(
    tx: AsyncConnection, *, connection: str | None = None, limit: int | None
) -> tuple[list[ConnectionBehind], int]:
    """Return the connections with storing syncs, those whose upload is overdue for longest first, and their number.

    At most `limit` of them are returned; None means all. With `connection`, only this one is looked for.
    """
    rows = (await tx.execute(_LIST_BEHIND, {"connection": connection, "limit": limit})).all()
    behind = [
        ConnectionBehind(
            row.connection,
            row.syncs,
            row.overdue,
            build_wait(row.since, row.next_upload_at, row.failed_upload, fully_read=row.fully_read),
        )
        for row in rows
    ]
    return behind, rows[0].total if rows else 0


async def count_waiting(tx: AsyncConnection) -> list[WaitingUploads]:
    """Count by platform the connections whose snapshot in the bucket is behind. An index on storing syncs is used."""
    return [WaitingUploads(*row) for row in await tx.execute(_COUNT_WAITING, {"connection": None})]


def build_wait(
    since: datetime, next_upload_at: datetime | None, failed_upload: str | None, *, fully_read: bool
) -> UploadWait:
    """Return what data that was stored at `since` waits for. `failed_upload` is the connection's, as JSON."""
    failed = Upload.model_validate_json(failed_upload) if failed_upload else None
    paced_until = _to_ms(next_upload_at) if next_upload_at else None
    return UploadWait(
        since=_to_ms(since),
        next_attempt_at=failed.not_before if failed else paced_until,
        reason=failed.reason if failed else None,
        needs_full_sync=not fully_read,
    )


def _to_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
