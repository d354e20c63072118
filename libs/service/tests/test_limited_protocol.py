"""A public port answers strangers within limits: of headers, of time, of connections, of memory."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_network
from typing import Any

import pytest
import uvicorn

from service import limited_protocol
from service.client_addresses import ClientAddresses
from service.limited_protocol import ConnectionLimiter, LimitedProtocol, RequestLimits

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
BODY_BEGINS = b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n"
LOCAL = ip_network("127.0.0.0/8")


@pytest.fixture(autouse=True)
def frequent_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limited_protocol, "CHECK_SECONDS", 0.02)


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Reads the whole body, then answers with its length; half a second later where the path is /later."""
    if scope["path"] == "/later":
        await asyncio.sleep(0.5)
    length, message = 0, await receive()
    while message["type"] == "http.request":
        length += len(message["body"])
        if not message["more_body"]:
            break
        message = await receive()
    body = str(length).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Listener:
    """A server with limits, and the connections of a test to it."""

    def __init__(self, port: int, server: uvicorn.Server) -> None:
        self.port = port
        self.server = server
        self.writers: list[asyncio.StreamWriter] = []

    async def wait_for_connections(self, count: int) -> None:
        """Waits until the server has so many connections."""
        async with asyncio.timeout(10):
            while len(self.server.server_state.connections) != count:
                await asyncio.sleep(0.01)

    async def send(self, *parts: bytes) -> asyncio.StreamReader:
        """Opens a connection and sends the parts one after another; returns what comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.01)
        return reader


@asynccontextmanager
async def listen(
    limits: RequestLimits = RequestLimits(), trusted_proxies: tuple[Any, ...] | None = None
) -> AsyncIterator[Listener]:
    listening = socket.create_server(("127.0.0.1", 0))
    limiter = ConnectionLimiter(limits, ClientAddresses(trusted_proxies))
    http: Any = partial(LimitedProtocol, limiter=limiter)
    server = uvicorn.Server(uvicorn.Config(answer, http=http, log_config=None, lifespan="off"))  # type: ignore[arg-type]
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    listener = Listener(listening.getsockname()[1], server)
    yield listener
    for writer in listener.writers:
        writer.close()
    server.should_exit = True
    await serving


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """Reads until the server closes the connection."""
    return await asyncio.wait_for(reader.read(), 10)


async def read_status(reader: asyncio.StreamReader) -> int:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    length = next(int(line.split(b":")[1]) for line in head.splitlines() if line.startswith(b"content-length"))
    await reader.readexactly(length)
    return int(head.split()[1])


async def test_a_request_with_large_headers_is_answered() -> None:
    async with listen() as listener:
        reader = await listener.send(REQUEST[:-2] + b"X-Large: " + b"x" * 60_000 + b"\r\n\r\n")
        assert await read_status(reader) == 200


async def test_headers_in_many_small_parts_count_once() -> None:
    headers = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 400) for number in range(140))
    sent = REQUEST[:-2] + headers + b"\r\n"
    assert 55_000 < len(sent) < 64 * 1024
    async with listen() as listener:
        reader = await listener.send(*[sent[at : at + 1_000] for at in range(0, len(sent), 1_000)])
        assert await read_status(reader) == 200


@pytest.mark.parametrize(
    "sent",
    [
        [b"GET / HTTP/1.1\r\nX-Endless: ", *[b"x" * 8_000] * 12],
        [REQUEST[:-2] + b"".join(b"X-%d: 1\r\n" % number for number in range(9_000)) + b"\r\n"],
        [REQUEST[:-2] + b"X-Large: " + b"x" * 70_000 + b"\r\n\r\n"],
        [b"GET /" + b"x" * 8_000, *[b"x" * 8_000] * 12],
    ],
    ids=["one endless header", "many headers", "one large header", "an endless path"],
)
async def test_headers_over_the_limit_are_refused(sent: list[bytes]) -> None:
    async with listen() as listener:
        response = await read_all(await listener.send(*sent))
        assert response.startswith(b"HTTP/1.1 431 ") and response.count(b"HTTP/1.1") == 1


async def test_the_headers_of_each_request_count_alone() -> None:
    large = REQUEST[:-2] + b"X-Large: " + b"x" * 40_000 + b"\r\n\r\n"
    async with listen() as listener:
        reader = await listener.send(large + large, large)
        assert [await read_status(reader) for _ in range(3)] == [200] * 3


async def test_a_half_sent_request_is_refused_after_its_time() -> None:
    async with listen(RequestLimits(header_seconds=0.1)) as listener:
        response = await read_all(await listener.send(REQUEST[:-2]))
        assert response.startswith(b"HTTP/1.1 408 ")


async def test_a_trickle_of_headers_gains_no_time() -> None:
    async with listen(RequestLimits(header_seconds=0.1)) as listener:
        reader = await listener.send(*[REQUEST[at : at + 1] for at in range(len(REQUEST) - 1)])
        assert (await read_all(reader)).startswith(b"HTTP/1.1 408 ")


async def test_a_late_second_request_does_not_cut_off_the_answer_to_the_first() -> None:
    async with listen(RequestLimits(header_seconds=0.1)) as listener:
        response = await read_all(await listener.send(REQUEST + REQUEST[:-2]))
        assert response.startswith(b"HTTP/1.1 200 ") and b"HTTP/1.1 408 " in response


@pytest.mark.parametrize("sent", [b"", REQUEST, b"\r\n"], ids=["silent", "after a request", "an empty line"])
async def test_a_connection_without_a_request_is_closed(sent: bytes) -> None:
    async with listen(RequestLimits(idle_seconds=0.1)) as listener:
        response = await read_all(await listener.send(sent))
        assert response.count(b"HTTP/1.1") == (1 if sent == REQUEST else 0)


async def test_the_time_limits_are_not_those_of_a_body() -> None:
    async with listen(RequestLimits(header_seconds=0.1, idle_seconds=0.1)) as listener:
        reader = await listener.send(BODY_BEGINS, *[b"x" * 100] * 100)
        assert await read_status(reader) == 200


async def test_connections_over_the_limit_are_refused_until_another_is_closed() -> None:
    async with listen(RequestLimits(connections=2)) as listener:
        await listener.send()
        await listener.send()
        refused = await read_all(await listener.send())
        assert refused.startswith(b"HTTP/1.1 503 ") and b"retry-after: 1" in refused
        listener.writers[0].close()
        await listener.wait_for_connections(1)
        assert await read_status(await listener.send(REQUEST)) == 200


@pytest.mark.parametrize(
    ("trusted_proxies", "status"),
    [((), 503), ((ip_network("10.0.0.0/8"),), 503), ((LOCAL,), 200), (None, 200)],
    ids=["direct", "another proxy", "a proxy", "unknown"],
)
async def test_connections_of_one_address_are_limited_where_addresses_are_known(
    trusted_proxies: tuple[Any, ...] | None, status: int
) -> None:
    async with listen(RequestLimits(connections_per_address=1), trusted_proxies) as listener:
        await listener.send(REQUEST)
        assert await read_status(await listener.send(REQUEST)) == status


async def test_bodies_are_buffered_within_a_limit_of_all_together() -> None:
    async with listen(RequestLimits(body_bytes=15_000)) as listener:
        first = await listener.send(BODY_BEGINS, b"x" * 9_000)
        refused = await listener.send(BODY_BEGINS, b"x" * 9_000)
        assert (await read_all(refused)).startswith(b"HTTP/1.1 503 ")
        listener.writers[0].write(b"x" * 1_000)
        assert await read_status(first) == 200
        again = await listener.send(BODY_BEGINS, b"x" * 10_000)
        assert await read_status(again) == 200


async def test_a_sender_that_goes_away_gives_its_memory_back() -> None:
    async with listen(RequestLimits(body_bytes=15_000)) as listener:
        for _ in range(5):
            await listener.send(BODY_BEGINS, b"x" * 9_000)
            listener.writers[-1].close()
            await listener.wait_for_connections(0)
        assert await read_status(await listener.send(BODY_BEGINS, b"x" * 10_000)) == 200


async def test_a_malformed_request_is_answered_once() -> None:
    async with listen() as listener:
        response = await read_all(await listener.send(b"nonsense\r\n\r\n", b"more"))
        assert response.startswith(b"HTTP/1.1 400 ") and response.count(b"HTTP/1.1") == 1


LATER = b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "second",
    [REQUEST[:-2] + b"X-Large: " + b"x" * 70_000 + b"\r\n\r\n", b"nonsense\r\n\r\n", REQUEST[:-2]],
    ids=["large headers", "malformed", "half sent"],
)
async def test_a_refused_second_request_takes_nothing_from_the_first(second: bytes) -> None:
    async with listen(RequestLimits(header_seconds=0.1)) as listener:
        response = await read_all(await listener.send(LATER + second))
        assert response.startswith(b"HTTP/1.1 200 ") and response.count(b"HTTP/1.1") == 1
        assert b"connection: close" in response


async def test_a_second_request_without_memory_is_answered_in_its_turn() -> None:
    async with listen(RequestLimits(body_bytes=5_000)) as listener:
        response = await read_all(await listener.send(LATER + BODY_BEGINS, b"x" * 9_000))
        statuses = [part.split()[0] for part in response.split(b"HTTP/1.1 ")[1:]]
        assert statuses == [b"200", b"503"]


async def test_pipelined_requests_are_answered_in_order_up_to_a_limit() -> None:
    async with listen() as listener:
        response = await read_all(await listener.send(LATER + REQUEST * 100))
        assert response.count(b"HTTP/1.1 200 ") == limited_protocol.MAX_PIPELINED + 1


async def test_trailers_are_discarded() -> None:
    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    async with listen() as listener:
        reader = await listener.send(chunked, b"X-Trailer: 1\r\n" * 10_000, b"\r\n", REQUEST)
        assert [await read_status(reader) for _ in range(2)] == [200, 200]


async def test_a_client_that_reads_no_answers_keeps_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limited_protocol, "CLOSE_SECONDS", 0.1)
    async with listen(RequestLimits(connections=1)) as listener:
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        listener.writers.append(writer)
        await listener.wait_for_connections(1)
        connection: Any
        (connection,) = listener.server.server_state.connections
        connection.transport.pause_reading()
        connection.transport.write(b"x" * 50_000_000)
        connection.transport.close()
        await listener.wait_for_connections(0)
        assert await read_status(await listener.send(REQUEST)) == 200


class FakeConnection:
    def close_if_late(self, now: float) -> None:
        """Is never late."""


async def test_all_addresses_of_one_ipv6_network_are_one_client() -> None:
    limiter: Any = ConnectionLimiter(RequestLimits(connections_per_address=1), ClientAddresses(()))
    first, other = FakeConnection(), FakeConnection()

    assert limiter.add(first, "2001:db8::1")
    assert not limiter.add(FakeConnection(), "2001:db8::2:1")
    assert limiter.add(other, "2001:db8:0:1::1")
    limiter.remove(first)
    assert limiter.add(first, "2001:db8::2:1")
    limiter.remove(first)
    limiter.remove(other)
