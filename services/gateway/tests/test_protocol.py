"""Deliveries over real connections: however the bytes come, each is answered once, in order, and nothing is lost."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from platform_sdk.adapters import PlatformAdapter
from service.process import LAST_ANSWER

BODY = b'{"id": 7}'


@pytest.fixture
async def route(shopify: PlatformAdapter, make_route: Any) -> AsyncIterator[Any]:
    """The webhook route behind real connections."""
    made = make_route(shopify)
    async with made.listening() as made.address:
        yield made


def delivery(route: Any, webhook_id: str, *, version: str = "1.1", more: str = "", target: str = "") -> bytes:
    head = (
        f"POST {target or '/shopify/webhook'} HTTP/{version}\r\nHost: gateway.test\r\n"
        f"X-Shopify-Topic: products/update\r\nX-Shopify-Shop-Domain: acme.myshopify.com\r\n"
        f"X-Shopify-Webhook-Id: {webhook_id}\r\n"
        f"X-Shopify-Hmac-Sha256: {route.signature(BODY)}\r\nContent-Length: {len(BODY)}\r\n{more}\r\n"
    )
    return head.encode() + BODY


async def talk(route: Any, *pieces: bytes, answers: int = 1) -> list[int]:
    """Send pieces with a moment between them; the statuses of so many answers."""
    reader, writer = await asyncio.open_connection(*route.address)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.01)
    statuses = [await status(reader) for _ in range(answers)]
    writer.close()
    return statuses


async def status(reader: asyncio.StreamReader) -> int:
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode()
    fields = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if line)
    await reader.readexactly(int(fields["content-length"]))
    return int(head.split()[1])


async def flood(writer: asyncio.StreamWriter, *, seconds: float) -> None:
    """Send chunk after chunk for so long, or until the connection breaks."""
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0.005)


def ids(route: Any) -> list[str]:
    return [dict(headers)["ce_id"].decode() for *_, headers in route.kafka.sent]


async def test_byte_by_byte_it_is_one_delivery(route: Any) -> None:
    sent = delivery(route, "w-1")
    pieces = [sent[at : at + 37] for at in range(0, len(sent), 37)]
    assert await talk(route, *pieces) == [200]
    assert len(route.kafka.sent) == 1


async def test_a_connection_is_used_again_and_again(route: Any) -> None:
    reader, writer = await asyncio.open_connection(*route.address)
    for number in range(5):
        writer.write(delivery(route, f"w-{number}"))
        assert await status(reader) == 200
    writer.close()
    assert len(set(ids(route))) == 5


async def test_pipelined_deliveries_are_answered_in_their_order(route: Any) -> None:
    held = asyncio.Event()
    route.kafka.holding = held
    bad = delivery(route, "w-2").replace(BODY, b'{"id": 8}')
    asyncio.get_running_loop().call_later(0.1, held.set)
    sent = delivery(route, "w-1") + delivery(route, "w-2", target="/other") + bad + delivery(route, "w-3")
    assert await talk(route, sent, answers=4) == [200, 418, 401, 200]
    assert len(set(ids(route))) == 2


@pytest.mark.parametrize(
    "given",
    [{"version": "1.0"}, {"more": "Connection: close\r\n"}, {"target": "/shopify/webhook?from=platform"}],
)
async def test_what_is_not_plain_comes_to_the_same_reception(route: Any, given: dict[str, str]) -> None:
    assert await talk(route, delivery(route, "w-1", **given)) == [200]
    assert len(route.kafka.sent) == 1


async def test_who_asks_whether_to_go_on_is_told_to(route: Any) -> None:
    head, body = delivery(route, "w-1", more="Expect: 100-continue\r\n").split(b"\r\n\r\n")
    reader, writer = await asyncio.open_connection(*route.address)
    writer.write(head + b"\r\n\r\n")
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).startswith(b"HTTP/1.1 100")
    writer.write(body)
    assert await status(reader) == 200
    writer.close()


async def test_a_connection_said_to_be_closed_is_closed(route: Any) -> None:
    reader, writer = await asyncio.open_connection(*route.address)
    writer.write(delivery(route, "w-1", more="Connection: close\r\n"))
    answer = await asyncio.wait_for(reader.read(), 5)
    assert answer.startswith(b"HTTP/1.1 200") and b"connection: close" in answer
    writer.close()


async def test_a_sender_that_goes_away_has_delivered_what_it_sent_whole(route: Any) -> None:
    held = asyncio.Event()
    route.kafka.holding = held
    _, writer = await asyncio.open_connection(*route.address)
    writer.write(delivery(route, "w-1"))
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()
    await asyncio.sleep(0.05)
    held.set()
    assert await talk(route, delivery(route, "w-2")) == [200]
    assert len(set(ids(route))) == 2


async def test_half_a_delivery_is_none(route: Any) -> None:
    _, writer = await asyncio.open_connection(*route.address)
    writer.write(delivery(route, "w-1")[:-1])
    await writer.drain()
    writer.close()
    assert await talk(route, delivery(route, "w-2")) == [200]
    assert len(route.kafka.sent) == 1


async def test_an_endless_body_is_cut_off(route: Any) -> None:
    _, writer = await asyncio.open_connection(*route.address)
    writer.write(b"POST /shopify/webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    with pytest.raises(ConnectionError):
        await flood(writer, seconds=10)
    writer.close()
    assert route.counted["", "refused 413: the body is too large"] == 1


async def test_a_gateway_that_ends_takes_what_comes_and_closes_with_its_answer(route: Any) -> None:
    reader, writer = await asyncio.open_connection(*route.address)
    writer.write(delivery(route, "w-1"))
    assert await status(reader) == 200
    route.server.config.encoded_headers = route.server.server_state.default_headers = [LAST_ANSWER]
    writer.write(delivery(route, "w-2"))
    assert (await asyncio.wait_for(reader.read(), 5)).lower().count(b"connection: close") == 1
    assert len(ids(route)) == 2
