"""Ends syncs by what the spaces-writer reports: with success only when their data is in the bucket.

Until then they are `storing`.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import SyncResult, Upload
from scheduler.metrics import TransactionCounts
from scheduler.store import connections, deletion_guards, full_syncs, syncs, uploads
from scheduler.store.syncs import FinishedSync
from scheduler.use_cases.finish_syncs import count_and_log_finished, finish_syncs

REASON_WITHOUT_SNAPSHOT = (
    "the account was disconnected before its first complete full sync, so that nothing of it is uploaded"
)


async def store_syncs(
    tx: AsyncConnection, counts: TransactionCounts, connection: str, epoch: int, result: SyncResult
) -> list[FinishedSync]:
    """Set the open syncs whose data the spaces-writer has stored to `storing`; end them if the bucket holds the data.

    Return the syncs that were open.

    A sync whose request has not been received yet is inserted. Data that changed nothing may be in the bucket already.
    """
    stored = await syncs.finish(tx, connection, epoch, result.sync_ids, syncs.STORING, result, insert_missing=True)
    if result.object_check > 0:  # the result of a full sync, even if that one was cancelled or failed here meanwhile
        await uploads.record_full_read(tx, connection, epoch)
    if any(sync.mode == "full" for sync in stored):
        await deletion_guards.record(tx, connection, [sync.sync_id for sync in stored], result.guarded_deletions)
        await full_syncs.record_previous(tx, connection, epoch, result.sync_ids[0], result.state)
    await cancel_syncs_without_snapshot(tx, counts, connection)
    row = await connections.get(tx, connection)
    if stored and row is not None and row.upload is not None:
        # The syncs have not caused this upload, it was there before them.
        upload = Upload.model_validate_json(row.upload).model_copy(update={"outcome": "unchanged"})
        await _finish_uploaded(tx, counts, connection, upload)
    return stored


async def fail_or_cancel_syncs(
    tx: AsyncConnection, counts: TransactionCounts, connection: str, epoch: int, result: SyncResult
) -> None:
    """End the open syncs whose read the spaces-writer found to have failed, or whose data it refused."""
    ended = await finish_syncs(tx, counts, connection, epoch, result.sync_ids, result.status, result)
    # A full sync that failed for another reason says nothing about the guard of an earlier one.
    if result.guarded_deletions is not None and any(sync.mode == "full" for sync in ended):
        await deletion_guards.record(tx, connection, [sync.sync_id for sync in ended], result.guarded_deletions)


async def cancel_syncs_without_snapshot(tx: AsyncConnection, counts: TransactionCounts, connection: str) -> None:
    """Cancel the storing syncs of a connection that was disconnected before its first complete full sync.

    No upload would ever end them, because no snapshot of this connection is built.
    """
    cancelled = await uploads.cancel_without_snapshot(tx, connection, REASON_WITHOUT_SNAPSHOT)
    count_and_log_finished(counts, connection, cancelled, "cancelled", REASON_WITHOUT_SNAPSHOT)


async def record_upload_and_finish_syncs(
    tx: AsyncConnection, counts: TransactionCounts, connection: str, upload: Upload
) -> None:
    """Store the latest upload of the connection's snapshot, and end the storing syncs whose data it contains."""
    await uploads.record_upload(tx, connection, upload)
    if upload.outcome != "failed":
        await _finish_uploaded(tx, counts, connection, upload)


async def _finish_uploaded(tx: AsyncConnection, counts: TransactionCounts, connection: str, upload: Upload) -> None:
    finished = await uploads.finish_uploaded(tx, connection, upload)
    count_and_log_finished(counts, connection, finished, "success", None)
    # A webhook whose change a full sync had to bring says nothing about how fast webhooks are.
    accepted = [sync.requested_at for sync in finished if sync.cause == "webhook" and not sync.is_coalesced]
    counts.add_webhook_latencies(connection, accepted, upload.stored_at)
