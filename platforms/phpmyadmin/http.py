"""The HTTP client for phpMyAdmins. It connects to public addresses with https, and to hosts that an operator allows."""

import ssl
from collections.abc import Iterable

import httpx

from platform_sdk.checked_connections import CheckedTransport
from platform_sdk.public_addresses import AddressRules, AllowedHost, Resolve

CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0
"""How long a connection, and the next bytes of an answer, may take. A database sorts before it sends anything."""
_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30)


def create_http_client(allowed_hosts: Iterable[AllowedHost], resolve: Resolve) -> httpx.AsyncClient:
    """Return a client that follows no redirects and keeps no cookies. The caller closes it."""
    transport = CheckedTransport(
        AddressRules(allowed_hosts=allowed_hosts), resolve, ssl.create_default_context(), _LIMITS
    )
    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    return httpx.AsyncClient(transport=transport, timeout=timeout, follow_redirects=False)
