"""A worker that sends one GET request again and again over a fixed number of persistent connections.

Settings: `host`, `port`, `path`, `headers`, `in_flight`; `status` and `length`, which each response must have (length
of the body in bytes; None for any); and `rate`. With a rate (requests per second, all connections together) requests
are due at fixed times, and a latency counts from when its request was due. With None each connection sends its next
request as soon as it has the response.
"""

import asyncio
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import uvloop

from benchmarks.formatting import compute_percentile
from benchmarks.workers import serve_worker

_CONTENT_LENGTH = re.compile(rb"\ncontent-length: *(\d+)", re.IGNORECASE)


def build_get_request(host: str, port: int, path: str, headers: Mapping[str, str]) -> bytes:
    """Build the bytes of a GET request."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}:{port}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


class RequestRound:
    """The state that all connections share in one round. Latencies and times are in seconds."""

    def __init__(self, settings: Mapping[str, Any], started: float, seconds: float) -> None:
        self.request = build_get_request(settings["host"], settings["port"], settings["path"], settings["headers"])
        self.expected = settings["status"], settings["length"]
        self.started = started
        self.deadline = started + seconds
        self.interval = settings["in_flight"] / settings["rate"] if settings["rate"] else None
        self.latencies: list[float] = []
        self.unexpected: Counter[str] = Counter()

    def add_response(self, status: int, length: int, latency: float) -> None:
        """Count a response, and note whether it is the expected one."""
        self.latencies.append(latency)
        expected_status, expected_length = self.expected
        if status != expected_status or expected_length not in (None, length):
            self.unexpected[f"status {status}, {length} bytes"] += 1


class RequestConnection(asyncio.Protocol):
    """A TCP connection with one request at a time until the deadline. `done` is set after the last response."""

    def __init__(self, load_round: RequestRound, share: float) -> None:
        self._round = load_round
        # The connections of a paced round take their turns at equal distances.
        self._due = load_round.started + share * (load_round.interval or 0.0)
        self._head = b""
        self._body_bytes = 0
        self._length: int | None = None
        self._transport: Any = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = transport

    def start(self) -> None:
        """Send the first request when it is due."""
        asyncio.get_running_loop().call_later(max(self._due - time.perf_counter(), 0.0), self._send)

    def data_received(self, data: bytes) -> None:
        """Count a response when it is complete, and send the next request when it is due. The event loop calls this."""
        if self._length is None:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            found = _CONTENT_LENGTH.search(self._head, 0, end)
            self._length = int(found[1]) if found else 0
            self._body_bytes = len(self._head) - end - 4
        else:
            self._body_bytes += len(data)
        if self._body_bytes >= self._length:
            self._finish_response()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        if not self.done.done():
            self.done.set_result(None) if exc is None else self.done.set_exception(exc)

    def _send(self) -> None:
        self._transport.write(self._round.request)

    def _finish_response(self) -> None:
        now = time.perf_counter()
        self._round.add_response(int(self._head[9:12]), self._body_bytes, now - self._due)
        self._head, self._length = b"", None
        self._due = now if self._round.interval is None else self._due + self._round.interval
        if self._due >= self._round.deadline:
            self._transport.close()
        elif self._due <= now:
            self._send()
        else:
            asyncio.get_running_loop().call_later(self._due - now, self._send)


async def _open_connection(settings: Mapping[str, Any], load_round: RequestRound, share: float) -> RequestConnection:
    loop = asyncio.get_running_loop()
    address = settings["host"], settings["port"]
    return (await loop.create_connection(lambda: RequestConnection(load_round, share), *address))[1]


async def send_requests(settings: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Send requests for `seconds`. Return their number, the unexpected ones, and duration, latencies, CPU time (s)."""
    count = settings["in_flight"]
    # The first request is due when all connections are open.
    load_round = RequestRound(settings, time.perf_counter() + 0.05, seconds)
    connections = [await _open_connection(settings, load_round, number / count) for number in range(count)]
    cpu_before = os.times()
    for connection in connections:
        connection.start()
    await asyncio.wait_for(asyncio.gather(*(connection.done for connection in connections)), seconds + 20)
    duration, cpu_after = time.perf_counter() - load_round.started, os.times()
    return {
        "count": len(load_round.latencies),
        "unexpected": dict(load_round.unexpected),
        "seconds": duration,
        "p50": compute_percentile(load_round.latencies, 0.5),
        "p99": compute_percentile(load_round.latencies, 0.99),
        "cpu": cpu_after.user + cpu_after.system - cpu_before.user - cpu_before.system,
    }


def prepare(settings: dict[str, Any]) -> Callable[[float], dict[str, Any]]:
    """Return the function that sends requests for a number of seconds."""
    return lambda seconds: uvloop.run(send_requests(settings, seconds))


if __name__ == "__main__":
    serve_worker(prepare)
