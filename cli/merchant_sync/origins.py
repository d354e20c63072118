"""Origins of URLs (`http://host:port`), and an HTTP transport that sends requests for some origins to another one.

With it a command can follow links to the gateway's public URL while it reaches the gateway at another one.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

import httpx


def get_origin(address: str) -> str:
    """Return the origin of a URL, as `http://host:port`."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


class RedirectingTransport(httpx.BaseTransport):
    """An httpx transport that sends all requests to the origin of `target`. Their Host header stays unchanged."""

    def __init__(self, target: str, inner: httpx.BaseTransport | None = None) -> None:
        self._target = httpx.URL(target)
        self._inner = inner or httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request to the transport's target, whatever its own origin is; return the response."""
        url = request.url.copy_with(scheme=self._target.scheme, host=self._target.host, port=self._target.port)
        redirected = httpx.Request(
            request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
        )
        return self._inner.handle_request(redirected)

    def close(self) -> None:
        """Close the HTTP connections."""
        self._inner.close()


def build_mounts(origins: Iterable[str], target: str) -> dict[str, httpx.BaseTransport]:
    """Return `mounts` for an `httpx.Client`, so that it sends requests for these origins to the origin of `target`."""
    return {origin: RedirectingTransport(target) for origin in origins if origin != get_origin(target)}
