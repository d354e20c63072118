"""The interface of a platform for the gateway.

It has four parts: how accounts are connected, what is known of accounts, the platform's API, and its webhooks.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID

from platform_sdk.connection_methods import ConnectionMethod
from platform_sdk.deliveries import Delivery, DeliveryHeader
from platform_sdk.grants import Grant
from platform_sdk.manifests import Manifest


class AccountApi(Protocol):
    """The calls to the platform's API that the gateway makes for one account.

    All methods raise TransientError when the platform does not answer.
    """

    async def refresh_grant(self, account: str, refresh_token: str) -> Grant:
        """Return new tokens for a refresh token. Raises TokenRejectedError when the refresh token is not valid."""

    async def is_token_valid(self, account: str, token: str) -> bool:
        """Return whether the platform accepts this token. Raises an error when this cannot be determined."""

    async def fetch_scopes(self, account: str, token: str) -> tuple[str, ...]:
        """Return the scopes that the account grants now. Raises TokenRejectedError when the token is not valid."""

    async def uninstall(self, account: str, token: str) -> None:
        """Remove the app from the account, as far as the platform allows.

        Does nothing when the account does not have the app.
        """


class Accounts(Protocol):
    """Tells the URL of an account, checks record ids, and finds missing scopes.

    No method calls the platform.
    """

    def build_account_url(self, account: str) -> str:
        """Return the URL at which the merchant manages the account on the platform."""

    def parse_record_id(self, account: str, resource: str, text: str) -> str | None:
        """Return the id of the record of `resource` that `text` names, as an operator typed it; None for no record.

        The form of `text` is checked, not whether the record exists.
        """

    def find_missing_scopes(self, granted: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the requested scopes that are not in `granted`, each with the resources that need it."""


@dataclass(frozen=True)
class TopicOutcome:
    """The state of one webhook topic. `message` says what was done, or why the topic is not subscribed."""

    is_subscribed: bool
    message: str


@dataclass(frozen=True)
class WebhookReport:
    """The state of an account's webhook subscriptions, by topic.

    `remarks` are warnings that concern no topic in particular.
    """

    topics: Mapping[str, TopicOutcome]
    remarks: tuple[str, ...] = ()


class Webhooks(Protocol):
    """The platform's webhooks: verifies the deliveries that arrive, and manages the subscriptions to topics.

    `ensure_subscriptions` and `inspect_subscriptions` raise TokenRejectedError when the token is not valid, and
    TransientError when the platform does not answer.
    """

    @property
    def address(self) -> str:
        """The URL to which the platform sends deliveries."""

    @property
    def metric_topics(self) -> Collection[str]:
        """The topics whose deliveries are counted separately in the metrics. All other topics are counted together."""

    @property
    def headers(self) -> tuple[DeliveryHeader, ...]:
        """The request headers of a delivery that `verify_and_parse_deliveries` reads, the signature first."""

    @property
    def claim_headers(self) -> tuple[bytes, bytes, bytes]:
        """The names of the headers with a delivery's topic, account and id, in this order.

        They are logged when a delivery is refused. A name is empty when the platform has no such header.
        """

    @property
    def challenge_parameters(self) -> Mapping[str, str]:
        """The query parameters of a challenge, each with its description.

        A challenge is the request by which the platform verifies `address`. Empty when the platform sends none.
        """

    def list_topics(self, scopes: Iterable[str]) -> tuple[str, ...]:
        """Return the topics to subscribe to when `scopes` are granted."""

    def verify_and_parse_deliveries(self, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> list[Delivery]:
        """Verify the signature of one POST from the platform and return the webhook deliveries in it.

        Raises RequestRejectedError, whose `status` is the HTTP status to respond with, when the signature is not the
        platform's or the body cannot be read.
        """

    def build_probe(self, account: str) -> tuple[str, dict[str, str], bytes]:
        """Build a webhook probe: a signed delivery with which the gateway tests whether deliveries arrive.

        Returns the webhook id, the headers and the body of the probe.
        """

    async def ensure_subscriptions(self, account: str, token: str, *, topics: Sequence[str]) -> WebhookReport:
        """Subscribe the account to those of `topics` that are not yet delivered to `address`."""

    async def inspect_subscriptions(self, account: str, token: str, *, topics: Sequence[str]) -> WebhookReport:
        """Return which of `topics` are delivered to `address`. Changes no subscription."""

    def answer_challenge(self, query: Mapping[str, str]) -> str | None:
        """Return the body of the response to a challenge; None when the challenge is to be refused.

        A challenge is the request by which the platform verifies `address`. `query` has its query parameters.
        """


class Hints(Protocol):
    """Unsigned requests of a platform's automation which say that records may have changed.

    Their address has a secret token of the connection. They may be early, many, or lost: polls do not depend on them.
    """

    def parse_records(self, body: bytes) -> Mapping[str, tuple[str, ...]]:
        """Return the ids of the records that a hint names, by resource; empty for a hint that names none."""


class UserRequests(Protocol):
    """Verifies signed requests of the platform's users to remove the app or to delete their data."""

    def parse_signed_request(self, text: str) -> tuple[str, int]:
        """Return the user's id on the platform, and when the request was made (ms since the Unix epoch).

        Raises RequestRejectedError when the signature is not the platform's or the request is malformed.
        """


class OwnAccounts(Protocol):
    """The accounts that this installation's own settings name. The gateway connects them by itself when it starts."""

    @property
    def merchant(self) -> UUID | None:
        """The merchant to whom the accounts belong; None for the operator's merchant."""

    async def request_grants(self) -> Mapping[str, Grant]:
        """Try the login of the settings at the platform, and return a grant for each account that they name.

        Raises RequestRejectedError or PermanentError when the platform refuses them: they are then not tried again
        until the gateway starts again. Raises TransientError when the platform does not answer.
        """


@dataclass(frozen=True)
class PlatformAdapter:
    """Everything that the gateway uses of one platform.

    When `webhooks` is None, changes are only found by polls (regular full syncs).
    """

    manifest: Manifest
    is_configured: bool
    """Whether this installation has an app or credentials on the platform. When False, no account can be connected."""
    connection_method: ConnectionMethod
    accounts: Accounts
    api: AccountApi
    webhooks: Webhooks | None = None
    user_requests: UserRequests | None = None
    hints: Hints | None = None
    """None where the platform has no hints, or the installation takes none."""
    own_accounts: OwnAccounts | None = None
    """The accounts that the settings name; None where they name none."""
    own_addresses: Mapping[str, str] = field(default_factory=dict)
    """The URLs of this gateway in the platform's settings, by the setting's name.

    The first is the URL to which the platform redirects browsers.
    """

    @property
    def slug(self) -> str:
        """The platform's short name in connections (`slug:account`), URL paths and Kafka topics."""
        return self.manifest.slug

    @property
    def origin(self) -> str:
        """This gateway's origin for browsers, e.g. `https://sync.example.com`; empty when none is set."""
        parts = urlsplit(next(iter(self.own_addresses.values()), ""))
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
