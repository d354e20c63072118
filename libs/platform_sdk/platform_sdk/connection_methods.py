"""How an account is connected: by OAuth, by a form of credentials, or, without a browser, by client credentials.

A platform implements one of these methods in its `connect` module. The gateway has the routes for each method.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from platform_sdk.grants import Grant

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True)
class AccountForm:
    """The form in which a merchant names the account. It is shown before the redirect to the consent page."""

    field: str
    """The name of the form's field, e.g. `shop`."""
    hint: str
    """Examples of what to write into the field, e.g. `acme or acme.example`."""


@dataclass(frozen=True)
class OAuthCallback:
    """The parameters of a verified OAuth callback, the request with which a browser returns from the consent page.

    `account` is empty when the callback names no account: then the exchange of the code returns the accounts.
    """

    account: str
    code: str = field(repr=False)
    state: str = field(repr=False)


@runtime_checkable
class OAuth(Protocol):
    """Connects accounts by OAuth's authorization code grant. One consent may grant access to several accounts."""

    @property
    def callback_parameters(self) -> Mapping[str, str]:
        """The query parameters of the OAuth callback, each with its description for the API's documentation."""

    @property
    def result_model(self) -> "type[BaseModel]":
        """The model of the dictionary that `build_callback_result` returns, for the API's documentation."""

    @property
    def form(self) -> AccountForm | None:
        """The form for the account; None when the merchant chooses accounts on the platform's consent page."""

    def parse_account(self, text: str) -> str | None:
        """Return the account that `text`, as typed by a merchant, names; None when it is not the name of an account."""

    def build_authorize_url(self, account: str, state: str, *, again: bool = False, for_proof: bool = False) -> str:
        """Return the URL of the consent page. With `again` it asks once more for scopes that the merchant declined.

        With `for_proof` the consent only shows that the user has access to the account; the tokens are not kept.
        """

    def parse_callback(self, query: bytes, now: float) -> OAuthCallback:
        """Verify an OAuth callback with this `query` string and return its parameters.

        `now` is in seconds since the Unix epoch. Raises RequestRejectedError when a parameter is missing or wrong, or
        when the merchant declined.
        """

    async def exchange_code(self, account: str, code: str, *, for_proof: bool = False) -> Mapping[str, Grant]:
        """Exchange an authorization code, and return one grant for each account, by account.

        `for_proof` is the same as for the URL of the consent page. Tokens that were issued before stay valid then.

        Raises RequestRejectedError for a code that the platform refuses or a consent that lacks a needed scope, and
        TransientError when the platform does not answer.
        """

    def build_callback_result(
        self, grants: Mapping[str, Grant], accounts: Sequence["ConnectedAccount"]
    ) -> dict[str, object]:
        """Return the platform's fields of the JSON response to the OAuth callback. The gateway adds the merchant."""


@dataclass(frozen=True)
class ConnectedAccount:
    """An account that has just been connected, with the id of its first sync."""

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
    """Connects accounts by a form in which a merchant enters credentials.

    The credentials are tried at the platform before they are stored.
    """

    @property
    def fields(self) -> Sequence[CredentialField]:
        """The fields of the form, in the order in which they are shown."""

    async def check_credentials(self, values: Mapping[str, str]) -> Mapping[str, Grant]:
        """Try the credentials at the platform, and return a grant for each account that they give access to.

        Raises RequestRejectedError for credentials that the platform refuses; its reason says which value to correct.
        Raises TransientError when the platform does not answer.
        """


@runtime_checkable
class ClientCredentials(Protocol):
    """Connects accounts by OAuth's client credentials grant for an organisation's own app.

    No browser and no merchant take part.
    """

    async def request_grants(self) -> Mapping[str, Grant]:
        """Return a grant for each account that the app may read, by account.

        Raises PermanentError when the platform refuses the app, and TransientError when the platform does not answer.
        """


ConnectionMethod = OAuth | Credentials | ClientCredentials
