"""The data of the simulated Facebook: people, their pages, tokens, codes, and the configuration of the one app.

Attribute names are also the names in the JSON of the control API and in the stored state.
"""

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


@dataclass(slots=True)
class Page:
    """A Facebook page.

    - `owner`: the id of the person whose page it is.
    - `fields`: the fields that have a value, by Graph's names; `id` and `picture` are not among them.
    - `picture`: the number of pictures that the page has had so far.
    - `signature`: the number of URLs that the present picture has had so far.
    - `subscribed`: the webhook fields that the app is subscribed to for this page, None without a subscription.
    - `gone`: whether the page is deleted. A deleted page can be restored.
    """

    id: str
    owner: str
    fields: dict[str, Any]
    picture: int = 1
    signature: int = 1
    subscribed: list[str] | None = None
    gone: bool = False


@dataclass(slots=True)
class Person:
    """A person who owns pages. `id` is the app-scoped id.

    - `permissions`: the status (granted, declined or expired) of each permission that the app ever requested.
    - `ticked`: the ids of the pages that the person selected for the app in the login dialog.
    - `letters`: the log of the deauthorize and deletion callbacks to the app, with the app's answers, oldest first.
    """

    id: str
    name: str
    permissions: dict[str, str] = field(default_factory=dict)
    ticked: list[str] = field(default_factory=list)
    letters: list[dict[str, Any]] = field(default_factory=list)

    def has_granted(self, permission: str) -> bool:
        """Tell whether the app has the permission now."""
        return self.permissions.get(permission) == "granted"


@dataclass(slots=True)
class Token:
    """An access token.

    - `kind`: USER, PAGE or APP.
    - `issued_at`, `expires_at`: Unix seconds. A token with `expires_at` 0 never expires.
    - `person`, `page`: ids of the person who granted the token and, for a page token, of the page.
    - `parent`: the text of the user token from which a page token was derived.
    - `subcode`: the error subcode for which the token was revoked, None for a token that is not revoked.
    """

    text: str
    kind: str
    issued_at: int
    expires_at: int = 0
    person: str = ""
    page: str = ""
    parent: str = ""
    subcode: int | None = None


@dataclass(slots=True)
class Code:
    """An authorization code of the login dialog. It can be exchanged once, until `expires_at` (Unix seconds)."""

    person: str
    redirect_uri: str
    expires_at: float
    used: bool = False


@dataclass(slots=True)
class AppSubscription:
    """The app's webhook subscription: the receiving URL, the webhook fields, and whether entries contain values."""

    callback_url: str
    fields: list[str]
    include_values: bool


class AppSettings(BaseModel):
    """The settings in the app's dashboard. An empty list of `redirect_uris` allows every redirect URI."""

    model_config = ConfigDict(extra="forbid")

    name: str = "merchant-sync"
    require_proof: bool = True
    redirect_uris: list[str] = []
    deauthorize_url: str = ""
    deletion_url: str = ""


class Limits(BaseModel):
    """The rate limits: calls of the app in an hour, and of each page in a day.

    A `scale` below 1 shortens the hour and the day, and reports the minutes until the end of a throttle as a decimal
    number. Tests with a small scale have to wait for seconds only.
    """

    model_config = ConfigDict(extra="forbid")

    app_calls: int = Field(default=20_000, gt=0)
    page_calls: int = Field(default=4_800, gt=0)
    scale: float = Field(default=1.0, gt=0, le=1)
