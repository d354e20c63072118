"""The quick lane: the records that webhooks and people wait for."""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial

import structlog

from contracts.events import SyncRequested
from contracts.topics import DATA_FETCHED
from fetching import saying
from fetching.coalescing import Group, groups, source_of
from fetching.cursors import Place
from fetching.errors import NotNow, Refused
from fetching.handlers.parts import Pages, Seconds, Tokens, Voice
from fetching.outcomes import Outcomes, Uniform, delay
from fetching.readings import QUICK, Batch, Errand, Platform, Reached, Reading, Unread
from messaging.publisher import Outgoing

log = structlog.get_logger()


class QuickLane:
    """Fetches what has gathered for a connection, `seconds` at a time.

    Killed at any instant, the same requests come again and the same is said: pages pass the writer's version check,
    postponements and failures are said before the settled marker, whose verdict is final.
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

    async def __call__(self, connection: str, requests: Sequence[SyncRequested]) -> None:
        """Fetch `requests` of one connection; returns when Kafka has every word of it."""
        for group in groups(requests):
            await self._fetch(connection, group)

    async def _fetch(self, connection: str, group: Group) -> None:
        began = self._elapsed()
        try:
            access = await self._tokens.access(connection, group.epoch)
        except Refused as refusal:
            await self._voice.send_all([_failed(connection, group.epoch, group.requests, refusal, None)])
            return
        except NotNow as wait:
            await self._voice.send_all([self._not_begun(connection, group, wait)])
            return
        anew = partial(self._tokens.access, connection, group.epoch, anew=True)
        fetch = Fetch(group, Errand(access, group.source, QUICK, self._tokens.refused, anew))
        pages = Pages(self._voice, DATA_FETCHED, fetch.errand, group.place.tries)
        halt = await self._read(fetch, pages)
        await pages.flush()
        await self._voice.send_all(fetch.ended(halt, self._not_before))
        _tell(fetch, halt, self._elapsed() - began)

    def _not_begun(self, connection: str, group: Group, wait: NotNow) -> Outgoing:
        """The whole group is postponed to where it would have begun: what had no place yet may still be coalesced."""
        place = None if group.place == Place() else group.place.encoded()
        moment = self._not_before(wait, group.attempt)
        return _postponed(connection, group.epoch, group.requests, wait, moment, place, None)

    def _not_before(self, wait: NotNow, attempt: int) -> int:
        """When (ms) what `wait` stopped goes on."""
        return round((self._now() + delay(wait, attempt, self._uniform)) * 1000)

    async def _read(self, fetch: "Fetch", pages: Pages) -> NotNow | Refused | None:
        """Read and say until all is read, the time is up, or something stands in the way, which is returned."""
        deadline = self._elapsed() + self._seconds
        ids, at = fetch.group.ids, fetch.group.place.at
        try:
            async with aclosing(self._platform.read(fetch.errand, ids, at)) as readings:
                async for reading in readings:
                    await fetch.take(reading, pages)
                    if isinstance(reading, Reached) and self._elapsed() > deadline:
                        return NotNow(None, seconds=0.0)
        except (NotNow, Refused) as error:
            return error
        return None


class Fetch:
    """One group's fetch as it goes on, and how it ends."""

    def __init__(self, group: Group, errand: Errand) -> None:
        self.group = group
        self.errand = errand
        self.outcomes = Outcomes()
        self._at = group.place.at

    async def take(self, reading: Reading, pages: Pages) -> None:
        """Say what was read, and note it."""
        match reading:
            case Batch():
                for unread in await pages.add(reading):
                    self.outcomes.fail(unread)
                for record in reading.records:
                    self.outcomes.note(record)
            case Unread():
                self.outcomes.fail(reading)
            case Reached():
                self._at = reading.cursor

    def ended(self, halt: NotNow | Refused | None, not_before: Callable[[NotNow, int], int]) -> list[Outgoing]:
        """What is said at the end: the settled marker comes last, for a verdict on it is final."""
        access = self.errand.access
        ends = self.outcomes.ends(self.group.requests, complete=halt is None)
        said: list[Outgoing] = []
        if ends.unfinished and isinstance(halt, Refused):
            said.append(_failed(access.connection, access.epoch, ends.unfinished, halt, self.errand))
        elif ends.unfinished:
            wait = halt if isinstance(halt, NotNow) else self.outcomes.wait
            moment = not_before(wait, 1 if self._advanced else self.group.attempt)
            place = self._place(ends.unfinished).encoded()
            said.append(_postponed(access.connection, access.epoch, ends.unfinished, wait, moment, place, self.errand))
        if ends.failed:
            source = source_of(ends.failed) if ends.settled else self.group.source
            said.append(saying.settled(access, source, ends.failed, self.outcomes.unread.values()))
        if ends.settled:
            said.append(saying.settled(access, self.group.source, ends.settled))
        return said

    @property
    def _advanced(self) -> bool:
        return self._at != self.group.place.at or bool(self.outcomes.read)

    def _place(self, unfinished: Sequence[SyncRequested]) -> Place:
        """Where the unfinished go on: from here if they are the whole group, else under a source of their own, for
        this one's verdict will be on the others. What may be read later is tried again from the start."""
        if len(unfinished) < len(self.group.requests):
            return Place(0, None, source_of(unfinished))
        at = None if any(unread.retry for unread in self.outcomes.unread.values()) else self._at
        return Place(self.group.place.tries + 1, at, self.group.source)


def _postponed(
    connection: str,
    epoch: int,
    requests: Sequence[SyncRequested],
    wait: NotNow,
    not_before: int,
    cursor: str | None,
    errand: Errand | None,
) -> Outgoing:
    return saying.fetched(
        connection,
        epoch,
        requests,
        errand,
        outcome="postponed",
        cursor=cursor,
        not_before=not_before,
        reason=wait.reason,
        throttled=wait.throttled,
    )


def _failed(
    connection: str, epoch: int, requests: Sequence[SyncRequested], refusal: Refused, errand: Errand | None
) -> Outgoing:
    return saying.fetched(
        connection, epoch, requests, errand, outcome="failed", reason=refusal.reason, retry=refusal.retry
    )


def _tell(fetch: Fetch, halt: NotNow | Refused | None, seconds: float) -> None:
    log.info(
        "records fetched",
        connection=fetch.errand.access.connection,
        source=str(fetch.errand.source),
        requests=len(fetch.group.requests),
        read=len(fetch.outcomes.read),
        unread=len(fetch.outcomes.unread),
        calls=fetch.errand.calls,
        points=fetch.errand.points,
        seconds=round(seconds, 3),
        halted=str(halt) if halt else None,
    )
