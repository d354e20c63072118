"""The Admin API over HTTP: one document out, one answer in. Bodies and tokens are never logged."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson

from connector.clocks import estimate_read_at
from messaging import tracing
from shopify_fetcher.answers import Answer, TooCostly, Unwell, understand
from shopify_fetcher.documents import Document

SILENCE_SECONDS = 15.0
"""Longer than this no lane waits for the next bytes."""
LARGEST_ANSWER_BYTES = 64 * 1024 * 1024


class ShopifyClient:
    """Posts documents to shops. `shop_url` has `{shop}` in it; `now` is in seconds since the epoch."""

    def __init__(
        self, http: httpx.AsyncClient, shop_url: str, version: str, *, now: Callable[[], float] = time.time
    ) -> None:
        self._http = http
        self._shop_url = shop_url
        self.version = version
        self._now = now

    async def post(
        self, shop: str, token: str, document: Document, variables: Mapping[str, Any], *, seconds: float
    ) -> Answer:
        """The shop's answer to `document`, which has to be whole within `seconds`.

        Raises what `answers.understand` does, `Unwell` on every fault of the network, and `TooCostly` for an answer of
        more than 64 MB.
        """
        sent = self._milliseconds()
        try:
            async with asyncio.timeout(seconds):
                status, headers, body = await self._exchange(shop, token, document, variables)
        except (httpx.HTTPError, TimeoutError) as error:
            raise Unwell(f"the platform is not reached: {type(error).__name__}") from None
        moment = estimate_read_at(sent, self._milliseconds(), headers.get("date"))
        return understand(status, headers, body, moment)

    async def _exchange(
        self, shop: str, token: str, document: Document, variables: Mapping[str, Any]
    ) -> tuple[int, Mapping[str, str], bytes]:
        url = f"{self._shop_url.format(shop=shop)}/admin/api/{self.version}/graphql.json"
        content = orjson.dumps({"query": document.text, "operationName": document.name, "variables": dict(variables)})
        headers = {"X-Shopify-Access-Token": token, "Content-Type": "application/json", "Accept": "application/json"}
        with tracing.trace_call("POST", url, **{"graphql.operation.name": document.name}) as span:
            async with self._http.stream("POST", url, content=content, headers=headers) as response:
                tracing.record_status(span, response.status_code)
                return response.status_code, response.headers, await _whole(response)

    def _milliseconds(self) -> int:
        return round(self._now() * 1000)


async def _whole(response: httpx.Response) -> bytes:
    """The body. Raises `TooCostly` when it is larger than any answer may be."""
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > LARGEST_ANSWER_BYTES:
            raise TooCostly("an answer of more than 64 MB")
    return bytes(body)


@asynccontextmanager
async def open_client(shop_url: str, version: str) -> AsyncIterator[ShopifyClient]:
    """A client with connections of its own, kept alive while the context lasts."""
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=50, keepalive_expiry=60)
    async with httpx.AsyncClient(http2=False, timeout=SILENCE_SECONDS, limits=limits, follow_redirects=False) as http:
        yield ShopifyClient(http, shop_url, version)
