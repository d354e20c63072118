"""The writer's word."""

from collections.abc import Callable, Sequence
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import DataStored, Erasure, SyncResult, Upload
from messaging.errors import UnknownConnectionError
from messaging.outbox import Transaction, enqueue
from scheduler import requests
from scheduler.due import ATTEMPTS, next_try
from scheduler.handlers.endings import end
from scheduler.handlers.steps import walk_again
from scheduler.metrics import Count, Happened
from scheduler.store import connections, delayed, syncs, walks
from scheduler.store.connections import Known

log = structlog.get_logger()


class StoredHandler:
    """Takes the writer's word: counters, verdicts, uploads, what it wants read, and that a redaction is carried out."""

    def __init__(self, transaction: Transaction, *, said: Callable[[], None], count: Count) -> None:
        self._transaction = transaction
        self._said = said
        self._count = count

    async def __call__(self, connection: str, events: Sequence[DataStored]) -> None:
        """Take events in their order."""
        happened = Happened()
        async with self._transaction() as tx:
            known = await connections.lock(tx, connection)
            if known is None:
                raise UnknownConnectionError(connection)
            for event in events:
                if event.erasure is not None:
                    await _note_erased(tx, known, event, event.erasure)
                elif known.state != "redacted":
                    await _take(tx, happened, known, event)
        self._count(happened)
        self._said()


async def _take(tx: AsyncConnection, happened: Happened, known: Known, event: DataStored) -> None:
    for totals in event.totals:
        await syncs.note_totals(tx, [totals.read_id], totals)
    for verdict in event.results:
        await _take_verdict(tx, happened, event, verdict)
    if event.upload is not None and event.epoch >= known.epoch:
        await connections.note_upload(tx, event.connection, event.upload)
        accepted = await syncs.note_upload(tx, event.connection, event.upload)
        happened.store(event.connection, accepted, event.upload.stored_at)
    if event.records_to_verify and event.verification_id is not None:
        await _bring(tx, event, event.verification_id)


async def _note_erased(tx: AsyncConnection, known: Known, event: DataStored, erased: Erasure) -> None:
    """An erasure is held until its redaction has been heard of; that of an earlier redaction says nothing of this."""
    if event.epoch > known.epoch:
        raise UnknownConnectionError(f"{event.connection} at epoch {event.epoch}")
    if event.epoch == known.epoch or known.state != "redacted":
        await connections.note_erased(tx, event.connection, erased.erased_at)


async def _bring(tx: AsyncConnection, event: DataStored, wanted_by: UUID) -> None:
    if await syncs.get(tx, wanted_by) is not None:
        return
    request = requests.wanted_request(event.connection, event.epoch, wanted_by, event.records_to_verify)
    await syncs.note_requests(tx, [request])
    await enqueue(tx, [requests.records_request(request)])


async def _take_verdict(tx: AsyncConnection, happened: Happened, event: DataStored, verdict: SyncResult) -> None:
    if verdict.totals is not None:
        await syncs.note_totals(tx, verdict.sync_ids, verdict.totals)
    if verdict.status == "incomplete":
        await _note_incomplete(tx, verdict)
    elif verdict.status == "failed" and await _tried_again(tx, event, verdict):
        return
    else:
        ended = await end(tx, happened, event.connection, event.epoch, verdict.sync_ids, verdict.status, verdict)
        if ended and ended[0].mode == "records":
            await _note_upload_already_there(tx, happened, event.connection, verdict)


async def _note_incomplete(tx: AsyncConnection, verdict: SyncResult) -> None:
    walk = await walks.lock(tx, verdict.sync_ids[0])
    if walk is not None:
        log.warning("walk incomplete", connection=walk.connection, sync_id=str(walk.sync_id), reason=verdict.reason)
        await walks.note_again(tx, walk, verdict.retry_cursors, verdict.reason)
        await walk_again(tx, await walks.lock(tx, walk.sync_id))


async def _tried_again(tx: AsyncConnection, event: DataStored, verdict: SyncResult) -> bool:
    """Requests whose records could not be read are asked for again, a few times, each for itself: a record that can
    never be read fails its own request alone."""
    open_ones = await syncs.asked(tx, verdict.sync_ids)
    if not open_ones or max(attempts for _, _, attempts in open_ones) >= ATTEMPTS:
        return False
    for sync_id, records, attempts in open_ones:
        request = requests.retry_request(event.connection, event.epoch, sync_id, records, attempts + 1)
        await delayed.put(tx, request, next_try(attempts))
    return True


async def _note_upload_already_there(
    tx: AsyncConnection, happened: Happened, connection: str, verdict: SyncResult
) -> None:
    """Requests that changed nothing are uploaded already. A walk waits for the look at the object that follows it."""
    known = await connections.get(tx, connection)
    if known is not None and known.upload is not None and known.upload_change >= verdict.sequence:
        accepted = await syncs.note_upload_as(tx, connection, known.upload, known.upload_change)
        happened.store(connection, accepted, Upload.model_validate_json(known.upload).stored_at)
