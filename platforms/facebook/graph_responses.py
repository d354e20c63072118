"""Responses of the Graph API as the gateway reads them, and what its errors mean.

Messages about dead tokens may hold the token: they are never shown.
"""

import re
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

_DEAD_TOKEN_CODES = frozenset((102, 190))
_THROTTLE_CODES = frozenset((4, 17, 32, 341, 368, 613, *range(80_000, 80_015)))
_TRANSIENT_CODES = frozenset((1, 2))
_REJECTED_INDEX = re.compile(r"fields\[(\d+)\] must be one of")
_REJECTED_VALUE = re.compile(r"""got ["'](\w+)["']""")
_UNPERMITTED_FIELD = re.compile(r"subscribe to the (\w+) field")
_ENUMERATION = re.compile(r"\{[^{}]{80,}\}?")

PageId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,32}$")]


class _GraphModel(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)


class GraphErrorBody(_GraphModel):
    """An error in the body of a response. The HTTP status beside it means nothing."""

    code: int
    error_subcode: int | None = None
    message: str = ""
    is_transient: bool = False

    @property
    def label(self) -> str:
        """Its code, with the subcode where it has one."""
        return f"{self.code}/{self.error_subcode}" if self.error_subcode else str(self.code)

    @property
    def reason(self) -> str:
        """Its message without long enumerations, cut short."""
        return _ENUMERATION.sub("{…}", self.message)[:300] or f"error {self.label}"

    @property
    def is_dead_token(self) -> bool:
        """Whether the token is not valid any more."""
        return self.code in _DEAD_TOKEN_CODES

    @property
    def is_throttle(self) -> bool:
        """Whether a rate limit is used up: asking again at once makes the wait longer."""
        return self.code in _THROTTLE_CODES

    @property
    def can_pass(self) -> bool:
        """Whether another attempt may succeed."""
        return self.code in _TRANSIENT_CODES or self.is_transient

    def find_refused_field(self, requested: Sequence[str]) -> str | None:
        """Return which of the requested fields the error is about, if it tells."""
        if (index := _REJECTED_INDEX.search(self.message)) and int(index[1]) < len(requested):
            return requested[int(index[1])]
        match = _REJECTED_VALUE.search(self.message) or _UNPERMITTED_FIELD.search(self.message)
        return match[1] if match and match[1] in requested else None


class _ErrorEnvelope(_GraphModel):
    error: GraphErrorBody


class GraphTokenResponse(_GraphModel):
    """`oauth/access_token`."""

    access_token: str = Field(min_length=1, repr=False)


class TokenDebugData(_GraphModel):
    """What is known of a token. `data_access_expires_at` is in seconds, 0 for never."""

    app_id: str = ""
    is_valid: bool
    user_id: str | None = None
    scopes: tuple[str, ...] = ()
    data_access_expires_at: int = 0


class TokenDebugResponse(_GraphModel):
    """`debug_token`."""

    data: TokenDebugData


class Permission(_GraphModel):
    """A permission whose status is `granted`, `declined` or `expired`."""

    permission: str
    status: str


class PermissionsResponse(_GraphModel):
    """`me/permissions`."""

    data: list[Permission]


class ListedPage(_GraphModel):
    """A page of `me/accounts`. One without a token cannot be read by this app."""

    id: PageId
    name: str = ""
    access_token: str | None = Field(default=None, repr=False)


class Paging(_GraphModel):
    """Where a list continues; `next` holds the token."""

    next: str | None = Field(default=None, repr=False)


class AccountsResponse(_GraphModel):
    """`me/accounts`. The list may continue after an empty part."""

    data: list[ListedPage]
    paging: Paging = Paging()

    @property
    def has_more(self) -> bool:
        """Whether the list continues."""
        return bool(self.paging.next)

    @property
    def next_cursor(self) -> str:
        """The cursor at which the list continues."""
        return parse_qs(urlsplit(self.paging.next or "").query).get("after", [""])[0]


class SubscribedField(_GraphModel):
    """A field of an app's subscription."""

    name: str


class ListedSubscription(_GraphModel):
    """What is delivered to an app about one kind of object."""

    object: str
    callback_url: str
    active: bool = True
    fields: list[SubscribedField] = []


class AppSubscriptionsResponse(_GraphModel):
    """`{app-id}/subscriptions`: one for each kind of object."""

    data: list[ListedSubscription]


class SubscribedApp(_GraphModel):
    """An app that gets a page's deliveries."""

    id: str
    subscribed_fields: list[str] = []


class SubscribedAppsResponse(_GraphModel):
    """`{page-id}/subscribed_apps`."""

    data: list[SubscribedApp]


class AnyResponse(_GraphModel):
    """A response of which nothing is read."""


def parse_error(body: bytes) -> GraphErrorBody | None:
    """Return the error in a response's body, if it holds one."""
    try:
        return _ErrorEnvelope.model_validate_json(body).error
    except ValidationError:
        return None
