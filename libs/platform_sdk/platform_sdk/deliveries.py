"""A verified webhook delivery, whatever platform sent it."""

from enum import StrEnum
from typing import NamedTuple


class DeliveryKind(StrEnum):
    """What a delivery asks the gateway to do."""

    RECORDS = "records"
    """Read the records that it names."""
    PROBE = "probe"
    """Nothing: the gateway sent it itself, to test the way from the webhook address to Kafka."""
    UNINSTALLED = "uninstalled"
    """The app was removed from the account."""
    SCOPES_CHANGED = "scopes changed"
    ACCOUNT_DELETION = "account deletion"
    """Delete all data of the account."""
    CUSTOMER_DELETION = "customer deletion"
    """Delete all data of one customer of the account."""
    CUSTOMER_DATA = "customer data"
    """A customer of the account requests what is stored about them."""
    UNKNOWN = "unknown"


class Delivery(NamedTuple):
    """One verified delivery. All copies of it have the same `webhook_id`, so that ten copies become one sync."""

    topic: str
    connection: str
    webhook_id: str
    kind: DeliveryKind
    records: dict[str, list[str]]
    """Record ids to read, by resource."""
    triggered_at: int | None
    """When the event happened at the platform, in ms; None where the platform does not say."""


class DeliveryHeader(NamedTuple):
    """A request header that a platform's deliveries carry, as the API description shows it."""

    name: str
    description: str
    required: bool = True
