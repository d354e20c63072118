"""The table of snapshots: the last build and upload of each connection's snapshot.

A build locks the snapshot's row. Ingestion never locks this row, so it never waits for a build.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import Upload
from spaces_writer.object_keys import build_snapshot_key
from spaces_writer.pacing import UploadPace


@dataclass(frozen=True)
class Snapshot:
    """The last build and upload of a connection's snapshot, with the current state of the connection."""

    connection: str
    object_key: str
    merchant: UUID | None
    epoch: int
    sequence: int
    """The connection's sequence number at the time of the lock."""
    uploaded_sequence: int
    sha256: str | None
    bytes: int
    records: int
    requested_checks: int
    """How often a check of the stored object has been requested."""
    is_check_due: bool
    """Whether one of these checks has not been made yet."""
    failures: int
    last_sync_id: UUID | None
    pace: UploadPace


# The object of a redaction must be deleted before the next epoch of the connection uploads its own under the same key.
_MAY_BE_BUILT = """c.fully_read AND c.state <> 'redacted' AND NOT EXISTS (
    SELECT 1 FROM erasures e WHERE e.connection = c.connection AND e.erased_at IS NULL)"""

_LIST_DUE = text(f"""
SELECT c.connection, s.tokens, s.refilled_at, s.build_seconds
FROM connections c LEFT JOIN snapshots s USING (connection)
WHERE {_MAY_BE_BUILT}
  AND (s.connection IS NULL OR c.sequence > s.uploaded_sequence OR c.requested_checks > s.completed_checks)
  AND coalesce(s.not_before, 0) <= :now
ORDER BY c.connection
""")
_CREATE = text(f"""
INSERT INTO snapshots (connection) SELECT connection FROM connections c
WHERE connection = :connection AND {_MAY_BE_BUILT}
ON CONFLICT DO NOTHING
""")
_LOCK = text("SELECT * FROM snapshots WHERE connection = :connection FOR UPDATE SKIP LOCKED")
_LOAD_CONNECTION = text(f"""
SELECT merchant, epoch, sequence, requested_checks, last_sync_id FROM connections c
WHERE connection = :connection AND {_MAY_BE_BUILT}
""")
_CREATE_ANYWAY = text("INSERT INTO snapshots (connection) VALUES (:connection) ON CONFLICT DO NOTHING")
_WAIT_FOR_LOCK = text("SELECT sha256 FROM snapshots WHERE connection = :connection FOR UPDATE")
_DELETE = text("DELETE FROM snapshots WHERE connection = :connection")
_RECORD_UPLOAD = text("""
UPDATE snapshots SET uploaded_sequence = :sequence, sha256 = :sha256, bytes = :bytes, records = :records,
    uploaded_at = CASE WHEN CAST(:is_put AS boolean) THEN now() ELSE uploaded_at END,
    completed_checks = :completed_checks, failures = 0, not_before = 0,
    tokens = :tokens, refilled_at = :refilled_at, build_seconds = :build_seconds
WHERE connection = :connection
""")
_RECORD_FAILURE = text("""
UPDATE snapshots SET failures = failures + 1, not_before = :not_before,
    tokens = :tokens, refilled_at = :refilled_at, build_seconds = :build_seconds WHERE connection = :connection
""")


async def list_due(tx: AsyncConnection, now: float) -> list[str]:
    """Return the connections whose snapshot must be built, or whose object in the bucket must be checked.

    Connections that must still wait at `now` (seconds since 1970), after frequent builds or a failure, are left out.
    """
    rows = await tx.execute(_LIST_DUE, {"now": now})
    return [row.connection for row in rows if row.tokens is None or UploadPace(*row[1:]).compute_wait(now) <= 0]


async def lock_for_build_if_allowed(tx: AsyncConnection, connection: str) -> Snapshot | None:
    """Return the snapshot's row, locked until the transaction ends. The row is created if there is none.

    Returns None if another process has the lock, or if the snapshot may not be built: as long as no full sync has
    succeeded since the account was connected, or while the connection's data must be deleted.
    """
    await tx.execute(_CREATE, {"connection": connection})
    row = (await tx.execute(_LOCK, {"connection": connection})).one_or_none()
    if row is None:
        return None
    state = (await tx.execute(_LOAD_CONNECTION, {"connection": connection})).one_or_none()
    if state is None:
        return None
    return Snapshot(
        connection=connection,
        object_key=build_snapshot_key(connection),
        merchant=state.merchant,
        epoch=state.epoch,
        sequence=state.sequence,
        uploaded_sequence=row.uploaded_sequence,
        sha256=row.sha256,
        bytes=row.bytes,
        records=row.records,
        requested_checks=state.requested_checks,
        is_check_due=state.requested_checks > row.completed_checks,
        failures=row.failures,
        last_sync_id=state.last_sync_id,
        pace=UploadPace(row.tokens, row.refilled_at, row.build_seconds),
    )


async def lock_and_check_uploaded(tx: AsyncConnection, connection: str) -> bool:
    """Wait until no other process has locked the snapshot's row, and lock it. The row is created if there is none.

    Returns whether the row says that the snapshot has been uploaded.
    """
    while True:  # the row may be deleted between the two statements
        await tx.execute(_CREATE_ANYWAY, {"connection": connection})
        row = (await tx.execute(_WAIT_FOR_LOCK, {"connection": connection})).one_or_none()
        if row is not None:
            return row.sha256 is not None


async def delete(tx: AsyncConnection, connection: str) -> None:
    """Delete the snapshot's row."""
    await tx.execute(_DELETE, {"connection": connection})


async def record_upload(tx: AsyncConnection, snapshot: Snapshot, upload: Upload, pace: UploadPace) -> None:
    """Store that a build succeeded, and up to which sequence number the uploaded snapshot contains the changes.

    `pace` limits how soon the next build may begin.
    """
    await tx.execute(
        _RECORD_UPLOAD,
        {
            "connection": snapshot.connection,
            "completed_checks": snapshot.requested_checks,
            "is_put": upload.outcome != "unchanged",
            "sequence": upload.sequence,
            "sha256": upload.sha256,
            "bytes": upload.bytes,
            "records": upload.records,
            **_get_pace_columns(pace),
        },
    )


async def record_failure(tx: AsyncConnection, snapshot: Snapshot, upload: Upload, pace: UploadPace) -> None:
    """Store that a build or its upload failed, and when the next one may begin."""
    parameters = {"connection": snapshot.connection, "not_before": upload.not_before / 1000}
    await tx.execute(_RECORD_FAILURE, {**parameters, **_get_pace_columns(pace)})


def _get_pace_columns(pace: UploadPace) -> dict[str, float]:
    return {"tokens": pace.tokens, "refilled_at": pace.refilled_at, "build_seconds": pace.build_seconds}
