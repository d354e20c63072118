"""The webhook probe: a signed delivery that the gateway sends to its own webhook address and looks for in Kafka.

It tests the whole path from the URL that the platform has for deliveries to the topic of sync requests.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

from contracts.headers import derive_id
from contracts.topics import get_sync_topic
from messaging.errors import UnavailableError
from platform_sdk.adapters import Webhooks
from platform_sdk.errors import TransientError

ARRIVAL_SECONDS = 10.0
PENDING_RESULT = {"status": "pending", "message": "the test delivery has not been sent yet"}

PostProbe = Callable[[str, dict[str, str], bytes], Awaitable[int]]
"""POSTs headers and a body to a URL without following redirects, and returns the HTTP status.

Raises TransientError when the URL does not answer.
"""

WaitForSync = Callable[[UUID, float], Awaitable[bool]]
"""Waits for the sync request with this sync id, for so many seconds, and returns whether it arrived."""

WatchTopic = Callable[[str], AbstractAsyncContextManager[WaitForSync]]
"""Consumes a topic from its present end while the context lasts. Raises UnavailableError when Kafka is unavailable."""


def build_sent_result(now: int) -> dict[str, Any]:
    """Return the pending result of a webhook probe (a test delivery) that is sent at `now` (ms)."""
    return {"status": "pending", "message": "the test delivery is on its way", "sent_at": now}


async def run_probe(
    platform: str, webhooks: Webhooks, account: str, *, post_probe: PostProbe, watch_topic: WatchTopic
) -> dict[str, Any]:
    """Send the webhook probe, wait for its sync request in Kafka, and return the result as `{"status", "message"}`.

    The probe is a signed test delivery about `account` to the gateway's own webhook address. An unreachable URL and an
    unavailable Kafka are failed results, not exceptions.
    """
    webhook_id, headers, body = webhooks.build_probe(account)
    address = webhooks.address
    try:
        async with watch_topic(get_sync_topic(platform)) as wait_for_sync:
            status = await post_probe(address, headers, body)
            sync_id = derive_id(platform, webhook_id)
            has_arrived = status == 200 and await wait_for_sync(sync_id, ARRIVAL_SECONDS)
    except TransientError as error:
        return _build_failure(f"{address} cannot be reached: {error}; look at the address, its DNS name and its tunnel")
    except UnavailableError as error:
        return _build_failure(f"Kafka could not be watched: {error}; look at KAFKA_BOOTSTRAP_SERVERS")
    return _build_result(address, status, has_arrived)


def _build_result(address: str, status: int, has_arrived: bool) -> dict[str, Any]:
    if has_arrived:
        return {"status": "success", "message": f"a test delivery to {address} was seen in Kafka"}
    if status == 200:
        return _build_failure(
            f"{address} answered 200, but nothing was seen in Kafka within {ARRIVAL_SECONDS:.0f} s; "
            "look whether the address leads to this gateway"
        )
    return _build_failure(f"{address} answered HTTP {status}; look at {_suggest_cause(status)}")


def _suggest_cause(status: int) -> str:
    if 300 <= status < 400:
        return "the address: the platform follows no redirect"
    if status in (401, 403):
        return "the app's secret, and whatever stands before the gateway"
    if status == 404:
        return "the path, which must be the gateway's own"
    return "the gateway's log" if status >= 500 else "whatever stands before the gateway"


def _build_failure(message: str) -> dict[str, Any]:
    return {"status": "failed", "message": message}
