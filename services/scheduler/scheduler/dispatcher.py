"""The dispatcher: what has become due is started. Two of them at once start each thing once, by locked claims."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from structlog.contextvars import bound_contextvars

from contracts.events import parse_platform
from contracts.headers import derive_id
from messaging import tracing
from messaging.outbox import enqueue
from scheduler import requests
from scheduler.client import ConnectionEnded, Gateway, GatewayAway
from scheduler.due import ATTEMPTS, PATIENCE, NextTurn, next_try
from scheduler.handlers.endings import end
from scheduler.metrics import Count, Happened
from scheduler.store import connections, delayed, syncs, walks
from scheduler.store.walks import Walk

if TYPE_CHECKING:
    from database.pool import Database

log = structlog.get_logger()
SWEEP_SECONDS = 60.0
ASSERT_TRIES = 3
"""After so many tries a walk begins without the subscriptions asserted: the poll must not hang on them."""


class Dispatcher:
    """Starts due polls, waiting requests and walks."""

    def __init__(
        self,
        database: "Database",
        gateway: Gateway,
        *,
        next_turn: NextTurn,
        said: Callable[[], None],
        count: Count,
        at_once: int = 20,
    ) -> None:
        self._database = database
        self._said = said
        self._count = count
        self._gateway = gateway
        self._next_turn = next_turn
        self._at_once = at_once
        self.running: set[asyncio.Task[None]] = set()
        """Walks that are being taken on."""
        self._swept = 0.0

    async def plan_again(self) -> None:
        """Lay future polls anew, for the cron or the spread may have changed while this service was down."""
        async with self._database.transaction() as tx:
            for connection in await connections.planned(tx):
                await connections.plan(tx, connection, self._next_turn(connection))

    async def step(self) -> bool:
        """Start whatever is due now; whether there may be more. Raises `Away`."""
        await self.start_polls()
        await self._say_delayed()
        if time.monotonic() - self._swept > SWEEP_SECONDS:
            self._swept = time.monotonic()
            await self.sweep()
        free = self._at_once - len(self.running)
        async with self._database.transaction() as tx:
            claimed = await walks.claim(tx, free) if free > 0 else []
        for walk in claimed:
            task = asyncio.create_task(self._take_on(walk))
            self.running.add(task)
            task.add_done_callback(self._ended)
        return False

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self.running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("walk held", reason=f"{type(error).__name__}: {error}"[:300])

    async def stop(self) -> None:
        """Break off what is under way; its claim lapses, and the next look takes it on."""
        for task in list(self.running):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def start_polls(self, limit: int = 200) -> int:
        """Wish for the full sync of every connection whose turn has come; returns how many."""
        async with self._database.transaction() as tx:
            due = await connections.due(tx, limit)
            for known in due:
                slot = known.poll_slot or datetime.now(UTC)
                sync_id = derive_id("poll", known.connection, slot.isoformat())
                await walks.want(tx, sync_id, known.connection, known.epoch, "poll")
                await connections.plan(tx, known.connection, self._next_turn(known.connection))
        return len(due)

    async def _say_delayed(self) -> None:
        async with self._database.transaction() as tx:
            ready = await delayed.take(tx, 200)
            await enqueue(tx, [requests.records_request(*request) for request in ready])
        if ready:
            self._said()

    async def sweep(self) -> None:
        """Take up again what has fallen silent, and forget requests that ended a week ago."""
        happened = Happened()
        async with self._database.transaction() as tx:
            await walks.wake_silent(tx)
            await syncs.prune(tx)
            for sync_id, connection, epoch in await walks.unjudged(tx):
                await end(tx, happened, connection, epoch, [sync_id], "failed", None, "no verdict came within an hour")
            for sync_id, connection, epoch, asked, attempts in await syncs.silent(tx, 500):
                if attempts >= ATTEMPTS:
                    await end(tx, happened, connection, epoch, [sync_id], "failed", None, "no answer came")
                else:
                    request = requests.retry_request(connection, epoch, sync_id, asked, attempts + 1)
                    await enqueue(tx, [requests.records_request(request)])
        self._count(happened)

    async def _end(self, walk: Walk, state: str, reason: str) -> None:
        happened = Happened()
        async with self._database.transaction() as tx:
            await end(tx, happened, walk.connection, walk.epoch, [walk.sync_id], state, None, reason)
        self._count(happened)

    async def _take_on(self, walk: Walk) -> None:
        """The trace of a walk begins here, and each time that it has waited."""
        with taking_on(walk), bound_contextvars(connection=walk.connection, sync_id=str(walk.sync_id)):
            await self._take_step(walk)

    async def _take_step(self, walk: Walk) -> None:
        if walk.attempts >= PATIENCE:
            await self._end(walk, "failed", walk.reason or "no answer came")
        elif walk.state == "queued":
            await self._start(walk)
        else:
            await self._go_on(walk, walk.cursor)

    async def _start(self, walk: Walk) -> None:
        """Subscriptions are asserted before the walk's first read, so that this walk covers their gap."""
        try:
            await self._gateway.assert_subscriptions(walk.connection, str(walk.sync_id), first=walk.cause == "connect")
        except ConnectionEnded as ended:
            await self._end(walk, "cancelled", f"the connection is {ended}")
            return
        except GatewayAway as away:
            log.warning("subscriptions not asserted", connection=walk.connection, reason=str(away))
            if walk.attempts < ASSERT_TRIES:
                await self._later(walk, str(away))
                return
        log.info("sync started", connection=walk.connection, sync_id=str(walk.sync_id), syncs=1, cause=[walk.cause])
        await self._go_on(walk, None)

    async def _later(self, walk: Walk, reason: str) -> None:
        async with self._database.transaction() as tx:
            await walks.postpone(tx, walk, None, next_try(walk.attempts), attempts=walk.attempts + 1, reason=reason)

    async def _go_on(self, walk: Walk, cursor: str | None) -> None:
        async with self._database.transaction() as tx:
            now = await walks.lock(tx, walk.sync_id)
            if now is None or now.step != walk.step:
                return
            attempts = 1 if walk.state == "queued" else walk.attempts
            await walks.ask(tx, now, now.step + 1, cursor, attempts=attempts)
            await enqueue(tx, [requests.step_request(now, now.step + 1, cursor)])
        self._said()


def taking_on(walk: Walk) -> AbstractContextManager[tracing.Span]:
    """The span of what a walk begins with."""
    return tracing.start_span(
        "take on walk",
        "internal",
        {
            "merchant_sync.connection": walk.connection,
            "merchant_sync.platform": parse_platform(walk.connection),
            "merchant_sync.sync_id": str(walk.sync_id),
            "merchant_sync.cause": walk.cause,
        },
        caused_by=(),
    )
