"""Starts all work that is due: polls (regular full syncs), delayed requests, steps of full syncs, webhook retries.

Several scheduler processes may run at the same time. Each process locks the rows whose work it starts, so that no work
is started twice.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from structlog.contextvars import bound_contextvars

from contracts.events import parse_platform
from contracts.headers import derive_id
from messaging import tracing
from messaging.errors import UnavailableError
from messaging.outbox import enqueue
from platform_sdk.errors import AccountBlockedError, ConnectionEndedError
from scheduler import event_builders
from scheduler.client import GatewayClient
from scheduler.metrics import RecordCounts, TransactionCounts
from scheduler.schedule import (
    MAX_ATTEMPTS,
    MAX_POSTPONED_ATTEMPTS,
    ComputeNextPoll,
    compute_retry_time,
    compute_webhook_retry_time,
)
from scheduler.store import connections, delayed_requests, full_syncs, owed_syncs, syncs, webhook_retries
from scheduler.store.full_syncs import FullSync
from scheduler.store.webhook_retries import WebhookRetry
from scheduler.use_cases.finish_syncs import finish_syncs
from scheduler.use_cases.full_sync_steps import request_next_step
from scheduler.use_cases.owed_syncs import block_connection

if TYPE_CHECKING:
    from database.pool import Database

log = structlog.get_logger()
SWEEP_SECONDS = 60.0
MAX_WEBHOOK_ATTEMPTS = 3
"""Number of attempts to ensure the webhook subscriptions. After the last failure the full sync reads all the same:
a poll must also work on a connection without webhooks. The subscriptions are tried again later."""
RUNNING_SYNC_WAIT = timedelta(minutes=1)
"""When to look again whether a full sync has ended, where another one must follow it."""


class SyncDispatcher:
    """Starts due polls, delayed requests, steps of full syncs and webhook retries.

    A poll is a regular full sync, a step is a bounded part of a full sync, and a webhook retry tries again to create
    missing webhook subscriptions. `wake_outbox` is called after messages were enqueued. `compute_next_poll` computes
    the next poll of a connection. `record_counts` adds the counts of a committed transaction to the metrics. At most
    `max_starting` steps and retries are being started at the same time; how many steps the fetchers work on is not
    limited here.
    """

    def __init__(
        self,
        database: "Database",
        gateway: GatewayClient,
        *,
        compute_next_poll: ComputeNextPoll,
        wake_outbox: Callable[[], None],
        record_counts: RecordCounts,
        max_starting: int = 20,
    ) -> None:
        self._database = database
        self._wake_outbox = wake_outbox
        self._record_counts = record_counts
        self._gateway = gateway
        self._compute_next_poll = compute_next_poll
        self._max_starting = max_starting
        self.starting: set[asyncio.Task[None]] = set()
        """The tasks of which each starts one step of a full sync, or retries the webhooks of one connection."""
        self._swept_at = 0.0

    async def reschedule_polls(self) -> None:
        """Compute the next poll (regular full sync) of all connections anew, except of those whose poll is due already.

        The settings for the times of polls (cron expression and spread) may have changed since the service last
        started.
        """
        async with self._database.transaction() as tx:
            for connection in await connections.lock_not_due(tx):
                await connections.schedule_poll(tx, connection, self._compute_next_poll(connection))

    async def run_once(self) -> bool:
        """Start all work that is due now: polls, delayed requests, steps of full syncs and webhook retries.

        Always returns False, which tells PeriodicTask to wait for its interval before it calls this method again.

        Raises UnavailableError when the database does not answer.
        """
        await self.start_polls()
        await self.start_polls_of_changes()
        await self._enqueue_due_requests()
        if time.monotonic() - self._swept_at > SWEEP_SECONDS:
            self._swept_at = time.monotonic()
            await self.handle_silent_and_prune_syncs()
        free = self._max_starting - len(self.starting)
        async with self._database.transaction() as tx:
            claimed = await full_syncs.claim_due(tx, free) if free > 0 else []
            retries = await webhook_retries.claim_due(tx, free - len(claimed)) if free > len(claimed) else []
        for full_sync in claimed:
            self._run(self._start_step(full_sync))
        for retry in retries:
            self._run(self._retry_webhooks(retry))
        return False

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.starting.add(task)
        task.add_done_callback(self._discard_task)

    def _discard_task(self, task: "asyncio.Task[None]") -> None:
        self.starting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("work not started", reason=f"{type(error).__name__}: {error}"[:300])

    async def stop(self) -> None:
        """Cancel the running tasks, each of which starts a step of a full sync or retries webhook subscriptions.

        Their claims expire within two minutes, and the work is due again.
        """
        for task in list(self.starting):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def start_polls(self, limit: int = 200) -> int:
        """Open a full sync for each connection whose poll is due, at most `limit`. Return how many were due."""
        async with self._database.transaction() as tx:
            due = await connections.lock_due(tx, limit)
            for row in due:
                slot = row.poll_slot or datetime.now(UTC)
                sync_id = derive_id("poll", row.connection, slot.isoformat())
                run = self._compute_next_poll(row.connection)
                cause = "poll" if run.changes_at is None else "whole_poll"
                await full_syncs.open_or_coalesce(tx, sync_id, row.connection, row.epoch, cause)
                if row.blocked is None:
                    await owed_syncs.make_due(tx, row.connection)
                await connections.schedule_poll(tx, row.connection, run)
        return len(due)

    async def start_polls_of_changes(self, limit: int = 200) -> int:
        """Open a full sync for each connection of which what has changed is due, at most `limit`.

        None is opened where one is open already, which brings the changes or is followed by the next poll, and where
        the account is blocked. Return how many were due.
        """
        async with self._database.transaction() as tx:
            due = await connections.lock_changes_due(tx, limit)
            for row in due:
                changes_at = self._compute_next_poll(row.connection).changes_at
                if changes_at is not None and row.blocked is None:
                    sync_id = derive_id("poll of changes", row.connection, changes_at.isoformat())
                    await full_syncs.open_unless_open(tx, sync_id, row.connection, row.epoch, "poll")
                await connections.schedule_changes(tx, row.connection, changes_at)
        return len(due)

    async def _enqueue_due_requests(self) -> None:
        async with self._database.transaction() as tx:
            due = await delayed_requests.pop_due(tx, 200)
            await enqueue(tx, [event_builders.build_message(*request) for request in due])
        if due:
            self._wake_outbox()

    async def handle_silent_and_prune_syncs(self) -> None:
        """Handle the syncs about which no event has been received for a long time, and delete old syncs.

        Silent requests and steps are published again. A request without any attempt left fails its sync. A full sync
        that waits for its result for more than an hour fails as well.
        """
        async with self._database.transaction() as tx:
            await full_syncs.resume_silent_steps(tx)
            await syncs.prune(tx)
            unanswered = await full_syncs.list_without_result(tx)
            silent = await syncs.claim_silent_requests(tx, 500)
            retries = [request for request in silent if request.attempts < MAX_ATTEMPTS]
            built = [event_builders.build_retry(request, epoch=request.epoch) for request in retries]
            await enqueue(tx, [event_builders.build_message(retry) for retry in built])
        # In transactions of their own, which lock the connection before its syncs, as the handlers do.
        for sync_id, connection, epoch in unanswered:
            await self._finish_sync(connection, epoch, sync_id, "failed", "no result came within an hour")
        for request in silent:
            if request.attempts >= MAX_ATTEMPTS:
                await self._finish_sync(request.connection, request.epoch, request.sync_id, "failed", "no answer came")

    async def _finish_sync(self, connection: str, epoch: int, sync_id: UUID, state: str, reason: str) -> None:
        counts = TransactionCounts()
        async with self._database.transaction() as tx:
            await finish_syncs(tx, counts, connection, epoch, [sync_id], state, None, reason)
        self._record_counts(counts)

    async def _finish_full_sync(self, full_sync: FullSync, state: str, reason: str) -> None:
        await self._finish_sync(full_sync.connection, full_sync.epoch, full_sync.sync_id, state, reason)

    async def _start_step(self, full_sync: FullSync) -> None:
        """Start the next step (bounded part) of a full sync in a new trace.

        If the sync has no attempt left, it fails instead. The events of the sync continue this trace until the sync is
        postponed or ends.
        """
        with (
            start_step_trace(full_sync),
            bound_contextvars(connection=full_sync.connection, sync_id=str(full_sync.sync_id)),
        ):
            if full_sync.attempts >= MAX_POSTPONED_ATTEMPTS:
                await self._finish_full_sync(full_sync, "failed", full_sync.reason or "no answer came")
            elif full_sync.state == "queued":
                await self._start_full_sync(full_sync)
            else:
                await self._request_step(full_sync, full_sync.cursor)

    async def _start_full_sync(self, full_sync: FullSync) -> None:
        """Have the missing webhook subscriptions created, and after that request the first step of the full sync.

        In this order the full sync also reads the changes that were made while a subscription was missing.
        """
        connection, sync_id = full_sync.connection, str(full_sync.sync_id)
        if full_sync.cause == "poll" and self._compute_next_poll(connection).changes_at is not None:
            # A poll of changes comes every few seconds; the whole polls ensure the subscriptions, if there are any.
            await self._request_step(full_sync, None)
            return
        has_webhooks = True
        try:
            await self._gateway.ensure_webhooks(connection, sync_id, is_first_sync=full_sync.cause == "connect")
        except ConnectionEndedError as error:
            await self._finish_full_sync(full_sync, "cancelled", str(error))
            return
        except AccountBlockedError as error:
            await self._block_connection(connection, full_sync.epoch, error.reason)
            return
        except UnavailableError as error:
            log.warning("webhooks not ensured", connection=connection, reason=str(error))
            if full_sync.attempts < MAX_WEBHOOK_ATTEMPTS:
                await self._postpone_start(full_sync, str(error))
                return
            has_webhooks = False
        log.info("sync started", connection=connection, sync_id=sync_id, syncs=1, cause=[full_sync.cause])
        await self._request_step(full_sync, None, has_webhooks=has_webhooks)

    async def _block_connection(self, connection: str, epoch: int, reason: str) -> None:
        async with self._database.transaction() as tx:
            row = await connections.lock(tx, connection)
            if row is not None and row.state == "connected" and row.epoch == epoch:
                await block_connection(tx, row, reason)

    async def _retry_webhooks(self, retry: WebhookRetry) -> None:
        """Have the webhook subscriptions created without which a full sync has started.

        Once they exist and no full sync of the connection runs, another one is opened: it reads what changed while they
        were missing.
        """
        if retry.attempts > 0 and not await self._ensure_missing_webhooks(retry):
            return
        async with self._database.transaction() as tx:
            if await full_syncs.is_running(tx, retry.connection):
                # It may have read before the subscriptions were there, so it must end before another one begins.
                await webhook_retries.postpone(tx, retry, datetime.now(UTC) + RUNNING_SYNC_WAIT, attempts=0)
            elif await webhook_retries.end(tx, retry):
                sync_id = derive_id("subscriptions", str(retry.unsubscribed_sync))
                await full_syncs.open_or_coalesce(tx, sync_id, retry.connection, retry.epoch, "subscriptions")
                await owed_syncs.make_due(tx, retry.connection)

    async def _ensure_missing_webhooks(self, retry: WebhookRetry) -> bool:
        """Ask the gateway to create the missing webhook subscriptions. Return whether they exist now.

        If not, the retry is postponed, or deleted when the connection has ended.
        """
        name, attempts = retry.connection, retry.attempts + 1
        try:
            await self._gateway.ensure_webhooks(name, str(retry.unsubscribed_sync), is_first_sync=retry.is_first_sync)
        except ConnectionEndedError:
            async with self._database.transaction() as tx:
                await webhook_retries.end(tx, retry)
            return False
        except AccountBlockedError as error:
            await self._block_connection(name, retry.epoch, error.reason)
            return False
        except UnavailableError as error:
            log.warning("webhooks not ensured", connection=name, reason=str(error), attempts=attempts)
            async with self._database.transaction() as tx:
                await webhook_retries.postpone(tx, retry, compute_webhook_retry_time(attempts), attempts=attempts)
            return False
        log.info("webhooks ensured", connection=name, attempts=attempts)
        return True

    async def _postpone_start(self, full_sync: FullSync, reason: str) -> None:
        due = compute_retry_time(full_sync.attempts)
        async with self._database.transaction() as tx:
            await full_syncs.postpone(tx, full_sync, None, due, attempts=full_sync.attempts + 1, reason=reason)

    async def _request_step(self, full_sync: FullSync, cursor: str | None, *, has_webhooks: bool | None = None) -> None:
        """Request the next step of a full sync, which begins at `cursor`.

        With the first step, `has_webhooks` says whether the webhook subscriptions exist. If they do not, a retry is
        scheduled.
        """
        name, epoch = full_sync.connection, full_sync.epoch
        async with self._database.transaction() as tx:
            await connections.lock(tx, name)
            current = await full_syncs.lock(tx, name, full_sync.sync_id)
            if current is None or current.step != full_sync.step:
                return
            if has_webhooks is True:
                await webhook_retries.clear(tx, name, epoch)
            elif has_webhooks is False:
                await webhook_retries.schedule(tx, name, epoch, full_sync.sync_id, compute_webhook_retry_time(1))
            attempts = 1 if full_sync.state == "queued" else full_sync.attempts
            await request_next_step(tx, current, cursor, attempts=attempts)
        self._wake_outbox()


def start_step_trace(full_sync: FullSync) -> AbstractContextManager[tracing.Span]:
    """Start the root span of a new trace, in which the next step of `full_sync` is requested."""
    return tracing.start_span(
        "start full sync step",
        "internal",
        {
            "merchant_sync.connection": full_sync.connection,
            "merchant_sync.platform": parse_platform(full_sync.connection),
            "merchant_sync.sync_id": str(full_sync.sync_id),
            "merchant_sync.cause": full_sync.cause,
        },
        caused_by=(),
    )
