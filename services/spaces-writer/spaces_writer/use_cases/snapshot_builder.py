"""Builds the snapshot of a connection and uploads it.

A build locks the snapshot's row, so that one process at a time builds a snapshot. Ingestion never uses this row, so it
never waits for a build. If the process is killed between the PUT and the commit, the row still has the old sequence
number, and the next build uploads the same bytes again. Whatever a build fails by (the bucket, the disk, a fault of the
document's layout), it is a failed upload that is published and tried again, and records are stored all the same.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Literal
from uuid import uuid4

import structlog

from contracts.events import DataStored, Upload, parse_platform
from contracts.topics import DATA_STORED
from messaging import tracing
from messaging.errors import UnavailableError
from messaging.outbox import enqueue
from messaging.publisher import OutboundMessage
from spaces_writer.client import open_temporary_file
from spaces_writer.documents import load_document_builder
from spaces_writer.pacing import compute_failure_pause
from spaces_writer.store import snapshots, trace_links
from spaces_writer.store.records_view import open_records_view
from spaces_writer.store.snapshots import Snapshot
from spaces_writer.upload_failures import describe_failure

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from database.pool import Database
    from spaces_writer.client import BucketClient

log = structlog.get_logger()
Replacement = Literal["restored", "uploaded"]
"""The outcome of an upload that replaces an object with the same content."""


@dataclass(frozen=True)
class SnapshotDocument:
    """A connection's snapshot in a temporary file.

    The snapshot contains the changes up to the connection's sequence number `sequence`.
    """

    body: IO[bytes]
    sha256: str
    bytes: int
    records: int
    sequence: int


class SnapshotBuilder:
    """Builds and uploads snapshots.

    Each build uses two database connections: one holds the lock on the snapshot's row, the other one reads the records.
    After each commit `on_upload` is called with the name of the merchant's connection and the outcome. `open_file`
    opens the temporary file that holds the document until its upload.
    """

    def __init__(
        self,
        database: "Database",
        bucket: "BucketClient",
        *,
        on_upload: Callable[[str, Upload], None],
        open_file: Callable[[], IO[bytes]] = open_temporary_file,
    ) -> None:
        self._database = database
        self._bucket = bucket
        self._on_upload = on_upload
        self._open_file = open_file

    async def build_and_upload_if_changed(self, connection: str) -> Upload | None:
        """Build the connection's snapshot, and upload it if it has changed.

        Returns the outcome, or None when another process builds the snapshot, or when it may not be built: as long as
        no full sync has succeeded since the account was connected, or while the connection's data must be deleted.
        Whatever a build fails by, the outcome is `failed`. Raises `UnavailableError` if the database is unavailable, so
        that not even this can be stored.
        """
        started = time.time()
        async with self._database.transaction() as tx:
            snapshot = await snapshots.lock_for_build_if_allowed(tx, connection)
            if snapshot is None:
                return None
            traceparents = await trace_links.list_traceparents(tx, connection, snapshot.sequence)
            with _start_span(connection, traceparents) as span:
                upload = await self._try_to_build_and_upload(snapshot)
                span.set_attribute("merchant_sync.outcome", upload.outcome)
                span.set_attribute("merchant_sync.records", upload.records)
                upload = await _record_upload(tx, snapshot, upload, started)
                event = DataStored(connection=connection, epoch=snapshot.epoch, sequence=upload.sequence, upload=upload)
                await enqueue(tx, [OutboundMessage(DATA_STORED, connection, event, str(uuid4()))])
                _log_upload_outcome(connection, upload)
        self._on_upload(connection, upload)
        return upload

    async def _try_to_build_and_upload(self, snapshot: Snapshot) -> Upload:
        try:
            return await self._build_and_upload(snapshot)
        except (UnavailableError, OSError) as error:
            return _build_failed_upload(snapshot, error)
        except Exception as error:  # whatever is wrong with one document must be seen, and must not be tried endlessly
            log.exception("snapshot could not be built", connection=snapshot.connection)
            return _build_failed_upload(snapshot, error)

    async def _build_and_upload(self, snapshot: Snapshot) -> Upload:
        replacement = await self._find_replacement(snapshot)
        if snapshot.sequence == snapshot.uploaded_sequence and replacement is None:
            return _build_unchanged_upload(snapshot)
        with self._open_file() as file:
            document = await self._build_document(snapshot.connection, file)
            return await self._put_if_changed(snapshot, document, replacement)

    async def _find_replacement(self, snapshot: Snapshot) -> Replacement | None:
        """Return whether the uploaded object must be replaced, and why. Without a requested check, it need not be.

        It is `restored` when it is missing or overwritten, `uploaded` when it names another merchant than the
        connection's.
        """
        if not snapshot.is_check_due or snapshot.sha256 is None:
            return None
        metadata = await self._bucket.load_metadata(snapshot.object_key)
        if metadata is None or metadata.get("sha256") != snapshot.sha256:
            return "restored"
        return None if metadata.get("merchant") == str(snapshot.merchant) else "uploaded"

    async def _build_document(self, connection: str, file: IO[bytes]) -> SnapshotDocument:
        build_document = load_document_builder(connection)
        digest, size = hashlib.sha256(), 0
        async with open_records_view(self._database, connection) as view:
            async for piece in build_document(view):
                try:
                    await asyncio.to_thread(file.write, piece)
                except OSError as error:
                    # Any other error of the system within the view's transaction is one of the database.
                    raise UnavailableError(describe_failure(error)) from error
                digest.update(piece)
                size += len(piece)
            records = await view.count_top_level_records()
        file.seek(0)
        return SnapshotDocument(file, digest.hexdigest(), size, records, view.sequence)

    async def _put_if_changed(
        self, snapshot: Snapshot, document: SnapshotDocument, replacement: Replacement | None
    ) -> Upload:
        now = datetime.now(UTC)
        is_unchanged = document.sha256 == snapshot.sha256 and replacement is None
        if not is_unchanged:
            await self._bucket.put(snapshot.object_key, document.body, _build_metadata(snapshot, document, now))
        return Upload(
            key=snapshot.object_key,
            outcome="unchanged" if is_unchanged else replacement or "uploaded",
            sequence=document.sequence,
            object_check=snapshot.requested_checks,
            sha256=document.sha256,
            bytes=document.bytes,
            records=document.records,
            stored_at=int(now.timestamp() * 1000),
        )


def _start_span(connection: str, traceparents: Sequence[str]) -> AbstractContextManager[tracing.Span]:
    """Start the span of a build and its PUT. It belongs to the trace of the first change that is not uploaded yet."""
    attributes = {"merchant_sync.connection": connection, "merchant_sync.platform": parse_platform(connection)}
    return tracing.start_span("build snapshot", "internal", attributes, caused_by=traceparents)


async def _record_upload(tx: "AsyncConnection", snapshot: Snapshot, upload: Upload, started: float) -> Upload:
    """Store the outcome of a build that began at `started`. Return it with the time before which no other may begin."""
    now, is_failed = time.time(), upload.outcome == "failed"
    pace = snapshot.pace.spend_token(now, now - started)
    pause = max(pace.compute_wait(now), compute_failure_pause(snapshot.failures) if is_failed else 0.0)
    upload = upload.model_copy(update={"not_before": round((now + pause) * 1000)})
    if is_failed:
        await snapshots.record_failure(tx, snapshot, upload, pace)
    else:
        await snapshots.record_upload(tx, snapshot, upload, pace)
        await trace_links.delete(tx, snapshot.connection, upload.sequence)
    return upload


def _build_metadata(snapshot: Snapshot, document: SnapshotDocument, now: datetime) -> dict[str, str]:
    return {
        "merchant": str(snapshot.merchant),
        "connection": snapshot.connection,
        "sync-id": str(snapshot.last_sync_id),
        "stored-at": now.isoformat(timespec="milliseconds"),
        "sha256": document.sha256,
        "records": str(document.records),
    }


def _build_failed_upload(snapshot: Snapshot, error: Exception) -> Upload:
    reason = describe_failure(error)
    return Upload(key=snapshot.object_key, outcome="failed", sequence=snapshot.uploaded_sequence, reason=reason)


def _build_unchanged_upload(snapshot: Snapshot) -> Upload:
    return Upload(
        key=snapshot.object_key,
        outcome="unchanged",
        sequence=snapshot.uploaded_sequence,
        object_check=snapshot.requested_checks,
        sha256=snapshot.sha256 or "",
        bytes=snapshot.bytes,
        records=snapshot.records,
        stored_at=int(time.time() * 1000),
    )


def _log_upload_outcome(connection: str, upload: Upload) -> None:
    fields = {"connection": connection, "cause": "snapshot", "key": upload.key, "bytes": upload.bytes}
    match upload.outcome:
        case "failed":
            log.warning("object upload failed", **fields, reason=upload.reason)
        case "unchanged":
            log.info("object unchanged", **fields)
        case "restored":
            log.warning("object uploaded", **fields, reason="the stored object was lost or overwritten")
        case _:
            log.info("object uploaded", **fields)
