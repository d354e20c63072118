"""HTTP calls to a platform's API. Each call is limited in time and in size, and traced. Calls are never logged."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from platform_sdk.clocks import estimate_read_at
from platform_sdk.errors import TransientError

if TYPE_CHECKING:
    from messaging.spans import Span

READ_TIMEOUT_SECONDS = 15.0
"""The longest time that a call waits for the next bytes of a response."""


TraceCall = Callable[..., "AbstractContextManager[Span]"]
"""A function that opens the trace span of a call, given the HTTP method, the URL and further attributes.

Services pass `messaging.tracing.trace_call`. It is a parameter so that platform packages do not import `messaging`."""


@dataclass(frozen=True)
class HttpResponse:
    """The platform's response to one request. `read_at` is when the request was sent (ms since the Unix epoch).

    `body` is None when it was larger than the request's `max_bytes`.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes | None = field(repr=False)
    read_at: int


class HttpClient:
    """Sends requests to a platform through the httpx client `http`, each in a span that `trace` opens.

    `now` returns seconds since the Unix epoch.
    """

    def __init__(self, http: httpx.AsyncClient, *, trace: TraceCall, now: Callable[[], float] = time.time) -> None:
        self._http = http
        self._trace = trace
        self._now = now

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        seconds: float,
        max_bytes: int,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """Send a request and return its response. `attributes` are added to the trace span.

        A body of more than `max_bytes` is left out of the response. Raises TransientError on every network error, and
        when the response is not complete within `seconds`.
        """
        sent = self._read_clock()
        try:
            async with asyncio.timeout(seconds):
                with self._trace(method, url, **(attributes or {})) as span:
                    async with self._http.stream(
                        method, url, params=params, content=content, headers=headers
                    ) as response:
                        span.set_attribute("http.response.status_code", response.status_code)
                        body = await read_body(response, max_bytes)
        except (httpx.HTTPError, TimeoutError) as error:
            raise TransientError(f"the platform is not reached: {type(error).__name__}") from None
        read_at = estimate_read_at(sent, self._read_clock(), response.headers.get("date"))
        return HttpResponse(response.status_code, response.headers, body, read_at)

    def _read_clock(self) -> int:
        return round(self._now() * 1000)


async def read_body(response: httpx.Response, max_bytes: int) -> bytes | None:
    """Read and return the response's body. When it is larger than `max_bytes`, stop reading and return None."""
    body = bytearray()
    async for received in response.aiter_bytes():
        body += received
        if len(body) > max_bytes:
            return None
    return bytes(body)


@asynccontextmanager
async def open_http_client(
    max_connections: int, keepalive_connections: int, trace: TraceCall
) -> AsyncIterator[HttpClient]:
    """Open an HTTP client with a connection pool of its own. `trace` opens the trace span of each call.

    The pool is closed when the context ends.
    """
    limits = httpx.Limits(
        max_connections=max_connections, max_keepalive_connections=keepalive_connections, keepalive_expiry=60
    )
    async with httpx.AsyncClient(
        http2=False, timeout=READ_TIMEOUT_SECONDS, limits=limits, follow_redirects=False
    ) as http:
        yield HttpClient(http, trace=trace)
