"""Kafka in: what the gateway, the fetchers and the writer say becomes the ledger, and the next request.

Each batch is one transaction with its outbox: killed before the commit, Kafka says it again; killed after it, saying
it again finds terminal states, passed steps and used cursors, and changes nothing.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import ConnectionChanged, DataStored, SyncProgressed, SyncRequested, Verdict
from messaging.errors import NotHeardOf
from messaging.outbox import say
from scheduler import requests
from scheduler.due import ATTEMPTS, PATIENCE, Turn, backoff_seconds
from scheduler.store import connections, delayed, syncs, walks
from scheduler.store.syncs import Finished
from scheduler.store.walks import Walk

log = structlog.get_logger()
Transaction = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
NextTurn = Callable[[str], Turn]


class ConnectionsHandler:
    """Takes the gateway's word: plans polls, starts the full sync that is wanted, cancels what has ended."""

    def __init__(self, transaction: Transaction, *, next_turn: NextTurn, changed: Callable[[], None]) -> None:
        self._transaction = transaction
        self._next_turn = next_turn
        self._changed = changed

    async def __call__(self, connection: str, events: Sequence[ConnectionChanged]) -> None:
        """Take the newest revision; one that was passed already changes nothing."""
        newest = max(events, key=lambda event: event.revision)
        async with self._transaction() as tx:
            known = await connections.lock(tx, connection)
            if known is not None and known.revision >= newest.revision:
                return
            await connections.put(tx, newest)
            await self._cancel_ended(tx, newest)
            if newest.state == "connected":
                await self._begin(tx, newest, planned=known is not None and known.state == "connected")
        self._changed()

    async def _cancel_ended(self, tx: AsyncConnection, event: ConnectionChanged) -> None:
        ended = event.state != "connected"
        reason = f"the connection is {event.state}" if ended else "the connection was made anew"
        scope = {"below_epoch": event.epoch, "everything": ended}
        await syncs.cancel(tx, event.connection, reason=reason, **scope)  # type: ignore[arg-type] # int and bool
        await delayed.drop(tx, event.connection, **scope)  # type: ignore[arg-type] # int and bool

    async def _begin(self, tx: AsyncConnection, event: ConnectionChanged, *, planned: bool) -> None:
        if not planned:
            await connections.plan(tx, event.connection, self._next_turn(event.connection))
        if event.wanted_sync is not None:
            await walks.want(tx, event.wanted_sync, event.connection, event.epoch, "connect")


class RequestsHandler:
    """Enters the quick lane's requests into the ledger."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def __call__(self, connection: str, events: Sequence[SyncRequested]) -> None:
        """Enter what is not a test of the way here."""
        entered = [event for event in events if event.cause != "test"]
        if not entered:
            return
        async with self._transaction() as tx:
            await syncs.note_requests(tx, entered)
        causes = sorted({event.cause for event in entered})
        log.info(
            "sync started", connection=connection, sync_id=str(entered[0].sync_id), syncs=len(entered), cause=causes
        )


class ProgressHandler:
    """Takes the fetchers' word: the next step, a wait, another try, or the end."""

    def __init__(self, transaction: Transaction, *, said: Callable[[], None]) -> None:
        self._transaction = transaction
        self._said = said

    async def __call__(self, _connection: str, events: Sequence[SyncProgressed]) -> None:
        """Take events in their order."""
        async with self._transaction() as tx:
            for event in events:
                if not await syncs.note_progress(tx, event):
                    continue
                if event.step is None:
                    await _records_progressed(tx, event)
                else:
                    await _walk_progressed(tx, event)
        self._said()


async def _records_progressed(tx: AsyncConnection, event: SyncProgressed) -> None:
    if event.outcome == "postponed" and event.attempt < PATIENCE:
        attempt = event.attempt + (1 if stumbled(event) else 0)
        await delayed.put(tx, requests.postponed_request(event, attempt=attempt), _moment(event.not_before))
    elif event.outcome == "failed" and event.retry and event.attempt < ATTEMPTS:
        request = requests.postponed_request(event, attempt=event.attempt + 1)
        await delayed.put(tx, request, _in(backoff_seconds(event.attempt)))
    else:
        await _end(tx, event.connection, event.epoch, event.sync_ids, "failed", None, event.reason)


def stumbled(event: SyncProgressed) -> bool:
    """Whether a postponement counts as a try: it has a reason, and the reason is not the rate limit."""
    return event.reason is not None and not event.throttled


async def _walk_progressed(tx: AsyncConnection, event: SyncProgressed) -> None:
    """Only the walk's present step counts: a step that ran twice advances nothing the second time."""
    walk = await walks.lock(tx, event.sync_ids[0])
    if walk is None or walk.step != event.step:
        return
    match event.outcome:
        case "advanced":
            await _ask(tx, walk, event.cursor, attempts=1)
        case "walked":
            await walks.note_walked(tx, walk)
            await _walk_again(tx, await walks.lock(tx, walk.sync_id))
        case "postponed":
            await _walk_postponed(tx, walk, event)
        case "failed":
            await _walk_failed(tx, walk, event)


async def _walk_postponed(tx: AsyncConnection, walk: Walk, event: SyncProgressed) -> None:
    attempts = walk.attempts + (1 if stumbled(event) else 0)
    if attempts >= PATIENCE:
        await _end(tx, walk.connection, walk.epoch, [walk.sync_id], "failed", None, event.reason)
        return
    due = _moment(event.not_before)
    await walks.postpone(tx, walk, event.cursor, due, attempts=attempts, reason=event.reason)


async def _walk_failed(tx: AsyncConnection, walk: Walk, event: SyncProgressed) -> None:
    if not event.retry or walk.attempts >= ATTEMPTS:
        await _end(tx, walk.connection, walk.epoch, [walk.sync_id], "failed", None, event.reason)
        return
    due = _in(backoff_seconds(walk.attempts))
    cursor = event.cursor if event.cursor is not None else walk.cursor
    await walks.postpone(tx, walk, cursor, due, attempts=walk.attempts + 1, reason=event.reason)


async def _ask(tx: AsyncConnection, walk: Walk, cursor: str | None, *, attempts: int) -> None:
    step = walk.step + 1
    await walks.ask(tx, walk, step, cursor, attempts=attempts)
    await say(tx, [requests.step_request(walk, step, cursor)])


async def _walk_again(tx: AsyncConnection, walk: Walk | None) -> None:
    """Once a walk has come to its end, the windows that were not good are walked again, one after the other."""
    if walk is None or not walk.walked or not walk.again:
        return
    cursors = await walks.not_asked_from(tx, walk, walk.again)
    if cursors:
        await _ask(tx, walk, cursors[0], attempts=walk.attempts)


class StoredHandler:
    """Takes the writer's word: counters, verdicts, uploads, and what it wants read."""

    def __init__(self, transaction: Transaction, *, said: Callable[[], None]) -> None:
        self._transaction = transaction
        self._said = said

    async def __call__(self, connection: str, events: Sequence[DataStored]) -> None:
        """Take events in their order."""
        async with self._transaction() as tx:
            known = await connections.lock(tx, connection)
            if known is None:
                raise NotHeardOf(connection)
            for event in events:
                await self._take(tx, event)
        self._said()

    async def _take(self, tx: AsyncConnection, event: DataStored) -> None:
        for totals in event.totals:
            await syncs.note_totals(tx, [totals.source], totals)
        for verdict in event.verdicts:
            await _take_verdict(tx, event, verdict)
        if event.upload is not None:
            await connections.note_upload(tx, event.connection, event.upload)
            await syncs.note_upload(tx, event.connection, event.upload)
        if event.wanted and event.wanted_by is not None:
            await _bring(tx, event, event.wanted_by)


async def _bring(tx: AsyncConnection, event: DataStored, wanted_by: UUID) -> None:
    if await syncs.get(tx, wanted_by) is not None:
        return
    request = requests.wanted_request(event.connection, event.epoch, wanted_by, event.wanted)
    await syncs.note_requests(tx, [request])
    await say(tx, [requests.records_request(request)])


async def _take_verdict(tx: AsyncConnection, event: DataStored, verdict: Verdict) -> None:
    if verdict.totals is not None:
        await syncs.note_totals(tx, verdict.sync_ids, verdict.totals)
    if verdict.outcome == "incomplete":
        await _note_incomplete(tx, verdict)
    elif verdict.outcome == "failed" and await _tried_again(tx, event, verdict):
        return
    else:
        ended = await _end(tx, event.connection, event.epoch, verdict.sync_ids, verdict.outcome, verdict)
        if ended and ended[0].mode == "records":
            await _note_upload_already_there(tx, event.connection, verdict)


async def _note_incomplete(tx: AsyncConnection, verdict: Verdict) -> None:
    walk = await walks.lock(tx, verdict.sync_ids[0])
    if walk is not None:
        log.warning("walk incomplete", connection=walk.connection, sync_id=str(walk.sync_id), reason=verdict.reason)
        await walks.note_again(tx, walk, verdict.again, verdict.reason)
        await _walk_again(tx, await walks.lock(tx, walk.sync_id))


async def _tried_again(tx: AsyncConnection, event: DataStored, verdict: Verdict) -> bool:
    """Requests whose records could not be read are asked for again, a few times, each for itself: a record that can
    never be read fails its own request alone."""
    open_ones = await syncs.asked(tx, verdict.sync_ids)
    if not open_ones or max(attempts for _, _, attempts in open_ones) >= ATTEMPTS:
        return False
    for sync_id, records, attempts in open_ones:
        request = requests.retry_request(event.connection, event.epoch, sync_id, records, attempts + 1)
        await delayed.put(tx, request, _in(backoff_seconds(attempts)))
    return True


async def _note_upload_already_there(tx: AsyncConnection, connection: str, verdict: Verdict) -> None:
    """Requests that changed nothing are uploaded already. A walk waits for the look at the object that follows it."""
    known = await connections.get(tx, connection)
    if known is not None and known.upload is not None and known.upload_change >= verdict.change:
        await syncs.note_upload_as(tx, connection, known.upload, known.upload_change)


async def _end(
    tx: AsyncConnection,
    connection: str,
    epoch: int,
    sync_ids: Sequence[UUID],
    state: str,
    verdict: Verdict | None,
    reason: str | None = None,
) -> list[Finished]:
    ensured = verdict is not None and state != "cancelled"
    ended = await syncs.finish(tx, connection, epoch, sync_ids, state, verdict, reason, ensure=ensured)
    if not ended:
        return ended
    tell = log.info if state == "success" else log.warning
    tell(
        "sync finished" if state == "success" else f"sync {state}",
        connection=connection,
        sync_id=str(ended[0].sync_id),
        syncs=len(ended),
        cause=sorted({sync.cause for sync in ended}),
        mode=ended[0].mode,
        reason=reason or (verdict.reason if verdict else None),
    )
    return ended


class DeadLettersHandler:
    """A dead letter fails the syncs that its message names."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def __call__(self, connection: str, events: Sequence[dict[str, Any]]) -> None:
        """Fail what the messages name; those that name nothing are left to the operator."""
        for event in events:
            sync_ids = named_syncs(event)
            if sync_ids:
                async with self._transaction() as tx:
                    reason = "a message of this sync could not be handled and was dead-lettered"
                    await _end(tx, connection, 0, sync_ids, "failed", None, reason)


def named_syncs(message: dict[str, Any]) -> list[UUID]:
    """The syncs that a message of any topic names, as far as its body can be read."""
    verdicts = [verdict for verdict in _list(message.get("verdicts")) if isinstance(verdict, dict)]
    named = [message.get("sync_id"), message.get("source"), *_list(message.get("sync_ids"))]
    named += [sync_id for verdict in verdicts for sync_id in _list(verdict.get("sync_ids"))]
    return [UUID(name) for name in named if isinstance(name, str) and _UUID.fullmatch(name)]


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _moment(ms: int | None) -> datetime:
    return datetime.fromtimestamp((ms or 0) / 1000, UTC)


def _in(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)
