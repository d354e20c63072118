"""The declaration of an operation: what the dispatcher does with its requests, and what OpenAPI says of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from data_api.access import Scope
from data_api.asgi.errors import ErrorForm
from data_api.asgi.requests import Request
from data_api.asgi.responses import AnyResponse

MAX_BODY_BYTES = 64 * 1024
Handle = Callable[[Request], Awaitable[AnyResponse]]


@dataclass(frozen=True)
class PathParameter:
    """A `{name}` in the path of an operation."""

    name: str
    description: str
    example: str


@dataclass(frozen=True)
class Answer:
    """What an operation answers with one status."""

    description: str
    model: type[BaseModel] | None = None
    """The form of the JSON body; None for a body of another form, or without one."""
    media_type: str = "application/json"
    schema: Mapping[str, Any] | None = None
    """The JSON Schema of the body, where there is no model of it; None for a body of which nothing can be said."""
    example: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """The headers that matter to clients, each with its description."""
    is_empty: bool = False
    """Whether the answer has no body."""
    is_also_stream: bool = False
    """Whether the request may ask for Server-Sent Events in place of this body."""


@dataclass(frozen=True)
class Operation:
    """One method of one path. `path` may contain `{name}`, which stands for one segment of the path."""

    method: str
    path: str
    operation_id: str
    summary: str
    handle: Handle
    answers: Mapping[int, Answer]
    """The answers of success. Those of errors are added by what the operation needs."""
    tag: str
    description: str = ""
    scope: Scope | None = "read"
    """What the key of the request must be good for; None where no key is needed."""
    errors: ErrorForm = "problem"
    error_answers: Mapping[int, str] = field(default_factory=dict)
    """The errors that are the operation's own, with their descriptions."""
    path_parameters: tuple[PathParameter, ...] = ()
    parameters: type[BaseModel] | None = None
    """The query parameters. The handler gets an instance as `request.parameters`."""
    body: type[BaseModel] | None = None
    """The JSON body. The handler gets an instance as `request.body`; a request without a body counts as `{}`."""
    max_body_bytes: int = MAX_BODY_BYTES
    header_parameters: Mapping[str, str] = field(default_factory=dict)
    """The request headers that the handler reads, each with its description."""
    header_patterns: Mapping[str, str] = field(default_factory=dict)
    """Regular expressions for those of them that have an own form. The handler checks it."""
    is_streaming: bool = False
    """Whether the answer is a stream that stays open. It is not counted as a slow request."""
