"""Delivers messages to endpoints: makes the next one from the change feed, sends it, and tries again what has failed.

Several processes may do this: each endpoint is visited by one of them at a time, which holds its lease. If the process
is killed, what it has sent but not stored is sent again, with the same id, when the lease has run out.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog

from contracts.feed_cursors import FeedCursor
from data_api.feed_positions import choose_reached
from data_api.store.changes import find_position, read_changes
from data_api.store.databases import ReadDatabases
from data_api.store.endpoints import Claim, DeliveryStore, EndpointStore, LeaseLostError
from data_api.tables.state import KnownState
from data_api.use_cases.webhooks.messages import (
    MAX_BYTES,
    MAX_CHANGES,
    MAX_LISTED,
    build_changes_message,
    build_reset_message,
)
from data_api.use_cases.webhooks.owners import KEY_ENDED, EndpointOwners
from data_api.use_cases.webhooks.sender import MessageSender
from data_api.webhook_endpoints import Attempt, PendingDelivery
from messaging.errors import UnavailableError
from service.periodic_tasks import PeriodicTask

log = structlog.get_logger()

LOOK_SECONDS = 0.5
"""How often a process looks for endpoints that are due."""
IDLE_SECONDS = 600.0
"""After how long an endpoint is looked at without news of a change, which may have come to a process that died."""
WAIT_SECONDS = 60.0
"""After how long an endpoint is looked at whose right is not known yet, or whose visit has failed unexpectedly."""
PACE_SECONDS = 1.0
"""How long after a message the next one is made, so that many changes make few messages."""
RETRY_SECONDS = (5.0, 30.0, 120.0, 600.0, 3600.0, 18_000.0, 36_000.0)
"""The pauses after the first failed attempts; the last one is repeated."""
JITTER = 0.2
"""Each pause is longer by a random part of it, up to this one, so that failed messages do not come back together."""
FAILING_DAYS = 5
GONE = 410
"""The status by which a receiver says that it wants no more messages."""
QUICK_VISITS, OTHER_VISITS = 100, 50
"""How many endpoints are visited at once: those that took their last message without delay, and the others. New ones,
slow ones and those that fail wait for each other alone."""
READS_AT_ONCE = 4
"""How many of them read changes at once. Readers' requests use the same database connections."""
CLOSE_SECONDS = 5.0
"""How long the end of broken-off visits is waited for."""
VISIT_SECONDS = 30.0
"""How long a visit lasts before other endpoints have their turn. It ends with the attempt that is under way."""
MAX_PENDING = 100
"""How many messages may wait for an endpoint that does not want them in order."""
ATTEMPTS_AT_ONCE = 10


@dataclass(frozen=True)
class _Outcome:
    """How a visit has ended: when the next one is due, and whether a change makes it due earlier."""

    due: datetime
    is_held: bool = False


def _forget(visits: dict[asyncio.Task[None], UUID], task: asyncio.Task[None]) -> None:
    endpoint = visits.pop(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("visit of an endpoint failed", endpoint=str(endpoint), reason=repr(error)[:300])


class WebhookDeliverer:
    """Visits the endpoints that are due. `now` returns the time, with its zone.

    `count` is told of each attempt, by the word `delivered` or `failed`.
    """

    def __init__(
        self,
        endpoints: EndpointStore,
        deliveries: DeliveryStore,
        owners: EndpointOwners,
        databases: ReadDatabases,
        state: KnownState,
        sender: MessageSender,
        *,
        now: Callable[[], datetime],
        count: Callable[[str], None],
    ) -> None:
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._owners = owners
        self._databases = databases
        self._state = state
        self._sender = sender
        self._now = now
        self._count = count
        self._visits: dict[bool, dict[asyncio.Task[None], UUID]] = {True: {}, False: {}}
        self._reads = asyncio.Semaphore(READS_AT_ONCE)
        self._task = PeriodicTask("webhooks", self.begin_visits, interval=LOOK_SECONDS)

    @property
    def health_error(self) -> str | None:
        """Why nothing is delivered; None while everything is."""
        return self._task.health_error

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Deliver while the context lasts. Visits that are under way at its end are broken off."""
        # What is known at the start is no news: the first step looks at all endpoints.
        self._state.take_changed()
        try:
            async with self._task.run():
                yield
        finally:
            await self.close()

    async def close(self) -> None:
        """Break off all visits. What was sent but not stored is sent again, by any process."""
        for task in (tasks := self._list_visits()):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_SECONDS)

    async def begin_visits(self) -> bool:
        """Begin the visits of what is due. Returns False: the next look is after a pause."""
        changed, is_done = self._state.take_changed(), False
        try:
            ended = await self._owners.settle(changed)
            for visits in self._visits.values():
                for task in [task for task, endpoint in visits.items() if endpoint in ended]:
                    task.cancel()
            if changed:
                await self._deliveries.note_news(changed, self._now())
            is_done = True
        finally:
            if not is_done:
                self._state.put_back_changed(changed)
        for is_quick, limit in ((True, QUICK_VISITS), (False, OTHER_VISITS)):
            visits = self._visits[is_quick]
            if len(visits) < limit:
                for claim in await self._deliveries.claim(self._now(), is_quick=is_quick, limit=limit - len(visits)):
                    task = asyncio.create_task(self._visit(claim))
                    visits[task] = claim.endpoint.id
                    task.add_done_callback(partial(_forget, visits))
        return False

    async def wait_for_visits(self) -> None:
        """Wait until no visit is under way."""
        while tasks := self._list_visits():
            await asyncio.wait(tasks)

    def _list_visits(self) -> list[asyncio.Task[None]]:
        return [*self._visits[True], *self._visits[False]]

    async def _visit(self, claim: Claim) -> None:
        # If the visit fails unexpectedly, the next one must not follow at once.
        outcome = _Outcome(self._now() + timedelta(seconds=WAIT_SECONDS))
        try:
            outcome = await self._work_on(claim)
        except LeaseLostError:
            return
        except asyncio.CancelledError:
            outcome = _Outcome(self._now())
            raise
        except UnavailableError as error:
            log.warning("webhooks are late", connection=claim.endpoint.connection, reason=str(error))
            outcome = _Outcome(self._now() + timedelta(seconds=RETRY_SECONDS[0]))
        finally:
            # Also when it is broken off, so that another process need not wait for the end of the lease.
            await self._release(claim, outcome)

    async def _release(self, claim: Claim, outcome: _Outcome) -> None:
        try:
            await self._deliveries.release(claim, self._now(), outcome.due, is_held=outcome.is_held)
        except UnavailableError as error:
            log.warning("an endpoint waits for the end of its lease", reason=str(error))

    async def _work_on(self, claim: Claim) -> _Outcome:
        """Send what is pending, and make new messages, until there is nothing to do or the visit has lasted long."""
        endpoint = claim.endpoint
        room = 1 if endpoint.options.is_ordered else MAX_PENDING
        position = endpoint.position
        # A clock that was ahead may have set a time that is far away.
        next_message_at = min(endpoint.next_message_at, self._now() + timedelta(seconds=PACE_SECONDS))
        clock = asyncio.get_running_loop().time
        deadline = clock() + VISIT_SECONDS
        while True:
            if not await self._check_right(claim):
                return _Outcome(self._now() + timedelta(seconds=WAIT_SECONDS))
            pending = await self._deliveries.list_pending(endpoint.id)
            ready = [delivery for delivery in pending if delivery.due_at <= self._now()][:ATTEMPTS_AT_ONCE]
            if ready:
                if not await self._attempt_all(claim, ready):
                    return _Outcome(self._now())
                if clock() >= deadline:
                    return _Outcome(self._now())
                continue
            retry = min((delivery.due_at for delivery in pending), default=None)
            if len(pending) >= room:
                assert retry is not None
                return _Outcome(retry, is_held=True)
            if self._now() < next_message_at:
                return _Outcome(min(next_message_at, retry or next_message_at))
            made = await self._make_message(claim, position)
            if made is None:
                idle = self._now() + timedelta(seconds=IDLE_SECONDS)
                return _Outcome(min(idle, retry or idle))
            position, next_message_at = made

    async def _check_right(self, claim: Claim) -> bool:
        """Return whether the endpoint may get data now. One that never may again is ended or deleted."""
        right = self._owners.find_right(claim.endpoint)
        if right == "lost":
            await self._endpoints.delete([claim.endpoint.id])
        elif right == "keyless":
            await self._end(claim, KEY_ENDED)
        return right == "good"

    async def _attempt(self, claim: Claim, delivery: PendingDelivery) -> Attempt | None:
        """Send a message once, and return what came of it; None if it has ended meanwhile."""
        body = await self._deliveries.load_body(claim.endpoint.id, delivery.number)
        return await self._sender.send(claim.endpoint, delivery.id, body) if body is not None else None

    async def _attempt_all(self, claim: Claim, ready: Sequence[PendingDelivery]) -> bool:
        """Send some messages, and return whether the endpoint goes on."""
        attempts = await asyncio.gather(*(self._attempt(claim, delivery) for delivery in ready))
        for delivery, attempt in zip(ready, attempts, strict=True):
            if attempt is None:
                raise LeaseLostError
            self._count("delivered" if attempt.is_delivered else "failed")
            if attempt.is_delivered:
                await self._deliveries.record_success(claim, delivery.number, attempt, self._now())
            elif not await self._record_failure(claim, delivery, attempt):
                return False
        return True

    async def _record_failure(self, claim: Claim, delivery: PendingDelivery, attempt: Attempt) -> bool:
        """Store that an attempt has failed, and when the next one is due. Returns whether the endpoint goes on."""
        now = self._now()
        pause = RETRY_SECONDS[min(delivery.attempts, len(RETRY_SECONDS) - 1)] * (1 + random.uniform(0, JITTER))
        due = now + timedelta(seconds=pause)
        failing_since = await self._deliveries.record_failure(claim, delivery.number, attempt, now, due)
        endpoint = claim.endpoint
        log.info("webhook failed", connection=endpoint.connection, endpoint=str(endpoint.id), reason=attempt.error)
        if attempt.status == GONE:
            await self._end(claim, "the receiver has answered that it is gone (HTTP 410)")
            return False
        if now - failing_since >= timedelta(days=FAILING_DAYS):
            await self._end(
                claim, f"all attempts of {FAILING_DAYS} days have failed, the last one with: {attempt.error}"
            )
            return False
        return True

    async def _end(self, claim: Claim, reason: str) -> None:
        endpoint = claim.endpoint
        if await self._endpoints.end(endpoint.id, reason, self._now(), claim.lease):
            log.warning("endpoint ended", connection=endpoint.connection, endpoint=str(endpoint.id), reason=reason)

    async def _make_message(self, claim: Claim, position: FeedCursor) -> tuple[FeedCursor, datetime] | None:
        """Store the next message, and return where the endpoint stands then and when another one may be made.

        Returns None if there is nothing to tell yet.
        """
        endpoint, options, now = claim.endpoint, claim.endpoint.options, self._now()
        async with self._reads:
            page = await read_changes(
                self._databases,
                endpoint.connection,
                position,
                limit=MAX_LISTED if options.is_full else MAX_CHANGES,
                max_bytes=MAX_BYTES,
                resources=options.resources,
                with_bodies=options.is_full,
                reached=choose_reached(position, self._state.feed_heads.get(endpoint.connection)),
            )
        if page is None or not page.head.is_fully_read or page.head.epoch != endpoint.epoch:
            return None
        if not page.head.can_resume(position):
            reached = page.head.cursor
            message = build_reset_message(endpoint.connection, position, reached, now)
        elif page.rows:
            message = build_changes_message(endpoint.connection, position, page, now, is_full=options.is_full)
            assert message.through is not None
            reached = message.through
        else:
            reached, message = find_position(page), None
            if reached == position:
                return None
        has_more = reached != page.head.cursor
        next_message_at = now if has_more else now + timedelta(seconds=PACE_SECONDS)
        await self._deliveries.advance(claim, reached, now, message=message, next_message_at=next_message_at)
        return (reached, next_message_at) if message is not None else None
