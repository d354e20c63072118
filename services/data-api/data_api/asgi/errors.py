"""Responses to requests that are refused or cannot be answered: RFC 9457 problems, or the plain form."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Literal

import orjson

from data_api.asgi.responses import JSON, Header, Response

ErrorForm = Literal["plain", "problem"]
"""`plain` is `{"status": "error", "message": ...}`, `problem` is `application/problem+json`."""
PROBLEM = (b"content-type", b"application/problem+json")
UNAVAILABLE_SECONDS = 5
"""What `Retry-After` says while something that is needed does not answer."""


class RequestError(Exception):
    """Raised to answer a request with an HTTP error. `fields` are added to the body, and `headers` to the response."""

    def __init__(
        self, status: int, message: str, /, *, headers: Mapping[str, str] | None = None, **fields: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}
        self.fields = fields


def build_error(error: RequestError, form: ErrorForm) -> Response:
    """Return the response to a request that failed with `error`."""
    headers: list[Header] = [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    headers.append((b"cache-control", b"no-store"))
    if form == "problem":
        title = HTTPStatus(error.status).phrase
        body = {"type": "about:blank", "title": title, "status": error.status, "detail": error.message, **error.fields}
        return Response(error.status, [PROBLEM, *headers], orjson.dumps(body))
    body = {"status": "error", "message": error.message, **error.fields}
    return Response(error.status, [JSON, *headers], orjson.dumps(body))


def build_unavailable_error(reason: str) -> RequestError:
    """Return the error of a request that needs what does not answer now."""
    return RequestError(503, reason, headers={"Retry-After": str(UNAVAILABLE_SECONDS)})
