"""Each request gets one result, whatever happens to the others; and nothing that waits is taken for refused."""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid5

import pytest

from contracts.events import WriteCompleted, WriteRequested
from destination.destination import APPLIED, REFUSED, WriteResult
from destination.handler import WriteHandler
from messaging.errors import UnavailableError
from messaging.publisher import OutboundMessage
from platform_sdk.errors import (
    AccessDeniedError,
    AccountBlockedError,
    ConnectionEndedError,
    PermanentError,
    RetryLaterError,
)
from platform_sdk.session import SyncContext
from platform_sdk.tokens import AccessToken

CONNECTION = "toy:acme"
NAMESPACE = UUID("00000000-0000-0000-0000-000000000001")
NOW = 1_000.0


def build_request(name: str, *, epoch: int = 1, attempt: int = 1) -> WriteRequested:
    return WriteRequested(
        write_id=uuid5(NAMESPACE, name),
        link_id=NAMESPACE,
        connection=CONNECTION,
        epoch=epoch,
        resource="products",
        operation="update",
        record=name,
        fields={"title": name},
        attempt=attempt,
        requested_at=0,
    )


@dataclass
class SimulatedPlatform:
    """Writes everything, but refuses some records, and stops with an error before one of them."""

    refused: set[str] = field(default_factory=set)
    stops_at: dict[str, Exception] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)

    async def write(
        self, context: SyncContext, requests: Sequence[WriteRequested]
    ) -> AsyncGenerator[WriteResult, None]:
        for request in requests:
            record = request.record or ""
            if record in self.stops_at:
                raise self.stops_at[record]
            context.calls += 2
            if record in self.refused:
                yield WriteResult(request.write_id, REFUSED, reason_code="toy_data", message="x" * 600)
            else:
                self.written.append(record)
                yield WriteResult(request.write_id, APPLIED, values={"title": record}, read_at=5)


@dataclass
class SimulatedTokens:
    """Gives tokens of the connection's present epoch, or raises `error`."""

    epoch: int = 1
    error: Exception | None = None

    async def get_token(self, connection: str, epoch: int, *, fresh: bool = False) -> AccessToken:
        if self.error is not None:
            raise self.error
        return AccessToken(connection, max(epoch, self.epoch), "not a secret")

    async def replace_rejected_token(self, token: AccessToken) -> AccessToken:
        raise AssertionError("no token is rejected here")


@dataclass
class KeptMessages:
    """Keeps what is published; Kafka is away from `away_after` messages on."""

    messages: list[OutboundMessage] = field(default_factory=list)
    away_after: int = 1_000

    async def send_all(self, messages: Iterable[OutboundMessage]) -> None:
        for message in messages:
            if len(self.messages) >= self.away_after:
                raise UnavailableError("no Kafka")
            self.messages.append(message)

    def list_results(self) -> dict[str, WriteCompleted]:
        """Return the results by the record's id."""
        found = {}
        for message in self.messages:
            assert isinstance(message.event, WriteCompleted)
            found[message.event.record or ""] = message.event
        return found


@dataclass
class World:
    platform: SimulatedPlatform = field(default_factory=SimulatedPlatform)
    tokens: SimulatedTokens = field(default_factory=SimulatedTokens)
    published: KeptMessages = field(default_factory=KeptMessages)
    counted: list[str] = field(default_factory=list)

    async def write(self, *requests: WriteRequested) -> dict[str, WriteCompleted]:
        choose_low: Callable[[float, float], float] = min
        handler = WriteHandler(
            self.platform.write,
            self.tokens,  # type: ignore[arg-type]
            self.published,  # type: ignore[arg-type]
            record_result=self.counted.append,
            now=lambda: NOW,
            uniform=choose_low,
        )
        await handler(CONNECTION, requests)
        return self.published.list_results()


async def test_each_request_has_its_result_with_what_it_cost() -> None:
    world = World(SimulatedPlatform(refused={"b"}))
    results = await world.write(*map(build_request, "abc"))
    assert {name: one.outcome for name, one in results.items()} == {"a": "applied", "b": "refused", "c": "applied"}
    assert [message.topic for message in world.published.messages] == ["write.completed.toy"] * 3
    assert (results["a"].values, results["a"].read_at, results["a"].calls) == ({"title": "a"}, 5, 2)
    assert (results["b"].reason_code, len(results["b"].message or "")) == ("toy_data", 500)
    assert sorted(world.counted) == ["applied", "applied", "refused"]


async def test_a_request_that_comes_twice_in_a_batch_is_written_once() -> None:
    world = World()
    results = await world.write(build_request("a"), build_request("a", attempt=2))
    assert (world.platform.written, results["a"].attempt, len(world.published.messages)) == (["a"], 2, 1)


async def test_a_request_of_an_earlier_epoch_is_refused_and_not_written() -> None:
    world = World(tokens=SimulatedTokens(epoch=2))
    results = await world.write(build_request("a"), build_request("b", epoch=2))
    assert {name: one.outcome for name, one in results.items()} == {"a": "refused", "b": "applied"}
    assert world.platform.written == ["b"]


@pytest.mark.parametrize(
    ("error", "reason_code", "seconds"),
    [
        (RetryLaterError("slow", seconds=3.0), None, 3.0),
        (RetryLaterError("the limit", seconds=3.0, throttled=True), "throttled", 3.0),
        (AccountBlockedError("frozen"), "access_denied", 900.0),
        (ConnectionEndedError("reauthorise"), "access_denied", 900.0),
    ],
)
async def test_what_could_not_be_written_now_is_postponed(
    error: Exception, reason_code: str | None, seconds: float
) -> None:
    world = World(SimulatedPlatform(stops_at={"b": error}))
    results = await world.write(*map(build_request, "abc"))
    assert {name: one.outcome for name, one in results.items()} == {
        "a": "applied",
        "b": "postponed",
        "c": "postponed",
    }
    assert (results["c"].reason_code, results["c"].not_before) == (reason_code, round((NOW + seconds) * 1000))


@pytest.mark.parametrize(
    ("error", "reason_code"),
    [(AccessDeniedError("no rights"), "access_denied"), (PermanentError("no such call"), "toy_api")],
)
async def test_what_the_platform_refuses_as_a_whole_is_refused(error: Exception, reason_code: str) -> None:
    world = World(tokens=SimulatedTokens(error=error))
    results = await world.write(*map(build_request, "ab"))
    assert {(one.outcome, one.reason_code) for one in results.values()} == {("refused", reason_code)}


async def test_while_kafka_or_the_gateway_is_away_the_batch_is_held() -> None:
    world = World(published=KeptMessages(away_after=1))
    with pytest.raises(UnavailableError):
        await world.write(*map(build_request, "ab"))
    gateway_away = World(tokens=SimulatedTokens(error=UnavailableError("no gateway")))
    with pytest.raises(UnavailableError):
        await gateway_away.write(build_request("a"))
    assert gateway_away.published.messages == []
