"""Consumes the topics on which fetchers report the progress of syncs."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import SyncProgressed
from messaging.outbox import Transaction
from scheduler import event_builders
from scheduler.metrics import RecordCounts, TransactionCounts
from scheduler.schedule import MAX_ATTEMPTS, MAX_POSTPONED_ATTEMPTS, compute_retry_time
from scheduler.store import delayed_requests, full_syncs, syncs
from scheduler.store.full_syncs import FullSync
from scheduler.use_cases.check_claims import check_claims
from scheduler.use_cases.finish_syncs import finish_syncs
from scheduler.use_cases.full_sync_steps import request_next_incomplete_range, request_next_step


class ProgressHandler:
    """Continues, postpones or fails a sync when a fetcher reports its progress."""

    def __init__(
        self, transaction: Transaction, *, wake_outbox: Callable[[], None], record_counts: RecordCounts
    ) -> None:
        self._transaction = transaction
        self._wake_outbox = wake_outbox
        self._record_counts = record_counts

    async def __call__(self, connection: str, events: Sequence[SyncProgressed]) -> None:
        """Handle the events in their order. Events of syncs that have ended are ignored.

        Raises the errors of `check_claims`, for an unknown epoch or another connection's sync.
        """
        counts = TransactionCounts()
        async with self._transaction() as tx:
            sync_ids = {sync_id for event in events for sync_id in event.sync_ids}
            await check_claims(tx, connection, epoch=max(event.epoch for event in events), sync_ids=sync_ids)
            for event in events:
                if not await syncs.record_progress(tx, event):
                    continue
                if event.step is None:
                    await _retry_or_fail_incremental(tx, counts, event)
                else:
                    await _handle_full(tx, counts, event)
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


async def _handle_full(tx: AsyncConnection, counts: TransactionCounts, event: SyncProgressed) -> None:
    """Handle a fetcher's report on a step (a part of a full sync), if this step was requested last. Ignore others.

    For this reason a step that ran twice changes nothing the second time.
    """
    full_sync = await full_syncs.lock(tx, event.connection, event.sync_ids[0])
    if full_sync is None or full_sync.step != event.step:
        return
    match event.outcome:
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
    await full_syncs.postpone(tx, full_sync, event.cursor, due, attempts=attempts, reason=event.reason)


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
