"""Handles full syncs, which run as a series of steps of limited duration."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from uuid import UUID

import structlog

from connector import event_builders
from connector.handlers.dependencies import HandlerDependencies
from connector.handlers.page_publisher import PagePublisher
from connector.source import Checkpoint, FullReadEnd, IdList, RangeEnd, RecordBatch, UnreadableRecord
from contracts.cursors import CursorState
from contracts.events import FullSyncStepRequested, RecordIds, SyncProgressed, parse_platform
from contracts.topics import get_full_fetched_topic
from messaging.publisher import OutboundMessage
from platform_sdk.errors import AccountBlockedError, PermanentError, RetryLaterError
from platform_sdk.session import FULL, FullReadState, SyncContext

log = structlog.get_logger()


class FullSyncHandler:
    """Runs the steps of full syncs. A step reads for about `seconds`, then publishes the cursor of the next step.

    Most steps read on in the full read. A step whose cursor names records reads these directly. A step that Kafka
    delivers twice reads from the same cursor again and publishes its end markers with the same ids.
    Each run reports its outcome in a `SyncProgressed` event, of which the scheduler applies only the first.
    """

    def __init__(self, dependencies: HandlerDependencies, *, seconds: float) -> None:
        self._source = dependencies.source
        self._tokens = dependencies.tokens
        self._publisher = dependencies.publisher
        self._elapsed = dependencies.elapsed
        self._blocked = dependencies.blocked
        self._dependencies = dependencies
        self._seconds = seconds

    async def __call__(self, connection: str, requests: Sequence[FullSyncStepRequested]) -> None:
        """Run the requested steps of the connection's full syncs. Returns when Kafka has acknowledged all their events.

        Of each full sync only the requested step with the highest number runs, and it runs once, because the scheduler
        ignores the events of lower steps.
        """
        for request in _select_latest_steps(requests):
            began = self._elapsed()
            message = await self._run_step(connection, request)
            await self._publisher.send_all([message])
            _log_step(request, message.event, self._elapsed() - began)

    async def _run_step(self, connection: str, request: FullSyncStepRequested) -> OutboundMessage:
        context = None
        topic = get_full_fetched_topic(parse_platform(connection))
        progress = StepProgress(CursorState.decode(request.cursor))
        try:
            token = await self._tokens.get_token(connection, request.epoch, fresh=progress.position is None)
            previous = _get_previous_state(request)
            context = self._dependencies.build_context(token, request.epoch, request.sync_id, FULL, previous)
            pages = PagePublisher(self._publisher, topic, context, request.step)
            try:
                if progress.records is None:
                    is_complete = await self._read_until_deadline(context, progress, pages, topic)
                else:
                    is_complete = await self._read_directly_until_deadline(context, progress, pages, topic)
            finally:
                await pages.flush()
        except RetryLaterError as wait:
            return self._build_postponed(request, context, progress, wait)
        except AccountBlockedError as error:
            self._blocked.remember(connection, context.token.epoch if context else request.epoch, error)
            cursor = CursorState(0, progress.position).encode() if progress.has_records else None
            return event_builders.build_step_progressed(request, context, "blocked", reason=error.reason, cursor=cursor)
        except PermanentError as error:
            return event_builders.build_step_progressed(
                request, context, "failed", reason=error.reason, retryable=error.retryable
            )
        self._blocked.forget(connection)
        if is_complete:
            return event_builders.build_step_progressed(request, context, "completed")
        cursor = progress.build_cursor(attempts=0)
        return event_builders.build_step_progressed(request, context, "advanced", cursor=cursor)

    async def _read_until_deadline(
        self, context: SyncContext, progress: "StepProgress", pages: PagePublisher, topic: str
    ) -> bool:
        """Read records and add them to `pages`, which publishes them; send the end markers to `topic`.

        Returns True when the full read has ended, False when the step's time is over.
        """
        deadline = self._elapsed() + self._seconds
        async with aclosing(self._source.read_all(context, progress.position)) as steps:
            async for step in steps:
                match step:
                    case RecordBatch():
                        progress.has_records = True
                        await pages.add_batch(step)
                    case IdList():
                        await pages.flush_and_publish_marker(event_builders.build_ids_listed(topic, context, step))
                    case RangeEnd():
                        await pages.flush_and_publish_marker(event_builders.build_range_completed(topic, context, step))
                    case FullReadEnd():
                        await pages.flush_and_publish_marker(
                            event_builders.build_full_read_completed(topic, context, step)
                        )
                    case Checkpoint():
                        progress.advance(step.cursor)
                        if self._elapsed() > deadline:
                            return False
        return True

    async def _read_directly_until_deadline(
        self, context: SyncContext, progress: "StepProgress", pages: PagePublisher, topic: str
    ) -> bool:
        """Read the records that the cursor names, as `_read_until_deadline` reads a whole connection.

        Records that cannot be read are named in the end marker; they do not fail the step.
        """
        deadline = self._elapsed() + self._seconds
        records, unreadable = progress.records or {}, list[UnreadableRecord]()
        async with aclosing(self._source.read_records(context, records, progress.position)) as steps:
            async for step in steps:
                match step:
                    case RecordBatch():
                        await pages.add_batch(replace(step, attempt=0))
                    case UnreadableRecord():
                        unreadable.append(step)
                    case Checkpoint():
                        progress.advance(step.cursor)
                        if self._elapsed() > deadline:
                            return False
        marker = event_builders.build_direct_read_completed(topic, context, records, unreadable)
        await pages.flush_and_publish_marker(marker)
        return True

    def _build_postponed(
        self,
        request: FullSyncStepRequested,
        context: SyncContext | None,
        progress: "StepProgress",
        wait: RetryLaterError,
    ) -> OutboundMessage:
        return event_builders.build_step_progressed(
            request,
            context,
            "postponed",
            cursor=progress.build_cursor(attempts=progress.attempts),
            not_before=self._dependencies.compute_not_before(wait, progress.attempts),
            reason=wait.reason,
            throttled=wait.throttled,
            attempt=progress.attempts,
        )


class StepProgress:
    """The progress of a step of a full sync.

    `position` is the platform's cursor at the last checkpoint. `attempts` is the number of attempts to read on from
    there, including the one that is running. `has_records` says whether the full sync may have read records yet.
    `records` are the records that the step reads directly; None when it reads on in the full read.
    """

    def __init__(self, start: CursorState) -> None:
        self.position = start.position
        self.has_records = start.position is not None or start.records is not None
        self.attempts = start.attempts + 1
        self.records: RecordIds | None = start.records

    def build_cursor(self, *, attempts: int) -> str:
        """Return the cursor with which a step continues here, after `attempts` attempts to do so."""
        return CursorState(attempts, self.position, records=self.records).encode()

    def advance(self, cursor: str) -> None:
        """Move the position to `cursor`, before which everything was read, and count attempts from 1 again."""
        self.position, self.attempts = cursor, 1


def _select_latest_steps(requests: Sequence[FullSyncStepRequested]) -> list[FullSyncStepRequested]:
    """Return for each full sync the request with the highest step number, in the order of the syncs' first requests."""
    latest: dict[UUID, FullSyncStepRequested] = {}
    for request in requests:
        other = latest.get(request.sync_id)
        if other is None or request.step > other.step:
            latest[request.sync_id] = request
    return list(latest.values())


def _get_previous_state(request: FullSyncStepRequested) -> FullReadState | None:
    """Return the state that the source left with the full sync that this one may continue, or None."""
    if request.previous_sync is None or request.previous_state is None:
        return None
    return FullReadState(request.previous_sync, request.previous_state)


def _log_step(request: FullSyncStepRequested, event: object, seconds: float) -> None:
    if isinstance(event, SyncProgressed):
        log.info(
            "step done",
            connection=request.connection,
            sync_id=str(request.sync_id),
            step=request.step,
            outcome=event.outcome,
            calls=event.calls,
            points=event.points,
            seconds=round(seconds, 3),
            reason=event.reason,
        )
