"""Consumes the topics on which fetchers report the progress of syncs."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import SyncProgressed
from messaging.outbox import Transaction
from scheduler import event_builders
from scheduler.metrics import RecordCounts, TransactionCounts
from scheduler.schedule import MAX_ATTEMPTS, MAX_POSTPONED_ATTEMPTS, compute_retry_time
from scheduler.store import connections, delayed_requests, full_syncs, syncs
from scheduler.store.connections import LedgerConnection
from scheduler.store.full_syncs import RATE_LIMIT, FullSync
from scheduler.use_cases.check_claims import check_claims
from scheduler.use_cases.finish_syncs import finish_syncs
from scheduler.use_cases.full_sync_steps import request_next_incomplete_range, request_next_step
from scheduler.use_cases.owed_syncs import block_connection, unblock_connection


class ProgressHandler:
    """Continues, postpones or fails a sync, or blocks a connection, when a fetcher reports the progress of a sync."""

    def __init__(
        self, transaction: Transaction, *, wake_outbox: Callable[[], None], record_counts: RecordCounts
    ) -> None:
        self._transaction = transaction
        self._wake_outbox = wake_outbox
        self._record_counts = record_counts

    async def __call__(self, connection: str, events: Sequence[SyncProgressed]) -> None:
        """Handle the events in their order. Events of syncs that have ended or were coalesced are ignored.

        Only the answer that the account is blocked concerns the connection itself. Raises the errors of `check_claims`,
        for an unknown epoch or another connection's sync.
        """
        counts = TransactionCounts()
        async with self._transaction() as tx:
            sync_ids = {sync_id for event in events for sync_id in event.sync_ids}
            await check_claims(tx, connection, epoch=max(event.epoch for event in events), sync_ids=sync_ids)
            for event in events:
                row = await connections.lock(tx, connection)
                if event.step is None and row is not None and _is_live(row, event):
                    # Requests have a topic of their own, so that a report may come before its request. If it were
                    # ignored, the sync would wait until it is asked for again because of its silence.
                    await syncs.insert_if_missing(tx, connection, event.epoch, event.sync_ids)
                is_open = bool(await syncs.record_progress(tx, event))
                if event.outcome == "blocked" and event.step is None:
                    await _handle_blocked_incremental(tx, row, event, is_open=is_open)
                elif is_open and event.step is None:
                    await _retry_or_fail_incremental(tx, counts, event)
                elif is_open:
                    await _handle_full(tx, counts, row, event)
        self._record_counts(counts)
        self._wake_outbox()


async def _retry_or_fail_incremental(tx: AsyncConnection, counts: TransactionCounts, event: SyncProgressed) -> None:
    if event.outcome == "postponed" and event.attempt < MAX_POSTPONED_ATTEMPTS:
        attempt = event.attempt + (1 if is_counted_attempt(event) else 0)
        request = event_builders.build_continuation(event, attempt=attempt)
        await delayed_requests.insert(tx, request, _parse_due_time(event.not_before))
    elif event.outcome == "failed" and event.retryable and event.attempt < MAX_ATTEMPTS:
        request = event_builders.build_continuation(event, attempt=event.attempt + 1)
        await delayed_requests.insert(tx, request, compute_retry_time(event.attempt))
    else:
        await finish_syncs(tx, counts, event.connection, event.epoch, event.sync_ids, "failed", None, event.reason)


def is_counted_attempt(event: SyncProgressed) -> bool:
    """Return whether the postponement that `event` reports counts as an attempt at the postponed read.

    It counts if it has a reason, and if this reason is not the platform's rate limit.
    """
    return event.reason is not None and not event.throttled


async def _handle_blocked_incremental(
    tx: AsyncConnection, row: LedgerConnection | None, event: SyncProgressed, *, is_open: bool
) -> None:
    """Block the connection whose platform has refused an incremental read because of the account.

    Where that is known already, or where the fetcher has only remembered it, the records are requested once more when
    the probe that is under way has ended. (Before a probe, requests of a blocked connection are coalesced into it.)
    Nothing is done if the syncs are not open (`is_open`) any more: the report has been delivered a second time, perhaps
    after the account was opened, or a full sync reads the records in any case.
    """
    if row is None or not is_open or not _is_live(row, event):
        return
    if row.blocked is None and not event.remembered:
        await block_connection(tx, row, event.reason or "blocked")
    else:
        request = event_builders.build_continuation(event, attempt=event.attempt)
        await delayed_requests.insert(tx, request, datetime.now(UTC))


def _is_live(row: LedgerConnection, event: SyncProgressed) -> bool:
    return row.state == "connected" and event.epoch >= row.epoch


async def _handle_full(
    tx: AsyncConnection, counts: TransactionCounts, row: LedgerConnection | None, event: SyncProgressed
) -> None:
    """Handle a fetcher's report on a step (a part of a full sync), if this step was requested last. Ignore others.

    For this reason a step that ran twice changes nothing the second time.
    """
    full_sync = await full_syncs.lock(tx, event.connection, event.sync_ids[0])
    if full_sync is None or full_sync.step != event.step:
        return
    if row is not None and event.outcome in ("advanced", "completed"):
        await unblock_connection(tx, row)
    match event.outcome:
        case "blocked" if row is not None and _is_live(row, event):
            unread = full_sync.sync_id if event.cursor is None else None
            await block_connection(tx, row, event.reason or "blocked", unread_sync=unread)
        case "advanced":
            await request_next_step(tx, full_sync, event.cursor, attempts=1)
        case "completed":
            await full_syncs.complete_read(tx, full_sync)
            await request_next_incomplete_range(tx, await full_syncs.lock(tx, full_sync.connection, full_sync.sync_id))
        case "postponed":
            await _postpone_or_fail_full(tx, counts, full_sync, event)
        case "failed":
            await _retry_or_fail_full(tx, counts, full_sync, event)


async def _postpone_or_fail_full(
    tx: AsyncConnection, counts: TransactionCounts, full_sync: FullSync, event: SyncProgressed
) -> None:
    attempts = full_sync.attempts + (1 if is_counted_attempt(event) else 0)
    if attempts >= MAX_POSTPONED_ATTEMPTS:
        await _fail_full(tx, counts, full_sync, event)
        return
    due = _parse_due_time(event.not_before)
    reason = RATE_LIMIT if event.throttled else event.reason
    await full_syncs.postpone(tx, full_sync, event.cursor, due, attempts=attempts, reason=reason)


async def _retry_or_fail_full(
    tx: AsyncConnection, counts: TransactionCounts, full_sync: FullSync, event: SyncProgressed
) -> None:
    if not event.retryable or full_sync.attempts >= MAX_ATTEMPTS:
        await _fail_full(tx, counts, full_sync, event)
        return
    due = compute_retry_time(full_sync.attempts)
    cursor = event.cursor if event.cursor is not None else full_sync.cursor
    await full_syncs.postpone(tx, full_sync, cursor, due, attempts=full_sync.attempts + 1, reason=event.reason)


async def _fail_full(
    tx: AsyncConnection, counts: TransactionCounts, full_sync: FullSync, event: SyncProgressed
) -> None:
    sync_ids = [full_sync.sync_id]
    await finish_syncs(tx, counts, full_sync.connection, full_sync.epoch, sync_ids, "failed", None, event.reason)


def _parse_due_time(not_before: int | None) -> datetime:
    """Return the time from which a request is due. `not_before` is in ms; None is due at once."""
    return datetime.fromtimestamp((not_before or 0) / 1000, UTC)
