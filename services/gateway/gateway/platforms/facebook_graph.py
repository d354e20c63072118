"""The Graph API's answers as models, and what its errors mean. Texts of dead tokens may hold the token: never shown."""

import re
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

_DEAD = frozenset((102, 190))
_THROTTLED = frozenset((4, 17, 32, 341, 368, 613))
_THROTTLED_ELSEWHERE = range(80_000, 80_015)
_TRANSIENT = frozenset((1, 2))
_PLACE = re.compile(r"fields\[(\d+)\] must be one of")
_GOT = re.compile(r"""got ["'](\w+)["']""")
_LACKING = re.compile(r"subscribe to the (\w+) field")
_LISTED = re.compile(r"\{[^{}]{80,}\}?")

PageId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,32}$")]


class _Answer(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)


class GraphError(_Answer):
    """An error as Graph says it; its HTTP status means nothing."""

    code: int
    error_subcode: int | None = None
    message: str = ""
    is_transient: bool = False

    @property
    def number(self) -> str:
        """Its code, with the subcode where it has one."""
        return f"{self.code}/{self.error_subcode}" if self.error_subcode else str(self.code)

    @property
    def said(self) -> str:
        """Its text without long enumerations, cut short."""
        return _LISTED.sub("{…}", self.message)[:300] or f"error {self.number}"

    @property
    def is_dead_token(self) -> bool:
        """Whether the token is worth nothing any more."""
        return self.code in _DEAD

    @property
    def is_throttle(self) -> bool:
        """Whether too much was asked: asking again at once makes it longer."""
        return self.code in _THROTTLED or self.code in _THROTTLED_ELSEWHERE

    @property
    def passes(self) -> bool:
        """Whether it goes by itself."""
        return self.code in _TRANSIENT or self.is_transient

    def refused_field(self, asked: Sequence[str]) -> str | None:
        """Which of the fields asked for it is about, if it says so."""
        if (place := _PLACE.search(self.message)) and int(place[1]) < len(asked):
            return asked[int(place[1])]
        named = _GOT.search(self.message) or _LACKING.search(self.message)
        return named[1] if named and named[1] in asked else None


class _Envelope(_Answer):
    error: GraphError


class TokenAnswer(_Answer):
    """The token endpoint's."""

    access_token: str = Field(min_length=1, repr=False)


class TokenFacts(_Answer):
    """What `debug_token` knows of a token; `data_access_expires_at` in seconds, 0 for never."""

    app_id: str = ""
    is_valid: bool
    user_id: str | None = None
    scopes: tuple[str, ...] = ()
    data_access_expires_at: int = 0


class TokenDebugged(_Answer):
    """`debug_token`."""

    data: TokenFacts


class Permission(_Answer):
    """One of `granted`, `declined`, `expired`."""

    permission: str
    status: str


class Permissions(_Answer):
    """`me/permissions`."""

    data: list[Permission]


class ListedPage(_Answer):
    """A page of `me/accounts`; one without a token is not for this app to read."""

    id: PageId
    name: str = ""
    access_token: str | None = Field(default=None, repr=False)


class Paging(_Answer):
    """Where a list goes on; `next` holds the token."""

    next: str | None = Field(default=None, repr=False)


class Accounts(_Answer):
    """`me/accounts`. An empty one may have more behind it."""

    data: list[ListedPage]
    paging: Paging = Paging()

    @property
    def more(self) -> bool:
        """Whether the list goes on."""
        return bool(self.paging.next)

    @property
    def after(self) -> str:
        """The cursor at which it goes on."""
        return parse_qs(urlsplit(self.paging.next or "").query).get("after", [""])[0]


class SubscribedField(_Answer):
    """A field of an app's subscription."""

    name: str


class AppSubscription(_Answer):
    """What an app is told about one kind of object."""

    object: str
    callback_url: str
    active: bool = True
    fields: list[SubscribedField] = []


class AppSubscriptions(_Answer):
    """`{app-id}/subscriptions`: one for each kind of object."""

    data: list[AppSubscription]


class SubscribedApp(_Answer):
    """An app that is told about a page."""

    id: str
    subscribed_fields: list[str] = []


class SubscribedApps(_Answer):
    """`{page-id}/subscribed_apps`."""

    data: list[SubscribedApp]


class Anything(_Answer):
    """An answer of which nothing is needed."""


def error_of(body: bytes) -> GraphError | None:
    """The error in an answer's body, if it holds one."""
    try:
        return _Envelope.model_validate_json(body).error
    except ValidationError:
        return None
