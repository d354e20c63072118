"""The platforms: each is one pure module here and one line in `PLATFORMS`."""

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Protocol

from gateway.platforms import facebook, shopify
from platform_sdk.deliveries import Delivery, DeliveryHeader

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings


class Platform(Protocol):
    """What the gateway needs to know of a platform to hold its connections."""

    @property
    def slug(self) -> str:
        """Begins the names of its connections, its paths and its topics."""

    @property
    def title(self) -> str:
        """Its name for people."""

    @property
    def configured(self) -> bool:
        """Whether this installation has an app there: else it has no login and takes no deliveries."""

    @property
    def account(self) -> str:
        """What its accounts are called."""

    @property
    def login_path(self) -> str:
        """The path on which a merchant signs in, as a pattern."""

    @property
    def login_form(self) -> tuple[str, str, str] | None:
        """Of the form that leads there: its path, the name of its field, and what to write into it. None where the
        account is chosen in the platform's own consent, so that a link leads there."""

    @property
    def webhook_address(self) -> str:
        """Where it sends deliveries."""

    @property
    def claims(self) -> tuple[bytes, bytes, bytes]:
        """The headers in which a delivery names its topic, its account and itself, for the log of a refused one; empty
        where it has none."""

    @property
    def delivered(self) -> Collection[str]:
        """The topics of deliveries that are known here: under all others they are counted together."""

    @property
    def delivery_headers(self) -> tuple[DeliveryHeader, ...]:
        """The headers of a delivery that are read, the signature first."""

    def login_url(self, account: str) -> str:
        """The path on which this account's merchant signs in (again)."""

    def account_url(self, account: str) -> str:
        """Where the merchant manages the account, at the platform."""

    def get_object_key(self, account: str) -> str:
        """Where the snapshot of an account lies in the bucket."""

    def parse_record_id(self, account: str, resource: str, given: str) -> str | None:
        """The id by which a record of this account is read, from what a person calls it; None where it names none."""

    def find_missing_scopes(self, granted: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Scopes asked for and not granted, each with the resources that it costs."""

    def list_topics(self, granted: Iterable[str]) -> tuple[str, ...]:
        """The webhook topics that the granted scopes call for."""

    def read_deliveries(self, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> list[Delivery]:
        """The verified deliveries of one POST, or `RequestRejectedError`. A `PROBE` needs no connection."""

    def build_probe(self, account: str) -> tuple[str, dict[str, str], bytes]:
        """A signed delivery that proves the way and causes nothing: its webhook id, headers and body."""


PLATFORMS: dict[str, "Callable[[GatewaySettings], Platform]"] = {
    shopify.SLUG: lambda settings: settings.shopify(),
    facebook.SLUG: lambda settings: settings.facebook(),
}
