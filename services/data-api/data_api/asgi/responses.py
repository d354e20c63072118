"""What a handler of an operation returns."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
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


class Pieces:
    """The pieces of a body, and what must be released when they are not needed any more, even if none was asked for."""

    def __init__(self, pieces: AsyncGenerator[bytes, None], release: Callable[[], object]) -> None:
        self._pieces = pieces
        self._release = release

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate over the pieces."""
        return self._pieces

    async def aclose(self) -> None:
        """End the iteration, and release what it holds."""
        try:
            await self._pieces.aclose()
        finally:
            self._release()


@dataclass(slots=True)
class StreamedResponse:
    """A response whose body comes in pieces. They are closed when the response ends, however it ends.

    `is_live` says that pieces are waited for, so that the client's going away must end the body at once. Of any other
    body the rest is read all the same.
    """

    status: int
    headers: list[Header]
    pieces: AsyncGenerator[bytes, None] | Pieces
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
