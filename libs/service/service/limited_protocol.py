"""Handles HTTP on a public port: uvicorn's protocol with limits for what strangers send and for how long they take.

Uvicorn itself waits for ever for a connection's first request and for the rest of a request that is never finished, and
it buffers headers of any size.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

import structlog
from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.client_addresses import ClientAddresses

log = structlog.get_logger()

CHECK_SECONDS = 1.0
"""The seconds between two looks for connections that have taken too long."""
MAX_HEADERS = 200
"""The greatest number of headers of a request. It is limited, because each takes more memory than its bytes."""
MAX_PIPELINED = 16
"""How many requests of a connection may wait for the response to the one before them."""
CLOSE_SECONDS = 10.0
"""How long a closed connection may take to accept the rest of its responses. Then the rest is discarded."""
LINGER_SECONDS = 1.0
"""How long the rest of a refused request is read and discarded. If the connection were closed immediately, the sender
might never see the answer."""


@dataclass(frozen=True)
class RequestLimits:
    """The limits of one process for its public port. Sizes are in bytes.

    `header_bytes` and `header_seconds` limit a request's first line and headers together. `idle_seconds` is how long a
    connection may stay open without a request. At most `connections` connections are open at the same time, of which at
    most `connections_per_address` come from one client. At most `body_bytes` bytes of bodies are in memory at the same
    time, of all requests together.
    """

    header_bytes: int = 64 * 1024
    header_seconds: float = 10.0
    idle_seconds: float = 75.0
    connections: int = 1000
    connections_per_address: int = 100
    body_bytes: int = 24 * 1024 * 1024


class ConnectionLimiter:
    """Enforces `limits` for all connections of one process to its public port.

    `addresses` tells clients from proxies. The address of a proxy stands for many clients, so the number of its
    connections is not limited, and where the proxies are not known, that of no single address is.
    """

    def __init__(self, limits: RequestLimits, addresses: ClientAddresses) -> None:
        self.limits = limits
        self._addresses = addresses
        self._open: dict[LimitedProtocol, str | None] = {}
        self._open_by_address = Counter[str]()
        self._buffered_bytes = 0
        self._refusals = Counter[int]()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: "LimitedProtocol", address: str) -> bool:
        """Add an open connection from the IP address `address`, and return True.

        When too many connections are open, in total or from this client, add nothing and return False. The address is
        empty for a connection over a Unix socket.
        """
        counted = self._addresses.find_client(address)
        is_full = len(self._open) >= self.limits.connections
        if is_full or (counted and self._open_by_address[counted] >= self.limits.connections_per_address):
            return False
        self._open[connection] = counted
        if counted:
            self._open_by_address[counted] += 1
        self._ensure_timer()
        return True

    def remove(self, connection: "LimitedProtocol") -> None:
        """Remove a connection that is closed. Does nothing when it was never added."""
        address = self._open.pop(connection, None)
        if address:
            self._open_by_address[address] -= 1
            if not self._open_by_address[address]:
                del self._open_by_address[address]

    def count_refusal(self, status: int) -> None:
        """Count a request or connection that was refused with `status`. The counts are logged once a second at most."""
        self._refusals[status] += 1
        self._ensure_timer()

    def count_buffered_bytes(self, size: int) -> bool:
        """Count `size` more bytes of request bodies in memory. `size` is negative when bytes are released.

        Returns False when more bytes are in memory now than the limit allows.
        """
        self._buffered_bytes += size
        return self._buffered_bytes <= self.limits.body_bytes

    def _close_late_and_log_refusals(self) -> None:
        self._timer = None
        if self._open:
            self._ensure_timer()
        now = asyncio.get_running_loop().time()
        for connection in list(self._open):
            connection.close_if_late(now)
        if self._refusals:
            counts = {f"status_{status}": count for status, count in sorted(self._refusals.items())}
            log.warning("requests refused", **counts, open_connections=len(self._open))
            self._refusals.clear()

    def _ensure_timer(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._close_late_and_log_refusals)


class _DiscardingList(list[tuple[bytes, bytes]]):
    """A list that stays empty. It takes the place of the list of a request's headers once these are complete.

    So the trailers, which are headers after the body, are discarded. Nothing here needs them.
    """

    def append(self, _header: tuple[bytes, bytes]) -> None:
        """Discard the header."""


_DISCARDED = _DiscardingList()


class LimitedProtocol(HttpToolsProtocol):
    """Handles one TCP connection with HTTP requests, within the limits of `limiter`.

    What exceeds a limit is answered with 431 (headers), 408 (time) or 503 (memory, connections), and its connection is
    closed. How long a body may take is for the application to decide. Sizes are compared with the limits once after
    each read from the socket (256 KiB at most). This costs less than a comparison for each header, but lets a request
    exceed a limit by one read.
    """

    def __init__(self, *, limiter: ConnectionLimiter, **uvicorn_arguments: Any) -> None:
        super().__init__(**uvicorn_arguments)
        self.peer = ""
        """The IP address at the other end of the connection; empty for a Unix socket."""
        self._limiter = limiter
        self._is_refused = False
        self._is_in_headers = False
        self._read_size = 0
        """The number of bytes that were read from the socket last and are being parsed."""
        self._header_bytes = 0
        """The number of bytes of the request's headers so far, without those of the read in which the request began."""
        self._arrived_bytes = 0
        """The number of bytes of bodies in the read that is being parsed."""
        self._body_bytes = 0
        """The number of bytes of bodies that are in memory, here or in the application, and counted by the limiter."""
        self._closed_at: float | None = None
        """When the connection was first seen to be closing."""
        self._due_at: float | None = None
        """When the connection must have sent its next request, or the rest of its headers; None during a request."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse the connection with 503 when too many are open, otherwise wait for its first request."""
        super().connection_made(transport)
        self.peer = self.client[0] if self.client else ""
        if self._limiter.add(self, self.peer):
            self._start_idle_limit()
            return
        self._is_refused = True
        self._limiter.count_refusal(503)
        self.transport.write(_build_refusal(503))
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection from the limiter, stop its timer and free the memory of its request's body."""
        self._limiter.remove(self)
        # Uvicorn leaves its timer running when the connection was reset, and with it all that the connection holds.
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        self.release_body()

    def data_received(self, data: bytes) -> None:
        """Parse `data`, which was read from the socket, and refuse the request if it exceeds a limit for sizes.

        After a refusal, `data` is discarded.
        """
        if self._is_refused:
            return
        self._read_size = len(data)
        if self._is_in_headers:
            self._header_bytes += self._read_size
        super().data_received(data)
        if self._is_in_headers and self._has_large_headers():
            self.refuse(431)
        elif self._arrived_bytes:
            self._count_arrived_bytes()

    def on_message_begin(self) -> None:
        """Begin a request and the limits of its headers. The parser calls this at the first byte of a request."""
        self.begin_headers()
        super().on_message_begin()

    def begin_headers(self) -> None:
        """Start to count the bytes of a request's headers and the seconds until they are complete."""
        self._header_bytes = 0
        self._is_in_headers = True
        self._due_at = self.loop.time() + self._limiter.limits.header_seconds

    def on_headers_complete(self) -> None:
        """Let the application handle the request, unless its headers are too large.

        It is not handled either when too many earlier requests of the connection still wait for a response.
        """
        self.end_and_check_headers()
        if len(self.pipeline) >= MAX_PIPELINED:
            self._end_after_responses()
            raise ValueError("too many pipelined requests")
        super().on_headers_complete()
        self.discard_trailers()

    def end_and_check_headers(self) -> None:
        """End the limits of a request's headers, because all have arrived.

        If they are too large, refuse the request and raise `ValueError`, which stops the parser.
        """
        # A limit may be exceeded by one read, so only then the exact size matters.
        if max(self._header_bytes, self._read_size) > self._limiter.limits.header_bytes and self._has_large_headers():
            self.refuse(431)
            # Uvicorn catches what a callback of the parser raises.
            raise ValueError("the headers are too large")
        self._is_in_headers = False
        self._due_at = None

    def on_body(self, body: bytes) -> None:
        """Take a part of the request's body. The parser calls this."""
        if not self.cycle.response_complete:  # otherwise the part is discarded
            self._arrived_bytes += len(body)
        super().on_body(body)

    def discard_trailers(self) -> None:
        """Discard all headers that may follow a chunked body, because nothing needs them or limits their size."""
        self.headers = _DISCARDED

    def discard_rest(self) -> None:
        """Discard all bytes that arrive from now on, because the connection is about to be closed."""
        self._is_refused = True

    def on_response_complete(self) -> None:
        """Free the memory of the request's body, and wait for the next request. Called after a response was sent."""
        if self.cycle.response_complete:  # otherwise it was the response to an earlier, pipelined request
            self.release_body()
            if not self._is_in_headers:
                self._start_idle_limit()
        super().on_response_complete()

    def refuse(self, status: int) -> None:
        """Refuse the request that is arriving: answer with `status`, discard what else arrives, close the connection.

        If earlier requests of the connection still wait for their responses, these responses are sent first. Then a
        request that is refused while its headers arrive gets no answer, and one that is refused while its body arrives
        gets a 503, whatever `status` is.
        """
        if self._is_refused:
            return
        self._limiter.count_refusal(status)
        cycle = self.cycle
        is_under_way = cycle is not None and not cycle.response_complete
        if is_under_way and self._is_in_headers:
            self._end_after_responses()
            return
        if is_under_way and self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline[0] = (cycle, service_unavailable)
            self._end_after_responses()
            self.release_body()
            return
        self._is_refused = True
        self._due_at = None
        if not is_under_way or not cycle.response_started:
            self.transport.write(_build_refusal(status))
        if is_under_way:
            cycle.disconnected = True
            cycle.message_event.set()
            self.release_body()
        # What arrives is read, so that it can be discarded.
        self.flow.resume_reading()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _end_after_responses(self) -> None:
        """Discard all bytes that arrive from now on, and close the connection after the responses to its requests."""
        self._is_refused = True
        self._due_at = None
        (self.pipeline[0][0] if self.pipeline else self.cycle).keep_alive = False

    def close_if_late(self, now: float) -> None:
        """Refuse a request whose headers are late, and close a connection that sends no request.

        `now` is the time of the event loop's clock. If the connection was closed CLOSE_SECONDS ago and its client has
        still not accepted the rest of the responses, the rest is discarded.
        """
        if self.transport.is_closing():
            self._closed_at = self._closed_at or now
            if now - self._closed_at > CLOSE_SECONDS:
                self.transport.abort()
            return
        # While reading is paused, the rest of the headers is not late: it was not read.
        if self._due_at is None or now < self._due_at or self.flow.read_paused:
            return
        if self._is_in_headers:
            self.refuse(408)
        else:
            self._due_at = None
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Answer a malformed request with 400 and the text `msg`, unless it was refused already.

        Uvicorn also calls this after `end_and_check_headers` has stopped the parser. If an earlier request still
        waits for its response, a request with malformed headers gets no answer, and the connection is closed after
        that response.
        """
        if self._is_refused:
            return
        self._limiter.count_refusal(400)
        if self.cycle is not None and not self.cycle.response_complete and self._is_in_headers:
            self._end_after_responses()
            return
        self._is_refused = True
        super().send_400_response(msg)

    def _has_large_headers(self) -> bool:
        """Return whether the request's headers are too many, or too large together with its URL."""
        limit = self._limiter.limits.header_bytes
        if len(self.headers) > MAX_HEADERS or (self._is_in_headers and self._header_bytes > limit):
            return True
        return len(self.url) + sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers) > limit

    def _start_idle_limit(self) -> None:
        self._due_at = self.loop.time() + self._limiter.limits.idle_seconds

    def _count_arrived_bytes(self) -> None:
        """Count the bytes of bodies that were read last.

        They count until the response, because an application that takes them from here may keep them. If the bodies of
        all requests of the process are too large together, refuse the request with 503.
        """
        arrived, self._arrived_bytes = self._arrived_bytes, 0
        self._body_bytes += arrived
        if not self._limiter.count_buffered_bytes(arrived) and not self.cycle.response_complete:
            self.refuse(503)

    def release_body(self) -> None:
        """Free the memory of the request's body immediately, and count it no longer.

        Otherwise it is freed late, because the objects that hold the body refer to each other.
        """
        self._arrived_bytes = 0
        if self._body_bytes:
            self._limiter.count_buffered_bytes(-self._body_bytes)
            self._body_bytes = 0
        if self.cycle is not None and self.cycle.body:
            self.cycle.body = bytearray()


def _build_refusal(status: int) -> bytes:
    retry_after = b"retry-after: 1\r\n" if status == 503 else b""
    return STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n" + retry_after + b"\r\n"
