"""The data of the simulated Facebook: users, Facebook Pages, tokens, codes, and the configuration of the one app.

The names of the attributes are also the names in the JSON of the control API and in the stored state.
"""

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


@dataclass(slots=True)
class Page:
    """A Facebook Page.

    - `owner`: the id of the user who owns the page.
    - `fields`: the values of the page by Graph's field names, without `id` and `picture`.
    - `picture`: the number of pictures that the page has had, including the current one.
    - `signature`: the number of signatures that the URL of the picture has had, including the current one.
    - `subscribed`: the webhook fields to which the app is subscribed for this page; None without a subscription.
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
    """A Facebook user who owns Facebook Pages. `id` is app-scoped: it names the user to this app only.

    - `permissions`: the status (granted, declined or expired) of each permission that the app has requested.
    - `ticked`: the ids of the pages that the user selected for the app in the login dialog.
    - `letters`: the log of the deauthorize and data deletion callbacks, with the app's answers, oldest first.
    """

    id: str
    name: str
    permissions: dict[str, str] = field(default_factory=dict)
    ticked: list[str] = field(default_factory=list)
    letters: list[dict[str, Any]] = field(default_factory=list)

    def has_granted(self, permission: str) -> bool:
        """Return whether the user has currently granted the permission to the app."""
        return self.permissions.get(permission) == "granted"


@dataclass(slots=True)
class Token:
    """An access token.

    - `kind`: USER, PAGE or APP.
    - `issued_at`, `expires_at`: Unix seconds. A token with `expires_at` 0 never expires.
    - `person`, `page`: the id of the user who granted the token and, for a page token, the id of the Facebook Page.
    - `parent`: the text of the user token from which a page token was derived.
    - `subcode`: the error subcode that says why the token was revoked; None for a token that is not revoked.
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
    """An authorization code of the login dialog.

    It can be exchanged for a token once, until `expires_at` (Unix seconds).
    """

    person: str
    redirect_uri: str
    expires_at: float
    used: bool = False


@dataclass(slots=True)
class AppSubscription:
    """The app's webhook subscription: the URL that receives webhooks, and the webhook fields.

    With `include_values`, webhooks contain the new values; otherwise only the names of the changed fields.
    """

    callback_url: str
    fields: list[str]
    include_values: bool


class AppSettings(BaseModel):
    """The settings of the app that its developer changes in Facebook's dashboard.

    An empty list of `redirect_uris` allows every redirect URI. With `require_proof`, calls with a token of a user or of
    a page must carry `appsecret_proof`. The URLs are those of the deauthorize callback and the data deletion callback;
    an empty one is never called.
    """

    model_config = ConfigDict(extra="forbid")

    name: str = "merchant-sync"
    require_proof: bool = True
    redirect_uris: list[str] = []
    deauthorize_url: str = ""
    deletion_url: str = ""


class Limits(BaseModel):
    """The rate limits: calls of the app in an hour, and calls of each Facebook Page in a day.

    A `scale` below 1 shortens the hour and the day, so that tests wait only for seconds. The usage headers then report
    the minutes until a throttled page may be called again as a decimal number.
    """

    model_config = ConfigDict(extra="forbid")

    app_calls: int = Field(default=20_000, gt=0)
    page_calls: int = Field(default=4_800, gt=0)
    scale: float = Field(default=1.0, gt=0, le=1)
