"""Addresses, and a way to reach the gateway by another one than it calls its own."""

from collections.abc import Iterable
from urllib.parse import urlsplit

import httpx


def origin(address: str) -> str:
    """Scheme, host and port of an address, as `http://host:port`."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


class Detour(httpx.BaseTransport):
    """Sends what is meant for one origin to another; the Host header stays the one that was meant."""

    def __init__(self, to: str, inner: httpx.BaseTransport | None = None) -> None:
        self._to = httpx.URL(to)
        self._inner = inner or httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it there."""
        url = request.url.copy_with(scheme=self._to.scheme, host=self._to.host, port=self._to.port)
        sent = httpx.Request(
            request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
        )
        return self._inner.handle_request(sent)

    def close(self) -> None:
        """Close its connections."""
        self._inner.close()


def detours(origins: Iterable[str], to: str) -> dict[str, httpx.BaseTransport]:
    """Mounts of an `httpx.Client` that send these origins to `to`."""
    return {one: Detour(to) for one in origins if one != origin(to)}
