"""The form of a verified webhook delivery, the same for all platforms."""

from enum import StrEnum
from typing import NamedTuple


class DeliveryKind(StrEnum):
    """What a webhook delivery reports, or asks the gateway to do."""

    RECORDS = "records"
    """Read the records in `Delivery.records`."""
    PROBE = "probe"
    """Nothing is read. The gateway sent this delivery to itself, to test the path from the webhook URL to Kafka."""
    UNINSTALLED = "uninstalled"
    """The app was removed from the account."""
    SCOPES_CHANGED = "scopes changed"
    """The merchant or the platform changed the granted scopes."""
    ACCOUNT_DELETION = "account deletion"
    """Delete all data of the account."""
    CUSTOMER_DELETION = "customer deletion"
    """Delete all data of one customer of the account."""
    CUSTOMER_DATA = "customer data"
    """A customer of the account requests a copy of the data that is stored about them."""
    UNKNOWN = "unknown"
    """The delivery is about something that is not synchronised. It is acknowledged and nothing follows."""


class Delivery(NamedTuple):
    """One verified webhook delivery.

    A platform may send a delivery several times. All copies have the same `webhook_id` and become one sync.
    """

    topic: str
    connection: str
    webhook_id: str
    kind: DeliveryKind
    records: dict[str, list[str]]
    """The ids of the records to read, by resource."""
    triggered_at: int | None
    """When the event happened on the platform (ms since the Unix epoch); None when the delivery does not say."""


class DeliveryHeader(NamedTuple):
    """A request header of a platform's webhook deliveries, as the gateway's API description shows it."""

    name: str
    description: str
    required: bool = True
