"""Webhook subscriptions of one shop, and how a delivery is signed."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sandbox.addresses import is_near
from sandbox.deliveries import Delivery
from sandbox.shopify.shops import now
from sandbox.shopify.webhook_payloads import wire

Refusals = list[tuple[list[str], str]]
_SCOPES = {
    "PRODUCTS": "read_products", "COLLECTIONS": "read_products", "INVENTORY_LEVELS": "read_inventory",
    "INVENTORY_ITEMS": "read_inventory", "LOCATIONS": "read_locations", "DISCOUNTS": "read_discounts",
    "ORDERS": "read_orders",
    "CUSTOMERS": "read_customers",
}  # fmt: skip


@dataclass(slots=True)
class Subscription:
    """Who wants to hear of a topic, and where."""

    number: int
    topic: str
    uri: str
    created_at: str
    filter: str | None = None
    name: str | None = None
    include_fields: list[str] = field(default_factory=list)
    metafield_namespaces: list[str] = field(default_factory=list)


class Subscriptions:
    """The subscriptions of one shop. `changed` is called with all of them after every change."""

    def __init__(
        self, found: list[Subscription], next_number: Callable[[], int], changed: Callable[[list[Subscription]], None]
    ) -> None:
        self._by_number = {s.number: s for s in found}
        self._next_number = next_number
        self._changed = changed
        self.refused_topics: frozenset[str] = frozenset()

    def all(self) -> list[Subscription]:
        """All of them, oldest first."""
        return list(self._by_number.values())

    def get(self, number: int) -> Subscription | None:
        """The one with that number."""
        return self._by_number.get(number)

    def to(self, topic: str) -> list[Subscription]:
        """Those to one topic."""
        return [s for s in self._by_number.values() if s.topic == topic]

    def topics(self) -> frozenset[str]:
        """All topics that somebody listens to."""
        return frozenset(s.topic for s in self._by_number.values())

    def create(self, topic: str, body: Mapping[str, Any], scopes: frozenset[str]) -> Subscription | Refusals:
        """Subscribe, or say per field why not."""
        uri = body.get("uri") or body.get("callbackUrl") or ""
        refusals = self._refusals(topic, uri, body.get("filter"), scopes, None)
        if refusals:
            return refusals
        made = Subscription(self._next_number(), topic, uri, now())
        _set(made, body)
        self._by_number[made.number] = made
        self._changed(self.all())
        return made

    def update(self, number: int, body: Mapping[str, Any]) -> Subscription | Refusals:
        """Change what `body` names."""
        found = self._by_number.get(number)
        if found is None:
            return [(["id"], "Webhook subscription does not exist")]
        uri = body.get("uri") or body.get("callbackUrl") or found.uri
        refusals = self._refusals(found.topic, uri, body.get("filter", found.filter), None, number)
        if refusals:
            return refusals
        found.uri = uri
        _set(found, body)
        self._changed(self.all())
        return found

    def delete(self, number: int) -> Subscription | None:
        """Unsubscribe."""
        gone = self._by_number.pop(number, None)
        if gone is not None:
            self._changed(self.all())
        return gone

    def clear(self) -> None:
        """Unsubscribe from everything, as an uninstallation does."""
        self._by_number.clear()
        self._changed([])

    def _refusals(
        self, topic: str, uri: str, filter_: str | None, scopes: frozenset[str] | None, number: int | None
    ) -> Refusals:
        group = next((name for name in _SCOPES if topic.startswith(f"{name}_")), None)
        if topic in self.refused_topics or (
            scopes is not None and group is not None and not _covered(_SCOPES[group], scopes)
        ):
            message = f"You do not have permission to create or update webhooks with {wire(topic)} topic."
            return [(["webhookSubscription", "topic"], message)]
        problem = _address_problem(uri)
        if problem is not None:
            return [(["webhookSubscription", "callbackUrl"], problem)]
        same = (s for s in self.to(topic) if (s.uri, s.filter) == (uri, filter_) and s.number != number)
        if next(same, None) is not None:
            return [(["webhookSubscription", "callbackUrl"], "Address for this topic has already been taken")]
        return []


def _set(subscription: Subscription, body: Mapping[str, Any]) -> None:
    for name in ("filter", "name"):
        if name in body:
            setattr(subscription, name, body[name])
    subscription.include_fields = list(body.get("includeFields") or subscription.include_fields)
    subscription.metafield_namespaces = list(body.get("metafieldNamespaces") or subscription.metafield_namespaces)


def _covered(scope: str, scopes: frozenset[str]) -> bool:
    return scope in scopes or scope.replace("read_", "write_") in scopes


def _address_problem(uri: str) -> str | None:
    """Why Shopify would not deliver to `uri`. Plain http is good for what is near, so that it can be tried."""
    if uri.startswith(("pubsub://", "arn:aws:events:")):
        return None
    if len(uri.encode()) > 65_535:
        return "Address is too big"
    parts = urlsplit(uri)
    if parts.scheme == "http" and is_near(parts.hostname):
        return None
    if parts.scheme != "https" and re.match(r"^\w+://", uri):
        return f"Address protocol {parts.scheme}:// is not supported"
    if parts.scheme != "https" or not parts.hostname:
        return "Address is invalid"
    if parts.hostname.endswith((".myshopify.com", ".shopify.com")):
        return "Address cannot be a Shopify or an internal domain"
    return None


def signature(body: bytes, secret: str) -> str:
    """X-Shopify-Hmac-Sha256: base64 of the HMAC-SHA256 of the raw body."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def headers(delivery: Delivery, secret: str) -> dict[str, str]:
    """The headers of a delivery."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "Shopify-Captain-Hook",
        "X-Shopify-Topic": wire(delivery.topic),
        "X-Shopify-Hmac-Sha256": signature(delivery.body, secret),
        "X-Shopify-Shop-Domain": delivery.shop,
        "X-Shopify-API-Version": delivery.api_version,
        "X-Shopify-Webhook-Id": delivery.id,
        "X-Shopify-Event-Id": delivery.event,
        "X-Shopify-Triggered-At": delivery.triggered_at,
    }
