"""A worker that posts signed webhooks as fast as they are accepted, a fixed number in flight on kept connections.

Settings: `host`, `port`, `path`, `secret`, `shop`, `in_flight`. Written on asyncio's protocols, with messages made
beforehand, so that the server and not its client is measured.
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

from benchmarks.figures import percentile
from benchmarks.workers import obey

BODIES = 500
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_WORDS = ("cotton", "linen", "summer", "wool", "organic", "blue", "slim", "classic", "soft", "winter", "coat", "shirt")


def product_bodies(count: int, seed: int = 1) -> list[bytes]:
    """Payloads of products/update, 700 bytes to 2 KB."""
    rng = Random(seed)
    return [_product_body(rng, 9_000_000_000_000 + number) for number in range(count)]


def _product_body(rng: Random, number: int) -> bytes:
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
                "id": number * 10 + place,
                "admin_graphql_api_id": f"gid://shopify/ProductVariant/{number * 10 + place}",
                "title": f"Size {place}",
                "price": f"{rng.randrange(5, 200)}.00",
                "sku": f"SKU-{number}-{place}",
                "inventory_item_id": number * 10 + place,
                "inventory_quantity": rng.randrange(100),
            }
            for place in range(rng.randrange(1, 4))
        ],
    }
    size = rng.randrange(700, 2_048)
    words = [rng.choice(_WORDS) for _ in range(max(0, size - len(json.dumps(payload))) // 7)]
    return json.dumps({**payload, "body_html": f"<p>{' '.join(words)}</p>"}).encode()


def request_parts(settings: dict[str, Any], body: bytes) -> tuple[bytes, bytes]:
    """A request up to its webhook id, and from there on: the same headers that Shopify sends."""
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


class Round:
    """One round: what the connections share."""

    def __init__(self, requests: list[tuple[bytes, bytes]]) -> None:
        self._requests = requests
        self._ids = f"{uuid4()}"[:24]
        self._sent = 0
        self.deadline = 0.0
        self.answers: Counter[int] = Counter()
        self.latencies: list[float] = []

    def next(self) -> bytes:
        """A request with a webhook id that was never used before."""
        before, after = self._requests[self._sent % len(self._requests)]
        self._sent += 1
        return b"%b%b%012d%b" % (before, self._ids.encode(), self._sent, after)


class Connection(asyncio.Protocol):
    """One request at a time until the deadline; `done` when the last one has been answered."""

    def __init__(self, shared: Round) -> None:
        self._shared = shared
        self._held = b""
        self._began = 0.0
        self._transport: Any = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = transport

    def send(self) -> None:
        """Send one more."""
        self._began = time.perf_counter()
        self._transport.write(self._shared.next())

    def data_received(self, data: bytes) -> None:
        """Called by the loop: count an answer when it is whole."""
        self._held += data
        head = self._held.find(b"\r\n\r\n")
        length = _LENGTH.search(self._held, 0, head) if head >= 0 else None
        if length is None or len(self._held) < head + 4 + int(length[1]):
            return
        now, status = time.perf_counter(), int(self._held[9:12])
        self._held = b""
        self._shared.answers[status] += 1
        self._shared.latencies.append(now - self._began)
        if now < self._shared.deadline:
            self.send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        if not self.done.done():
            self.done.set_result(None) if exc is None else self.done.set_exception(exc)


async def load(settings: dict[str, Any], requests: list[tuple[bytes, bytes]], seconds: float) -> dict[str, Any]:
    """Post for so many seconds; statuses, duration, latencies, and the CPU time of this process."""
    loop, shared = asyncio.get_running_loop(), Round(requests)
    address = settings["host"], settings["port"]
    made = [await loop.create_connection(lambda: Connection(shared), *address) for _ in range(settings["in_flight"])]
    used, began = os.times(), time.perf_counter()
    shared.deadline = began + seconds
    for _, connection in made:
        connection.send()
    await asyncio.wait_for(asyncio.gather(*(connection.done for _, connection in made)), seconds + 20)
    took, after = time.perf_counter() - began, os.times()
    return {
        "answers": {str(status): count for status, count in shared.answers.items()},
        "accepted": shared.answers[200],
        "seconds": took,
        "p50": percentile(shared.latencies, 0.5),
        "p99": percentile(shared.latencies, 0.99),
        "cpu": after.user + after.system - used.user - used.system,
    }


def prepare(settings: dict[str, Any]) -> Callable[[float], dict[str, Any]]:
    """Make all requests."""
    requests = [request_parts(settings, body) for body in product_bodies(BODIES)]
    return lambda seconds: uvloop.run(load(settings, requests, seconds))


if __name__ == "__main__":
    obey(prepare)
