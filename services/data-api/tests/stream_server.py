"""A server on a real port, and readers of the streams that it sends."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson
import uvicorn

from data_api.stream_protocol import StreamProtocol
from service.client_addresses import ClientAddresses
from service.limited_protocol import ConnectionLimiter, RequestLimits

SECONDS = 120.0
"""How long anything that must happen may take."""


async def wait_until(is_done: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(SECONDS):
        while not is_done():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def serve_application(app: Any, **options: Any) -> AsyncIterator[int]:
    """Serve an ASGI application as the service does, with more options of uvicorn; yield the port."""
    limiter = ConnectionLimiter(RequestLimits(connections=20_000, connections_per_address=20_000), ClientAddresses(()))
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=partial(StreamProtocol, limiter=limiter),  # type: ignore[arg-type] # a factory of protocols
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
            **options,
        )
    )
    server.capture_signals = nullcontext  # type: ignore[method-assign,assignment] # the signals are pytest's
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    yield listening.getsockname()[1]
    server.should_exit = True
    await task


@dataclass
class Event:
    """A Server-Sent Event."""

    event: str
    data: Any
    id: str


@dataclass
class StreamReader:
    """Reads one stream as a browser does: events, and the last id, which may also come without an event."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    last_id: str = ""
    _text: str = ""

    async def read_event(self) -> Event | None:
        """Wait for the next event; None at the end of the stream."""
        async with asyncio.timeout(SECONDS):
            while True:
                block, found, rest = self._text.partition("\n\n")
                if not found:
                    chunk = await self._read_chunk()
                    if chunk is None:
                        return None
                    self._text += chunk
                    continue
                self._text = rest
                if event := self._parse(block):
                    return event

    async def read_until(self, is_wanted: Callable[[Event], bool]) -> list[Event]:
        """Wait for the event that is wanted, and return it with all before it."""
        events: list[Event] = []
        while not events or not is_wanted(events[-1]):
            event = await self.read_event()
            assert event is not None, f"the stream ended after {events}"
            events.append(event)
        return events

    async def read_to_end(self) -> list[Event]:
        """Return all events up to the end of the stream."""
        events = []
        while (event := await self.read_event()) is not None:
            events.append(event)
        return events

    async def _read_chunk(self) -> str | None:
        size = int((await self.reader.readline()).strip() or b"0", 16)
        content = await self.reader.readexactly(size)
        await self.reader.readline()
        return content.decode() if size else None

    def _parse(self, block: str) -> Event | None:
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        self.last_id = fields.get("id", self.last_id)
        if "data" not in fields:
            return None
        return Event(fields["event"], orjson.loads(fields["data"]), self.last_id)


@asynccontextmanager
async def open_stream(
    port: int, path: str, headers: Mapping[str, str] | None = None, *, buffer: int | None = None
) -> AsyncIterator[StreamReader]:
    """Open a stream. `buffer` limits how many bytes this end takes in before they are read."""
    client = socket.socket()
    if buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=client, limit=buffer or 2**16)
    lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    writer.write(f"GET {path} HTTP/1.1\r\nhost: test\r\n{lines}\r\n".encode())
    stream = StreamReader(reader, writer)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    stream.status = int(head[0].split()[1])
    stream.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    try:
        yield stream
    finally:
        writer.close()
