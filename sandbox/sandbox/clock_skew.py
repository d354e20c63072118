"""The `Date` of every answer."""

from collections.abc import Callable
from email.utils import formatdate
from time import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Dated:
    """A `Date` on every answer, as many seconds off as `skew` says of the request's path."""

    def __init__(self, app: ASGIApp, skew: Callable[[str], float]) -> None:
        self._app = app
        self._skew = skew

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        skew = self._skew(scope["path"])

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = formatdate(time() + skew, usegmt=True).encode()
                message["headers"] = [*message["headers"], (b"date", date)]
            await send(message)

        await self._app(scope, receive, dated)
