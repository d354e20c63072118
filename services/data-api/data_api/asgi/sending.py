"""Sends a response over ASGI."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from data_api.asgi.requests import Receive, Send
from data_api.asgi.responses import AnyResponse, DirectResponse, Response

_WITHOUT_LENGTH = frozenset({204, 304})


async def send_response(response: AnyResponse, method: str, receive: Receive, send: Send) -> None:
    """Send a response; to HEAD without its body. Ends at once when the client of a live stream goes away."""
    if isinstance(response, Response):
        if response.status not in _WITHOUT_LENGTH:
            response.headers.append((b"content-length", b"%d" % len(response.body)))
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        body = b"" if method == "HEAD" else response.body
        await send({"type": "http.response.body", "body": body})
        return
    if isinstance(response, DirectResponse):
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        if method == "HEAD":
            await send({"type": "http.response.body", "body": b""})
        else:
            await response.run(receive, send)
        return
    async with aclosing(response.pieces) as pieces:
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        if method == "HEAD":
            pass
        elif response.is_live:
            await _cancel_on_disconnect(_send_pieces(pieces, send), receive)
        else:
            await _send_pieces(pieces, send)
    await send({"type": "http.response.body", "body": b""})


async def _send_pieces(pieces: Any, send: Send) -> None:
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _cancel_on_disconnect(sending: Any, receive: Receive) -> None:
    """Run `sending` until it ends or the client goes away."""
    # uvicorn accepts and discards what is sent to a client that is gone, so sending alone would never notice.
    watch = asyncio.create_task(_wait_for_disconnect(receive))
    task = asyncio.current_task()
    assert task is not None
    watch.add_done_callback(_build_canceller(task))
    try:
        await sending
    except asyncio.CancelledError:
        if not watch.done() or watch.cancelled() or task.uncancel():
            raise
    finally:
        watch.cancel()


def _build_canceller(task: "asyncio.Task[Any]") -> Callable[["asyncio.Task[None]"], None]:
    def cancel(watch: "asyncio.Task[None]") -> None:
        if not watch.cancelled():
            task.cancel()

    return cancel


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
