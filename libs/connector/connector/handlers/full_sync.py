"""The walk lane: one bounded step of a walk at a time."""

import random
import time
from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from uuid import UUID

import structlog

from connector import event_builders
from connector.cursors import CursorState
from connector.handlers.page_publisher import PagePublisher, Seconds, Tokens, Voice
from connector.outcomes import Uniform, compute_delay
from connector.source import FULL, Checkpoint, FullReadEnd, RangeEnd, RecordBatch, Source, SyncContext
from contracts.events import FullSyncStepRequested, SyncProgressed, parse_platform
from contracts.topics import get_full_fetched_topic
from messaging.publisher import OutboundMessage
from platform_sdk.errors import PermanentError, RetryLaterError

log = structlog.get_logger()


class FullSyncHandler:
    """Does one step: `seconds` of reading, then says the place where the next step begins.

    A step that runs twice reads on from the same cursor and says its markers with the same ids; the scheduler takes
    one of its ends.
    """

    def __init__(
        self,
        platform: Source,
        tokens: Tokens,
        voice: Voice,
        *,
        seconds: float,
        now: Seconds = time.time,
        elapsed: Seconds = time.monotonic,
        uniform: Uniform = random.uniform,
    ) -> None:
        self._platform = platform
        self._tokens = tokens
        self._voice = voice
        self._seconds = seconds
        self._now = now
        self._elapsed = elapsed
        self._uniform = uniform

    async def __call__(self, connection: str, requests: Sequence[FullSyncStepRequested]) -> None:
        """Do the steps asked for; returns when Kafka has every word of them.

        A step that was asked for again while it waited is done once; one that a later has overtaken, not at all.
        """
        for request in _latest(requests):
            began = self._elapsed()
            message = await self._step(connection, request)
            await self._voice.send_all([message])
            _tell(request, message.event, self._elapsed() - began)

    async def _step(self, connection: str, request: FullSyncStepRequested) -> OutboundMessage:
        errand = None
        topic = get_full_fetched_topic(parse_platform(connection))
        place = Reaching(CursorState.decode(request.cursor))
        try:
            access = await self._tokens.get_token(connection, request.epoch, fresh=place.at is None)
            anew = partial(self._tokens.get_token, connection, request.epoch, fresh=True)
            errand = SyncContext(access, request.sync_id, FULL, self._tokens.replace_token, anew)
            pages = PagePublisher(self._voice, topic, errand, request.step)
            try:
                ended = await self._walk(errand, place, pages, topic)
            finally:
                await pages.flush()
        except RetryLaterError as wait:
            return self._postponed(request, errand, place, wait)
        except PermanentError as refusal:
            return event_builders.build_step_progressed(
                request, errand, "failed", reason=refusal.reason, retryable=refusal.retryable
            )
        if ended:
            return event_builders.build_step_progressed(request, errand, "completed")
        return event_builders.build_step_progressed(
            request, errand, "advanced", cursor=CursorState(0, place.at).encode()
        )

    async def _walk(self, errand: SyncContext, place: "Reaching", pages: PagePublisher, topic: str) -> bool:
        """Walk and say until the time is up (False) or the walk has come to its end (True)."""
        deadline = self._elapsed() + self._seconds
        async with aclosing(self._platform.read_all(errand, place.at)) as steps:
            async for said in steps:
                match said:
                    case RecordBatch():
                        for unread in await pages.add(said):
                            raise PermanentError(f"{unread.id}: {unread.reason}")
                    case RangeEnd():
                        await pages.mark(event_builders.build_range_completed(topic, errand, said))
                    case FullReadEnd():
                        await pages.mark(event_builders.build_full_read_completed(topic, errand, said))
                    case Checkpoint():
                        place.reach(said.cursor)
                        if self._elapsed() > deadline:
                            return False
        return True

    def _postponed(
        self, request: FullSyncStepRequested, errand: SyncContext | None, place: "Reaching", wait: RetryLaterError
    ) -> OutboundMessage:
        seconds = compute_delay(wait, place.tries, self._uniform)
        return event_builders.build_step_progressed(
            request,
            errand,
            "postponed",
            cursor=CursorState(place.tries, place.at).encode(),
            not_before=round((self._now() + seconds) * 1000),
            reason=wait.reason,
            throttled=wait.throttled,
            attempt=place.tries,
        )


class Reaching:
    """How far a step has come; where something was reached, the count of tries begins anew."""

    def __init__(self, place: CursorState) -> None:
        self.at = place.position
        self.tries = place.attempts + 1

    def reach(self, cursor: str) -> None:
        """All before `cursor` is said."""
        self.at, self.tries = cursor, 1


def _latest(requests: Sequence[FullSyncStepRequested]) -> list[FullSyncStepRequested]:
    """The highest step of each walk, in the order in which the walks came."""
    latest: dict[UUID, FullSyncStepRequested] = {}
    for request in requests:
        known = latest.get(request.sync_id)
        if known is None or request.step > known.step:
            latest[request.sync_id] = request
    return list(latest.values())


def _tell(request: FullSyncStepRequested, event: object, seconds: float) -> None:
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
