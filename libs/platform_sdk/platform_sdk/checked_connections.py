"""Connections to hosts whose names somebody else has chosen: only to addresses that `AddressRules` allow.

A name is looked up at each new connection, and the connection goes to the very address that was checked: by the time
that a name was looked up twice, it could lead elsewhere.
"""

import asyncio
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import httpcore
import httpx

from platform_sdk.public_addresses import AddressRefusedError, AddressRules, IpAddress, Resolve

CONNECT_SECONDS = 10.0
"""How long one of a host's addresses may take to accept a connection."""
_HTTPX_ERRORS: dict[type[Exception], type[httpx.TransportError]] = {
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.WriteTimeout: httpx.WriteTimeout,
    httpcore.PoolTimeout: httpx.PoolTimeout,
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.ReadError: httpx.ReadError,
    httpcore.WriteError: httpx.WriteError,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
    httpcore.UnsupportedProtocol: httpx.UnsupportedProtocol,
}


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to the first of a host's addresses that answers, after all of them were checked."""

    def __init__(self, rules: AddressRules, resolve: Resolve, *, is_encrypted: bool) -> None:
        self._rules = rules
        self._resolve = resolve
        self._is_encrypted = is_encrypted
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a host within `timeout` seconds, the look-up of its name and all of its addresses included.

        Raises `AddressRefusedError` if the host may not be called, `OSError` for a name that has no address.
        """
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._resolve(host, port)
                self._rules.check(host, port, addresses, is_encrypted=self._is_encrypted)
                return await self._connect_to_first(host, addresses, port, local_address, socket_options)
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"{host} accepts no connection") from None

    async def _connect_to_first(
        self,
        host: str,
        addresses: Sequence[IpAddress],
        port: int,
        local_address: str | None,
        socket_options: Iterable[Any] | None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception = AddressRefusedError(f"{host} has no public address")
        for address in addresses:
            try:
                return await self._backend.connect_tcp(
                    str(address), port, CONNECT_SECONDS, local_address, socket_options
                )
            except (httpcore.NetworkError, httpcore.TimeoutException, OSError) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002 the parameters are httpcore's
        timeout: float | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Raise: nothing that may be called is at a path of this machine."""
        raise AddressRefusedError("hosts are on the network")

    async def sleep(self, seconds: float) -> None:
        """Wait, as httpcore asks for between its own attempts."""
        await asyncio.sleep(seconds)


class CheckedTransport(httpx.AsyncBaseTransport):
    """The transport of an `httpx.AsyncClient` that calls only the hosts that `rules` allow, through no proxy.

    A request to any other host raises `AddressRefusedError`, which is no error of httpx: no attempt after it helps.
    `resolve` looks up host names, and `tls` says which certificates are accepted.
    """

    def __init__(
        self, rules: AddressRules, resolve: Resolve, tls: ssl.SSLContext, limits: httpx.Limits | None = None
    ) -> None:
        limits = limits or httpx.Limits()
        self._pools = {
            scheme: httpcore.AsyncConnectionPool(
                ssl_context=tls,
                max_connections=limits.max_connections,
                max_keepalive_connections=limits.max_keepalive_connections,
                keepalive_expiry=limits.keepalive_expiry,
                network_backend=CheckedBackend(rules, resolve, is_encrypted=scheme == "https"),
            )
            for scheme in ("https", "http")
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return its response as soon as its headers are there. Its body is read by the caller."""
        pool = self._pools.get(request.url.scheme)
        if pool is None:
            raise httpx.UnsupportedProtocol("the URL must begin with https:// or http://")
        forwarded = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=cast(AsyncIterable[bytes], request.stream),
            extensions=request.extensions,
        )
        with _translate_errors():
            response = await pool.handle_async_request(forwarded)
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_TranslatedStream(response),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            await pool.aclose()


class _TranslatedStream(httpx.AsyncByteStream):
    """The body of a response of httpcore, with errors of httpx."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translate_errors():
            async for chunk in self._response.aiter_stream():
                yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Raise httpcore's errors as httpx's, and a name that has no address as a connection that fails."""
    try:
        yield
    except tuple(_HTTPX_ERRORS) as error:
        raise _HTTPX_ERRORS[type(error)](str(error)) from error
    except OSError as error:
        raise httpx.ConnectError(str(error)) from error
