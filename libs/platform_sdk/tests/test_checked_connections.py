"""An httpx client with the checked transport reaches allowed hosts only, and fails as httpx does."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path

import httpx
import pytest

from certificates import Authority
from host_names import Names
from platform_sdk.checked_connections import CheckedTransport
from platform_sdk.public_addresses import AddressRefusedError, AddressRules, IpAddress, parse_allowed_host

PUBLIC = ip_address("203.0.114.7")
LOOPBACK = ip_address("127.0.0.1")
LOOPBACK_RULES = AddressRules([ip_network("127.0.0.0/8")])
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Server:
    """Gives each connection the same answer, and keeps the first bytes of every request."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.port = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's first request."""
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def serve_bytes(answer: bytes = OK, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(answer)
    async with await asyncio.start_server(server.handle, "127.0.0.1", 0, ssl=tls) as listening:
        server.port = listening.sockets[0].getsockname()[1]
        yield server


def open_client(
    rules: AddressRules, names: Names | None = None, tls: ssl.SSLContext | None = None, timeout: float = 5.0
) -> httpx.AsyncClient:
    resolve = (names or Names()).resolve
    transport = CheckedTransport(rules, resolve, tls or ssl.create_default_context())
    return httpx.AsyncClient(transport=transport, timeout=timeout)


def allow(*hosts: str) -> AddressRules:
    return AddressRules(allowed_hosts=[parse_allowed_host(host) for host in hosts])


async def test_an_allowed_host_is_reached_at_its_port_and_at_no_other() -> None:
    async with serve_bytes() as server, serve_bytes() as other:
        async with open_client(allow(f"127.0.0.1:{server.port}")) as http:
            assert (await http.post(f"http://127.0.0.1:{server.port}/path?a=b", content=b"body")).text == "ok"
            with pytest.raises(AddressRefusedError):
                await http.get(f"http://127.0.0.1:{other.port}/")
        assert server.requests[0].startswith(b"POST /path?a=b HTTP/1.1\r\nHost: 127.0.0.1:")
        assert other.requests == []


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "localhost"])
async def test_a_private_address_is_refused_in_whatever_way_it_is_written(host: str) -> None:
    async with serve_bytes() as server:
        async with open_client(allow("elsewhere.internal")) as http:
            for scheme in ("https", "http"):
                with pytest.raises(AddressRefusedError, match="has no public address"):
                    await http.get(f"{scheme}://{host}:{server.port}/")
        assert server.requests == []


async def test_each_connection_goes_to_the_address_that_was_checked_for_it() -> None:
    names = Names()
    names.addresses = {"rebinding.example": [[LOOPBACK], [ip_address("10.0.0.5")]]}
    async with serve_bytes() as server, open_client(LOOPBACK_RULES, names) as http:
        url = f"http://rebinding.example:{server.port}/"
        assert (await http.get(url)).text == "ok"
        with pytest.raises(AddressRefusedError, match=r"^rebinding\.example has no public address$"):
            await http.get(url)
        assert len(server.requests) == 1


async def test_a_name_is_looked_up_once_for_a_connection() -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[IpAddress]:
        asked.append(host)
        return [LOOPBACK]

    async with serve_bytes() as server:
        transport = CheckedTransport(LOOPBACK_RULES, resolve, ssl.create_default_context())
        async with httpx.AsyncClient(transport=transport) as http:
            await http.get(f"http://once.example:{server.port}/")
    assert asked == ["once.example"]


async def test_a_public_host_must_be_called_with_https() -> None:
    names = Names()
    names.addresses = {"public.example": [[PUBLIC]]}
    async with open_client(LOOPBACK_RULES, names) as http:
        with pytest.raises(AddressRefusedError, match=r"^public\.example must be called with https$"):
            await http.get("http://public.example/")


async def test_a_redirect_is_not_followed_and_would_be_checked() -> None:
    async with serve_bytes() as inside:
        answer = f"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{inside.port}/\r\ncontent-length: 0\r\n\r\n"
        async with serve_bytes(answer.encode()) as server, open_client(allow(f"127.0.0.1:{server.port}")) as http:
            assert (await http.get(f"http://127.0.0.1:{server.port}/")).status_code == 302
            with pytest.raises(AddressRefusedError):
                await http.get(f"http://127.0.0.1:{server.port}/", follow_redirects=True)
        assert inside.requests == []


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve_bytes() as server, serve_bytes() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "")
        async with open_client(LOOPBACK_RULES) as http:
            assert (await http.get(f"http://127.0.0.1:{server.port}/")).text == "ok"
        assert (len(server.requests), proxy.requests) == (1, [])


async def test_a_certificate_must_be_for_the_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    pair = authority.sign("server", "db.example")
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(pair.cert, pair.key)
    names = Names()
    names.addresses = {name: [[LOOPBACK]] for name in ("db.example", "other.example")}
    trusted = ssl.create_default_context(cafile=str(authority.ca))
    async with serve_bytes(tls=served) as server, open_client(LOOPBACK_RULES, names, trusted) as http:
        assert (await http.get(f"https://db.example:{server.port}/")).text == "ok"
        with pytest.raises(httpx.ConnectError, match="certificate"):
            await http.get(f"https://other.example:{server.port}/")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", httpx.RemoteProtocolError),
        (b"no HTTP at all\r\n\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort", httpx.RemoteProtocolError),
    ],
    ids=["nothing", "no HTTP", "cut"],
)
async def test_a_broken_answer_is_an_error_of_httpx(answer: bytes, error: type[Exception]) -> None:
    async with serve_bytes(answer) as server, open_client(LOOPBACK_RULES) as http:
        with pytest.raises(error):
            await http.get(f"http://127.0.0.1:{server.port}/")


async def test_a_host_that_cannot_be_reached_is_an_error_of_httpx() -> None:
    async with serve_bytes() as server:
        port = server.port
    async with open_client(LOOPBACK_RULES) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(f"http://127.0.0.1:{port}/")
        with pytest.raises(httpx.ConnectError):
            await http.get("https://nobody.invalid/")
        with pytest.raises(httpx.UnsupportedProtocol):
            await http.get("ftp://127.0.0.1/")


async def test_a_silent_server_or_name_is_a_timeout_of_httpx() -> None:
    async def resolve_never(host: str, port: int) -> list[IpAddress]:
        await asyncio.Event().wait()
        return []

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with open_client(LOOPBACK_RULES, timeout=0.1) as http:
            with pytest.raises(httpx.ReadTimeout):
                await http.get(f"http://127.0.0.1:{port}/")
    transport = CheckedTransport(LOOPBACK_RULES, resolve_never, ssl.create_default_context())
    async with httpx.AsyncClient(transport=transport, timeout=0.1) as http:
        with pytest.raises(httpx.ConnectTimeout):
            await asyncio.wait_for(http.get("https://slow.example/"), 5)


async def test_a_response_is_read_as_it_comes() -> None:
    gate = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab")
        await gate.wait()
        writer.write(b"cd")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with open_client(LOOPBACK_RULES) as http, http.stream("GET", url) as response:
            chunks = response.aiter_bytes()
            first = await anext(chunks)
            gate.set()
            assert (first, [chunk async for chunk in chunks]) == (b"ab", [b"cd"])
