"""The webhook routes as ASGI, before everything else. Most deliveries do not come this way: see `listener.py`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any

from gateway.pages.responses import webhook_answer
from gateway.webhooks.handler import Header, Receiving
from gateway.webhooks.sync_request import Unacceptable

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

_JSON = (b"content-type", b"application/json")


class Webhooks:
    """Takes `POST /<platform>/webhook` itself and passes everything else on to `app`."""

    def __init__(self, app: Asgi, receptions: Iterable[Receiving]) -> None:
        self._app = app
        self._receptions = {reception.path: reception for reception in receptions}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        reception = self._receptions.get(scope.get("path", ""))
        if reception is None or scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        sent = webhook_answer(status := await _status(reception, scope["headers"], receive))
        headers = [_JSON, (b"content-length", str(len(sent)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": sent})


async def _status(reception: Receiving, headers: Sequence[Header], receive: Receive) -> int:
    try:
        async with asyncio.timeout(reception.answer_seconds):
            body = await _body(headers, receive, reception.max_bytes)
    except Unacceptable as refused:
        return reception.refused(refused.status, str(refused), headers)
    except TimeoutError:
        return reception.refused(408, "the body did not come", headers)
    status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    reception.take(headers, body, lambda given: None if status.done() else status.set_result(given))
    return await status


async def _body(headers: Sequence[Header], receive: Receive, limit: int) -> bytes:
    """The raw body, nearly always one piece. Raises `Unacceptable` (413) as soon as it is known to be too large."""
    for name, value in headers:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise Unacceptable(413, "the body is too large")
    message = await receive()
    body: bytes = message.get("body", b"")
    while message["type"] == "http.request":
        if len(body) > limit:
            raise Unacceptable(413, "the body is too large")
        if not message.get("more_body"):
            return body
        message = await receive()
        body += message.get("body", b"")
    raise Unacceptable(408, "the sender went away")
