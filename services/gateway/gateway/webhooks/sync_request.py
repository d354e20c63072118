"""A webhook delivery as the gateway understands it, whatever platform brought it."""

from enum import StrEnum
from hashlib import sha1
from typing import NamedTuple

import orjson

from contracts.events import parse_platform
from contracts.headers import NAMESPACE

_NAMESPACE = sha1(NAMESPACE.bytes, usedforsecurity=False)
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


class Kind(StrEnum):
    """What a delivery asks of the gateway."""

    RECORDS = "records"
    TEST = "test"
    """The gateway's own, to prove the way to Kafka; causes nothing."""
    UNINSTALLED = "uninstalled"
    SCOPES = "scopes"
    ACCOUNT_DELETION = "account deletion"
    """All data of the account is to go."""
    CUSTOMER_DELETION = "customer deletion"
    CUSTOMER_DATA = "customer data"
    """A customer of the account wants to see what is kept of her."""
    UNKNOWN = "unknown"


class Delivery(NamedTuple):
    """One verified delivery. `webhook_id` is the same in every copy of it, so that ten copies make one sync."""

    topic: str
    connection: str
    webhook_id: str
    kind: Kind
    records: dict[str, list[str]]
    """Record ids to ask for, by resource."""
    triggered_at: int | None
    """When the platform saw it happen, in ms; None where it does not say."""


class DeliveryHeader(NamedTuple):
    """A header of a platform's deliveries that is read."""

    name: str
    says: str
    required: bool = True


class Unacceptable(Exception):
    """A delivery that is refused: 401 for its signature, 400 for its form, 413 for its size, 408 when it never came."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def sync_id(delivery: Delivery) -> str:
    """The id of the sync that every copy of this delivery asks for: `derived_id(platform, webhook id)`, as text.

    Written by hand because it is on the path of every delivery; a test holds it against `derived_id`.
    """
    sha = _NAMESPACE.copy()
    sha.update(f"{parse_platform(delivery.connection)}\x1f{delivery.webhook_id}".encode())
    digits = sha.hexdigest()
    variant = _VARIANT[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def request_body(delivery: Delivery, sync: str, epoch: int, now: int) -> bytes:
    """The `SyncRequested` of this delivery as JSON, at epoch `epoch` and `now` in ms.

    Written by hand because it is on the path of every delivery; a test holds it against the contract.
    """
    return orjson.dumps(
        {
            "sync_id": sync,
            "connection": delivery.connection,
            "epoch": epoch,
            "cause": "probe" if delivery.kind is Kind.TEST else "webhook",
            "records": delivery.records,
            "requested_at": now,
            "topic": delivery.topic,
        }
    )
