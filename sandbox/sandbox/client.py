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
    """Posts webhook deliveries, and keeps the TCP connections to their receivers open for further deliveries.

    `build_headers` returns the HTTP headers of a delivery.
    """

    def __init__(self, build_headers: Callable[[Delivery], dict[str, str]]) -> None:
        self._build_headers = build_headers
        self._idle: dict[Address, list[_Connection]] = defaultdict(list)

    async def post(self, delivery: Delivery) -> tuple[bool, str]:
        """Post one delivery, and return whether the receiver accepted it, and a text that describes the outcome.

        The receiver accepts with a status 2xx within five seconds. The text is the HTTP status, "timeout" or the name
        of the exception. Redirects are not followed.
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
        """Close all TCP connections."""
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
    """A TCP connection that carries one request at a time.

    The event loop calls the methods of `asyncio.Protocol`. httptools calls `on_message_complete` while it parses an
    answer.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser: HttpResponseParser | None = None
        self._status: asyncio.Future[int] | None = None
        self.is_reusable = False

    async def exchange(self, message: bytes) -> int:
        """Send a request, and return the HTTP status of the answer once the whole answer has arrived.

        Raises ConnectionError if the connection is closed, and HttpParserError for an answer that is not HTTP.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError
        self._parser, self._status = HttpResponseParser(self), asyncio.get_running_loop().create_future()
        self.is_reusable = False
        self._transport.write(message)
        return await self._status

    def close(self) -> None:
        """Close the connection without waiting for a running request."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport, which sends bytes over the connection.

        The event loop calls this when the connection is open.
        """
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes of an answer. The event loop calls this."""
        if self._parser is None:
            return
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the running request. The event loop calls this when the connection is closed."""
        self._fail(exc or ConnectionResetError())

    def on_message_complete(self) -> None:
        """Finish the running request with the status of the answer. The parser calls this at the end of an answer."""
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
    """Split a webhook URL: return the address to connect to, the `Host` header, and the path with its query.

    The address is a tuple of whether the connection uses TLS, the host name and the port.
    """
    parts = urlsplit(uri)
    secure = parts.scheme == "https"
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    return (secure, parts.hostname or "", parts.port or (443 if secure else 80)), parts.netloc, path


def _build_request(host: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
