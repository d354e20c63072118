"""What a handler of an operation returns."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

Header = tuple[bytes, bytes]
"""The name, in lower case, and the value of a header."""
JSON: Header = (b"content-type", b"application/json")


@dataclass(slots=True)
class Response:
    """A response whose body is in memory. `content-length` is added."""

    status: int
    headers: list[Header] = field(default_factory=list)
    body: bytes = b""


@dataclass(slots=True)
class StreamedResponse:
    """A response whose body comes in pieces.

    `is_live` says that pieces are waited for, so that the client's going away must end the body at once. Of any other
    body the rest is read all the same.
    """

    status: int
    headers: list[Header]
    pieces: AsyncIterator[bytes]
    is_live: bool = False


@dataclass(slots=True)
class DirectResponse:
    """A response whose body `run` sends and ends, with ASGI's `receive` and `send`. It is not run for HEAD."""

    status: int
    headers: list[Header]
    run: Callable[[Any, Any], Awaitable[None]]


AnyResponse = Response | StreamedResponse | DirectResponse


def respond_json(value: Any, status: int = 200, *headers: Header) -> Response:
    """Return a response with `value` as JSON."""
    return Response(status, [JSON, *headers], orjson.dumps(value))
