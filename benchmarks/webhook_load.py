"""A worker that posts signed webhooks as fast as they are accepted, over a fixed number of persistent connections.

Settings: `host`, `port`, `path`, `secret`, `shop`, `in_flight`. The worker uses asyncio's protocols directly and
builds all requests in advance. So the client costs little, and the figures are those of the server.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any
from uuid import uuid4

import uvloop

from benchmarks.formatting import compute_percentile
from benchmarks.workers import serve_worker

BODIES = 500
_CONTENT_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_WORDS = ("cotton", "linen", "summer", "wool", "organic", "blue", "slim", "classic", "soft", "winter", "coat", "shirt")


def build_product_bodies(count: int, seed: int = 1) -> list[bytes]:
    """Build payloads of products/update, 700 bytes to 2 KB each."""
    rng = Random(seed)
    return [_build_product_body(rng, 9_000_000_000_000 + number) for number in range(count)]


def _build_product_body(rng: Random, number: int) -> bytes:
    payload: dict[str, Any] = {
        "id": number,
        "admin_graphql_api_id": f"gid://shopify/Product/{number}",
        "title": " ".join(rng.sample(_WORDS, 3)).title(),
        "body_html": "",
        "vendor": "Bench Mills",
        "product_type": "Apparel",
        "handle": f"product-{number}",
        "status": "active",
        "tags": ", ".join(rng.sample(_WORDS, 4)),
        "created_at": "2026-01-05T10:00:00Z",
        "updated_at": "2026-11-24T12:00:00Z",
        "variants": [
            {
                "id": number * 10 + index,
                "admin_graphql_api_id": f"gid://shopify/ProductVariant/{number * 10 + index}",
                "title": f"Size {index}",
                "price": f"{rng.randrange(5, 200)}.00",
                "sku": f"SKU-{number}-{index}",
                "inventory_item_id": number * 10 + index,
                "inventory_quantity": rng.randrange(100),
            }
            for index in range(rng.randrange(1, 4))
        ],
    }
    size = rng.randrange(700, 2_048)
    words = [rng.choice(_WORDS) for _ in range(max(0, size - len(json.dumps(payload))) // 7)]
    return json.dumps({**payload, "body_html": f"<p>{' '.join(words)}</p>"}).encode()


def build_request(settings: dict[str, Any], body: bytes) -> tuple[bytes, bytes]:
    """Build a request with the headers that Shopify sends. Return its bytes before and after the webhook id."""
    signature = base64.b64encode(hmac.digest(settings["secret"].encode(), body, hashlib.sha256)).decode()
    head = [
        f"POST {settings['path']} HTTP/1.1",
        f"Host: {settings['host']}:{settings['port']}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "User-Agent: Shopify-Captain-Hook",
        "Accept: */*",
        "X-Shopify-Topic: products/update",
        f"X-Shopify-Hmac-Sha256: {signature}",
        f"X-Shopify-Shop-Domain: {settings['shop']}",
        "X-Shopify-API-Version: 2026-10",
        "X-Shopify-Triggered-At: 2026-11-24T12:00:00.000000000Z",
        f"X-Shopify-Event-Id: {uuid4()}",
        "X-Shopify-Webhook-Id: ",
    ]
    return "\r\n".join(head).encode(), b"\r\n\r\n" + body


class LoadRound:
    """The state that all TCP connections share in one round: the requests, the statuses, the latencies (s)."""

    def __init__(self, requests: list[tuple[bytes, bytes]]) -> None:
        self._requests = requests
        self._id_prefix = f"{uuid4()}"[:24]
        self._sent_count = 0
        self.deadline = 0.0
        self.answers: Counter[int] = Counter()
        self.latencies: list[float] = []

    def build_next_request(self) -> bytes:
        """Build a request with a webhook id that was never used before."""
        before, after = self._requests[self._sent_count % len(self._requests)]
        self._sent_count += 1
        return b"%b%b%012d%b" % (before, self._id_prefix.encode(), self._sent_count, after)


class LoadConnection(asyncio.Protocol):
    """A TCP connection that sends one request at a time until the deadline. `done` is set after the last response."""

    def __init__(self, load_round: LoadRound) -> None:
        self._round = load_round
        self._buffer = b""
        self._started = 0.0
        self._transport: Any = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = transport

    def send(self) -> None:
        """Send the next request."""
        self._started = time.perf_counter()
        self._transport.write(self._round.build_next_request())

    def data_received(self, data: bytes) -> None:
        """Count a response when it is complete, and send the next request. The event loop calls this."""
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        length = _CONTENT_LENGTH.search(self._buffer, 0, head_end) if head_end >= 0 else None
        if length is None or len(self._buffer) < head_end + 4 + int(length[1]):
            return
        now, status = time.perf_counter(), int(self._buffer[9:12])
        self._buffer = b""
        self._round.answers[status] += 1
        self._round.latencies.append(now - self._started)
        if now < self._round.deadline:
            self.send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        if not self.done.done():
            self.done.set_result(None) if exc is None else self.done.set_exception(exc)


async def post_webhooks(
    settings: dict[str, Any], requests: list[tuple[bytes, bytes]], seconds: float
) -> dict[str, Any]:
    """Post for `seconds`. Return the statuses, and duration, latencies and CPU time of this process (all in s)."""
    loop, load_round = asyncio.get_running_loop(), LoadRound(requests)
    address = settings["host"], settings["port"]
    connections = [
        (await loop.create_connection(lambda: LoadConnection(load_round), *address))[1]
        for _ in range(settings["in_flight"])
    ]
    cpu_before, started = os.times(), time.perf_counter()
    load_round.deadline = started + seconds
    for connection in connections:
        connection.send()
    await asyncio.wait_for(asyncio.gather(*(connection.done for connection in connections)), seconds + 20)
    duration, cpu_after = time.perf_counter() - started, os.times()
    return {
        "answers": {str(status): count for status, count in load_round.answers.items()},
        "accepted": load_round.answers[200],
        "seconds": duration,
        "p50": compute_percentile(load_round.latencies, 0.5),
        "p99": compute_percentile(load_round.latencies, 0.99),
        "cpu": cpu_after.user + cpu_after.system - cpu_before.user - cpu_before.system,
    }


def prepare(settings: dict[str, Any]) -> Callable[[float], dict[str, Any]]:
    """Build all requests; return the function that posts them for a number of seconds."""
    requests = [build_request(settings, body) for body in build_product_bodies(BODIES)]
    return lambda seconds: uvloop.run(post_webhooks(settings, requests, seconds))


if __name__ == "__main__":
    serve_worker(prepare)
