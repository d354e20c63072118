"""To which addresses webhooks are sent, and to which never."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from certificates import Authority
from data_api.client.receivers import ReceiverClient
from host_names import Names
from merchant_sync.stack import Stack
from platform_sdk.public_addresses import AddressRules
from receiver import Receiver, serve_receiver
from v1_server import V1
from webhook_world import WebhookWorld, open_webhooks

PUBLIC = ip_address("203.0.114.7")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with serve_receiver() as receiver:
        yield receiver


@pytest.fixture
async def strict(v1: V1, postgres: Stack) -> AsyncIterator[WebhookWorld]:
    """A data API that sends webhooks to public addresses only, as it does by default."""
    async with open_webhooks(v1, postgres.build_admin_database_url(), networks=()) as world:
        yield world


@pytest.mark.integration
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://127.0.0.1/", "has no public address"),
        ("https://169.254.169.254/latest/meta-data/", "has no public address"),
        ("https://[::1]:5010/", "has no public address"),
        ("https://[::ffff:10.0.0.1]/", "has no public address"),
        ("https://2130706433/", "has no public address"),
        ("https://0x7f.1/", "has no public address"),
        ("https://localhost/", "has no public address"),
        ("https://inside.example/", "has no public address"),
        ("https://half.example/", "has no public address"),
        ("http://public.example/", "https"),
        ("https://nobody.invalid/", "has no public address"),
        ("ftp://public.example/", "https?://"),
        ("https:///path", "https://"),
        ("https://user:word@public.example/", "no user name"),
        ("https://public.example/#part", "no fragment"),
        ("not a url", "https?://"),
        ("https://public.example:99999/", "a port"),
        ("https://public.example:0/", "a port"),
        ("https://xn--a/", "not a URL"),
        ("https://xn--abc.example/", "not a URL"),
    ],
)
async def test_an_address_where_nothing_may_be_sent_is_refused(strict: WebhookWorld, url: str, reason: str) -> None:
    strict.names.addresses = {
        "inside.example": [[ip_address("10.0.0.5")]],
        "half.example": [[PUBLIC, ip_address("10.0.0.5")]],
        "public.example": [[PUBLIC]],
    }
    answer = await strict.request("POST", json={"url": url})
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("url: ") and reason in answer.json()["detail"]
    assert (await strict.request("GET")).json()["endpoints"] == []


@pytest.mark.integration
async def test_a_name_that_leads_elsewhere_later_is_refused_at_each_connection(
    strict: WebhookWorld, receiver: Receiver
) -> None:
    strict.names.addresses = {"rebinding.example": [[PUBLIC], [ip_address("127.0.0.1")]]}
    made = await strict.make(f"https://rebinding.example:{receiver.port}/")
    await strict.write("1", n=1)
    await strict.step()
    (pending,) = await strict.list_deliveries(made)
    assert pending["error"] == "rebinding.example has no public address"
    tested = (await strict.request("POST", f"/{made['id']}/test")).json()
    assert (tested["delivered"], tested["status"]) == (False, None)
    changed = await strict.request("PATCH", f"/{made['id']}", json={"url": f"https://127.0.0.1:{receiver.port}/"})
    assert changed.status_code == 400
    assert receiver.received == []


async def test_a_certificate_must_be_for_the_name(tmp_path: Path) -> None:
    names = Names()
    names.addresses = {name: [[ip_address("127.0.0.1")]] for name in ("hooks.example", "other.example")}
    authority = Authority(tmp_path, "authority")
    pair = authority.sign("receiver", "hooks.example")
    async with serve_receiver(ssl_certfile=pair.cert, ssl_keyfile=pair.key) as receiver:
        rules = AddressRules([ip_network("127.0.0.0/8")])
        client = ReceiverClient(
            rules, names.resolve, names.resolve, ssl.create_default_context(cafile=str(authority.ca))
        )
        good = await client.send(f"https://hooks.example:{receiver.port}/", {}, b"{}")
        wrong = await client.send(f"https://other.example:{receiver.port}/", {}, b"{}")
        await client.close()
    assert (good.status, good.error) == (204, None)
    assert wrong.status is None and "certificate" in str(wrong.error).lower()
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n" + b"x" * 1_000_000,
    ],
    ids=["unfinished", "short", "long"],
)
async def test_what_is_answered_with_success_is_delivered_however_the_body_ends(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    names = Names()
    client = ReceiverClient(
        AddressRules([ip_network("127.0.0.0/8")]), names.resolve, names.resolve, ssl.create_default_context()
    )
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        attempt = await client.send(f"http://127.0.0.1:{port}/", {}, b"{}")
        await client.close()
    assert (attempt.status, attempt.error) == (200, None)
