"""Deliveries over real connections: each is answered once and in order, however its bytes arrive."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from platform_sdk.adapters import PlatformAdapter
from service.limited_protocol import RequestLimits
from service.process import LAST_ANSWER

BODY = b'{"id": 7}'


@pytest.fixture
async def route(shopify: PlatformAdapter, make_route: Any) -> AsyncIterator[Any]:
    """The webhook route behind real connections."""
    route = make_route(shopify)
    async with route.open_listener() as route.address:
        yield route


def build_delivery(route: Any, webhook_id: str, *, version: str = "1.1", more: str = "", target: str = "") -> bytes:
    head = (
        f"POST {target or '/shopify/webhook'} HTTP/{version}\r\nHost: gateway.test\r\n"
        f"X-Shopify-Topic: products/update\r\nX-Shopify-Shop-Domain: acme.myshopify.com\r\n"
        f"X-Shopify-Webhook-Id: {webhook_id}\r\n"
        f"X-Shopify-Hmac-Sha256: {route.compute_signature(BODY)}\r\nContent-Length: {len(BODY)}\r\n{more}\r\n"
    )
    return head.encode() + BODY


async def wait_for_connections(route: Any, count: int) -> None:
    """Waits until the server has so many connections."""
    async with asyncio.timeout(10):
        while len(route.server.server_state.connections) != count:
            await asyncio.sleep(0.005)


async def wait_for_buffered_bytes(route: Any, count: int) -> None:
    """Waits until the server buffers this many bytes of bodies."""
    async with asyncio.timeout(10):
        while route.limiter._buffered_bytes != count:
            await asyncio.sleep(0.005)


async def exchange(route: Any, *chunks: bytes, responses: int = 1) -> list[int]:
    """Sends the chunks with a short pause between them; returns the statuses of as many responses as expected."""
    reader, writer = await asyncio.open_connection(*route.address)
    for chunk in chunks:
        writer.write(chunk)
        await writer.drain()
        await asyncio.sleep(0.01)
    statuses = [await read_status(reader) for _ in range(responses)]
    writer.close()
    return statuses


async def read_status(reader: asyncio.StreamReader) -> int:
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode()
    fields = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if line)
    await reader.readexactly(int(fields["content-length"]))
    return int(head.split()[1])


async def flood(writer: asyncio.StreamWriter, *, seconds: float) -> None:
    """Sends chunk after chunk for `seconds`, or until the connection breaks."""
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0.005)


def list_message_ids(route: Any) -> list[str]:
    return [dict(headers)["ce_id"].decode() for *_, headers in route.kafka.sent]


async def test_a_fragmented_delivery_is_received_once(route: Any) -> None:
    sent = build_delivery(route, "w-1")
    chunks = [sent[at : at + 37] for at in range(0, len(sent), 37)]
    assert await exchange(route, *chunks) == [200]
    assert len(route.kafka.sent) == 1


async def test_a_connection_carries_several_deliveries(route: Any) -> None:
    reader, writer = await asyncio.open_connection(*route.address)
    for number in range(5):
        writer.write(build_delivery(route, f"w-{number}"))
        assert await read_status(reader) == 200
    writer.close()
    assert len(set(list_message_ids(route))) == 5


async def test_pipelined_deliveries_are_answered_in_their_order(route: Any) -> None:
    acknowledged = asyncio.Event()
    route.kafka.holding = acknowledged
    bad = build_delivery(route, "w-2").replace(BODY, b'{"id": 8}')
    sent = (
        build_delivery(route, "w-1")
        + build_delivery(route, "w-2", target="/other")
        + bad
        + build_delivery(route, "w-3")
    )
    exchanging = asyncio.create_task(exchange(route, sent, responses=4))
    await route.kafka.wait_until_held()
    acknowledged.set()
    assert await exchanging == [200, 418, 401, 200]
    assert len(set(list_message_ids(route))) == 2


@pytest.mark.parametrize(
    "options",
    [{"version": "1.0"}, {"more": "Connection: close\r\n"}, {"target": "/shopify/webhook?from=platform"}],
)
async def test_unusual_requests_reach_the_same_handler(route: Any, options: dict[str, str]) -> None:
    assert await exchange(route, build_delivery(route, "w-1", **options)) == [200]
    assert len(route.kafka.sent) == 1


async def test_expect_100_continue_is_answered(route: Any) -> None:
    head, body = build_delivery(route, "w-1", more="Expect: 100-continue\r\n").split(b"\r\n\r\n")
    reader, writer = await asyncio.open_connection(*route.address)
    writer.write(head + b"\r\n\r\n")
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).startswith(b"HTTP/1.1 100")
    writer.write(body)
    assert await read_status(reader) == 200
    writer.close()


async def test_connection_close_is_honoured(route: Any) -> None:
    reader, writer = await asyncio.open_connection(*route.address)
    writer.write(build_delivery(route, "w-1", more="Connection: close\r\n"))
    response = await asyncio.wait_for(reader.read(), 5)
    assert response.startswith(b"HTTP/1.1 200") and b"connection: close" in response
    writer.close()


async def test_a_complete_delivery_counts_though_its_sender_disconnects(route: Any) -> None:
    acknowledged = asyncio.Event()
    route.kafka.holding = acknowledged
    _, writer = await asyncio.open_connection(*route.address)
    writer.write(build_delivery(route, "w-1"))
    await writer.drain()
    await route.kafka.wait_until_held()
    writer.close()
    await wait_for_connections(route, 0)
    acknowledged.set()
    assert await exchange(route, build_delivery(route, "w-2")) == [200]
    assert len(set(list_message_ids(route))) == 2


async def test_an_incomplete_delivery_is_not_published(route: Any) -> None:
    _, writer = await asyncio.open_connection(*route.address)
    writer.write(build_delivery(route, "w-1")[:-1])
    await writer.drain()
    writer.close()
    assert await exchange(route, build_delivery(route, "w-2")) == [200]
    assert len(route.kafka.sent) == 1


async def test_an_endless_body_is_cut_off(route: Any) -> None:
    _, writer = await asyncio.open_connection(*route.address)
    writer.write(b"POST /shopify/webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    with pytest.raises(ConnectionError):
        await flood(writer, seconds=10)
    writer.close()
    assert route.delivery_counts["", "refused 413: the body is too large"] == 1


async def test_a_stopping_gateway_handles_the_last_delivery_and_closes_the_connection(route: Any) -> None:
    reader, writer = await asyncio.open_connection(*route.address)
    writer.write(build_delivery(route, "w-1"))
    assert await read_status(reader) == 200
    route.server.config.encoded_headers = route.server.server_state.default_headers = [LAST_ANSWER]
    writer.write(build_delivery(route, "w-2"))
    assert (await asyncio.wait_for(reader.read(), 5)).lower().count(b"connection: close") == 1
    assert len(list_message_ids(route)) == 2


async def test_a_body_of_one_byte_chunks_is_received(route: Any) -> None:
    head, body = build_delivery(route, "w-1").split(b"\r\n\r\n")
    chunked = head.replace(b"Content-Length: %d" % len(BODY), b"Transfer-Encoding: chunked")
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    assert await exchange(
        route, chunked + b"\r\n\r\n", *[chunks[at : at + 20] for at in range(0, len(chunks), 20)]
    ) == [200]
    assert len(route.kafka.sent) == 1


async def test_headers_of_a_delivery_over_the_limit_are_refused(route: Any) -> None:
    more = "".join(f"X-{number}: 1\r\n" for number in range(9_000))
    assert await exchange(route, build_delivery(route, "w-1", more=more)) == [431]
    assert not route.kafka.sent


@pytest.mark.parametrize("target", ["/shopify/webhook", "/shopify/webhook?through=asgi"])
async def test_a_delivery_that_would_take_too_much_memory_is_answered_503(
    shopify: PlatformAdapter, make_route: Any, target: str
) -> None:
    route = make_route(shopify)
    async with route.open_listener(RequestLimits(body_bytes=len(BODY) + 5)) as route.address:
        _, writer = await asyncio.open_connection(*route.address)
        first = build_delivery(route, "w-1", target=target)
        for part, missing in ((first[:-4], 4), (first[-4:-3], 3), (first[-3:-2], 2)):
            writer.write(part)
            await wait_for_buffered_bytes(route, len(BODY) - missing)
        assert await exchange(route, build_delivery(route, "w-2", target=target)[:-1]) == [503]
        writer.close()
        await wait_for_buffered_bytes(route, 0)
        assert await exchange(route, build_delivery(route, "w-3", target=target)) == [200]


async def test_deliveries_that_wait_for_kafka_take_no_memory_for_bodies(
    shopify: PlatformAdapter, make_route: Any
) -> None:
    route = make_route(shopify)
    route.kafka.holding = asyncio.Event()
    async with route.open_listener(RequestLimits(body_bytes=len(BODY) + 5)) as route.address:
        waiting = [asyncio.create_task(exchange(route, build_delivery(route, f"w-{number}"))) for number in range(5)]
        async with asyncio.timeout(5):
            while len(route.kafka.tasks) < 5:
                await asyncio.sleep(0.001)
        route.kafka.holding.set()
        assert await asyncio.gather(*waiting) == [[200]] * 5
