"""HTTP responses that every platform of the sandbox uses, and responses that faults interrupt."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

HTML_ERROR_PAGE = (
    b"<!DOCTYPE html><html><head><title>Something went wrong</title></head><body><h1>Oops</h1></body></html>"
)
"""An HTML error page. Faults send it as a body where clients expect JSON."""


def build_json_response(body: Any, status: int = 200) -> Response:
    """Build a JSON response from `body`. Keys of dictionaries may be numbers."""
    return Response(orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS), status, media_type="application/json")


def build_response(
    body: bytes, headers: Mapping[str, str], status: int = 200, *, truncated: bool = False, hanging: float = 0.0
) -> Response:
    """Build a response with the JSON text `body`.

    If `hanging` is not 0, the response pauses for that many seconds in the middle of the body. With `truncated`, the
    response ends in the middle of the body, so that clients see a broken connection.
    """
    if truncated or hanging:
        return _InterruptedResponse(body, headers, status, hanging, complete=not truncated)
    return Response(body, status, dict(headers), "application/json")


class _InterruptedResponse(Response):
    """A response that sends half of its body, pauses for `seconds`, and sends the other half if it is `complete`."""

    def __init__(self, body: bytes, headers: Mapping[str, str], status: int, seconds: float, *, complete: bool) -> None:
        super().__init__(body, status, dict(headers), "application/json")
        self._seconds = seconds
        self._complete = complete

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        half = len(self.body) // 2
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": bytes(self.body[:half]), "more_body": True})
        await asyncio.sleep(self._seconds)
        if self._complete:
            await send({"type": "http.response.body", "body": bytes(self.body[half:])})
