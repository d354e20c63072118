"""Whoever listens to webhooks, over HTTP.

A client of its own, of one method: a burst of ten thousand webhooks must leave in seconds, from a process that answers
GraphQL meanwhile, and general HTTP clients spend several milliseconds of it on each request.
"""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpResponseParser

from sandbox.deliveries import Delivery

_CONNECT_SECONDS = 1.0
_TOTAL_SECONDS = 5.0
Address = tuple[bool, str, int]


class Receivers:
    """Posts deliveries over connections that are kept open; `headers` says what goes with one."""

    def __init__(self, headers: Callable[[Delivery], dict[str, str]]) -> None:
        self._headers = headers
        self._idle: dict[Address, list[_Connection]] = defaultdict(list)

    async def post(self, delivery: Delivery) -> tuple[bool, str]:
        """Whether the receiver answered 2xx within five seconds, and what it answered. Redirects are not followed."""
        try:
            async with asyncio.timeout(_TOTAL_SECONDS):
                status = await self._exchange(delivery)
        except TimeoutError:
            return False, "timeout"
        except (OSError, HttpParserError, ValueError) as error:
            return False, type(error).__name__
        return 200 <= status < 300, str(status)

    async def close(self) -> None:
        """Close all connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    async def _exchange(self, delivery: Delivery) -> int:
        address, host, path = _address(delivery.uri)
        message = _message(host, path, self._headers(delivery), delivery.body)
        idle = self._idle[address]
        while idle:
            connection = idle.pop()
            try:
                return await self._ask(connection, idle, message)
            except ConnectionError:
                # Closed by the other side while it was idle: nothing was lost, the next one may be open.
                continue
        return await self._ask(await _connect(address), idle, message)

    async def _ask(self, connection: "_Connection", idle: list["_Connection"], message: bytes) -> int:
        try:
            status = await connection.ask(message)
        except BaseException:
            connection.close()
            raise
        if connection.reusable:
            idle.append(connection)
        else:
            connection.close()
        return status


class _Connection(asyncio.Protocol):
    """One request at a time, and its answer's status. What httptools calls back are the methods `on_…`."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser: HttpResponseParser | None = None
        self._answer: asyncio.Future[int] | None = None
        self.reusable = False

    async def ask(self, message: bytes) -> int:
        """Send a whole request; the status of the answer, once all of that has come."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError
        self._parser, self._answer = HttpResponseParser(self), asyncio.get_running_loop().create_future()
        self.reusable = False
        self._transport.write(message)
        return await self._answer

    def close(self) -> None:
        """Close it, whatever it is doing."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self._parser is None:
            return
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._fail(exc or ConnectionResetError())

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self._parser is not None and self._answer is not None and not self._answer.done():
            self.reusable = bool(self._parser.should_keep_alive())
            self._answer.set_result(self._parser.get_status_code())

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


async def _connect(address: Address) -> _Connection:
    secure, host, port = address
    context = ssl.create_default_context() if secure else None
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_CONNECT_SECONDS):
        _, connection = await loop.create_connection(_Connection, host, port, ssl=context)
    return connection


def _address(uri: str) -> tuple[Address, str, str]:
    """Where to connect, the Host header and the path with its query."""
    parts = urlsplit(uri)
    secure = parts.scheme == "https"
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    return (secure, parts.hostname or "", parts.port or (443 if secure else 80)), parts.netloc, path


def _message(host: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
