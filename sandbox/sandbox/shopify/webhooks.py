"""The webhook subscriptions of one shop, and functions that build, sign and schedule webhook deliveries."""

import base64
import hashlib
import hmac
import random
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from sandbox.addresses import is_local
from sandbox.deliveries import Delivery
from sandbox.shopify.faults import Faults
from sandbox.shopify.shops import get_current_time
from sandbox.shopify.versions import LATEST_VERSION
from sandbox.shopify.webhook_payloads import format_topic

RETRIES = 8
_FIRST_RETRY_DELAY = 4 * 3_600 / (2**RETRIES - 1)
Refusals = list[tuple[list[str], str]]
"""The reasons why a subscription is refused: for each, the path of the wrong input field and a message."""
_SCOPES = {
    "PRODUCTS": "read_products", "COLLECTIONS": "read_products", "INVENTORY_LEVELS": "read_inventory",
    "INVENTORY_ITEMS": "read_inventory", "LOCATIONS": "read_locations", "DISCOUNTS": "read_discounts",
    "ORDERS": "read_orders",
    "CUSTOMERS": "read_customers",
}  # fmt: skip


@dataclass(slots=True)
class Subscription:
    """A subscription of the app to a webhook topic. Its webhooks are sent to `uri`."""

    number: int
    topic: str
    uri: str
    created_at: str
    filter: str | None = None
    name: str | None = None
    include_fields: list[str] = field(default_factory=list)
    metafield_namespaces: list[str] = field(default_factory=list)


class Subscriptions:
    """Holds the webhook subscriptions of one shop. `on_change` is called with all subscriptions after every change."""

    def __init__(
        self,
        stored: list[Subscription],
        allocate_number: Callable[[], int],
        on_change: Callable[[list[Subscription]], None],
    ) -> None:
        self._by_number = {s.number: s for s in stored}
        self._allocate_number = allocate_number
        self._on_change = on_change
        self.refused_topics: frozenset[str] = frozenset()

    def list_all(self) -> list[Subscription]:
        """List all subscriptions, oldest first."""
        return list(self._by_number.values())

    def get(self, number: int) -> Subscription | None:
        """Return the subscription with the number, or None."""
        return self._by_number.get(number)

    def list_by_topic(self, topic: str) -> list[Subscription]:
        """List the subscriptions to one topic."""
        return [s for s in self._by_number.values() if s.topic == topic]

    def list_topics(self) -> frozenset[str]:
        """Return all topics that have a subscription."""
        return frozenset(s.topic for s in self._by_number.values())

    def create(self, topic: str, body: Mapping[str, Any], scopes: frozenset[str]) -> Subscription | Refusals:
        """Subscribe an app with the granted `scopes` to a topic. `body` is a GraphQL WebhookSubscriptionInput.

        Returns the new subscription, or the reasons why it is refused.
        """
        uri = body.get("uri") or body.get("callbackUrl") or ""
        refusals = self._find_refusals(topic, uri, body.get("filter"), scopes, None)
        if refusals:
            return refusals
        subscription = Subscription(self._allocate_number(), topic, uri, get_current_time())
        _set_fields(subscription, body)
        self._by_number[subscription.number] = subscription
        self._on_change(self.list_all())
        return subscription

    def update(self, number: int, body: Mapping[str, Any]) -> Subscription | Refusals:
        """Set the fields of a subscription that are in `body`.

        Returns the subscription, or the reasons why the change is refused.
        """
        subscription = self._by_number.get(number)
        if subscription is None:
            return [(["id"], "Webhook subscription does not exist")]
        uri = body.get("uri") or body.get("callbackUrl") or subscription.uri
        filter_ = body.get("filter", subscription.filter)
        refusals = self._find_refusals(subscription.topic, uri, filter_, None, number)
        if refusals:
            return refusals
        subscription.uri = uri
        _set_fields(subscription, body)
        self._on_change(self.list_all())
        return subscription

    def delete(self, number: int) -> Subscription | None:
        """Delete a subscription, and return it. Return None if it does not exist."""
        subscription = self._by_number.pop(number, None)
        if subscription is not None:
            self._on_change(self.list_all())
        return subscription

    def clear(self) -> None:
        """Delete all subscriptions. This happens when the app is uninstalled."""
        self._by_number.clear()
        self._on_change([])

    def _find_refusals(
        self, topic: str, uri: str, filter_: str | None, scopes: frozenset[str] | None, number: int | None
    ) -> Refusals:
        """Return the reasons why a subscription is refused; an empty list if it is allowed.

        If `scopes` is None, the scopes are not checked. `number` is the subscription that is updated, or None for a new
        one.
        """
        group = next((name for name in _SCOPES if topic.startswith(f"{name}_")), None)
        lacks_scope = scopes is not None and group is not None and not _is_covered(_SCOPES[group], scopes)
        if topic in self.refused_topics or lacks_scope:
            message = f"You do not have permission to create or update webhooks with {format_topic(topic)} topic."
            return [(["webhookSubscription", "topic"], message)]
        problem = _find_uri_problem(uri)
        if problem is not None:
            return [(["webhookSubscription", "callbackUrl"], problem)]
        others = (s for s in self.list_by_topic(topic) if s.number != number)
        if any((s.uri, s.filter) == (uri, filter_) for s in others):
            return [(["webhookSubscription", "callbackUrl"], "Address for this topic has already been taken")]
        return []


def _set_fields(subscription: Subscription, body: Mapping[str, Any]) -> None:
    for name in ("filter", "name"):
        if name in body:
            setattr(subscription, name, body[name])
    subscription.include_fields = list(body.get("includeFields") or subscription.include_fields)
    subscription.metafield_namespaces = list(body.get("metafieldNamespaces") or subscription.metafield_namespaces)


def _is_covered(scope: str, scopes: frozenset[str]) -> bool:
    return scope in scopes or scope.replace("read_", "write_") in scopes


def _find_uri_problem(uri: str) -> str | None:
    """Return the message with which Shopify refuses the URI `uri` for webhooks, or None if Shopify accepts it.

    Unlike Shopify, the sandbox accepts plain http for local hosts, so that it works without TLS certificates.
    """
    if uri.startswith(("pubsub://", "arn:aws:events:")):
        return None
    if len(uri.encode()) > 65_535:
        return "Address is too big"
    parts = urlsplit(uri)
    if parts.scheme == "http" and is_local(parts.hostname):
        return None
    if parts.scheme != "https" and re.match(r"^\w+://", uri):
        return f"Address protocol {parts.scheme}:// is not supported"
    if parts.scheme != "https" or not parts.hostname:
        return "Address is invalid"
    if parts.hostname.endswith((".myshopify.com", ".shopify.com")):
        return "Address cannot be a Shopify or an internal domain"
    return None


def build_deliveries(
    domain: str, subscriptions: Iterable[Subscription], faults: Faults, topic: str, payload: dict[str, Any]
) -> list[Delivery]:
    """Build the webhook deliveries of one event (a change in the shop), one for each subscription.

    `payload` is the body of the webhook. The faults may add duplicates, delay deliveries or mark them as dropped.
    """
    event, at = str(uuid.uuid4()), datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "000Z")
    body = orjson.dumps(payload)
    deliveries = []
    for subscription in subscriptions:
        delivery = Delivery(
            str(uuid.uuid4()), domain, subscription.number, topic, subscription.uri,
            _filter_fields(payload, subscription, body), event, at, faults.version or LATEST_VERSION,
        )  # fmt: skip
        delivery.due = time.time() + faults.webhooks_delayed_seconds
        if faults.webhooks_reordered:
            delivery.due += random.random() * 2
        if faults.webhooks_off or random.random() < faults.webhooks_dropped:
            delivery.status = "dropped"
        deliveries.append(delivery)
        deliveries.extend(_copy_delivery(delivery) for _ in range(faults.webhooks_duplicated))
    return deliveries


def _filter_fields(payload: dict[str, Any], subscription: Subscription, body: bytes) -> bytes:
    """Return the JSON of the fields of `payload` that the subscription includes.

    `body` is the JSON of the whole `payload`, which is returned if the subscription includes all fields.
    """
    if not subscription.include_fields:
        return body
    return orjson.dumps({name: payload[name] for name in subscription.include_fields if name in payload})


def _copy_delivery(delivery: Delivery) -> Delivery:
    return Delivery(
        delivery.id, delivery.shop, delivery.subscription, delivery.topic, delivery.uri, delivery.body, delivery.event,
        delivery.triggered_at, delivery.api_version, delivery.due, status=delivery.status,
    )  # fmt: skip


def compute_retry_delay(attempt: int, scale: float) -> float | None:
    """Compute the seconds from the failed `attempt` (1 is the first) to the next, or None if there is no next attempt.

    As at Shopify, the delay doubles with each attempt, and all eight retries together take four hours. `scale`
    multiplies every delay.
    """
    return float(_FIRST_RETRY_DELAY * 2 ** (attempt - 1) * scale) if attempt <= RETRIES else None


def sign_body(body: bytes, secret: str) -> str:
    """Compute the header X-Shopify-Hmac-Sha256: the base64 of the HMAC-SHA256 of the raw body."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def build_headers(delivery: Delivery, secret: str) -> dict[str, str]:
    """Build the HTTP headers of a delivery. The API secret of the app signs its body."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "Shopify-Captain-Hook",
        "X-Shopify-Topic": format_topic(delivery.topic),
        "X-Shopify-Hmac-Sha256": sign_body(delivery.body, secret),
        "X-Shopify-Shop-Domain": delivery.shop,
        "X-Shopify-API-Version": delivery.api_version,
        "X-Shopify-Webhook-Id": delivery.id,
        "X-Shopify-Event-Id": delivery.event,
        "X-Shopify-Triggered-At": delivery.triggered_at,
    }
