"""Models of the Graph API's responses to the gateway, and of its errors.

The message of an error about an invalid token may contain the token, so it is never shown or logged.
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
    """An error in the body of a response. Its code says what it means; the HTTP status of the response does not."""

    code: int
    error_subcode: int | None = None
    message: str = ""
    is_transient: bool = False

    @property
    def label(self) -> str:
        """The code, followed by the subcode if there is one, e.g. `190/463`."""
        return f"{self.code}/{self.error_subcode}" if self.error_subcode else str(self.code)

    @property
    def reason(self) -> str:
        """The message without long lists in braces, in at most 300 characters."""
        return _ENUMERATION.sub("{…}", self.message)[:300] or f"error {self.label}"

    @property
    def is_dead_token(self) -> bool:
        """Whether the error means that the token is not valid any more."""
        return self.code in _DEAD_TOKEN_CODES

    @property
    def is_throttle(self) -> bool:
        """Whether a rate limit is used up. An immediate retry would make the wait longer."""
        return self.code in _THROTTLE_CODES

    @property
    def can_succeed_later(self) -> bool:
        """Whether another attempt may succeed."""
        return self.code in _TRANSIENT_CODES or self.is_transient

    def find_refused_field(self, requested: Sequence[str]) -> str | None:
        """Return the requested field that Graph refuses according to the message; None when the message names none."""
        if (index := _REJECTED_INDEX.search(self.message)) and int(index[1]) < len(requested):
            return requested[int(index[1])]
        match = _REJECTED_VALUE.search(self.message) or _UNPERMITTED_FIELD.search(self.message)
        return match[1] if match and match[1] in requested else None


class _ErrorEnvelope(_GraphModel):
    error: GraphErrorBody


class GraphTokenResponse(_GraphModel):
    """The response of `oauth/access_token`."""

    access_token: str = Field(min_length=1, repr=False)


class TokenDebugData(_GraphModel):
    """The details of a token. `data_access_expires_at` is in seconds since the Unix epoch; 0 means never."""

    app_id: str = ""
    is_valid: bool
    user_id: str | None = None
    scopes: tuple[str, ...] = ()
    data_access_expires_at: int = 0


class TokenDebugResponse(_GraphModel):
    """The response of `debug_token`."""

    data: TokenDebugData


class Permission(_GraphModel):
    """A permission and its status: `granted`, `declined` or `expired`."""

    permission: str
    status: str


class PermissionsResponse(_GraphModel):
    """The response of `me/permissions`."""

    data: list[Permission]


class ListedPage(_GraphModel):
    """A Facebook Page in the list `me/accounts`. The app cannot read a Page whose `access_token` is None."""

    id: PageId
    name: str = ""
    access_token: str | None = Field(default=None, repr=False)


class Paging(_GraphModel):
    """The link to the next part of a list. The URL `next` contains the token; None at the end of the list."""

    next: str | None = Field(default=None, repr=False)


class AccountsResponse(_GraphModel):
    """The response of `me/accounts`: one part of the list. More parts may follow an empty one."""

    data: list[ListedPage]
    paging: Paging = Paging()

    @property
    def has_more(self) -> bool:
        """Whether the list has another part."""
        return bool(self.paging.next)

    @property
    def next_cursor(self) -> str:
        """The cursor of the next part; empty when there is none."""
        return parse_qs(urlsplit(self.paging.next or "").query).get("after", [""])[0]


class SubscribedField(_GraphModel):
    """A field in an app's subscription."""

    name: str


class ListedSubscription(_GraphModel):
    """An app's subscription to the changes of one kind of objects, e.g. `page`."""

    object: str
    callback_url: str
    active: bool = True
    fields: list[SubscribedField] = []


class AppSubscriptionsResponse(_GraphModel):
    """The response of `{app-id}/subscriptions`: one subscription for each kind of objects."""

    data: list[ListedSubscription]


class SubscribedApp(_GraphModel):
    """An app that is subscribed to a Page, with the fields whose changes it receives."""

    id: str
    subscribed_fields: list[str] = []


class SubscribedAppsResponse(_GraphModel):
    """The response of `{page-id}/subscribed_apps`."""

    data: list[SubscribedApp]


class AnyResponse(_GraphModel):
    """A response whose content is not used."""


def parse_error(body: bytes) -> GraphErrorBody | None:
    """Return the error in a response's body; None when it contains none."""
    try:
        return _ErrorEnvelope.model_validate_json(body).error
    except ValidationError:
        return None
