"""HTTP calls to Odoos: only to public addresses with https, and to hosts that an operator allows. Never logged."""

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from platform_sdk.checked_connections import CheckedTransport
from platform_sdk.errors import LargeAnswerError, ThrottledError, TransientError
from platform_sdk.http import TraceCall, read_body
from platform_sdk.public_addresses import AddressRefusedError, AddressRules, AllowedHost, Resolve
from platforms.odoo.errors import NotOdooError, TransportMovedError

CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0
MAX_RESPONSE_BYTES = 32 * 1024 * 1024
MAX_RETRY_AFTER_SECONDS = 3600.0
_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=60)
_TOO_MANY_REQUESTS, _UNAVAILABLE = 429, 503


def create_http_client(allowed_hosts: Iterable[AllowedHost], resolve: Resolve) -> httpx.AsyncClient:
    """Return a client that follows no redirects. The caller closes it."""
    transport = CheckedTransport(
        AddressRules(allowed_hosts=allowed_hosts), resolve, ssl.create_default_context(), _LIMITS
    )
    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    return httpx.AsyncClient(transport=transport, timeout=timeout, follow_redirects=False)


@dataclass(frozen=True)
class OdooAnswer:
    """What a server has answered: it may be a page. `url` is what was asked for."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class OdooHttp:
    """Sends requests through `http`. `trace` opens the trace span of a request; None where they are not traced."""

    def __init__(self, http: httpx.AsyncClient, *, trace: TraceCall | None = None) -> None:
        self._http = http
        self._trace = trace

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str], seconds: float, content: bytes | None = None
    ) -> OdooAnswer:
        """Send a request and return its answer.

        Raises TransientError for every network error and when the answer is not complete within `seconds`,
        ThrottledError when the server asks to wait, LargeAnswerError for more than 32 MB, and NotOdooError for an
        address that may not be called.
        """
        try:
            async with asyncio.timeout(seconds):
                with self._trace(method, url) if self._trace else nullcontext() as span:
                    async with self._http.stream(method, url, headers=headers, content=content) as response:
                        if span is not None:
                            span.set_attribute("http.response.status_code", response.status_code)
                        body = await read_body(response, MAX_RESPONSE_BYTES)
        except AddressRefusedError as error:
            raise NotOdooError(str(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise TransientError(f"Odoo is not reached: {type(error).__name__}") from None
        if body is None:
            raise LargeAnswerError(f"an answer is larger than {MAX_RESPONSE_BYTES} bytes")
        _raise_for_throttle(response)
        return OdooAnswer(url, response.status_code, response.headers, body)


def build_page_error(answer: OdooAnswer) -> Exception:
    """Return the error that follows from an answer that is none of the API: a page, a redirect, a failed proxy."""
    if 300 <= answer.status < 400:
        target = urlsplit(answer.headers.get("location", ""))
        if not target.netloc:
            return TransportMovedError("the address of the API leads to a page")
        return NotOdooError(
            f"the address leads to {target.scheme or 'https'}://{target.netloc}: write that one if Odoo is there"
        )
    if answer.status >= 500:
        return TransientError(f"Odoo answers HTTP {answer.status}")
    return TransportMovedError("a page has come instead of an answer of the API")


def _raise_for_throttle(response: httpx.Response) -> None:
    status, text = response.status_code, response.headers.get("retry-after", "")
    if status == _TOO_MANY_REQUESTS or (status == _UNAVAILABLE and text):
        retry_after = min(float(text), MAX_RETRY_AFTER_SECONDS) if text.isdecimal() else None
        raise ThrottledError(f"Odoo answers HTTP {status}", retry_after=retry_after)
