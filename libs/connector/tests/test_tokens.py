"""Access tokens: cached, requests for once at a time, never in an error."""

import asyncio
from hashlib import sha256
from typing import Any

import httpx
import orjson
import pytest

from connector.client import TokenClient
from messaging.errors import InvalidMessageError, UnavailableError
from platform_sdk.errors import ConnectionEndedError, PermanentError, RetryLaterError

MINUTE = 60_000


class Gateway:
    """Responds as configured; keeps its requests."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any]] = []
        self.status = 200
        self.epoch = 1
        self.expires_at: int | None = None
        self.state = "uninstalled"
        self.slow = 0.0
        self.headers: list[str] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """The answer."""
        self.requests.append((request.url.path, orjson.loads(request.content)))
        self.headers.append(request.headers["authorization"])
        await asyncio.sleep(self.slow)
        if self.status == 0:
            raise httpx.ConnectError("nobody there")
        if self.status == 424:
            return httpx.Response(424, json={"reason": "the platform does not answer", "retry_after": 30})
        if self.status != 200:
            return httpx.Response(self.status, json={"state": self.state})
        token = f"token-{len(self.requests)}"
        body = {"access_token": token, "expires_at": self.expires_at, "epoch": self.epoch, "scopes": ["read_things"]}
        return httpx.Response(200, json=body)


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


def client(gateway: Gateway, now: float = 1000.0) -> TokenClient:
    http = httpx.AsyncClient(transport=httpx.MockTransport(gateway))
    return TokenClient(http, "http://gateway/", "key", now=lambda: now)


async def test_a_token_is_requested_once(gateway: Gateway) -> None:
    tokens = client(gateway)
    one, two = await tokens.get_token("toy:a", 1), await tokens.get_token("toy:a", 1)
    assert one == two
    assert gateway.requests == [("/internal/tokens", {"connection": "toy:a", "epoch": 1})]
    assert gateway.headers == ["Bearer key"]
    assert one.scopes == {"read_things"}


async def test_concurrent_callers_cause_one_request(gateway: Gateway) -> None:
    gateway.slow = 0.01
    tokens = client(gateway)
    await asyncio.gather(*(tokens.get_token("toy:a", 1) for _ in range(50)))
    assert len(gateway.requests) == 1


async def test_a_token_in_its_last_minute_is_not_used(gateway: Gateway) -> None:
    gateway.expires_at = 1_000_000 + MINUTE - 1
    tokens = client(gateway)
    await tokens.get_token("toy:a", 1)
    await tokens.get_token("toy:a", 1)
    assert len(gateway.requests) == 2


async def test_a_higher_epoch_causes_a_new_request(gateway: Gateway) -> None:
    tokens = client(gateway)
    await tokens.get_token("toy:a", 1)
    gateway.epoch = 2
    assert (await tokens.get_token("toy:a", 2)).epoch == 2
    assert len(gateway.requests) == 2


async def test_a_refused_token_is_reported_once_by_its_fingerprint(gateway: Gateway) -> None:
    tokens = client(gateway)
    old = await tokens.get_token("toy:a", 1)
    first, second = await tokens.replace_rejected_token(old), await tokens.replace_rejected_token(old)
    assert first == second != old
    path, body = gateway.requests[1]
    assert path == "/internal/tokens/refused"
    assert body == {"connection": "toy:a", "epoch": 1, "access_token_sha256": sha256(b"token-1").hexdigest()}
    assert len(gateway.requests) == 2


async def test_a_state_ends_the_connection(gateway: Gateway) -> None:
    gateway.status = 409
    with pytest.raises(ConnectionEndedError, match="the account is disconnected"):
        await client(gateway).get_token("toy:a", 1)


async def test_an_unknown_connection_is_refused(gateway: Gateway) -> None:
    gateway.status = 404
    with pytest.raises(PermanentError):
        await client(gateway).get_token("toy:a", 1)


@pytest.mark.parametrize("status", [0, 401, 500, 503])
async def test_a_gateway_that_does_not_answer_is_away(gateway: Gateway, status: int) -> None:
    gateway.status = status
    tokens = client(gateway)
    with pytest.raises(UnavailableError):
        await tokens.get_token("toy:a", 1)
    assert tokens.health_error is not None
    gateway.status = 200
    await tokens.get_token("toy:a", 1)
    assert tokens.health_error is None


async def test_a_platform_that_gives_no_token_holds_up_its_own_connection_alone(gateway: Gateway) -> None:
    gateway.status = 424
    tokens = client(gateway)
    with pytest.raises(RetryLaterError) as raised:
        await tokens.get_token("toy:a", 1)
    assert raised.value.reason == "the platform does not answer"
    assert (raised.value.seconds, raised.value.escalates, raised.value.throttled) == (30, True, False)
    assert tokens.health_error is None


async def test_a_request_that_is_keyed_to_another_platform_is_not_held(gateway: Gateway) -> None:
    gateway.status = 403
    with pytest.raises(InvalidMessageError):
        await client(gateway).get_token("other:a", 1)


@pytest.mark.parametrize("status", [403, 404, 409, 424])
async def test_a_gateway_that_answers_for_a_connection_is_there(gateway: Gateway, status: int) -> None:
    tokens = client(gateway)
    tokens.health_error = "gateway: ConnectError"
    gateway.status = status
    with pytest.raises((RetryLaterError, PermanentError, InvalidMessageError)):
        await tokens.get_token("toy:a", 1)
    assert tokens.health_error is None


async def test_a_token_is_in_no_text(gateway: Gateway) -> None:
    access = await client(gateway).get_token("toy:a", 1)
    assert "token-1" not in repr(access) + str(access)


async def test_a_fresh_token_is_requested_and_cached(gateway: Gateway) -> None:
    tokens = client(gateway)
    await tokens.get_token("toy:a", 1)
    fresh = await tokens.get_token("toy:a", 1, fresh=True)
    assert fresh.token == "token-2"
    assert await tokens.get_token("toy:a", 1) == fresh


async def test_a_cached_token_stays_while_the_gateway_gives_no_new_one(gateway: Gateway) -> None:
    tokens = client(gateway)
    cached = await tokens.get_token("toy:a", 1)
    gateway.status = 424
    with pytest.raises(RetryLaterError):
        await tokens.get_token("toy:a", 1, fresh=True)
    assert await tokens.get_token("toy:a", 1) == cached
