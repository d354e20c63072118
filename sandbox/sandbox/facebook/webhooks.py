"""Webhooks of pages: what a change is called, how entries are packed and signed, and signed requests."""

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

from sandbox.deliveries import Delivery
from sandbox.facebook.model import AppSubscription

BATCH = 1_000
_RETRIES = 12
_SECONDS = 36 * 3_600
Entry = dict[str, Any]


def entry(page: str, changes: dict[str, Any], subscription: AppSubscription) -> Entry:
    """One entry of a delivery: the page and what changed, with or without the values."""
    body: Entry = {"id": page, "time": int(time.time())}
    if subscription.include_values:
        body["changes"] = [{"field": name, "value": value} for name, value in changes.items()]
    else:
        body["changed_fields"] = list(changes)
    return body


def packed(entries: list[Entry]) -> Iterator[tuple[list[str], bytes]]:
    """Bodies of at most 1,000 entries each, with the pages that each tells of."""
    for start in range(0, len(entries), BATCH):
        part = entries[start : start + BATCH]
        body = json.dumps({"object": "page", "entry": part}, separators=(",", ":"))
        yield [str(one["id"]) for one in part], body.replace("/", "\\/").encode()


def headers(delivery: Delivery, secret: str) -> dict[str, str]:
    """The headers of a delivery, its signatures over the raw body among them."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "facebookexternalua",
        "X-Hub-Signature": f"sha1={hmac.new(secret.encode(), delivery.body, hashlib.sha1).hexdigest()}",
        "X-Hub-Signature-256": f"sha256={hmac.new(secret.encode(), delivery.body, hashlib.sha256).hexdigest()}",
    }


def retry_delay(attempt: int, scale: float) -> float | None:
    """Seconds from the failed `attempt` (1 is the first) to the next: none at first, then ever more, 36 hours in all;
    None when it is given up.
    """
    if attempt > _RETRIES:
        return None
    return 0.0 if attempt == 1 else float(_SECONDS / (2 ** (_RETRIES - 1) - 1) * 2 ** (attempt - 2) * scale)


def signed_request(person: str, secret: str) -> str:
    """What is posted to the app's callbacks: signature and payload, base64url without padding, the signature over the
    encoded payload.
    """
    payload = {"user_id": person, "algorithm": "HMAC-SHA256", "issued_at": int(time.time())}
    encoded = _encoded(json.dumps(payload).encode())
    return f"{_encoded(hmac.new(secret.encode(), encoded.encode(), hashlib.sha256).digest())}.{encoded}"


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
