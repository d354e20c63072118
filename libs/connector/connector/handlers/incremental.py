"""Handles incremental syncs: reads the records that requests name by their ids and publishes them."""

from collections.abc import Callable, Sequence
from contextlib import aclosing

import structlog

from connector import event_builders
from connector.coalescing import WEBHOOK_CAUSE, RequestGroup, derive_read_id, group_requests_without_probes
from connector.handlers.dependencies import HandlerDependencies
from connector.handlers.page_publisher import PagePublisher
from connector.outcomes import ReadOutcomes
from connector.source import Checkpoint, IncrementalReadStep, RecordBatch, UnreadableRecord
from contracts.cursors import CursorState
from contracts.events import SyncRequested, parse_platform
from contracts.topics import get_fetched_topic
from messaging.publisher import OutboundMessage
from platform_sdk.errors import AccountBlockedError, PermanentError, RetryLaterError
from platform_sdk.session import INCREMENTAL, SyncContext

log = structlog.get_logger()
StopReason = RetryLaterError | PermanentError | AccountBlockedError | None
"""The error that stopped a read early; None when the read reached its end."""


class IncrementalHandler:
    """Reads the records that the waiting sync requests of a connection name. One read takes about `seconds`.

    The process may be killed at any moment: Kafka then delivers the same requests again, and the handler publishes the
    same events again. Repeated pages are harmless, because the spaces-writer checks the version of each record.
    Postponements and failures are published before the end marker (the message after the last page), because the
    spaces-writer answers an end marker with a final result.
    """

    def __init__(self, dependencies: HandlerDependencies, *, seconds: float) -> None:
        self._source = dependencies.source
        self._tokens = dependencies.tokens
        self._publisher = dependencies.publisher
        self._elapsed = dependencies.elapsed
        self._blocked = dependencies.blocked
        self._dependencies = dependencies
        self._seconds = seconds

    async def __call__(self, connection: str, requests: Sequence[SyncRequested]) -> None:
        """Read the records of `requests` of one connection. Returns when Kafka has acknowledged all of their events."""
        for group in group_requests_without_probes(requests):
            await self._read_group(connection, group)

    async def _read_group(self, connection: str, group: RequestGroup) -> None:
        began = self._elapsed()
        # The scheduler requests nothing of an account that it knows to be blocked. So its requests may call the
        # platform; webhooks, about which it has not been asked, may not.
        known = self._blocked.find(connection, group.epoch)
        if known is not None and all(request.cause == WEBHOOK_CAUSE for request in group.requests):
            message = _build_blocked(connection, group.epoch, group.requests, known, None, remembered=True)
            await self._publisher.send_all([message])
            return
        try:
            token = await self._tokens.get_token(connection, group.epoch)
        except AccountBlockedError as error:
            self._blocked.remember(connection, group.epoch, error)
            await self._publisher.send_all([_build_blocked(connection, group.epoch, group.requests, error, None)])
            return
        except PermanentError as error:
            await self._publisher.send_all([_build_failed(connection, group.epoch, group.requests, error, None)])
            return
        except RetryLaterError as wait:
            await self._publisher.send_all([self._build_initial_postponement(connection, group, wait)])
            return
        read = GroupRead(group, self._dependencies.build_context(token, group.epoch, group.read_id, INCREMENTAL))
        topic = get_fetched_topic(parse_platform(connection))
        pages = PagePublisher(self._publisher, topic, read.context, group.start.attempts)
        stop = await self._read_until_deadline(read, pages)
        if isinstance(stop, AccountBlockedError):
            self._blocked.remember(connection, token.epoch, stop)
        elif read.outcomes.read_keys:
            self._blocked.forget(connection)
        await pages.flush()
        await self._publisher.send_all(read.build_endings(stop, self._dependencies.compute_not_before))
        _log_read(read, stop, self._elapsed() - began)

    def _build_initial_postponement(
        self, connection: str, group: RequestGroup, wait: RetryLaterError
    ) -> OutboundMessage:
        """Build the event that postpones a group of requests before any of its records was read.

        `wait` says why and how long the group must wait. A group that would have started from the beginning gets no
        cursor. So its requests may still be read together with others, which requests with a cursor are not.
        """
        cursor = None if group.start == CursorState() else group.start.encode()
        not_before = self._dependencies.compute_not_before(wait, group.attempt)
        return _build_postponed(connection, group.epoch, group.requests, wait, not_before, cursor, None)

    async def _read_until_deadline(self, read: "GroupRead", pages: PagePublisher) -> StopReason:
        """Read and publish the records of a group. Returns the error that stopped the read early, or None.

        When the time is over, the error is a `RetryLaterError` without delay.
        """
        deadline = self._elapsed() + self._seconds
        ids, position = read.group.ids, read.group.start.position
        try:
            async with aclosing(self._source.read_records(read.context, ids, position)) as steps:
                async for step in steps:
                    await read.publish_and_track_step(step, pages)
                    if isinstance(step, Checkpoint) and self._elapsed() > deadline:
                        return RetryLaterError(None, seconds=0.0)
        except (RetryLaterError, PermanentError, AccountBlockedError) as error:
            return error
        return None


class GroupRead:
    """The read of one group of sync requests: tracks the progress of the read and builds the events that end it."""

    def __init__(self, group: RequestGroup, context: SyncContext) -> None:
        self.group = group
        self.context = context
        self.outcomes = ReadOutcomes()
        self._position = group.start.position

    async def publish_and_track_step(self, step: IncrementalReadStep, pages: PagePublisher) -> None:
        """Take in `step`, the next thing that the source has yielded: records, an unreadable record or a checkpoint.

        Adds records to `pages`, which publishes them. Remembers which ids were read, which are unreadable, and the
        cursor of the last checkpoint.
        """
        match step:
            case RecordBatch():
                await pages.add_batch(step)
                for record in step.records:
                    self.outcomes.add_record(record)
            case UnreadableRecord():
                self.outcomes.add_unreadable(step)
            case Checkpoint():
                self._position = step.cursor

    def build_endings(
        self, stop: StopReason, compute_not_before: Callable[[RetryLaterError, int], int]
    ) -> list[OutboundMessage]:
        """Build the events that end the read: what becomes of unfinished requests, then end markers.

        `stop` is the error that stopped the read, or None. Unfinished requests fail, are blocked or are postponed. End
        markers come last, because the spaces-writer answers
        them with final results. `compute_not_before` returns the time (ms since the Unix epoch) at which postponed work
        continues.
        """
        token = self.context.token
        endings = self.outcomes.split_requests(self.group.requests, all_ids_tried=stop is None)
        messages: list[OutboundMessage] = []
        if endings.unfinished and isinstance(stop, PermanentError):
            messages.append(_build_failed(token.connection, token.epoch, endings.unfinished, stop, self.context))
        elif endings.unfinished and isinstance(stop, AccountBlockedError):
            messages.append(_build_blocked(token.connection, token.epoch, endings.unfinished, stop, self.context))
        elif endings.unfinished:
            wait = stop if isinstance(stop, RetryLaterError) else self.outcomes.build_retry_error()
            not_before = compute_not_before(wait, 1 if self._has_advanced else self.group.attempt)
            cursor = self._build_cursor(endings.unfinished).encode()
            messages.append(
                _build_postponed(
                    token.connection, token.epoch, endings.unfinished, wait, not_before, cursor, self.context
                )
            )
        if endings.failed:
            read_id = derive_read_id(endings.failed) if endings.completed else self.group.read_id
            unreadable = self.outcomes.unreadable.values()
            messages.append(event_builders.build_incremental_read_completed(token, read_id, endings.failed, unreadable))
        if endings.completed:
            messages.append(
                event_builders.build_incremental_read_completed(token, self.group.read_id, endings.completed)
            )
        return messages

    @property
    def _has_advanced(self) -> bool:
        return self._position != self.group.start.position or bool(self.outcomes.read_keys)

    def _build_cursor(self, unfinished: Sequence[SyncRequested]) -> CursorState:
        """Return the cursor from which the unfinished requests continue.

        When all requests of the group are unfinished, they keep the read id. They continue at the current position, or
        from the beginning if some unreadable records may be readable later. When only some requests are unfinished,
        these start over with a new read id, because the result under the current read id concerns the other requests.
        """
        if len(unfinished) < len(self.group.requests):
            return CursorState(0, None, derive_read_id(unfinished))
        is_retried = any(record.retryable for record in self.outcomes.unreadable.values())
        return CursorState(self.group.start.attempts + 1, None if is_retried else self._position, self.group.read_id)


def _build_postponed(
    connection: str,
    epoch: int,
    requests: Sequence[SyncRequested],
    wait: RetryLaterError,
    not_before: int,
    cursor: str | None,
    context: SyncContext | None,
) -> OutboundMessage:
    return event_builders.build_read_stopped(
        connection,
        epoch,
        requests,
        context,
        outcome="postponed",
        cursor=cursor,
        not_before=not_before,
        reason=wait.reason,
        throttled=wait.throttled,
    )


def _build_failed(
    connection: str, epoch: int, requests: Sequence[SyncRequested], error: PermanentError, context: SyncContext | None
) -> OutboundMessage:
    return event_builders.build_read_stopped(
        connection, epoch, requests, context, outcome="failed", reason=error.reason, retryable=error.retryable
    )


def _build_blocked(
    connection: str,
    epoch: int,
    requests: Sequence[SyncRequested],
    error: AccountBlockedError,
    context: SyncContext | None,
    *,
    remembered: bool = False,
) -> OutboundMessage:
    return event_builders.build_read_stopped(
        connection, epoch, requests, context, outcome="blocked", reason=error.reason, remembered=remembered
    )


def _log_read(read: GroupRead, stop: StopReason, seconds: float) -> None:
    log.info(
        "records fetched",
        connection=read.context.token.connection,
        read_id=str(read.context.read_id),
        requests=len(read.group.requests),
        read=len(read.outcomes.read_keys),
        unreadable=len(read.outcomes.unreadable),
        calls=read.context.calls,
        points=read.context.points,
        seconds=round(seconds, 3),
        stop_reason=str(stop) if stop else None,
    )
