"""Builds the sync request of a delivery: its id and its body."""

from hashlib import sha1

import orjson

from contracts.events import parse_platform
from contracts.headers import NAMESPACE
from platform_sdk.deliveries import Delivery, DeliveryKind

_NAMESPACE = sha1(NAMESPACE.bytes, usedforsecurity=False)
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def derive_sync_id(delivery: Delivery) -> str:
    """Return the id of the sync that a delivery requests, as text. All copies of the delivery have the same id.

    The id equals `contracts.headers.derive_id(platform, webhook_id)`; a test compares them. This computation is faster,
    which matters because it runs for every delivery.
    """
    sha = _NAMESPACE.copy()
    sha.update(f"{parse_platform(delivery.connection)}\x1f{delivery.webhook_id}".encode())
    digits = sha.hexdigest()
    variant = _VARIANT[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def build_request_body(delivery: Delivery, sync_id: str, epoch: int, now: int) -> bytes:
    """Return the `SyncRequested` of this delivery as JSON.

    `epoch` is the connection's (the number that rises when it ends); `now` is in ms. The contract's model is not used,
    because it is slower and this runs for every delivery. A test compares the result with the model.
    """
    return orjson.dumps(
        {
            "sync_id": sync_id,
            "connection": delivery.connection,
            "epoch": epoch,
            "cause": "probe" if delivery.kind is DeliveryKind.PROBE else "webhook",
            "records": delivery.records,
            "requested_at": now,
            "topic": delivery.topic,
        }
    )
