"""The HTTP client that posts webhooks to their receivers.

It is written for this one purpose because general HTTP clients need several milliseconds of CPU time for a request. The
sandbox must send ten thousand webhooks within seconds, while the same process answers GraphQL requests.
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


class WebhookClient:
    """Posts deliveries over connections that are kept open. `build_headers` returns the HTTP headers of a delivery."""

    def __init__(self, build_headers: Callable[[Delivery], dict[str, str]]) -> None:
        self._build_headers = build_headers
        self._idle: dict[Address, list[_Connection]] = defaultdict(list)

    async def post(self, delivery: Delivery) -> tuple[bool, str]:
        """Whether the receiver answered 2xx within five seconds, and the status or the kind of failure.

        Redirects are not followed.
        """
        try:
            async with asyncio.timeout(_TOTAL_SECONDS):
                status = await self._send(delivery)
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

    async def _send(self, delivery: Delivery) -> int:
        address, host, path = _parse_uri(delivery.uri)
        message = _build_request(host, path, self._build_headers(delivery), delivery.body)
        idle = self._idle[address]
        while idle:
            connection = idle.pop()
            try:
                return await self._exchange(connection, idle, message)
            except ConnectionError:
                # The receiver closed the connection while it was idle. Nothing was sent, so try the next one.
                continue
        return await self._exchange(await _connect(address), idle, message)

    async def _exchange(self, connection: "_Connection", idle: list["_Connection"], message: bytes) -> int:
        try:
            status = await connection.exchange(message)
        except BaseException:
            connection.close()
            raise
        if connection.is_reusable:
            idle.append(connection)
        else:
            connection.close()
        return status


class _Connection(asyncio.Protocol):
    """A connection for one request at a time. httptools calls the methods `on_…` while it parses the answer."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser: HttpResponseParser | None = None
        self._status: asyncio.Future[int] | None = None
        self.is_reusable = False

    async def exchange(self, message: bytes) -> int:
        """Send a request; return the status of the answer once it has arrived completely."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError
        self._parser, self._status = HttpResponseParser(self), asyncio.get_running_loop().create_future()
        self.is_reusable = False
        self._transport.write(message)
        return await self._status

    def close(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if self._parser is None:
            return
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._fail(exc or ConnectionResetError())

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self._parser is not None and self._status is not None and not self._status.done():
            self.is_reusable = bool(self._parser.should_keep_alive())
            self._status.set_result(self._parser.get_status_code())

    def _fail(self, error: Exception) -> None:
        if self._status is not None and not self._status.done():
            self._status.set_exception(error)


async def _connect(address: Address) -> _Connection:
    secure, host, port = address
    context = ssl.create_default_context() if secure else None
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_CONNECT_SECONDS):
        _, connection = await loop.create_connection(_Connection, host, port, ssl=context)
    return connection


def _parse_uri(uri: str) -> tuple[Address, str, str]:
    """The address to connect to, the Host header, and the path with its query."""
    parts = urlsplit(uri)
    secure = parts.scheme == "https"
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    return (secure, parts.hostname or "", parts.port or (443 if secure else 80)), parts.netloc, path


def _build_request(host: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
