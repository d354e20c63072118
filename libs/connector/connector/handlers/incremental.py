"""The quick lane: the records that webhooks and people wait for."""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial

import structlog

from connector import event_builders
from connector.coalescing import RequestGroup, derive_read_id, group_requests
from connector.cursors import CursorState
from connector.handlers.page_publisher import PagePublisher, Seconds, Tokens, Voice
from connector.outcomes import ReadOutcomes, Uniform, compute_delay
from connector.source import (
    INCREMENTAL,
    Checkpoint,
    IncrementalReadStep,
    RecordBatch,
    Source,
    SyncContext,
    UnreadableRecord,
)
from contracts.events import SyncRequested, parse_platform
from contracts.topics import get_fetched_topic
from messaging.publisher import OutboundMessage
from platform_sdk.errors import PermanentError, RetryLaterError

log = structlog.get_logger()


class IncrementalHandler:
    """Fetches what has gathered for a connection, `seconds` at a time.

    Killed at any instant, the same requests come again and the same is said: pages pass the writer's version check,
    postponements and failures are said before the settled marker, whose verdict is final.
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

    async def __call__(self, connection: str, requests: Sequence[SyncRequested]) -> None:
        """Fetch `requests` of one connection; returns when Kafka has every word of it."""
        for group in group_requests(requests):
            await self._fetch(connection, group)

    async def _fetch(self, connection: str, group: RequestGroup) -> None:
        began = self._elapsed()
        try:
            access = await self._tokens.get_token(connection, group.epoch)
        except PermanentError as refusal:
            await self._voice.send_all([_failed(connection, group.epoch, group.requests, refusal, None)])
            return
        except RetryLaterError as wait:
            await self._voice.send_all([self._not_begun(connection, group, wait)])
            return
        anew = partial(self._tokens.get_token, connection, group.epoch, fresh=True)
        fetch = Fetch(group, SyncContext(access, group.read_id, INCREMENTAL, self._tokens.replace_token, anew))
        pages = PagePublisher(
            self._voice, get_fetched_topic(parse_platform(connection)), fetch.errand, group.place.attempts
        )
        halt = await self._read(fetch, pages)
        await pages.flush()
        await self._voice.send_all(fetch.ended(halt, self._not_before))
        _tell(fetch, halt, self._elapsed() - began)

    def _not_begun(self, connection: str, group: RequestGroup, wait: RetryLaterError) -> OutboundMessage:
        """The whole group is postponed to where it would have begun: what had no place yet may still be coalesced."""
        place = None if group.place == CursorState() else group.place.encode()
        moment = self._not_before(wait, group.attempt)
        return _postponed(connection, group.epoch, group.requests, wait, moment, place, None)

    def _not_before(self, wait: RetryLaterError, attempt: int) -> int:
        """When (ms) what `wait` stopped goes on."""
        return round((self._now() + compute_delay(wait, attempt, self._uniform)) * 1000)

    async def _read(self, fetch: "Fetch", pages: PagePublisher) -> RetryLaterError | PermanentError | None:
        """Read and say until all is read, the time is up, or something stands in the way, which is returned."""
        deadline = self._elapsed() + self._seconds
        ids, at = fetch.group.ids, fetch.group.place.position
        try:
            async with aclosing(self._platform.read_records(fetch.errand, ids, at)) as readings:
                async for reading in readings:
                    await fetch.take(reading, pages)
                    if isinstance(reading, Checkpoint) and self._elapsed() > deadline:
                        return RetryLaterError(None, seconds=0.0)
        except (RetryLaterError, PermanentError) as error:
            return error
        return None


class Fetch:
    """One group's fetch as it goes on, and how it ends."""

    def __init__(self, group: RequestGroup, errand: SyncContext) -> None:
        self.group = group
        self.errand = errand
        self.outcomes = ReadOutcomes()
        self._at = group.place.position

    async def take(self, reading: IncrementalReadStep, pages: PagePublisher) -> None:
        """Say what was read, and note it."""
        match reading:
            case RecordBatch():
                for unread in await pages.add(reading):
                    self.outcomes.fail(unread)
                for record in reading.records:
                    self.outcomes.note(record)
            case UnreadableRecord():
                self.outcomes.fail(reading)
            case Checkpoint():
                self._at = reading.cursor

    def ended(
        self, halt: RetryLaterError | PermanentError | None, not_before: Callable[[RetryLaterError, int], int]
    ) -> list[OutboundMessage]:
        """What is said at the end: the settled marker comes last, for a verdict on it is final."""
        access = self.errand.token
        ends = self.outcomes.ends(self.group.requests, complete=halt is None)
        said: list[OutboundMessage] = []
        if ends.unfinished and isinstance(halt, PermanentError):
            said.append(_failed(access.connection, access.epoch, ends.unfinished, halt, self.errand))
        elif ends.unfinished:
            wait = halt if isinstance(halt, RetryLaterError) else self.outcomes.wait
            moment = not_before(wait, 1 if self._advanced else self.group.attempt)
            place = self._place(ends.unfinished).encode()
            said.append(_postponed(access.connection, access.epoch, ends.unfinished, wait, moment, place, self.errand))
        if ends.failed:
            source = derive_read_id(ends.failed) if ends.settled else self.group.read_id
            said.append(
                event_builders.build_incremental_read_completed(
                    access, source, ends.failed, self.outcomes.unread.values()
                )
            )
        if ends.settled:
            said.append(event_builders.build_incremental_read_completed(access, self.group.read_id, ends.settled))
        return said

    @property
    def _advanced(self) -> bool:
        return self._at != self.group.place.position or bool(self.outcomes.read_keys)

    def _place(self, unfinished: Sequence[SyncRequested]) -> CursorState:
        """Where the unfinished go on: from here if they are the whole group, else under a source of their own, for
        this one's verdict will be on the others. What may be read later is tried again from the start."""
        if len(unfinished) < len(self.group.requests):
            return CursorState(0, None, derive_read_id(unfinished))
        at = None if any(unread.retryable for unread in self.outcomes.unread.values()) else self._at
        return CursorState(self.group.place.attempts + 1, at, self.group.read_id)


def _postponed(
    connection: str,
    epoch: int,
    requests: Sequence[SyncRequested],
    wait: RetryLaterError,
    not_before: int,
    cursor: str | None,
    errand: SyncContext | None,
) -> OutboundMessage:
    return event_builders.build_records_progressed(
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
    connection: str, epoch: int, requests: Sequence[SyncRequested], refusal: PermanentError, errand: SyncContext | None
) -> OutboundMessage:
    return event_builders.build_records_progressed(
        connection, epoch, requests, errand, outcome="failed", reason=refusal.reason, retryable=refusal.retryable
    )


def _tell(fetch: Fetch, halt: RetryLaterError | PermanentError | None, seconds: float) -> None:
    log.info(
        "records fetched",
        connection=fetch.errand.token.connection,
        source=str(fetch.errand.read_id),
        requests=len(fetch.group.requests),
        read=len(fetch.outcomes.read_keys),
        unread=len(fetch.outcomes.unread),
        calls=fetch.errand.calls,
        points=fetch.errand.points,
        seconds=round(seconds, 3),
        halted=str(halt) if halt else None,
    )
