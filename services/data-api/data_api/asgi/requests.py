"""What a handler of an operation gets."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

import orjson
from pydantic import BaseModel, ValidationError

from data_api.access import ApiCaller
from data_api.asgi.errors import RequestError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]

_KEY_PARAMETERS = frozenset(
    {"key", "api_key", "apikey", "api-key", "x-api-key", "access_token", "token", "authorization"}
)
KEY_PREFIX = "msk_"
"""The beginning of every key that is made on a connection's page."""


class Request:
    """A request to one operation, after the dispatcher has checked it.

    `parameters` and `body` are instances of the models that the operation declares. `caller` is None only for an
    operation that needs no key.
    """

    __slots__ = ("_caller", "body", "headers", "parameters", "path_parameters", "receive", "scope")

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        headers: Mapping[bytes, bytes],
        path_parameters: Mapping[str, str],
        caller: ApiCaller | None,
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.headers = headers
        self.path_parameters = path_parameters
        self._caller = caller
        self.parameters: Any = None
        self.body: Any = None

    @property
    def caller(self) -> ApiCaller:
        """Whose key the request has."""
        assert self._caller is not None, "the operation needs no key"
        return self._caller

    def get_header(self, name: bytes) -> str | None:
        """Return the value of a header by its name in lower case; None if the request has none."""
        value = self.headers.get(name)
        return value.decode("latin-1") if value is not None else None

    @property
    def method(self) -> str:
        """The HTTP method; HEAD for a request to an operation with GET whose body is not wanted."""
        method: str = self.scope["method"]
        return method


def read_key(headers: Mapping[bytes, bytes]) -> str | None:
    """Return the key in `X-API-Key`, or in `Authorization: Bearer`; None if there is none.

    Raises `RequestError` for a request with two different ones.
    """
    given = headers.get(b"x-api-key", b"").strip()
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    bearer = token.strip() if scheme.lower() == b"bearer" else b""
    if given and bearer and given != bearer:
        raise RequestError(400, "the request has two different keys, in X-API-Key and in Authorization")
    return (given or bearer).decode("latin-1") or None


def parse_query(query: bytes) -> dict[str, str]:
    """Return the query parameters by name. Raises `RequestError` for one that comes twice, and for a key.

    Addresses are kept in logs, histories and referrers, so a key that was sent in one is no secret any more.
    """
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    for name, value in pairs:
        if name.lower() in _KEY_PARAMETERS or value.startswith(KEY_PREFIX):
            raise RequestError(
                400, "a key is never sent in an address: send it in the header X-API-Key, and replace this one"
            )
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise RequestError(400, "a query parameter comes twice")
    return parameters


def parse_parameters(model: type[BaseModel], query: Mapping[str, str]) -> BaseModel:
    """Return the query parameters as an instance of `model`. Raises `RequestError` that names what is wrong."""
    try:
        return model.model_validate(query)
    except ValidationError as error:
        raise RequestError(400, _describe(error)) from None


async def read_body(
    model: type[BaseModel], receive: Receive, headers: Mapping[bytes, bytes], max_bytes: int
) -> BaseModel:
    """Read the JSON body of a request as an instance of `model`. Raises `RequestError` for any other body."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestError(400, "the request was cut off")
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise RequestError(413, f"the body has more than {max_bytes} bytes")
        if not message.get("more_body", False):
            break
    media_type = headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
    if body and media_type != b"application/json":
        raise RequestError(415, "the body must be application/json")
    try:
        # Strictly: in JSON, other than in an address, a number is no text.
        return model.model_validate(orjson.loads(body) if body else {}, strict=True)
    except ValidationError as error:
        raise RequestError(400, _describe(error)) from None
    except orjson.JSONDecodeError:
        raise RequestError(400, "the body is not JSON") from None


def _describe(error: ValidationError) -> str:
    # Without the values: they may be anything, and errors are logged by those who receive them.
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'body'}: {problem['msg']}" for problem in error.errors()
    )
