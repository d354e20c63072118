"""A call to the Graph API and who makes it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.facebook.errors import GraphError
from sandbox.facebook.model import Page, Person, Token

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """Method, path below the version, parameters of query and body together, and the version that answers. `address`
    is the URL of the version, for `paging`.
    """

    method: str
    path: tuple[str, ...]
    params: Mapping[str, str]
    version: str
    address: str

    def need(self, name: str) -> str:
        """A parameter that must be there. Raises GraphError."""
        value = self.params.get(name)
        if not value:
            raise GraphError(100, f"(#100) The parameter {name} is required")
        return value


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token a call carries, and whom it is about. One of `page` and `person` at most is set."""

    token: Token
    page: Page | None = None
    person: Person | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a call is answered with: an HTTP status, a body that becomes JSON, and headers."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Call, Caller], Awaitable[Body]]
