"""Kafka in: the two lanes of a fetcher. Each does what it is asked, waits for Kafka's word, then says how it went."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Protocol
from uuid import UUID

from contracts.events import (
    Record,
    RecordsPage,
    Settled,
    SyncProgressed,
    SyncRequested,
    WalkEnded,
    WalkStepRequested,
    WindowEnded,
)
from contracts.headers import derived_id
from contracts.topics import DATA_FETCHED, DATA_FETCHED_WALK, SYNC_PROGRESSED
from fetching.access import Access
from fetching.coalescing import Group, groups, source_of, sync_ids, union
from fetching.cursors import Place
from fetching.errors import NotNow, Refused
from fetching.outcomes import Outcomes, backoff
from fetching.pages import LARGEST_RECORD_BYTES, PageCutter, weight
from fetching.readings import Batch, Errand, Platform, Reached, Unread, WalkDone, WindowDone
from messaging.publisher import Outgoing

QUICK, WALK = "quick", "walk"
TIME_IS_UP = "time is up"


class Tokens(Protocol):
    """Where access comes from. Both raise `ConnectionEnded`, `Refused`, or `Away` when the gateway is."""

    async def access(self, connection: str, epoch: int) -> Access:
        """An access of at least this epoch."""
        ...

    async def refused(self, access: Access) -> Access:
        """The access that replaces one which the platform has refused."""
        ...


class Voice(Protocol):
    """How events are said. Returns when Kafka has them; raises `Away` when it is not there."""

    async def send_all(self, messages: Iterable[Outgoing]) -> None:
        """Say messages in order."""
        ...


Now = Callable[[], float]


class _Pages:
    """Says what was read on one topic, page by page; each page is acknowledged before the next is cut."""

    def __init__(self, voice: Voice, topic: str, errand: Errand, step: int) -> None:
        self._voice = voice
        self._topic = topic
        self._errand = errand
        self._step = step
        self._cutter = PageCutter()
        self._of = Batch("", ())
        self._number = 0

    async def add(self, batch: Batch) -> list[Unread]:
        """Take a batch; gives the records that are too large to be said at all."""
        if (batch.resource, batch.window, batch.attempt) != (self._of.resource, self._of.window, self._of.attempt):
            await self.flush()
            self._of = batch
        fitting = [record for record in batch.records if weight(record) <= LARGEST_RECORD_BYTES]
        for records in self._cutter.add(fitting):
            await self._say(records)
        return [] if len(fitting) == len(batch.records) else [_too_large(r) for r in batch.records if r not in fitting]

    async def flush(self) -> None:
        """Say what is left."""
        records = self._cutter.rest()
        if records:
            await self._say(records)

    async def mark(self, marker: WindowEnded | WalkEnded | Settled, event_id: str) -> None:
        """Say a marker, after all pages before it."""
        await self.flush()
        await self._voice.send_all([Outgoing(self._topic, marker.connection, marker, event_id)])

    async def _say(self, records: tuple[Record, ...]) -> None:
        access, source = self._errand.access, self._errand.source
        page = RecordsPage(
            connection=access.connection,
            epoch=access.epoch,
            source=source,
            step=self._step,
            page=self._number,
            resource=self._of.resource,
            window=self._of.window,
            attempt=self._of.attempt,
            records=records,
        )
        event_id = str(derived_id("page", str(source), str(self._step), str(self._number)))
        await self._voice.send_all([Outgoing(self._topic, access.connection, page, event_id)])
        self._number += 1


def _too_large(record: Record) -> Unread:
    return Unread(record.resource, record.id, f"larger than {LARGEST_RECORD_BYTES} bytes: it cannot be carried")


def _progress(event: SyncProgressed, *story: object) -> Outgoing:
    """Its id is a story of what it is about, so that a step run twice says the same."""
    event_id = derived_id("progressed", *map(str, event.sync_ids), *map(str, story), event.outcome)
    return Outgoing(SYNC_PROGRESSED, event.connection, event, str(event_id))


class QuickLane:
    """Brings the records that webhooks and people wait for, `seconds` at a time.

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
        now: Now = time.time,
        elapsed: Now = time.monotonic,
    ) -> None:
        self._platform = platform
        self._tokens = tokens
        self._voice = voice
        self._seconds = seconds
        self._now = now
        self._elapsed = elapsed

    async def __call__(self, connection: str, requests: Sequence[SyncRequested]) -> None:
        """Fetch what has gathered for one connection; returns when Kafka has every word of it."""
        for group in groups(requests):
            await self._fetch(connection, group)

    async def _fetch(self, connection: str, group: Group) -> None:
        try:
            access = await self._tokens.access(connection, group.epoch)
        except Refused as refusal:
            await self._voice.send_all([self._failed(connection, group.epoch, group, group.requests, refusal)])
            return
        errand = Errand(access, group.source, QUICK, self._tokens.refused)
        pages = _Pages(self._voice, DATA_FETCHED, errand, group.place.tries)
        fetch = _Fetch(group)
        halt = await self._read(errand, fetch, pages)
        await pages.flush()
        await self._voice.send_all(self._ended(errand, fetch, halt))

    async def _read(self, errand: Errand, fetch: "_Fetch", pages: _Pages) -> NotNow | Refused | None:
        """Read and say until all is read, the time is up, or something stands in the way, which is returned."""
        deadline = self._elapsed() + self._seconds
        try:
            async with aclosing(self._platform.read(errand, fetch.group.ids, fetch.group.place.at)) as readings:
                async for reading in readings:
                    await fetch.take(reading, pages)
                    if isinstance(reading, Reached) and self._elapsed() > deadline:
                        return NotNow(TIME_IS_UP, seconds=0.0)
        except (NotNow, Refused) as error:
            return error
        return None

    def _ended(self, errand: Errand, fetch: "_Fetch", halt: NotNow | Refused | None) -> list[Outgoing]:
        """What is said at the end: the settled marker comes last, for a verdict on it is final."""
        access, group = errand.access, fetch.group
        ends = fetch.outcomes.ends(group.requests, complete=halt is None)
        said: list[Outgoing] = []
        if ends.unfinished:
            match halt:
                case Refused():
                    said.append(self._failed(access.connection, access.epoch, group, ends.unfinished, halt, errand))
                case _:
                    wait = halt or NotNow("some records could not be read")
                    said.append(self._postponed(errand, fetch, ends.unfinished, wait))
        if ends.failed:
            said.append(_settled(access, source_of(sync_ids(ends.failed)), ends.failed, fetch.outcomes.unread.values()))
        if ends.settled:
            said.append(_settled(access, group.source, ends.settled))
        return said

    def _postponed(
        self, errand: Errand, fetch: "_Fetch", unfinished: Sequence[SyncRequested], halt: NotNow
    ) -> Outgoing:
        group = fetch.group
        alone = len(unfinished) == len(group.requests)
        place = Place(group.place.tries + 1, None if fetch.outcomes.unread else fetch.at) if alone else Place()
        seconds = backoff(group.attempt) if halt.seconds is None else halt.seconds
        return _progress(
            SyncProgressed(
                connection=errand.access.connection,
                epoch=errand.access.epoch,
                outcome="postponed",
                sync_ids=sync_ids(unfinished),
                records=union(unfinished),
                cursor=place.encoded(),
                not_before=round((self._now() + seconds) * 1000),
                reason=halt.reason,
                throttled=halt.throttled,
                attempt=group.attempt,
                calls=errand.calls,
                points=errand.points,
            ),
            group.attempt,
            place.encoded(),
        )

    def _failed(
        self,
        connection: str,
        epoch: int,
        group: Group,
        requests: Sequence[SyncRequested],
        refusal: Refused,
        errand: Errand | None = None,
    ) -> Outgoing:
        return _progress(
            SyncProgressed(
                connection=connection,
                epoch=epoch,
                outcome="failed",
                sync_ids=sync_ids(requests),
                records=union(requests),
                reason=refusal.reason,
                retry=refusal.retry,
                attempt=group.attempt,
                calls=errand.calls if errand else 0,
                points=errand.points if errand else 0,
            ),
            group.attempt,
        )


class _Fetch:
    """One group's fetch as it goes on."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.at = group.place.at
        self.outcomes = Outcomes()

    async def take(self, reading: Batch | Unread | Reached, pages: _Pages) -> None:
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
                self.at = reading.cursor


def _settled(
    access: Access, source: UUID, requests: Sequence[SyncRequested], unread: Iterable[Unread] = ()
) -> Outgoing:
    asked = union(requests)
    failed = {u.id: u.reason for u in unread if u.id in asked.get(u.resource, ())}
    marker = Settled(
        connection=access.connection,
        epoch=access.epoch,
        source=source,
        sync_ids=sync_ids(requests),
        asked=asked,
        failed=failed,
    )
    event_id = derived_id("settled", str(source), *map(str, marker.sync_ids))
    return Outgoing(DATA_FETCHED, access.connection, marker, str(event_id))


class WalkLane:
    """Does one bounded step of a walk: `seconds` of reading, then the place where the next step begins.

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
        now: Now = time.time,
        elapsed: Now = time.monotonic,
    ) -> None:
        self._platform = platform
        self._tokens = tokens
        self._voice = voice
        self._seconds = seconds
        self._now = now
        self._elapsed = elapsed

    async def __call__(self, connection: str, requests: Sequence[WalkStepRequested]) -> None:
        """Do the steps asked for; returns when Kafka has every word of them."""
        for request in requests:
            await self._voice.send_all([await self._step(connection, request)])

    async def _step(self, connection: str, request: WalkStepRequested) -> Outgoing:
        try:
            access = await self._tokens.access(connection, request.epoch)
        except Refused as refusal:
            return _stepped(request, request.epoch, None, "failed", reason=refusal.reason, retry=refusal.retry)
        errand = Errand(access, request.sync_id, WALK, self._tokens.refused)
        pages = _Pages(self._voice, DATA_FETCHED_WALK, errand, request.step)
        place = _WalkPlace(Place.decoded(request.cursor))
        try:
            ended = await self._walk(errand, place, pages)
        except NotNow as wait:
            await pages.flush()
            return self._postponed(request, errand, place, wait)
        except Refused as refusal:
            await pages.flush()
            return _stepped(request, access.epoch, errand, "failed", reason=refusal.reason, retry=refusal.retry)
        await pages.flush()
        cursor = None if ended else Place(0, place.at).encoded()
        return _stepped(request, errand.access.epoch, errand, "walked" if ended else "advanced", cursor=cursor)

    async def _walk(self, errand: Errand, place: "_WalkPlace", pages: _Pages) -> bool:
        """Walk and say until the time is up (False) or the walk has come to its end (True)."""
        deadline = self._elapsed() + self._seconds
        async with aclosing(self._platform.walk(errand, place.at)) as steps:
            async for said in steps:
                match said:
                    case Batch():
                        for unread in await pages.add(said):
                            raise Refused(f"{unread.id}: {unread.reason}")
                    case WindowDone():
                        await pages.mark(*_window_ended(errand, said))
                    case WalkDone():
                        await pages.mark(*_walk_ended(errand, said))
                    case Reached():
                        place.reach(said.cursor)
                        if self._elapsed() > deadline:
                            return False
        return True

    def _postponed(self, request: WalkStepRequested, errand: Errand, place: "_WalkPlace", wait: NotNow) -> Outgoing:
        tries = place.tries_in_vain
        seconds = backoff(tries) if wait.seconds is None else wait.seconds
        return _stepped(
            request,
            errand.access.epoch,
            errand,
            "postponed",
            cursor=Place(tries, place.at).encoded(),
            not_before=round((self._now() + seconds) * 1000),
            reason=wait.reason,
            throttled=wait.throttled,
            attempt=tries,
        )


class _WalkPlace:
    """How far a step has come; what was reached starts the count of tries anew."""

    def __init__(self, place: Place) -> None:
        self.at = place.at
        self.tries_in_vain = place.tries + 1

    def reach(self, cursor: str) -> None:
        """All before `cursor` is said."""
        self.at, self.tries_in_vain = cursor, 1


def _stepped(request: WalkStepRequested, epoch: int, errand: Errand | None, outcome: str, **rest: object) -> Outgoing:
    event = SyncProgressed.model_validate(
        {
            "connection": request.connection,
            "epoch": epoch,
            "outcome": outcome,
            "sync_ids": (request.sync_id,),
            "step": request.step,
            "calls": errand.calls if errand else 0,
            "points": errand.points if errand else 0,
            **rest,
        }
    )
    return _progress(event, request.step)


def _window_ended(errand: Errand, done: WindowDone) -> tuple[WindowEnded, str]:
    marker = WindowEnded(
        connection=errand.access.connection,
        epoch=errand.access.epoch,
        source=errand.source,
        resource=done.resource,
        window=done.window,
        attempt=done.attempt,
        again=Place(0, done.again).encoded(),
        sent=done.sent,
        count_before=done.count_before,
        count_after=done.count_after,
    )
    story = ("window", str(errand.source), done.resource, str(done.window), str(done.attempt))
    return marker, str(derived_id(*story))


def _walk_ended(errand: Errand, done: WalkDone) -> tuple[WalkEnded, str]:
    marker = WalkEnded(
        connection=errand.access.connection,
        epoch=errand.access.epoch,
        source=errand.source,
        windows=done.windows,
        dependents=done.dependents,
        left_out=done.left_out,
        started_at=done.started_at,
    )
    return marker, str(derived_id("walk", str(errand.source)))
