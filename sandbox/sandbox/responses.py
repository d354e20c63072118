"""Answers that go wrong on their way."""

import asyncio
from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

HTML = b"<!DOCTYPE html><html><head><title>Something went wrong</title></head><body><h1>Oops</h1></body></html>"
"""What comes where JSON was expected."""


def respond(
    body: bytes, headers: Mapping[str, str], status: int = 200, *, truncated: bool = False, hanging: float = 0.0
) -> Response:
    """A JSON answer, whole, or one that stops in the middle: for `hanging` seconds, or for good if `truncated`."""
    if truncated or hanging:
        return _Broken(body, headers, status, hanging, whole=not truncated)
    return Response(body, status, dict(headers), "application/json")


class _Broken(Response):
    """An answer that stops in the middle, for a while or for good."""

    def __init__(self, body: bytes, headers: Mapping[str, str], status: int, seconds: float, *, whole: bool) -> None:
        super().__init__(body, status, dict(headers), "application/json")
        self._seconds = seconds
        self._whole = whole

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        half = len(self.body) // 2
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": bytes(self.body[:half]), "more_body": True})
        await asyncio.sleep(self._seconds)
        if self._whole:
            await send({"type": "http.response.body", "body": bytes(self.body[half:])})
