"""A session keeps to the rate limit, retries a little, and never sleeps for long."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from platform_sdk.errors import (
    ConnectionEndedError,
    PermanentError,
    RecordError,
    RetryLaterError,
    ThrottledError,
    TokenRejectedError,
    TransientError,
)
from platform_sdk.session import INCREMENTAL, SyncContext
from platform_sdk.tokens import AccessToken
from platforms.shopify.errors import FieldError, GraphqlResponse, QueryCost
from platforms.shopify.rate_limit import PointBucket, Query, RateLimitState, ThrottleStatus
from platforms.shopify.session import AdminApiClient, ShopifySession

FULL_BUCKET = ThrottleStatus(2000, 2000, 100)


def build_query(cost: int = 10) -> Query:
    """A query of a fixed cost."""
    return Query("CountProducts", "query CountProducts { productsCount { count } }", lambda _variables: cost)


class Clock:
    """Time passes when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.sleeps.append(seconds)
        self.seconds += seconds


@dataclass
class FakeClient(AdminApiClient):
    """Responds from a script: exceptions are raised, functions called; each call takes `takes` seconds."""

    script: list[Any]
    clock: Clock
    takes: float = 0.0
    version: str = "2026-10"
    tokens: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    async def post(
        self, shop: str, token: str, query: Query, variables: Mapping[str, Any], *, seconds: float
    ) -> GraphqlResponse:
        """The next response of the script; a call that takes longer than it may fails when its time is up."""
        self.tokens.append(token)
        self.seconds.append(seconds)
        self.clock.seconds += min(self.takes, seconds)
        if self.takes > seconds:
            raise TransientError("silent")
        response = self.script.pop(0)
        if callable(response):
            response = response()
        if isinstance(response, Exception):
            raise response
        assert isinstance(response, GraphqlResponse)
        return response


def open_session(
    *script: Any, mode: str = "incremental", takes: float = 0.0, replace_token: Any = None
) -> tuple[ShopifySession, FakeClient, Clock]:
    clock = Clock()
    client = FakeClient(list(script), clock, takes)
    token = AccessToken("shopify:acme.myshopify.com", 1, "old")
    context = SyncContext(token, UUID(int=1), mode, replace_token, refresh_token=None)  # type: ignore[arg-type]
    session = ShopifySession(client, context, RateLimitState(PointBucket(0)), elapsed=clock, sleep=clock.sleep)
    return session, client, clock


def build_response(*errors: FieldError, actual: float = 10, status: ThrottleStatus = FULL_BUCKET) -> GraphqlResponse:
    return GraphqlResponse({"productsCount": {"count": 1}}, 5, QueryCost(10, actual, status), errors)


def build_throttled(available: float, restore_rate: float, requested: float = 10) -> GraphqlResponse:
    cost = QueryCost(requested, requested, ThrottleStatus(2000, available, restore_rate))
    return GraphqlResponse({}, 5, cost, (FieldError((), "THROTTLED", "Throttled"),))


async def count(session: ShopifySession) -> GraphqlResponse:
    return await session.fetch(build_query(), {"query": "id:>0"})


async def test_calls_and_points_are_counted() -> None:
    session, _, _ = open_session(build_response(actual=7))
    assert (await count(session)).data == {"productsCount": {"count": 1}}
    assert (session.context.calls, session.context.points) == (1, 7)


async def test_transient_errors_are_retried_a_few_times() -> None:
    session, _, clock = open_session(TransientError("503"), TransientError("503"), build_response())
    await count(session)
    assert 0 < sum(clock.sleeps) < 5
    session, client, clock = open_session(*[TransientError("503")] * 9)
    with pytest.raises(RetryLaterError, match="503"):
        await count(session)
    assert len(client.tokens) == 4
    assert sum(clock.sleeps) < 6


async def test_a_silent_platform_is_not_called_again_at_once() -> None:
    session, client, _ = open_session(TransientError("silent"), takes=15)
    with pytest.raises(RetryLaterError, match="silent"):
        await count(session)
    assert len(client.tokens) == 1


async def test_a_hang_after_other_failures_delays_incremental_syncs_no_longer() -> None:
    def hang() -> GraphqlResponse:
        client.clock.seconds += client.seconds[-1]
        raise TransientError("silent")

    session, client, clock = open_session(TransientError("503"), TransientError("503"), hang, hang)
    with pytest.raises(RetryLaterError):
        await count(session)
    assert 5 <= clock.seconds <= 6


async def test_a_short_throttle_is_slept_and_a_long_one_postponed() -> None:
    session, _, clock = open_session(ThrottledError("429", retry_after=1.0), build_response())
    await count(session)
    assert clock.sleeps == [1.0]
    session, _, clock = open_session(ThrottledError("429", retry_after=40.0))
    with pytest.raises(RetryLaterError) as raised:
        await count(session)
    assert (raised.value.seconds, raised.value.throttled, clock.sleeps) == (40.0, True, [])


async def test_after_a_throttle_the_bucket_is_as_empty_as_reported() -> None:
    session, _, _ = open_session(build_throttled(0, 1), build_response())
    with pytest.raises(RetryLaterError) as raised:
        await count(session)
    assert raised.value.throttled
    assert raised.value.seconds == pytest.approx(10, abs=1)


async def test_a_throttled_query_waits_for_the_cost_that_the_platform_states() -> None:
    session, client, clock = open_session(build_throttled(440, 100, requested=600), build_response())
    await session.fetch(build_query(430), {})
    assert len(client.tokens) == 2
    assert clock.seconds == pytest.approx(1.6)
    assert session.rate_limit.estimate_cost(build_query(430), {}) == 430  # the second response has stated less


async def test_a_throttled_response_without_a_cost_is_not_answered_at_once() -> None:
    throttled = GraphqlResponse({}, 5, None, (FieldError((), "THROTTLED", "Throttled"),))
    session, _, clock = open_session(throttled, build_response())
    await count(session)
    assert clock.sleeps == [1.0]


async def test_a_query_that_is_throttled_again_and_again_is_postponed() -> None:
    session, client, _ = open_session(*[build_throttled(2000, 100)] * 9)
    with pytest.raises(RetryLaterError, match="again and again") as raised:
        await count(session)
    assert (raised.value.throttled, len(client.tokens), session.context.points) == (True, 4, 0)


async def test_a_full_sync_waits_for_its_half_and_an_incremental_one_does_not() -> None:
    for mode, waits in (("full", True), ("incremental", False)):
        session, _, clock = open_session(build_response(), mode=mode)
        session.rate_limit.bucket.reserve(1_050, INCREMENTAL, 0)
        await count(session)
        assert bool(clock.sleeps) is waits


@pytest.mark.parametrize(("mode", "seconds"), [("full", 18.0), ("incremental", 3.3)])
async def test_a_full_sync_that_must_wait_waits_for_several_queries(mode: str, seconds: float) -> None:
    session, _, _ = open_session(mode=mode)
    session.rate_limit.bucket.update(ThrottleStatus(2000, 0, 100), 0)
    with pytest.raises(RetryLaterError) as raised:
        await session.fetch(build_query(330), {})
    assert raised.value.throttled
    assert raised.value.seconds == pytest.approx(seconds, abs=0.5)


async def test_a_rejected_token_is_reported_and_the_new_one_used() -> None:
    reported = []

    async def replace_token(token: AccessToken) -> AccessToken:
        reported.append(token.token)
        return AccessToken(token.connection, 1, "new", token.scopes)

    session, client, _ = open_session(TokenRejectedError(), build_response(), replace_token=replace_token)
    await count(session)
    assert reported == ["old"]
    assert client.tokens == ["old", "new"]


async def test_a_new_token_that_is_rejected_waits() -> None:
    async def replace_token(token: AccessToken) -> AccessToken:
        return AccessToken(token.connection, 1, "new", token.scopes)

    session, client, _ = open_session(TokenRejectedError(), TokenRejectedError(), replace_token=replace_token)
    with pytest.raises(RetryLaterError, match="new access token") as raised:
        await count(session)
    assert (raised.value.throttled, client.tokens) == (False, ["old", "new"])


async def test_an_ended_grant_ends_the_session() -> None:
    async def replace_token(_: AccessToken) -> AccessToken:
        raise ConnectionEndedError("uninstalled")

    session, _, _ = open_session(TokenRejectedError(), replace_token=replace_token)
    with pytest.raises(ConnectionEndedError):
        await count(session)


async def test_a_token_of_a_higher_epoch_begins_the_work_anew() -> None:
    async def replace_token(token: AccessToken) -> AccessToken:
        return AccessToken(token.connection, 2, "new")

    session, _, _ = open_session(TokenRejectedError(), replace_token=replace_token)
    with pytest.raises(RetryLaterError) as raised:
        await count(session)
    assert (raised.value.reason, raised.value.seconds) == (None, 0), "it continues at once, and no attempt is counted"
    assert session.context.token.epoch == 1, "records that were read before belong to their own epoch"


async def test_a_transient_error_in_the_data_may_pass_and_any_other_is_final() -> None:
    for code, error_type in (("INTERNAL_SERVER_ERROR", RecordError), ("ACCESS_DENIED", PermanentError)):
        session, _, _ = open_session(build_response(FieldError(("productsCount",), code, "oh")))
        with pytest.raises(error_type, match="oh"):
            await session.fetch_without_errors(build_query(), {})


@pytest.mark.parametrize("name", ["evil.com/x.myshopify.com", "a@b.myshopify.com", "UPPER.myshopify.com", "127.0.0.1"])
def test_no_session_is_opened_for_a_host_that_is_no_shop(name: str) -> None:
    context = SyncContext(AccessToken(f"shopify:{name}", 1, "t"), UUID(int=1), "full", None, None)  # type: ignore[arg-type]
    with pytest.raises(PermanentError, match="not the name of a shop"):
        ShopifySession(FakeClient([], Clock()), context, RateLimitState(PointBucket(0)))


def test_loading_the_session_loads_no_messaging_database_or_generated_code() -> None:
    unwanted = ("messaging", "aiokafka", "faststream", "sqlalchemy", "graphql", "shopify_fetcher", "connector")
    code = f"import sys, platforms.shopify.session; print([m for m in {unwanted!r} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"
