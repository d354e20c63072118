"""Consumes `data.stored`."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import DataStored, SyncResult
from messaging.errors import UnknownConnectionError
from messaging.outbox import Transaction, enqueue
from scheduler import event_builders
from scheduler.metrics import RecordCounts, TransactionCounts
from scheduler.schedule import MAX_ATTEMPTS, compute_retry_time
from scheduler.store import connections, delayed_requests, full_syncs, merchant_documents, owed_syncs, syncs
from scheduler.store.connections import LedgerConnection
from scheduler.use_cases.check_claims import check_claims
from scheduler.use_cases.full_sync_steps import request_next_incomplete_range
from scheduler.use_cases.owed_syncs import unblock_connection
from scheduler.use_cases.uploaded_syncs import fail_or_cancel_syncs, record_upload_and_finish_syncs, store_syncs

log = structlog.get_logger()


class DataStoredHandler:
    """Stores what the spaces-writer reports: record counts and results of syncs, uploads of documents, and erasures.

    An erasure is the deletion of a connection's snapshot from the bucket. The handler also requests a direct read of
    each record that the spaces-writer wants to have verified.
    """

    def __init__(
        self, transaction: Transaction, *, wake_outbox: Callable[[], None], record_counts: RecordCounts
    ) -> None:
        self._transaction = transaction
        self._wake_outbox = wake_outbox
        self._record_counts = record_counts

    async def __call__(self, connection: str, events: Sequence[DataStored]) -> None:
        """Handle the events in their order, but those of an epoch before the connection's latest redaction.

        A redaction is the requested deletion of all data. Raises the errors of `check_claims`, for an unknown
        connection or epoch, or another connection's sync.
        """
        counts = TransactionCounts()
        async with self._transaction() as tx:
            row = await connections.lock(tx, connection)
            if row is None:
                raise UnknownConnectionError(connection)
            sync_ids = {sync_id for event in events for sync_id in _list_sync_ids(event)}
            await check_claims(tx, connection, epoch=max(event.epoch for event in events), sync_ids=sync_ids)
            for event in events:
                if event.merchant_document is not None:
                    # Of a redacted connection, too: the document names it until it is uploaded without it.
                    await merchant_documents.record(tx, connection, event.merchant_document)
                if event.epoch < row.redacted_epoch:
                    continue  # what it says of was deleted since
                if event.erasure is not None:
                    await connections.record_erasure(tx, connection, event.erasure.erased_at)
                elif row.state != "redacted":
                    await _handle_event(tx, counts, row, event)
        self._record_counts(counts)
        self._wake_outbox()


def _list_sync_ids(event: DataStored) -> Iterator[UUID]:
    """Yield the ids of all syncs that the event names."""
    yield from (totals.read_id for totals in event.totals)
    for result in event.results:
        yield from result.sync_ids
    if event.verification_id is not None:
        yield event.verification_id


async def _handle_event(
    tx: AsyncConnection, counts: TransactionCounts, row: LedgerConnection, event: DataStored
) -> None:
    for totals in event.totals:
        await syncs.record_totals(tx, event.connection, [totals.read_id], totals)
    for result in event.results:
        await _handle_result(tx, counts, row, event, result)
    if event.upload is not None:
        await record_upload_and_finish_syncs(tx, counts, event.connection, event.upload)
    if event.records_to_verify and event.verification_id is not None:
        await _request_verification(tx, row, event, event.verification_id)


async def _request_verification(
    tx: AsyncConnection, row: LedgerConnection, event: DataStored, verification_id: UUID
) -> None:
    """Request the direct read of the records to verify, once, not before the time that the event gives.

    Of a blocked connection nothing is requested: a full sync that has not begun reads the records with all others. If
    the probe has begun, it may have read them before, so that they are read once more when the account is open.
    """
    if await syncs.get(tx, verification_id) is not None:
        return
    request = event_builders.build_verification(event.connection, event.epoch, verification_id, event.records_to_verify)
    await syncs.record_requests(tx, [request])
    owed = await owed_syncs.lock_queued(tx, event.connection) if row.blocked is not None else None
    if owed is not None:
        await owed_syncs.coalesce(tx, event.connection, owed, [verification_id])
    elif row.blocked is not None or event.verify_not_before is not None:
        not_before = datetime.fromtimestamp((event.verify_not_before or 0) / 1000, UTC)
        await delayed_requests.insert(tx, request, not_before)
    else:
        await enqueue(tx, [event_builders.build_message(request)])


async def _handle_result(
    tx: AsyncConnection, counts: TransactionCounts, row: LedgerConnection, event: DataStored, result: SyncResult
) -> None:
    if result.totals is not None:
        await syncs.record_totals(tx, event.connection, result.sync_ids, result.totals)
    if result.status == "incomplete":
        await _handle_incomplete(tx, event.connection, result)
    elif result.status == "success":
        stored = await store_syncs(tx, counts, event.connection, event.epoch, result)
        if any(sync.mode == "full" for sync in stored):
            # The fetcher's report that the read is complete may come later than this result of it.
            await unblock_connection(tx, row)
    elif result.status == "cancelled" or row.blocked is not None or not await _retry_syncs(tx, event, result):
        await fail_or_cancel_syncs(tx, counts, event.connection, event.epoch, result)


async def _handle_incomplete(tx: AsyncConnection, connection: str, result: SyncResult) -> None:
    sync_id = result.sync_ids[0]
    full_sync = await full_syncs.lock(tx, connection, sync_id)
    if full_sync is not None:
        log.warning("full sync incomplete", connection=connection, sync_id=str(sync_id), reason=result.reason)
        await full_syncs.record_retry_cursors(tx, full_sync, result.retry_cursors, result.reason)
        await request_next_incomplete_range(tx, await full_syncs.lock(tx, connection, sync_id))


async def _retry_syncs(tx: AsyncConnection, event: DataStored, result: SyncResult) -> bool:
    """Schedule another attempt at the failed incremental syncs that `result` names. Return whether it was scheduled.

    If one of the syncs has no attempt left, none of them is tried again. Each sync gets a request of its own, so that a
    record that can never be read fails only the sync that requested it.
    """
    requests = await syncs.list_open_requests(tx, event.connection, result.sync_ids)
    if not requests or max(request.attempts for request in requests) >= MAX_ATTEMPTS:
        return False
    for request in requests:
        retry = event_builders.build_retry(request, epoch=event.epoch)
        await delayed_requests.insert(tx, retry, compute_retry_time(request.attempts))
    return True
