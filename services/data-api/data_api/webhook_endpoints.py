"""What an endpoint and a delivery are. Nothing here reads or writes anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from contracts.feed_cursors import FeedCursor

EndpointState = Literal["active", "paused", "ended"]
DeliveryState = Literal["pending", "delivered", "failed", "superseded"]
RECORDS_CHANGED = "records.changed"
FEED_RESET = "feed.reset"
ENDPOINT_TEST = "endpoint.test"


@dataclass(frozen=True)
class EndpointOptions:
    """What somebody has chosen for an endpoint."""

    url: str
    description: str
    resources: tuple[str, ...] | None
    """The resources whose changes are sent; None for all."""
    is_full: bool
    """Whether messages have the records themselves."""
    is_ordered: bool
    """Whether a message waits until the one before it was delivered."""


@dataclass(frozen=True)
class WebhookEndpoint:
    """A receiver of webhooks about one connection. Its secrets are encrypted."""

    id: UUID
    connection: str
    epoch: int
    merchant: UUID
    """An endpoint is good for the epoch and the merchant that the connection had when it was made."""
    connection_revision: int
    """The revision of its state at that time. A process that knows an older one cannot tell whether it still is so."""
    owner: str
    """Whose key has made it; see `ApiCaller.owner`."""
    keys_revision: int
    """The revision of the connection's keys when the owner became the owner."""
    options: EndpointOptions
    secret: str = field(repr=False)
    former_secret: str | None = field(repr=False)
    former_secret_until: datetime | None
    state: EndpointState
    reason: str | None
    """Why it has ended."""
    position: FeedCursor
    """Up to where on the change feed messages are made."""
    failing_since: datetime | None
    """When the first of the attempts failed since which none has succeeded."""
    made_at: datetime
    next_message_at: datetime
    """The earliest time of the next message."""


@dataclass(frozen=True)
class NewMessage:
    """A message that is to be stored and delivered, about the changes after `after` up to `through`."""

    id: UUID
    type: str
    after: FeedCursor | None
    through: FeedCursor | None
    counts: Mapping[str, int]
    """How many records have changed, by resource."""
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Delivery:
    """A message to one endpoint, and what has become of it."""

    number: int
    id: UUID
    type: str
    state: DeliveryState
    after: FeedCursor | None
    through: FeedCursor | None
    counts: Mapping[str, int]
    attempts: int
    status: int | None
    """The HTTP status of the last attempt; None if there was no answer."""
    error: str | None
    """Why the last attempt failed."""
    made_at: datetime
    due_at: datetime
    """When the next attempt may be made."""
    ended_at: datetime | None


@dataclass(frozen=True)
class PendingDelivery:
    """A message that is not delivered yet."""

    number: int
    id: UUID
    attempts: int
    due_at: datetime


@dataclass(frozen=True)
class Attempt:
    """What came of sending a message once: the answer's status, or the reason why there was none."""

    status: int | None
    error: str | None
    seconds: float

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver has taken the message."""
        return self.error is None
