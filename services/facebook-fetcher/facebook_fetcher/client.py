"""The Graph API over HTTP: one page's fields asked for, one answer in. Bodies and tokens are never logged.

The token travels in the `Authorization` header, for addresses are written into logs on the way. The proof in the
address tells nothing of token or secret, and is worth nothing without the token.
"""

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import httpx

from connector.clocks import estimate_read_at
from facebook_fetcher.answers import Answer, Unwell, understand
from facebook_fetcher.memory import CALLS_AT_ONCE
from facebook_fetcher.usage import usage
from messaging import tracing

SILENCE_SECONDS = 15.0
"""Longer than this no lane waits for the next bytes."""
LARGEST_ANSWER_BYTES = 4 * 1024 * 1024


def proof(app_secret: str, token: str) -> str:
    """The parameter `appsecret_proof`: HMAC-SHA256 of the token by the app's secret, in hex."""
    return hmac.new(app_secret.encode(), token.encode(), "sha256").hexdigest()


class GraphClient:
    """Asks `graph_url` for pages in `version`. `now` is in seconds since the epoch."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        graph_url: str,
        version: str,
        app_secret: str,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._http = http
        self._graph_url = graph_url
        self._app_secret = app_secret
        self._now = now
        self.version = version

    async def page(self, page_id: str, token: str, fields: str, *, seconds: float) -> Answer:
        """The answer to these fields of the page, which has to be whole within `seconds`; a fault of the network is
        an `Unwell` in it."""
        sent = self._milliseconds()
        try:
            async with asyncio.timeout(seconds):
                status, headers, body = await self._exchange(page_id, token, fields)
        except (httpx.HTTPError, TimeoutError) as error:
            return Answer(sent, fault=Unwell(f"the platform is not reached: {type(error).__name__}"))
        except Unwell as too_large:
            return Answer(sent, fault=too_large)
        page, fault = understand(status, body, token)
        moment = estimate_read_at(sent, self._milliseconds(), headers.get("date"))
        return Answer(moment, page, fault, usage(headers, page_id), headers.get("facebook-api-version"))

    async def _exchange(self, page_id: str, token: str, fields: str) -> tuple[int, Mapping[str, str], bytes]:
        url = f"{self._graph_url}/{self.version}/{page_id}"
        params = {"fields": fields, "appsecret_proof": proof(self._app_secret, token)}
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        with tracing.trace_call("GET", url) as span:
            async with self._http.stream("GET", url, params=params, headers=headers) as response:
                tracing.record_status(span, response.status_code)
                return response.status_code, response.headers, await _whole(response)

    def _milliseconds(self) -> int:
        return round(self._now() * 1000)


async def _whole(response: httpx.Response) -> bytes:
    """The body. Raises `Unwell` when it is larger than any answer may be."""
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > LARGEST_ANSWER_BYTES:
            raise Unwell("an answer of more than 4 MB")
    return bytes(body)


@asynccontextmanager
async def open_client(graph_url: str, version: str, app_secret: str) -> AsyncIterator[GraphClient]:
    """A client with connections of its own, kept alive while the context lasts."""
    limits = httpx.Limits(
        max_connections=2 * CALLS_AT_ONCE, max_keepalive_connections=CALLS_AT_ONCE, keepalive_expiry=60
    )
    async with httpx.AsyncClient(http2=False, timeout=SILENCE_SECONDS, limits=limits, follow_redirects=False) as http:
        yield GraphClient(http, graph_url, version, app_secret)
