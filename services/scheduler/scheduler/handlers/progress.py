"""The fetchers' word."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import SyncProgressed
from messaging.outbox import Transaction
from scheduler import requests
from scheduler.due import ATTEMPTS, PATIENCE, next_try
from scheduler.handlers.endings import end
from scheduler.handlers.steps import ask, walk_again
from scheduler.metrics import Count, Happened
from scheduler.store import delayed, syncs, walks
from scheduler.store.walks import Walk


class ProgressHandler:
    """Takes the fetchers' word: the next step, a wait, another try, or the end."""

    def __init__(self, transaction: Transaction, *, said: Callable[[], None], count: Count) -> None:
        self._transaction = transaction
        self._said = said
        self._count = count

    async def __call__(self, _connection: str, events: Sequence[SyncProgressed]) -> None:
        """Take events in their order."""
        happened = Happened()
        async with self._transaction() as tx:
            for event in events:
                if not await syncs.note_progress(tx, event):
                    continue
                if event.step is None:
                    await _records_progressed(tx, happened, event)
                else:
                    await _walk_progressed(tx, happened, event)
        self._count(happened)
        self._said()


async def _records_progressed(tx: AsyncConnection, happened: Happened, event: SyncProgressed) -> None:
    if event.outcome == "postponed" and event.attempt < PATIENCE:
        attempt = event.attempt + (1 if stumbled(event) else 0)
        await delayed.put(tx, requests.postponed_request(event, attempt=attempt), _moment(event.not_before))
    elif event.outcome == "failed" and event.retryable and event.attempt < ATTEMPTS:
        request = requests.postponed_request(event, attempt=event.attempt + 1)
        await delayed.put(tx, request, next_try(event.attempt))
    else:
        await end(tx, happened, event.connection, event.epoch, event.sync_ids, "failed", None, event.reason)


def stumbled(event: SyncProgressed) -> bool:
    """Whether a postponement counts as a try: it has a reason, and the reason is not the rate limit."""
    return event.reason is not None and not event.throttled


async def _walk_progressed(tx: AsyncConnection, happened: Happened, event: SyncProgressed) -> None:
    """Only the walk's present step counts: a step that ran twice advances nothing the second time."""
    walk = await walks.lock(tx, event.sync_ids[0])
    if walk is None or walk.step != event.step:
        return
    match event.outcome:
        case "advanced":
            await ask(tx, walk, event.cursor, attempts=1)
        case "completed":
            await walks.note_walked(tx, walk)
            await walk_again(tx, await walks.lock(tx, walk.sync_id))
        case "postponed":
            await _walk_postponed(tx, happened, walk, event)
        case "failed":
            await _walk_failed(tx, happened, walk, event)


async def _walk_postponed(tx: AsyncConnection, happened: Happened, walk: Walk, event: SyncProgressed) -> None:
    attempts = walk.attempts + (1 if stumbled(event) else 0)
    if attempts >= PATIENCE:
        await end(tx, happened, walk.connection, walk.epoch, [walk.sync_id], "failed", None, event.reason)
        return
    due = _moment(event.not_before)
    await walks.postpone(tx, walk, event.cursor, due, attempts=attempts, reason=event.reason)


async def _walk_failed(tx: AsyncConnection, happened: Happened, walk: Walk, event: SyncProgressed) -> None:
    if not event.retryable or walk.attempts >= ATTEMPTS:
        await end(tx, happened, walk.connection, walk.epoch, [walk.sync_id], "failed", None, event.reason)
        return
    due = next_try(walk.attempts)
    cursor = event.cursor if event.cursor is not None else walk.cursor
    await walks.postpone(tx, walk, cursor, due, attempts=walk.attempts + 1, reason=event.reason)


def _moment(ms: int | None) -> datetime:
    return datetime.fromtimestamp((ms or 0) / 1000, UTC)
