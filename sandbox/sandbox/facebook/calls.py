"""One call to the Graph API, its caller and its reply."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.facebook.errors import GraphError
from sandbox.facebook.model import Page, Person, Token

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One call to the Graph API.

    - `path`: the segments of the URL path that follow the API version.
    - `params`: the parameters of the query string and of the body together.
    - `version`: the API version that answers.
    - `address`: the base URL of that version, from which the links to further result pages (`paging`) are built.
    """

    method: str
    path: tuple[str, ...]
    params: Mapping[str, str]
    version: str
    address: str

    def require(self, name: str) -> str:
        """Return the parameter `name`. Raises GraphError if it is missing or empty."""
        value = self.params.get(name)
        if not value:
            raise GraphError(100, f"(#100) The parameter {name} is required")
        return value


@dataclass(frozen=True, slots=True)
class Caller:
    """The token with which a call is made, and the Facebook Page (`page`) or user (`person`) that the call is about.

    Both are None for a call about the app or about a token.
    """

    token: Token
    page: Page | None = None
    person: Person | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to a call: an HTTP status, a body that is serialized as JSON, and headers."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Call, Caller], Awaitable[Body]]
