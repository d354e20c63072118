"""What the gateway needs of a platform: its connection method, its accounts, its API and its webhooks."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from platform_sdk.connection_methods import ConnectionMethod
from platform_sdk.deliveries import Delivery, DeliveryHeader
from platform_sdk.grants import Grant
from platform_sdk.manifests import Manifest


class AccountApi(Protocol):
    """The platform's API as far as the gateway calls it for one account. All methods raise TransientError where the
    platform does not answer."""

    async def refresh_grant(self, account: str, refresh_token: str) -> Grant:
        """Return new tokens. Raises TokenRejectedError when the refresh token is worth nothing any more."""

    async def is_token_valid(self, account: str, token: str) -> bool:
        """Return whether the platform accepts this token; False only for its own refusal."""

    async def fetch_scopes(self, account: str, token: str) -> tuple[str, ...]:
        """Return the scopes granted now. Raises TokenRejectedError."""

    async def uninstall(self, account: str, token: str) -> None:
        """Remove the app from the account as far as the platform allows it; an app that is not there is no error."""


class Accounts(Protocol):
    """Facts about accounts that need no call."""

    def get_object_key(self, account: str) -> str:
        """Return where the account's snapshot is stored in the bucket."""

    def build_account_url(self, account: str) -> str:
        """Return where the merchant manages the account at the platform."""

    def parse_record_id(self, account: str, resource: str, text: str) -> str | None:
        """Return the record id that a person means by `text`; None where it names none."""

    def find_missing_scopes(self, granted: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the scopes that were requested and not granted, each with the resources that it costs."""


@dataclass(frozen=True)
class TopicOutcome:
    """Whether one webhook topic is subscribed, and what was done or why not."""

    is_subscribed: bool
    message: str


@dataclass(frozen=True)
class WebhookReport:
    """The state of an account's webhook subscriptions by topic. `remarks` are notes that are no failure."""

    topics: Mapping[str, TopicOutcome]
    remarks: tuple[str, ...] = ()


class Webhooks(Protocol):
    """The platform's webhooks: verified deliveries in, and their subscriptions.

    `ensure_subscriptions` and `inspect_subscriptions` raise TokenRejectedError and TransientError.
    """

    @property
    def address(self) -> str:
        """Where the platform sends deliveries."""

    @property
    def metric_topics(self) -> Collection[str]:
        """The topics of deliveries that have a metric of their own; all others are counted together."""

    @property
    def headers(self) -> tuple[DeliveryHeader, ...]:
        """The headers of a delivery that are read, the signature first."""

    @property
    def claim_headers(self) -> tuple[bytes, bytes, bytes]:
        """The headers in which a delivery names its topic, its account and its id, to log a refused one; empty where
        there is none."""

    @property
    def challenge_parameters(self) -> Mapping[str, str]:
        """The query parameters of a challenge, by which the platform verifies the address, each with its description.
        Empty where the platform sends none."""

    def list_topics(self, scopes: Iterable[str]) -> tuple[str, ...]:
        """Return the topics to subscribe to with these granted scopes."""

    def read_deliveries(self, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> list[Delivery]:
        """Return the verified deliveries of one POST. Raises RequestRejectedError with the status to answer."""

    def build_probe(self, account: str) -> tuple[str, dict[str, str], bytes]:
        """Return the webhook id, the headers and the body of a signed delivery of kind PROBE."""

    async def ensure_subscriptions(self, account: str, token: str, *, topics: Sequence[str]) -> WebhookReport:
        """Subscribe the account to these topics at `address`, creating nothing twice."""

    async def inspect_subscriptions(self, account: str, token: str, *, topics: Sequence[str]) -> WebhookReport:
        """Return which of these topics are delivered to `address`, changing nothing."""

    def answer_challenge(self, query: Mapping[str, str]) -> str | None:
        """Return the answer to the platform's verification of the address; None where it is refused."""


class PersonRequests(Protocol):
    """Signed requests of a person at the platform: to remove the app, or to delete all data that they granted."""

    def parse_signed_request(self, text: str) -> tuple[str, int]:
        """Return the person's id at the platform and when the request was made (ms). Raises RequestRejectedError."""


@dataclass(frozen=True)
class PlatformAdapter:
    """One platform as the gateway sees it. Without `webhooks` it is polled only."""

    manifest: Manifest
    is_configured: bool
    """Whether this installation has an app or an account there. Without, nothing can be connected."""
    connection_method: ConnectionMethod
    accounts: Accounts
    api: AccountApi
    webhooks: Webhooks | None = None
    person_requests: PersonRequests | None = None
    own_addresses: Mapping[str, str] = field(default_factory=dict)
    """The addresses of this gateway that the platform's settings name, by setting; the one that browsers return to
    comes first."""

    @property
    def slug(self) -> str:
        """The slug of the platform."""
        return self.manifest.slug

    @property
    def origin(self) -> str:
        """This gateway's origin as browsers reach it, e.g. `https://sync.example.com`; empty where no setting says."""
        parts = urlsplit(next(iter(self.own_addresses.values()), ""))
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
