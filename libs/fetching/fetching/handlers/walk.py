"""The walk lane: one bounded step of a walk at a time."""

import random
import time
from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from uuid import UUID

import structlog

from contracts.events import SyncProgressed, WalkStepRequested
from contracts.topics import DATA_FETCHED_WALK
from fetching import saying
from fetching.cursors import Place
from fetching.errors import NotNow, Refused
from fetching.handlers.parts import Pages, Seconds, Tokens, Voice
from fetching.outcomes import Uniform, delay
from fetching.readings import WALK, Batch, Errand, Platform, Reached, WalkDone, WindowDone
from messaging.publisher import Outgoing

log = structlog.get_logger()


class WalkLane:
    """Does one step: `seconds` of reading, then says the place where the next step begins.

    A step that runs twice reads on from the same cursor and says its markers with the same ids; the scheduler takes
    one of its ends.
    """

    def __init__(
        self,
        platform: Platform,
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

    async def __call__(self, connection: str, requests: Sequence[WalkStepRequested]) -> None:
        """Do the steps asked for; returns when Kafka has every word of them.

        A step that was asked for again while it waited is done once; one that a later has overtaken, not at all.
        """
        for request in _latest(requests):
            began = self._elapsed()
            message = await self._step(connection, request)
            await self._voice.send_all([message])
            _tell(request, message.event, self._elapsed() - began)

    async def _step(self, connection: str, request: WalkStepRequested) -> Outgoing:
        errand = None
        place = Reaching(Place.decoded(request.cursor))
        try:
            access = await self._tokens.access(connection, request.epoch, anew=place.at is None)
            anew = partial(self._tokens.access, connection, request.epoch, anew=True)
            errand = Errand(access, request.sync_id, WALK, self._tokens.refused, anew)
            pages = Pages(self._voice, DATA_FETCHED_WALK, errand, request.step)
            try:
                ended = await self._walk(errand, place, pages)
            finally:
                await pages.flush()
        except NotNow as wait:
            return self._postponed(request, errand, place, wait)
        except Refused as refusal:
            return saying.stepped(request, errand, "failed", reason=refusal.reason, retry=refusal.retry)
        if ended:
            return saying.stepped(request, errand, "walked")
        return saying.stepped(request, errand, "advanced", cursor=Place(0, place.at).encoded())

    async def _walk(self, errand: Errand, place: "Reaching", pages: Pages) -> bool:
        """Walk and say until the time is up (False) or the walk has come to its end (True)."""
        deadline = self._elapsed() + self._seconds
        async with aclosing(self._platform.walk(errand, place.at)) as steps:
            async for said in steps:
                match said:
                    case Batch():
                        for unread in await pages.add(said):
                            raise Refused(f"{unread.id}: {unread.reason}")
                    case WindowDone():
                        await pages.mark(saying.window_ended(DATA_FETCHED_WALK, errand, said))
                    case WalkDone():
                        await pages.mark(saying.walk_ended(DATA_FETCHED_WALK, errand, said))
                    case Reached():
                        place.reach(said.cursor)
                        if self._elapsed() > deadline:
                            return False
        return True

    def _postponed(
        self, request: WalkStepRequested, errand: Errand | None, place: "Reaching", wait: NotNow
    ) -> Outgoing:
        seconds = delay(wait, place.tries, self._uniform)
        return saying.stepped(
            request,
            errand,
            "postponed",
            cursor=Place(place.tries, place.at).encoded(),
            not_before=round((self._now() + seconds) * 1000),
            reason=wait.reason,
            throttled=wait.throttled,
            attempt=place.tries,
        )


class Reaching:
    """How far a step has come; where something was reached, the count of tries begins anew."""

    def __init__(self, place: Place) -> None:
        self.at = place.at
        self.tries = place.tries + 1

    def reach(self, cursor: str) -> None:
        """All before `cursor` is said."""
        self.at, self.tries = cursor, 1


def _latest(requests: Sequence[WalkStepRequested]) -> list[WalkStepRequested]:
    """The highest step of each walk, in the order in which the walks came."""
    latest: dict[UUID, WalkStepRequested] = {}
    for request in requests:
        known = latest.get(request.sync_id)
        if known is None or request.step > known.step:
            latest[request.sync_id] = request
    return list(latest.values())


def _tell(request: WalkStepRequested, event: object, seconds: float) -> None:
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
