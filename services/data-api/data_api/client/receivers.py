"""Sends webhooks to the addresses that merchants' programs have chosen, and to no address where none may be sent."""

import asyncio
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version

import httpcore
import httpx

from data_api.webhook_endpoints import Attempt
from platform_sdk.checked_connections import CONNECT_SECONDS, CheckedBackend
from platform_sdk.public_addresses import AddressRefusedError, AddressRules, Resolve

ANSWER_SECONDS = 15.0
"""How long a receiver may take to answer, with everything from the look-up of its name."""
IDLE_SECONDS = 15.0
"""How long a connection is kept for the next message."""
MAX_IDLE = 10
"""How many of them. httpcore looks at each one for each message."""
MAX_ANSWER_BYTES = 64 * 1024
"""How much of an answer is read. Nothing in it is used, but a connection with unread bytes cannot be used again."""
DRAIN_SECONDS = 1.0
MAX_URL_CHARACTERS = 2000
MAX_PORT = 65_535
_SUCCESS = range(200, 300)
_REDIRECTS = range(300, 400)


class UrlRefusedError(Exception):
    """Raised for an address of an endpoint to which no webhook can be sent. Its text says why."""


class ReceiverClient:
    """Sends one message at a time to any number of receivers. It follows no redirects and takes no cookies.

    `resolve` looks up host names; `rules` say which addresses are allowed. They are asked at each new connection, with
    the very address that is then connected to: a name may lead elsewhere by then. `resolve_new` looks up the names of
    addresses that somebody is about to choose, so that these hold up no message.
    """

    def __init__(self, rules: AddressRules, resolve: Resolve, resolve_new: Resolve, tls: ssl.SSLContext) -> None:
        self._rules = rules
        self._resolve_new = resolve_new
        self._pools = {
            scheme: httpcore.AsyncConnectionPool(
                ssl_context=tls,
                max_connections=None,
                max_keepalive_connections=MAX_IDLE,
                keepalive_expiry=IDLE_SECONDS,
                network_backend=CheckedBackend(rules, resolve, is_encrypted=scheme == "https"),
            )
            for scheme in ("https", "http")
        }
        self._agent = f"merchant-sync/{version('merchant-sync')}"

    async def check_url(self, url: str) -> None:
        """Raise `UrlRefusedError` for an address to which no message may be sent, as far as one can tell now."""
        parsed = _parse_url(url)
        try:
            host = parsed.raw_host.decode("ascii")
            addresses = await asyncio.wait_for(self._resolve_new(host, _get_port(parsed)), CONNECT_SECONDS)
            self._rules.check(parsed.host, _get_port(parsed), addresses, is_encrypted=parsed.scheme == "https")
        except AddressRefusedError as error:
            raise UrlRefusedError(str(error)) from None
        except (OSError, UnicodeError, TimeoutError):
            raise UrlRefusedError(f"{parsed.host} has no public address") from None

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Attempt:
        """Post JSON to a receiver, and return what came of it. Any answer of success (2xx) counts as delivered."""
        started = time.monotonic()
        status: int | None = None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                status = await self._post(_parse_url(url), headers, body)
            error = _describe_status(status)
        except TimeoutError:
            error = f"no answer within {ANSWER_SECONDS:.0f} s"
        except (AddressRefusedError, UrlRefusedError) as refused:
            error = str(refused)
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as failed:
            error = f"{type(failed).__name__}: {failed}"[:200]
        return Attempt(status, error, time.monotonic() - started)

    async def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            await pool.aclose()

    async def _post(self, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> int:
        fields = [
            ("Host", url.netloc.decode("ascii")),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("User-Agent", self._agent),
            *headers.items(),
        ]
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        async with self._pools[url.scheme].stream("POST", target, headers=fields, content=body) as response:
            with suppress(TimeoutError, httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
                await asyncio.wait_for(_drain(response), DRAIN_SECONDS)
            return response.status


async def _drain(response: httpcore.Response) -> None:
    """Read the body of an answer, whose status says all, so that the connection can be used again."""
    size = 0
    async for chunk in response.aiter_stream():
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            break


def _parse_url(url: str) -> httpx.URL:
    """Return a checked URL. Raises `UrlRefusedError`, which says what it must be."""
    if len(url) > MAX_URL_CHARACTERS:
        raise UrlRefusedError(f"must have at most {MAX_URL_CHARACTERS} characters")
    try:
        parsed = httpx.URL(url)
        host = parsed.host
    except (httpx.InvalidURL, UnicodeError):  # the host is one, in the encoding of names in other alphabets
        raise UrlRefusedError("is not a URL") from None
    if parsed.scheme not in ("https", "http") or not host:
        raise UrlRefusedError("must begin with https:// and a host")
    if not 0 < _get_port(parsed) <= MAX_PORT:
        raise UrlRefusedError(f"must have a port up to {MAX_PORT}")
    if parsed.userinfo or parsed.fragment:
        raise UrlRefusedError("must have no user name, no password and no fragment")
    return parsed


def _get_port(url: httpx.URL) -> int:
    return url.port if url.port is not None else 443 if url.scheme == "https" else 80


def _describe_status(status: int) -> str | None:
    """Return why a status is no success; None for one that is."""
    if status in _SUCCESS:
        return None
    return f"HTTP {status}, a redirect, which is not followed" if status in _REDIRECTS else f"HTTP {status}"
