"""Handles incremental syncs: the records that webhooks and people wait for."""

from collections.abc import Callable, Sequence
from contextlib import aclosing

import structlog

from connector import event_builders
from connector.coalescing import RequestGroup, derive_read_id, group_requests
from connector.cursors import CursorState
from connector.handlers.dependencies import HandlerDependencies
from connector.handlers.page_publisher import PagePublisher
from connector.outcomes import ReadOutcomes
from connector.source import Checkpoint, IncrementalReadStep, RecordBatch, UnreadableRecord
from contracts.events import SyncRequested, parse_platform
from contracts.topics import get_fetched_topic
from messaging.publisher import OutboundMessage
from platform_sdk.errors import PermanentError, RetryLaterError
from platform_sdk.session import INCREMENTAL, SyncContext

log = structlog.get_logger()
StopReason = RetryLaterError | PermanentError | None
"""Why a read stopped before its end; None where it did not."""


class IncrementalHandler:
    """Reads the requests that wait for a connection, `seconds` at a time.

    After a kill at any moment the same requests are delivered again and the same events follow: pages pass the writer's
    version check, and postponements and failures are published before the end marker, whose result is final.
    """

    def __init__(self, dependencies: HandlerDependencies, *, seconds: float) -> None:
        self._source = dependencies.source
        self._tokens = dependencies.tokens
        self._publisher = dependencies.publisher
        self._elapsed = dependencies.elapsed
        self._dependencies = dependencies
        self._seconds = seconds

    async def __call__(self, connection: str, requests: Sequence[SyncRequested]) -> None:
        """Read `requests` of one connection; returns when Kafka has all of their events."""
        for group in group_requests(requests):
            await self._read_group(connection, group)

    async def _read_group(self, connection: str, group: RequestGroup) -> None:
        began = self._elapsed()
        try:
            token = await self._tokens.get_token(connection, group.epoch)
        except PermanentError as error:
            await self._publisher.send_all([_build_failed(connection, group.epoch, group.requests, error, None)])
            return
        except RetryLaterError as wait:
            await self._publisher.send_all([self._build_initial_postponement(connection, group, wait)])
            return
        read = GroupRead(group, self._dependencies.build_context(token, group.epoch, group.read_id, INCREMENTAL))
        topic = get_fetched_topic(parse_platform(connection))
        pages = PagePublisher(self._publisher, topic, read.context, group.start.attempts)
        stop = await self._read(read, pages)
        await pages.flush()
        await self._publisher.send_all(read.build_endings(stop, self._dependencies.compute_not_before))
        _log_read(read, stop, self._elapsed() - began)

    def _build_initial_postponement(
        self, connection: str, group: RequestGroup, wait: RetryLaterError
    ) -> OutboundMessage:
        """Build the postponement of the whole group to where it would have begun.

        Requests without a cursor keep none, so that they may still be coalesced.
        """
        cursor = None if group.start == CursorState() else group.start.encode()
        not_before = self._dependencies.compute_not_before(wait, group.attempt)
        return _build_postponed(connection, group.epoch, group.requests, wait, not_before, cursor, None)

    async def _read(self, read: "GroupRead", pages: PagePublisher) -> StopReason:
        """Read and publish until all is read, or return why the read stopped before."""
        deadline = self._elapsed() + self._seconds
        ids, position = read.group.ids, read.group.start.position
        try:
            async with aclosing(self._source.read_records(read.context, ids, position)) as steps:
                async for step in steps:
                    await read.add_step(step, pages)
                    if isinstance(step, Checkpoint) and self._elapsed() > deadline:
                        return RetryLaterError(None, seconds=0.0)
        except (RetryLaterError, PermanentError) as error:
            return error
        return None


class GroupRead:
    """One group's read in progress, and how it ends."""

    def __init__(self, group: RequestGroup, context: SyncContext) -> None:
        self.group = group
        self.context = context
        self.outcomes = ReadOutcomes()
        self._position = group.start.position

    async def add_step(self, step: IncrementalReadStep, pages: PagePublisher) -> None:
        """Publish the records of a step, and note what became of them."""
        match step:
            case RecordBatch():
                for too_large in await pages.add(step):
                    self.outcomes.add_unreadable(too_large)
                for record in step.records:
                    self.outcomes.add_record(record)
            case UnreadableRecord():
                self.outcomes.add_unreadable(step)
            case Checkpoint():
                self._position = step.cursor

    def build_endings(
        self, stop: StopReason, compute_not_before: Callable[[RetryLaterError, int], int]
    ) -> list[OutboundMessage]:
        """Build the events of the end. The end marker comes last, because the result that follows from it is final."""
        token = self.context.token
        endings = self.outcomes.sort_requests(self.group.requests, complete=stop is None)
        messages: list[OutboundMessage] = []
        if endings.unfinished and isinstance(stop, PermanentError):
            messages.append(_build_failed(token.connection, token.epoch, endings.unfinished, stop, self.context))
        elif endings.unfinished:
            wait = stop if isinstance(stop, RetryLaterError) else self.outcomes.build_wait()
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
        """Return where the unfinished requests continue: from here if they are the whole group.

        Otherwise they start over under a read id of their own, because the result under this one is about the others.
        Records that may be readable later are also read from the start.
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
    return event_builders.build_records_progressed(
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
    return event_builders.build_records_progressed(
        connection, epoch, requests, context, outcome="failed", reason=error.reason, retryable=error.retryable
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
