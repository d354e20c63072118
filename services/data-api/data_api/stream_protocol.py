"""The HTTP protocol of the public port: it lets an application write to a connection without a task for each.

ASGI's `send` belongs to the task of one request. Ten thousand streams that get the same event would each have to be
woken for it, and no application could see how much of what it has sent still waits in memory.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from service.limited_protocol import LimitedProtocol

TRANSPORT_EXTENSION = "data_api.transport"
"""The name under which the extensions of a request's ASGI scope have the connection's transport."""


class StreamProtocol(LimitedProtocol):
    """Handles one TCP connection within the limits, and hands its transport to the application."""

    def on_headers_complete(self) -> None:
        """Add the transport to the request's scope, and let the application handle the request."""
        self.scope["extensions"] = {TRANSPORT_EXTENSION: {"transport": self.transport}}
        super().on_headers_complete()


def get_transport(scope: Mapping[str, Any]) -> asyncio.WriteTransport:
    """Return the transport of the connection on which a request came."""
    transport: asyncio.WriteTransport = scope["extensions"][TRANSPORT_EXTENSION]["transport"]
    return transport


def encode_frame(content: bytes) -> bytes:
    """Return a part of a response body in chunked encoding (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(content), content)


LAST_FRAME = b"0\r\n\r\n"
"""The end of a response body in chunked encoding."""
