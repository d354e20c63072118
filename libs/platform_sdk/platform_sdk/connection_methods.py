"""How a merchant connects an account: by OAuth, by a form of credentials, or, without a browser, by client credentials.

A platform implements one of them in its `connect` module. The gateway has a page and an endpoint for each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from platform_sdk.grants import Grant

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True)
class AccountForm:
    """The form in which a merchant names the account before the platform is asked for consent."""

    field: str
    """Name of the form's field, e.g. `shop`."""
    hint: str
    """What to write into it, e.g. `acme or acme.example`."""


@dataclass(frozen=True)
class OAuthCallback:
    """The parameters of a verified callback. `account` is empty where only the code exchange tells the accounts."""

    account: str
    code: str = field(repr=False)
    state: str = field(repr=False)


@runtime_checkable
class OAuth(Protocol):
    """The authorization code grant. One consent may grant several accounts."""

    @property
    def keeps_session_id(self) -> bool:
        """Whether a login in a session of the same merchant keeps the session's id. Otherwise it gets a new one."""

    @property
    def callback_parameters(self) -> Mapping[str, str]:
        """The query parameters of the callback, each with its description for the API's documentation."""

    @property
    def result_model(self) -> "type[BaseModel]":
        """The form of what `describe_connected` returns, for the API's documentation."""

    @property
    def form(self) -> AccountForm | None:
        """The form for the account; None where the merchant chooses accounts on the platform's consent page."""

    def parse_account(self, text: str) -> str | None:
        """Return the account that a merchant means by `text`; None where it is no account's name."""

    def build_authorize_url(self, account: str, state: str, *, again: bool = False) -> str:
        """Return the address of the consent page; `again` asks once more for what was declined."""

    def parse_callback(self, query: bytes, now: float) -> OAuthCallback:
        """Verify and return the callback's parameters at `now` (seconds). Raises RequestRejectedError."""

    async def exchange_code(self, account: str, code: str) -> Mapping[str, Grant]:
        """Exchange an authorization code for a grant for each account.

        Raises RequestRejectedError for a code that the platform refuses or a consent that lacks a needed scope, and
        TransientError where the platform does not answer.
        """

    def describe_connected(
        self, grants: Mapping[str, Grant], connected: Sequence["ConnectedAccount"]
    ) -> dict[str, object]:
        """Return what the JSON answer of the callback says besides the merchant."""


@dataclass(frozen=True)
class ConnectedAccount:
    """An account that has just been connected, with its first sync."""

    account: str
    connection: str
    title: str
    sync_id: str


@dataclass(frozen=True)
class CredentialField:
    """A field of the credentials form. The value of a `secret` field is never shown again."""

    name: str
    label: str
    hint: str = ""
    secret: bool = False


@runtime_checkable
class Credentials(Protocol):
    """A form of credentials, which the platform checks before anything is stored."""

    @property
    def fields(self) -> Sequence[CredentialField]:
        """The fields, in their order on the page."""

    async def check(self, values: Mapping[str, str]) -> Mapping[str, Grant]:
        """Try the credentials and return a grant for each account that they open.

        Raises RequestRejectedError, whose reason says which value to correct, and TransientError where the platform
        does not answer.
        """


@runtime_checkable
class ClientCredentials(Protocol):
    """The client credentials grant of an organisation's own app: no browser and no merchant take part."""

    async def request_grants(self) -> Mapping[str, Grant]:
        """Return a grant for each account that the app may read. Raises TransientError and PermanentError."""


ConnectionMethod = OAuth | Credentials | ClientCredentials
