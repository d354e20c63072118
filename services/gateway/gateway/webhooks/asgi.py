"""ASGI middleware that handles the webhook routes before all other routes.

Most deliveries do not reach it, because `protocol.py` handles them before ASGI.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any

from gateway.pages.responses import RETRY_AFTER, get_webhook_response_body
from gateway.webhooks.handler import Header
from gateway.webhooks.tracing import WebhookReceiver
from platform_sdk.errors import RequestRejectedError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

_JSON = (b"content-type", b"application/json")


class WebhookMiddleware:
    """Passes `POST /<platform>/webhook` to the webhook handlers and everything else to `app`."""

    def __init__(self, app: Asgi, handlers: Iterable[WebhookReceiver]) -> None:
        self._app = app
        self._handlers = {handler.path: handler for handler in handlers}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI request, websocket or lifespan."""
        handler = self._handlers.get(scope.get("path", ""))
        if handler is None or scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        peer = scope["client"][0] if scope.get("client") else ""
        status = await _handle_post(handler, scope["headers"], receive, peer)
        body = get_webhook_response_body(status)
        headers = [_JSON, (b"content-length", str(len(body)).encode())]
        if status == 429:
            headers.append((b"retry-after", RETRY_AFTER))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _handle_post(handler: WebhookReceiver, headers: Sequence[Header], receive: Receive, peer: str) -> int:
    """Read the body of a webhook POST, let `handler` handle its deliveries, and return the HTTP status to answer."""
    try:
        async with asyncio.timeout(handler.answer_seconds):
            body = await _read_body(headers, receive, handler.max_bytes)
    except RequestRejectedError as error:
        return handler.refuse(error.status, error.reason, headers, peer=peer)
    except TimeoutError:
        return handler.refuse(408, "the body did not come", headers, peer=peer)
    answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    handler.handle(headers, body, lambda status: None if answer.done() else answer.set_result(status), peer=peer)
    return await answer


async def _read_body(headers: Sequence[Header], receive: Receive, max_bytes: int) -> bytes:
    """Return the raw body of the request.

    Raises RequestRejectedError with status 413 as soon as the body is known to be too large, and with status 408 when
    the sender disconnects.
    """
    for name, value in headers:
        if name == b"content-length" and value.isdigit() and int(value) > max_bytes:
            raise RequestRejectedError(413, "the body is too large")
    message = await receive()
    body = bytearray(message.get("body", b""))  # adding to `bytes` would copy all that came before, each time
    while message["type"] == "http.request":
        if len(body) > max_bytes:
            raise RequestRejectedError(413, "the body is too large")
        if not message.get("more_body"):
            return bytes(body)
        message = await receive()
        body += message.get("body", b"")
    raise RequestRejectedError(408, "the sender went away")
