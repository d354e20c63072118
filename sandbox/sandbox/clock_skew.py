"""The `Date` header of every response, which may be wrong on purpose."""

from collections.abc import Callable
from email.utils import formatdate
from time import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class DateHeaderMiddleware:
    """Adds a `Date` header to every response. `get_skew` returns, for the path of a request, by how many seconds the
    date is wrong.
    """

    def __init__(self, app: ASGIApp, get_skew: Callable[[str], float]) -> None:
        self._app = app
        self._get_skew = get_skew

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        skew = self._get_skew(scope["path"])

        async def send_with_date(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = formatdate(time() + skew, usegmt=True).encode()
                message["headers"] = [*message["headers"], (b"date", date)]
            await send(message)

        await self._app(scope, receive, send_with_date)
