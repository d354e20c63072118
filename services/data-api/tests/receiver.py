"""A receiver of webhooks on a real port, which verifies them by the official library of Standard Webhooks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from standardwebhooks.webhooks import Webhook

from stream_server import serve_application, wait_until


@dataclass
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> Any:
        """What the body says."""
        return orjson.loads(self.body)

    @property
    def id(self) -> str:
        """The message's id."""
        return self.headers["webhook-id"]

    def verify(self, secret: str) -> Any:
        """Return the message if its signature is good. Raises the library's error otherwise."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """Answers each request with `status`, or waits while `is_silent`, and keeps all requests."""

    port: int = 0
    status: int = 204
    is_silent: bool = False
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where messages are posted to."""
        return f"http://127.0.0.1:{self.port}/hook?for=acme"

    @property
    def messages(self) -> list[Any]:
        """What all requests say, in the order in which they came."""
        return [one.message for one in self.received]

    async def wait_for(self, count: int) -> list[Any]:
        """Wait for so many requests, and return what they say."""
        await wait_until(lambda: len(self.received) >= count)
        return self.messages

    async def __call__(self, scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        """Take a request."""
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        path = scope["path"] + "?" + scope["query_string"].decode()
        self.received.append(Received(path, headers, body))
        while self.is_silent:
            await asyncio.sleep(0.05)
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def serve_receiver(**options: Any) -> AsyncIterator[Receiver]:
    """Serve a receiver on loopback, with these options of uvicorn."""
    receiver = Receiver()
    async with serve_application(receiver, **options) as receiver.port:
        yield receiver
        receiver.is_silent = False
