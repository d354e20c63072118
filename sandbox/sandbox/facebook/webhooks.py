"""The wire format of webhooks and callbacks: entries, deliveries, signatures, and the delays between retries."""

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

from sandbox.deliveries import Delivery
from sandbox.facebook.model import AppSubscription

MAX_ENTRIES = 1_000
"""The maximum number of entries in one delivery."""

_RETRIES = 12
_RETRY_PERIOD_SECONDS = 36 * 3_600
Entry = dict[str, Any]


def build_entry(page: str, subscribed_changes: dict[str, Any], subscription: AppSubscription) -> Entry:
    """Build one entry of a webhook delivery: the id of the Facebook Page and its changes.

    `subscribed_changes` has the new values by webhook field. The entry contains the values only if the subscription
    includes values, otherwise only the names of the fields.
    """
    body: Entry = {"id": page, "time": int(time.time())}
    if subscription.include_values:
        body["changes"] = [{"field": name, "value": value} for name, value in subscribed_changes.items()]
    else:
        body["changed_fields"] = list(subscribed_changes)
    return body


def pack_entries(entries: list[Entry]) -> Iterator[tuple[list[str], bytes]]:
    """Pack webhook entries into request bodies of at most MAX_ENTRIES entries.

    Yields, for each body, the ids of the Facebook Pages in it, and the body itself.
    """
    for start in range(0, len(entries), MAX_ENTRIES):
        batch = entries[start : start + MAX_ENTRIES]
        body = json.dumps({"object": "page", "entry": batch}, separators=(",", ":"))
        yield [str(entry["id"]) for entry in batch], body.replace("/", "\\/").encode()


def build_headers(delivery: Delivery, secret: str) -> dict[str, str]:
    """Build the HTTP headers of a webhook delivery, with signatures of its raw body by the app's secret."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "facebookexternalua",
        "X-Hub-Signature": f"sha1={hmac.new(secret.encode(), delivery.body, hashlib.sha1).hexdigest()}",
        "X-Hub-Signature-256": f"sha256={hmac.new(secret.encode(), delivery.body, hashlib.sha256).hexdigest()}",
    }


def compute_retry_delay(attempt: int, scale: float) -> float | None:
    """Compute the seconds from the failed `attempt` (1 is the first) to the next, or None if there is no next attempt.

    The first retry follows immediately. The later delays double each time. All delays together take 36 hours,
    multiplied by `scale`.
    """
    if attempt > _RETRIES:
        return None
    if attempt == 1:
        return 0.0
    return float(_RETRY_PERIOD_SECONDS / (2 ** (_RETRIES - 1) - 1) * 2 ** (attempt - 2) * scale)


def build_signed_request(person: str, secret: str) -> str:
    """Build the signed request that tells a callback of the app the id of the user `person`.

    It consists of the signature, a dot and the payload. Signature and payload are base64url without padding. The
    signature covers the encoded payload; its key is the app's secret.
    """
    payload = {"user_id": person, "algorithm": "HMAC-SHA256", "issued_at": int(time.time())}
    encoded = _encode(json.dumps(payload).encode())
    return f"{_encode(hmac.new(secret.encode(), encoded.encode(), hashlib.sha256).digest())}.{encoded}"


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
