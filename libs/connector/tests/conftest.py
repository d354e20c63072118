"""Fakes with logic: a source that reads from a dictionary, tokens, a publisher that keeps its messages, a clock."""

import json
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

import pytest

from connector.handlers.dependencies import HandlerDependencies
from connector.source import (
    Checkpoint,
    FullReadEnd,
    FullReadStep,
    IncrementalReadStep,
    RangeEnd,
    RecordBatch,
    UnreadableRecord,
)
from contracts.events import (
    Event,
    FullSyncStepRequested,
    Record,
    RecordChunk,
    RecordIds,
    RecordsPage,
    SyncProgressed,
    SyncRequested,
)
from messaging.errors import UnavailableError
from messaging.publisher import OutboundMessage
from platform_sdk.session import SyncContext
from platform_sdk.tokens import AccessToken

CONNECTION = "toy:acme"
NAMESPACE = UUID("00000000-0000-0000-0000-000000000001")


def derive_sync_id(name: str) -> UUID:
    """A sync's id by a short name."""
    return uuid5(NAMESPACE, name)


def build_request(name: str, *ids: str, **fields: Any) -> SyncRequested:
    """A request for things."""
    return SyncRequested(
        **{
            "sync_id": derive_sync_id(name),
            "connection": CONNECTION,
            "epoch": 1,
            "cause": "webhook",
            "records": {"things": ids},
            "requested_at": 0,
            **fields,
        }
    )


def build_step(number: int, cursor: str | None = None) -> FullSyncStepRequested:
    """A step of a full sync."""
    return FullSyncStepRequested(
        sync_id=derive_sync_id("full"),
        connection=CONNECTION,
        epoch=1,
        cause="connect",
        step=number,
        cursor=cursor,
        requested_at=0,
    )


def choose_middle(low: float, high: float) -> float:
    """No randomness: 1, as long as it lies between the bounds."""
    assert low <= 1 <= high
    return 1.0


class Clock:
    """Moves by `tick` each time that it is read."""

    def __init__(self, tick: float = 0.0) -> None:
        self.seconds = 1000.0
        self.tick = tick

    def __call__(self) -> float:
        self.seconds += self.tick
        return self.seconds


class FakePublisher:
    """Keeps messages; after `away_after` messages Kafka is away."""

    def __init__(self) -> None:
        self.messages: list[OutboundMessage] = []
        self.away_after: int | None = None

    async def send_all(self, messages: Iterable[OutboundMessage]) -> None:
        """Keep messages one by one, as Kafka acknowledges them."""
        for message in messages:
            if self.away_after is not None and len(self.messages) >= self.away_after:
                raise UnavailableError("no Kafka")
            self.messages.append(message)

    def select(self, event_type: type[Event]) -> list[Any]:
        """All events of this type."""
        return [message.event for message in self.messages if isinstance(message.event, event_type)]

    @property
    def progress(self) -> list[SyncProgressed]:
        """All events about progress."""
        return self.select(SyncProgressed)

    @property
    def record_ids(self) -> list[str]:
        """Ids of all published records, in order."""
        return [record.id for page in self.select(RecordsPage) for record in page.records]


@dataclass
class FakeTokens:
    """Gives a token, or raises `error`."""

    error: Exception | None = None
    fresh: list[bool] = field(default_factory=list)

    async def get_token(self, connection: str, epoch: int, *, fresh: bool = False) -> AccessToken:
        """The token."""
        self.fresh.append(fresh)
        if self.error is not None:
            raise self.error
        return AccessToken(connection, epoch, "shhh")

    async def replace_rejected_token(self, token: AccessToken) -> AccessToken:
        """Never called here."""
        raise AssertionError


@dataclass
class ThingSource:
    """A source whose records are things, read one by one.

    `stop_at` maps an id to what is raised before it is read (once, if `once`); `chunked` ids come in two chunks.
    """

    existing: set[str] = field(default_factory=set)
    stop_at: dict[str, Exception] = field(default_factory=dict)
    unreadable: dict[str, UnreadableRecord] = field(default_factory=dict)
    once: bool = True
    chunked: set[str] = field(default_factory=set)
    requested: list[RecordIds] = field(default_factory=list)
    calls: int = 0

    async def read_records(
        self, context: SyncContext, ids: RecordIds, cursor: str | None
    ) -> AsyncGenerator[IncrementalReadStep, None]:
        """One by one, with a checkpoint after each."""
        self.requested.append(ids)
        things = ids["things"]
        for number in range(int(cursor or 0), len(things)):
            gid = things[number]
            self._stop(gid)
            context.calls += 1
            if gid in self.unreadable:
                yield self.unreadable[gid]
            else:
                for record in self._build_records(gid):
                    yield RecordBatch("things", (record,))
            if number + 1 < len(things):
                yield Checkpoint(str(number + 1))

    async def read_all(self, context: SyncContext, cursor: str | None) -> AsyncGenerator[FullReadStep, None]:
        """One id range with everything that exists."""
        position = json.loads(cursor or '{"n": 0, "sent": 0}')
        things = sorted(self.existing)
        for number in range(position["n"], len(things)):
            self._stop(things[number])
            context.calls += 1
            yield RecordBatch("things", tuple(self._build_records(things[number])))
            yield Checkpoint(json.dumps({"n": number + 1, "sent": number + 1}))
        yield RangeEnd("things", 0, 1, '{"n": 0, "sent": 0}', len(things), len(things), len(things))
        yield FullReadEnd((("things", 0),), started_at=1)

    def measure_remaining_rate_limits(self) -> dict[str, float]:
        """Things have one rate limit, of which most remains."""
        return {"things": 0.75}

    def _stop(self, gid: str) -> None:
        if gid in self.stop_at:
            raise self.stop_at.pop(gid) if self.once else self.stop_at[gid]

    def _build_records(self, gid: str) -> list[Record]:
        if gid not in self.existing:
            return [Record(resource="things", id=gid, read_at=1)]
        whole = Record(resource="things", id=gid, read_at=1, body={"id": gid, "list": []})
        if gid not in self.chunked:
            return [whole]
        first = whole.model_copy(update={"chunk": RecordChunk(reading_id=gid, cursor=None, next_cursor="1")})
        last = Record(
            resource="things",
            id=gid,
            read_at=1,
            items=("x",),
            chunk=RecordChunk(reading_id=gid, cursor="1", next_cursor=None),
        )
        return [first, last]


class Bench:
    """Everything that the tests' arrangements need, for modules cannot import one another here."""

    CONNECTION = CONNECTION
    Clock, ThingSource, FakeTokens, FakePublisher = Clock, ThingSource, FakeTokens, FakePublisher
    derive_sync_id, build_request = staticmethod(derive_sync_id), staticmethod(build_request)
    build_step, choose_middle = staticmethod(build_step), staticmethod(choose_middle)

    @staticmethod
    def build_dependencies(source: Any, publisher: Any, *, tokens: Any = None, tick: float = 0.0) -> Any:
        """What both handlers need, at second 1000, without randomness."""
        return HandlerDependencies(
            source,
            tokens or FakeTokens(),
            publisher,
            now=lambda: 1000.0,
            elapsed=Clock(tick),
            uniform=choose_middle,
        )


@pytest.fixture
def bench() -> type[Bench]:
    """Builders and fakes."""
    return Bench
