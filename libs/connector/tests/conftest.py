"""Fakes with logic: a platform that reads from a dictionary, tokens, a voice that keeps what is said, a clock."""

import json
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

import pytest

from connector.source import (
    Checkpoint,
    FullReadEnd,
    FullReadStep,
    IncrementalReadStep,
    RangeEnd,
    RecordBatch,
    SyncContext,
    UnreadableRecord,
)
from connector.tokens import AccessToken
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
from platform_sdk.errors import PermanentError

CONNECTION = "toy:acme"
NAMES = UUID("00000000-0000-0000-0000-000000000001")


def named(name: str) -> UUID:
    """A sync's id by a short name."""
    return uuid5(NAMES, name)


def wish(name: str, *ids: str, **fields: Any) -> SyncRequested:
    """A records request for things."""
    return SyncRequested(
        **{
            "sync_id": named(name),
            "connection": CONNECTION,
            "epoch": 1,
            "cause": "webhook",
            "records": {"things": ids},
            "requested_at": 0,
            **fields,
        }
    )


def step(number: int, cursor: str | None = None) -> FullSyncStepRequested:
    """A walk's step."""
    return FullSyncStepRequested(
        sync_id=named("walk"),
        connection=CONNECTION,
        epoch=1,
        cause="connect",
        step=number,
        cursor=cursor,
        requested_at=0,
    )


def middle(low: float, high: float) -> float:
    """No chance: 1, as long as it lies between the bounds."""
    assert low <= 1 <= high
    return 1.0


class Clock:
    """Moves by `tick` each time that somebody looks."""

    def __init__(self, tick: float = 0.0) -> None:
        self.at = 1000.0
        self.tick = tick

    def __call__(self) -> float:
        self.at += self.tick
        return self.at


class Voice:
    """Keeps what is said; `away_after` messages Kafka is away."""

    def __init__(self) -> None:
        self.said: list[OutboundMessage] = []
        self.away_after: int | None = None

    async def send_all(self, messages: Iterable[OutboundMessage]) -> None:
        """Keep messages one by one, as Kafka acknowledges them."""
        for message in messages:
            if self.away_after is not None and len(self.said) >= self.away_after:
                raise UnavailableError("no Kafka")
            self.said.append(message)

    def events(self, kind: type[Event]) -> list[Any]:
        """All events of `kind`."""
        return [message.event for message in self.said if isinstance(message.event, kind)]

    @property
    def progressed(self) -> list[SyncProgressed]:
        """All that was said of progress."""
        return self.events(SyncProgressed)

    @property
    def listed(self) -> list[str]:
        """Ids of all records said, in order."""
        return [record.id for page in self.events(RecordsPage) for record in page.records]


@dataclass
class Tokens:
    """Gives an access, or what is in its way."""

    trouble: Exception | None = None
    anew: list[bool] = field(default_factory=list)

    async def get_token(self, connection: str, epoch: int, *, fresh: bool = False) -> AccessToken:
        """The access."""
        self.anew.append(anew)
        if self.trouble is not None:
            raise self.trouble
        return AccessToken(connection, epoch, "shhh")

    async def replace_token(self, access: AccessToken) -> AccessToken:
        """Never asked here."""
        raise AssertionError


@dataclass
class Things:
    """A platform whose records are things, read one by one.

    `stop_at` maps an id to what is raised before it is read (once, if `once`); `pieces` ids come in two pieces.
    """

    there: set[str] = field(default_factory=set)
    stop_at: dict[str, Exception] = field(default_factory=dict)
    unread: dict[str, UnreadableRecord] = field(default_factory=dict)
    once: bool = True
    pieces: set[str] = field(default_factory=set)
    asked: list[RecordIds] = field(default_factory=list)
    calls: int = 0

    async def read_records(
        self, errand: SyncContext, ids: RecordIds, cursor: str | None
    ) -> AsyncGenerator[IncrementalReadStep, None]:
        """One by one, with a place after each."""
        self.asked.append(ids)
        wanted = ids["things"]
        for number in range(int(cursor or 0), len(wanted)):
            gid = wanted[number]
            self._halt(gid)
            errand.calls += 1
            if gid in self.unread:
                yield self.unread[gid]
            else:
                for record in self._records(gid):
                    yield RecordBatch("things", (record,))
            if number + 1 < len(wanted):
                yield Checkpoint(str(number + 1))

    async def read_all(self, errand: SyncContext, cursor: str | None) -> AsyncGenerator[FullReadStep, None]:
        """One window of all that is there."""
        place = json.loads(cursor or '{"n": 0, "sent": 0}')
        wanted = sorted(self.there)
        for number in range(place["n"], len(wanted)):
            self._halt(wanted[number])
            errand.calls += 1
            yield RecordBatch("things", tuple(self._records(wanted[number])))
            yield Checkpoint(json.dumps({"n": number + 1, "sent": number + 1}))
        yield RangeEnd("things", 0, 1, '{"n": 0, "sent": 0}', len(wanted), len(wanted), len(wanted))
        yield FullReadEnd((("things", 0),), started_at=1)

    def measure_budget(self) -> dict[str, float]:
        """Things have one budget, of which most is left."""
        return {"things": 0.75}

    def _halt(self, gid: str) -> None:
        if gid in self.stop_at:
            raise self.stop_at.pop(gid) if self.once else self.stop_at[gid]

    def _records(self, gid: str) -> list[Record]:
        if gid not in self.there:
            return [Record(resource="things", id=gid, read_at=1)]
        whole = Record(resource="things", id=gid, read_at=1, body={"id": gid, "list": []})
        if gid not in self.pieces:
            return [whole]
        first = whole.model_copy(update={"part": RecordChunk(reading_id=gid, cursor=None, next_cursor="1")})
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
    Clock, Things, Tokens, Voice = Clock, Things, Tokens, Voice
    named, wish, step, middle = staticmethod(named), staticmethod(wish), staticmethod(step), staticmethod(middle)
    Refused, Unread = PermanentError, UnreadableRecord


@pytest.fixture
def bench() -> type[Bench]:
    """Builders and fakes."""
    return Bench
