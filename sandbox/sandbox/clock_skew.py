"""The `Date` header of every response. A fault can make its time wrong."""

from collections.abc import Callable
from email.utils import formatdate
from time import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class DateHeaderMiddleware:
    """Adds a `Date` header to every response.

    `get_skew` gets the path of the request and returns the seconds that are added to the true time.
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
