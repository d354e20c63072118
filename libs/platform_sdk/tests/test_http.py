"""Calls are bounded in time and size, and every fault of the network is a transient error."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from platform_sdk.errors import TransientError
from platform_sdk.http import HttpClient, HttpResponse


class FakeSpan:
    """Keeps its attributes."""

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}

    def set_attribute(self, name: str, value: str | int) -> None:
        """Keep it."""
        self.attributes[name] = value


class FakeTrace:
    """Keeps the spans that it makes."""

    def __init__(self) -> None:
        self.spans: list[FakeSpan] = []

    @contextmanager
    def __call__(self, method: str, url: str, **attributes: str) -> Iterator[FakeSpan]:
        span = FakeSpan()
        span.attributes = {"method": method, "url": url, **attributes}
        self.spans.append(span)
        yield span


async def send(respond: Callable[[httpx.Request], Any], *, trace: Any = None, seconds: float = 1.0) -> HttpResponse:
    http = httpx.AsyncClient(transport=httpx.MockTransport(respond))
    client = HttpClient(http, trace=trace or FakeTrace(), now=lambda: 1_000.0)
    attributes = {"operation": "Read"}
    return await client.send(
        "GET", "https://api.test/x", headers={}, seconds=seconds, max_bytes=10, attributes=attributes
    )


async def test_a_response_comes_with_the_time_of_its_request() -> None:
    response = await send(lambda _: httpx.Response(201, content=b"0123456789", headers={"x-name": "value"}))
    assert (response.status, response.body, response.read_at) == (201, b"0123456789", 1_000_000)
    assert response.headers["x-name"] == "value"


async def test_a_body_that_is_too_large_is_left_out() -> None:
    assert (await send(lambda _: httpx.Response(200, content=b"0123456789x"))).body is None


@pytest.mark.parametrize("error", [httpx.ConnectError("no"), httpx.ReadTimeout("no"), httpx.RemoteProtocolError("no")])
async def test_faults_of_the_network_are_transient(error: Exception) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(TransientError, match=f"not reached: {type(error).__name__}"):
        await send(fail)


async def test_a_call_that_hangs_is_given_up_in_time() -> None:
    async def hang(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(TransientError, match="TimeoutError"):
        await send(hang, seconds=0.05)


async def test_a_call_is_traced_with_its_status() -> None:
    trace = FakeTrace()
    await send(lambda _: httpx.Response(429), trace=trace)
    (span,) = trace.spans
    assert span.attributes == {
        "method": "GET",
        "url": "https://api.test/x",
        "operation": "Read",
        "http.response.status_code": 429,
    }
