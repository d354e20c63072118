"""What the sandbox's Facebook keeps: people, their pages, tokens, and one app's configuration."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


@dataclass(slots=True)
class Page:
    """A page. `fields` are those that are filled in, under Graph's names, without `id` and `picture`.

    `picture` counts the pictures it has had and `signature` the addresses of the present one. `subscribed` are the
    webhook fields of the app's subscription, None without one.
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
    """Somebody with pages, under the app-scoped id. `permissions` says granted, declined or expired of each that was
    ever asked for, `ticked` are the pages given to the app, `letters` what was posted to the app's callbacks, with the
    answers.
    """

    id: str
    name: str
    permissions: dict[str, str] = field(default_factory=dict)
    ticked: list[str] = field(default_factory=list)
    letters: list[dict[str, Any]] = field(default_factory=list)

    def grants(self, permission: str) -> bool:
        """Whether the app has the permission now."""
        return self.permissions.get(permission) == "granted"


@dataclass(slots=True)
class Token:
    """An access token. `kind` is USER, PAGE or APP; `expires_at` 0 is never; `subcode` says why it is dead."""

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
    """What the dialog gave for a token, good once."""

    person: str
    redirect_uri: str
    expires_at: float
    used: bool = False


@dataclass(slots=True)
class AppSubscription:
    """Where the app wants to hear of its pages, and of what."""

    callback_url: str
    fields: list[str]
    include_values: bool


class AppSettings(BaseModel):
    """What a developer sets in the app's dashboard. No `redirect_uris` allows all."""

    model_config = ConfigDict(extra="forbid")

    name: str = "merchant-sync"
    require_proof: bool = True
    redirect_uris: list[str] = []
    deauthorize_url: str = ""
    deletion_url: str = ""


class Limits(BaseModel):
    """The budget: calls of the app in an hour, and of each page in a day. `scale` below 1 shortens both and makes the
    minutes until the end of a throttle decimal, so that tests wait for seconds.
    """

    model_config = ConfigDict(extra="forbid")

    app_calls: int = Field(default=20_000, gt=0)
    page_calls: int = Field(default=4_800, gt=0)
    scale: float = Field(default=1.0, gt=0, le=1)
