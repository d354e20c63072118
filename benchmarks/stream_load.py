"""A worker that holds many streams of Server-Sent Events open, and notes which events `change` each of them gets when.

Settings: `host`, `port`, `path`, `keys` (each opens `streams_per_key` streams) and `streams`. The worker is ready when
all streams are open. It answers for the time since its last answer. It uses asyncio's protocols directly, and parses
nothing but the ids of changes, so that it costs little beside the server.
"""

import asyncio
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import uvloop

from benchmarks.request_load import build_get_request
from benchmarks.workers import serve_worker

_OPENING = 100
"""How many streams are being opened at once."""
_OPEN_SECONDS = 90.0
_POLL_SECONDS = 0.01
_CHANGE_ID = re.compile(rb"(?:^|\n)id: ([^\n]+)\nevent: change\n")


class StreamLoad:
    """What all streams of the worker have received. Times are Unix seconds."""

    def __init__(self) -> None:
        self.histories: list[list[str]] = []
        self.received: dict[str, list[float]] = {}
        """When the first and the last stream received a change, and how many did, by the change's id."""
        self.ended = 0

    def note_change(self, history: list[str], change_id: str, now: float) -> None:
        """Note that a stream has received a change."""
        history.append(change_id)
        seen = self.received.get(change_id)
        if seen is None:
            self.received[change_id] = [now, now, 1]
        else:
            seen[1] = now
            seen[2] += 1

    def wait_for_change(self, seconds: float) -> dict[str, Any]:
        """Wait up to `seconds` until a change that was not reported yet has reached all streams.

        Return the changes that were received since the last call, how many streams have which history, and how many
        streams have ended.
        """
        deadline = time.monotonic() + seconds
        while not self._is_complete() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        received, self.received = self.received, {}
        histories = Counter(",".join(history) for history in self.histories)
        return {"received": received, "histories": dict(histories), "ended": self.ended}

    def _is_complete(self) -> bool:
        received = list(self.received.values())
        return bool(received) and all(seen[2] >= len(self.histories) for seen in received)


class StreamConnection(asyncio.Protocol):
    """One stream. `opened` is set when its first bytes beyond the headers have come."""

    def __init__(self, load: StreamLoad, request: bytes) -> None:
        self._load = load
        self._request = request
        self._history: list[str] = []
        self._buffer = b""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request. The event loop calls this."""
        cast(asyncio.WriteTransport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        """Note the changes in what was received. The event loop calls this."""
        now = time.time()
        self._buffer += data
        if not self.opened.done():
            self._read_head()
            return
        end = self._buffer.rfind(b"\n\n")
        if end < 0:
            return
        for match in _CHANGE_ID.finditer(self._buffer, 0, end):
            self._load.note_change(self._history, match[1].decode(), now)
        self._buffer = self._buffer[end + 1 :]

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a stream that has ended. The event loop calls this."""
        if self.opened.done():
            self._load.ended += 1
        else:
            self.opened.set_exception(exc or ConnectionError(f"the stream was refused: {self._buffer[:200]!r}"))

    def _read_head(self) -> None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or b"\n\n" not in self._buffer[end + 4 :]:
            return
        if not self._buffer.startswith(b"HTTP/1.1 200"):
            self.opened.set_exception(ConnectionError(f"the stream was refused: {self._buffer[:200]!r}"))
            return
        self._buffer = b""
        self._load.histories.append(self._history)
        self.opened.set_result(None)


async def open_streams(load: StreamLoad, settings: dict[str, Any]) -> None:
    """Open all streams."""
    opening, loop = asyncio.Semaphore(_OPENING), asyncio.get_running_loop()
    host, port = settings["host"], settings["port"]

    async def open_one(number: int) -> None:
        headers = {"X-API-Key": settings["keys"][number // settings["streams_per_key"]]}
        request = build_get_request(host, port, settings["path"], headers)
        async with opening:
            connection = (await loop.create_connection(lambda: StreamConnection(load, request), host, port))[1]
            await connection.opened

    async with asyncio.timeout(_OPEN_SECONDS), asyncio.TaskGroup() as group:
        for number in range(settings["streams"]):
            group.create_task(open_one(number))


def prepare(settings: dict[str, Any]) -> Callable[[float], dict[str, Any]]:
    """Open all streams in a thread of their own, and return the function that waits for changes."""
    load, loop = StreamLoad(), uvloop.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    asyncio.run_coroutine_threadsafe(open_streams(load, settings), loop).result()
    return load.wait_for_change


if __name__ == "__main__":
    serve_worker(prepare)
