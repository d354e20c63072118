"""The webhook test: a delivery of our own, sent to the address that the platform was given, looked for in Kafka."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

import structlog

from contracts.headers import derive_id
from contracts.topics import get_sync_topic
from gateway.errors import NotReached
from gateway.platforms import Platform
from messaging.errors import UnavailableError

log = structlog.get_logger()

SEEN_WITHIN_SECONDS = 10.0
PENDING_STATUS = {"status": "pending", "message": "the webhook subscriptions have not been compared yet"}
PENDING_TEST = {"status": "pending", "message": "the test delivery has not been sent yet"}


def sent_test(now: int) -> dict[str, Any]:
    """The webhook test while its delivery is on the way."""
    return {"status": "pending", "message": "the test delivery is on its way", "sent_at": now}


Post = Callable[[str, dict[str, str], bytes], Awaitable[int]]
"""POSTs a body to an address, following no redirect; the HTTP status. Raises `NotReached`."""

Seen = Callable[[UUID, float], Awaitable[bool]]
"""Whether a sync's request comes within so many seconds."""

Watching = Callable[[str], AbstractAsyncContextManager[Seen]]
"""Watches a topic from its present end on."""


async def webhook_test(platform: Platform, account: str, *, post: Post, watching: Watching) -> dict[str, Any]:
    """Send the test delivery and look for it; the outcome as `{"status", "message"}`, never an exception."""
    webhook_id, headers, body = platform.test_delivery(account)
    address = platform.webhook_address
    try:
        async with watching(get_sync_topic(platform.slug)) as seen:
            status = await post(address, headers, body)
            arrived = status == 200 and await seen(derive_id(platform.slug, webhook_id), SEEN_WITHIN_SECONDS)
    except NotReached as error:
        return _failed(f"{address} cannot be reached: {error}; look at the address, its DNS name and its tunnel")
    except UnavailableError as away:
        return _failed(f"Kafka could not be watched: {away}; look at KAFKA_BOOTSTRAP_SERVERS")
    return _outcome(address, status, arrived)


def _outcome(address: str, status: int, arrived: bool) -> dict[str, Any]:
    if arrived:
        return {"status": "success", "message": f"a test delivery to {address} was seen in Kafka"}
    if status == 200:
        return _failed(
            f"{address} answered 200, but nothing was seen in Kafka within {SEEN_WITHIN_SECONDS:.0f} s; "
            "look whether the address leads to this gateway"
        )
    return _failed(f"{address} answered HTTP {status}; look at {_advice(status)}")


def _advice(status: int) -> str:
    if 300 <= status < 400:
        return "the address: the platform follows no redirect"
    if status in (401, 403):
        return "the app's secret, and whatever stands before the gateway"
    if status == 404:
        return "the path, which must be the gateway's own"
    return "the gateway's log" if status >= 500 else "whatever stands before the gateway"


def _failed(message: str) -> dict[str, Any]:
    return {"status": "failed", "message": message}
