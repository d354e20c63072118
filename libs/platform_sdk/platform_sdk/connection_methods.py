"""How an account is connected: by OAuth, by a form of credentials, or, without a browser, by client credentials.

Credentials may give access to many accounts, of which the merchant then chooses some.

A platform implements one of these methods in its `connect` module. The gateway has the routes for each method.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from platform_sdk.errors import RequestRejectedError
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

    def build_authorize_url(
        self,
        account: str,
        state: str,
        *,
        again: bool = False,
        for_proof: bool = False,
        for_link: bool = False,
        for_stock: bool = False,
    ) -> str:
        """Return the URL of the consent page. With `again` it asks once more for scopes that the merchant declined.

        With `for_proof` the consent only shows that the user has access to the account; the tokens are not kept. With
        `for_link` it asks for the scopes that a link needs, too, and with `for_stock` also for those that it needs for
        stock: nothing else asks to write.
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
    """A field of the credentials form. The value of a `secret` field is never shown again.

    `default` is in the field at first, and is the value where the field is left out or empty. A field that is not
    `required` may then be empty. A `name` is a word, such as `user`; `accounts` and `form_token` are taken.
    """

    name: str
    label: str
    hint: str = ""
    secret: bool = False
    required: bool = True
    default: str = ""


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

        `values` has a value for each of the fields, empty only for one that is not required. Raises
        RequestRejectedError for credentials that the platform refuses; its reason says which value to correct. Raises
        TransientError when the platform does not answer.
        """


@dataclass(frozen=True)
class OfferOption:
    """Something that the merchant may choose for an offered account: one of `choices`, or none of them.

    With `is_multiple` it may be several. `name` is a word, such as `left_out`, and no choice is empty.
    """

    name: str
    label: str
    choices: tuple[str, ...]
    hint: str = ""
    is_multiple: bool = False


@dataclass(frozen=True)
class AccountOffer:
    """An account that credentials give access to, and that the merchant may choose to connect.

    `title` is its display name. `remarks` are whole sentences about it. `refusal` completes "it cannot be connected:"
    and says why; such an account is shown, but cannot be chosen. `is_proposed` says that it is chosen at first.
    """

    account: str
    title: str
    remarks: tuple[str, ...] = ()
    refusal: str = ""
    options: tuple[OfferOption, ...] = ()
    is_proposed: bool = False


@dataclass(frozen=True)
class AccountOffers:
    """The accounts that credentials give access to, in the order in which they are shown.

    `remarks` are whole sentences about the credentials, such as a warning that they may do more than they need to.
    """

    offers: tuple[AccountOffer, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChosenAccount:
    """An account that the merchant has chosen, with the choices for its options by the option's name.

    An option for which nothing was chosen may be left out.
    """

    account: str
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def check_choice(offers: AccountOffers, chosen: Sequence[ChosenAccount]) -> None:
    """Raise RequestRejectedError unless all that was chosen is offered, each account once, and none is refused."""
    by_account = {offer.account: offer for offer in offers.offers}
    for one in chosen:
        offer = by_account.get(one.account)
        if offer is None:
            raise RequestRejectedError(400, f"{one.account} is not offered; choose among those that are")
        if offer.refusal:
            raise RequestRejectedError(400, f"{one.account} cannot be connected: {offer.refusal}")
        _check_options(offer, one)
    if len({one.account for one in chosen}) != len(chosen):
        raise RequestRejectedError(400, "an account is chosen twice; choose it once")


def _check_options(offer: AccountOffer, chosen: ChosenAccount) -> None:
    options = {option.name: option for option in offer.options}
    for name, choices in chosen.options.items():
        option = options.get(name)
        if option is None:
            known = ", ".join(options) or "none"
            raise RequestRejectedError(400, f"{offer.account} has no option {name}; it has {known}")
        if wrong := [choice for choice in choices if choice not in option.choices]:
            raise RequestRejectedError(
                400, f"{wrong[0]} is no choice for {name} of {offer.account}; choose among those that are offered"
            )
        if len(choices) > 1 and not option.is_multiple:
            raise RequestRejectedError(400, f"{name} of {offer.account} takes one choice only")


@runtime_checkable
class CredentialsWithChoice(Credentials, Protocol):
    """Connects accounts by credentials that give access to many, of which the merchant chooses some.

    `check_credentials` is used only to prove that somebody has access to accounts that are connected already. It may
    return many grants, and none of them is stored.
    """

    async def list_offers(self, values: Mapping[str, str]) -> AccountOffers:
        """Try the credentials at the platform, and return the accounts that they give access to. Nothing is stored.

        Raises the errors of `check_credentials`.
        """

    async def grant_chosen(self, values: Mapping[str, str], chosen: Sequence[ChosenAccount]) -> Mapping[str, Grant]:
        """Try the credentials once more, and return a grant for each chosen account, by account.

        What was chosen comes from a browser or a program, which may send anything: everything is checked as if nothing
        had been offered before (`check_choice`). Raises the errors of `check_credentials`, also for an account, an
        option or a choice that is not offered.
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
