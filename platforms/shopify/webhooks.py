"""Shopify's webhooks: verifies signed deliveries, and keeps one subscription for each topic and URL.

Source: shopify.dev on webhook deliveries. Only the body of a delivery is signed, its headers are not.
"""

import asyncio
import hmac
import re
from binascii import b2a_base64
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import orjson
import structlog

from platform_sdk.adapters import TopicOutcome, WebhookReport
from platform_sdk.deliveries import Delivery, DeliveryHeader, DeliveryKind
from platform_sdk.errors import RequestRejectedError
from platforms.shopify.admin_api import AdminApi, ShopifySubscription
from platforms.shopify.graphql import SubscriptionChange
from platforms.shopify.manifest import MANIFEST
from platforms.shopify.resources import CATALOG
from platforms.shopify.shop_names import parse_shop_domain

log = structlog.get_logger()

PROBE_PREFIX = "merchant-sync-test-"
"""The prefix of the webhook ids of probes, the test deliveries that the gateway sends. Shopify's are plain UUIDs."""
MAX_CHANGES = 8
"""The most subscriptions that one document creates or moves. Shopify makes them one after the other, and the document
has the four seconds that each call has."""
REGISTERED, MOVED, UNCHANGED, MISSING = "registered", "moved", "already there", "not subscribed"

_KINDS = {
    b"app/uninstalled": DeliveryKind.UNINSTALLED,
    b"app/scopes_update": DeliveryKind.SCOPES_CHANGED,
    b"customers/data_request": DeliveryKind.CUSTOMER_DATA,
    b"customers/redact": DeliveryKind.CUSTOMER_DELETION,
    b"shop/redact": DeliveryKind.ACCOUNT_DELETION,
}
_DATA_KINDS = (DeliveryKind.ACCOUNT_DELETION, DeliveryKind.CUSTOMER_DELETION, DeliveryKind.CUSTOMER_DATA)
_COMPLIANCE_TOPICS = ("customers/data_request", "customers/redact", "shop/redact")
"""Topics that are configured for the whole app. They need no subscription."""
_NAMED_RECORDS = {
    word.encode(): (resource.name, resource.gid_prefix, payload_field)
    for resource in CATALOG
    for word, payload_field in resource.payload_fields.items()
}
"""By the first word of a topic: the resource, the prefix of its gids, and the payload's field with a record's id."""

_HMAC, _TOPIC, _SHOP_DOMAIN = b"x-shopify-hmac-sha256", b"x-shopify-topic", b"x-shopify-shop-domain"
_WEBHOOK_ID, _TRIGGERED_AT = b"x-shopify-webhook-id", b"x-shopify-triggered-at"
_READ_HEADERS = frozenset((_HMAC, _TOPIC, _SHOP_DOMAIN, _WEBHOOK_ID, _TRIGGERED_AT))


def format_delivered_topic(topic: str) -> str:
    """Convert the topic of a subscription (`PRODUCTS_UPDATE`) to its form in deliveries (`products/update`)."""
    words = topic.lower()
    # The resource may be two words, so that it cannot be cut off at the first underscore.
    first = next(word for word in ("app", *map(bytes.decode, _NAMED_RECORDS)) if words.startswith(f"{word}_"))
    return f"{first}/{words.removeprefix(f'{first}_')}"


_SUBSCRIBED_TOPICS = (*CATALOG.topics, *(topic for resource in CATALOG for topic in resource.webhook_topics))


@dataclass(frozen=True)
class PlannedSubscription:
    """What to do about the subscription to one webhook topic.

    `action` is UNCHANGED for nothing, REGISTERED for a new subscription, or MOVED to change the URL of
    `subscription_id`.
    """

    topic: str
    action: str
    subscription_id: str = ""


class ShopifyWebhooks:
    """The webhooks of one Shopify app. `secrets` are the app's, the current one first.

    `address` is the URL to which Shopify sends deliveries.
    """

    metric_topics: Collection[str] = frozenset({*map(format_delivered_topic, _SUBSCRIBED_TOPICS), *_COMPLIANCE_TOPICS})
    challenge_parameters: Mapping[str, str] = {}
    claim_headers = (_TOPIC, _SHOP_DOMAIN, _WEBHOOK_ID)
    headers = (
        DeliveryHeader("X-Shopify-Hmac-Sha256", "Base64 of the raw body's HMAC-SHA256 under the app's secret"),
        DeliveryHeader("X-Shopify-Topic", "The event, e.g. products/update"),
        DeliveryHeader("X-Shopify-Shop-Domain", "The shop, e.g. acme.myshopify.com"),
        DeliveryHeader("X-Shopify-Webhook-Id", "The same in every copy: ten copies are one sync", required=False),
        DeliveryHeader("X-Shopify-Triggered-At", "When the event happened, read of an uninstall", required=False),
    )

    def __init__(self, api: AdminApi, *, secrets: Sequence[str], address: str) -> None:
        self._api = api
        self._secrets = tuple(secrets)
        self.address = address

    def list_topics(self, scopes: Iterable[str]) -> tuple[str, ...]:
        """Return the topics to subscribe to when `scopes` are granted, in the form of GraphQL (`PRODUCTS_UPDATE`)."""
        return CATALOG.list_webhook_topics(scopes)

    def verify_and_parse_deliveries(self, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> list[Delivery]:
        """Verify a request and return its only delivery in a list. Names of headers are in lower case, `body` is raw.

        Raises RequestRejectedError with status 401 unless there is exactly one HMAC header, with a signature of the
        body by the current or the previous secret. Raises it with status 400 when the topic or the shop's domain is
        missing, when the body names no record, and when the body is about another shop.
        """
        values = _select_headers(headers)
        if not is_body_signed(values.get(_HMAC, b""), body, self._secrets):
            raise RequestRejectedError(401, "the signature is missing, doubled or wrong")
        topic = values.get(_TOPIC)
        account = parse_shop_domain(values.get(_SHOP_DOMAIN, b"").decode("latin-1"))
        if not topic or account is None:
            raise RequestRejectedError(400, "X-Shopify-Topic or X-Shopify-Shop-Domain is missing or malformed")
        webhook_id = values.get(_WEBHOOK_ID, b"").decode("latin-1") or _derive_webhook_id(topic, account, body)
        payload = _parse_body(body)
        kind, records = _classify_delivery(topic, webhook_id, payload)
        # The headers are not signed. So the body of an uninstall or of a request about data must name the shop itself,
        # and a request about a customer cannot be turned into the deletion of the account.
        if _find_shop(payload, kind, account) != account or (
            kind is DeliveryKind.ACCOUNT_DELETION and "customer" in payload
        ):
            raise RequestRejectedError(
                400, "the body, which alone is signed, is not about the shop of X-Shopify-Shop-Domain"
            )
        triggered_at = None if kind is DeliveryKind.RECORDS else _parse_timestamp(values.get(_TRIGGERED_AT))
        return [
            Delivery(topic.decode("latin-1"), f"{MANIFEST.slug}:{account}", webhook_id, kind, records, triggered_at)
        ]

    def build_probe(self, account: str) -> tuple[str, dict[str, str], bytes]:
        """Build a webhook probe (a test delivery): a signed `products/update` of an invented product.

        Returns the webhook id, the headers and the body of the probe.
        """
        webhook_id = f"{PROBE_PREFIX}{uuid4()}"
        body = orjson.dumps({"id": 1, "admin_graphql_api_id": "gid://shopify/Product/1"})
        headers = {
            "Content-Type": "application/json",
            _TOPIC.decode(): "products/update",
            _SHOP_DOMAIN.decode(): account,
            _WEBHOOK_ID.decode(): webhook_id,
            _HMAC.decode(): _sign_body(self._secrets[0], body).decode(),
        }
        return webhook_id, headers, body

    async def ensure_subscriptions(self, account: str, token: str, *, topics: Sequence[str]) -> WebhookReport:
        """Create or change the subscriptions of those topics that are not delivered to `address`.

        Raises TokenRejectedError for an invalid token, and TransientError when Shopify does not answer. A topic that
        Shopify refuses raises nothing; the report says why it was refused.
        """
        subscriptions = await self._api.list_subscriptions(account, token)
        plan = plan_subscriptions(topics, self.address, subscriptions)
        changes = [step for step in plan if step.action != UNCHANGED]
        batches = [changes[start : start + MAX_CHANGES] for start in range(0, len(changes), MAX_CHANGES)]
        # The first error is raised only when all calls have ended, so that none goes on unobserved.
        results = await asyncio.gather(
            *(self._apply_steps(account, token, batch) for batch in batches), return_exceptions=True
        )
        report = {step.topic: TopicOutcome(True, step.action) for step in plan}
        for result in results:
            if isinstance(result, BaseException):
                raise result
            report |= result
        counts = Counter(outcome.message for outcome in report.values() if outcome.message in (REGISTERED, MOVED))
        if counts:
            log.info("subscriptions changed", account=account, registered=counts[REGISTERED], moved=counts[MOVED])
        return WebhookReport(report)

    async def inspect_subscriptions(self, account: str, token: str, *, topics: Sequence[str]) -> WebhookReport:
        """Return which topics are delivered to `address`, with a warning when Shopify uses another API version."""
        subscriptions = await self._api.list_subscriptions(account, token)
        plan = plan_subscriptions(topics, self.address, subscriptions)
        subscribed = {step.topic for step in plan if step.action == UNCHANGED}
        report = {
            topic: TopicOutcome(topic in subscribed, UNCHANGED if topic in subscribed else MISSING) for topic in topics
        }
        return WebhookReport(report, self._api.remarks)

    def answer_challenge(self, query: Mapping[str, str]) -> str | None:  # noqa: ARG002
        """Return None, because Shopify sends no challenges (requests that verify the webhook URL)."""
        return None

    async def _apply_steps(
        self, account: str, token: str, steps: Sequence[PlannedSubscription]
    ) -> dict[str, TopicOutcome]:
        """Make the planned changes with one document. Return the outcomes by topic."""
        changes = [SubscriptionChange(step.topic, step.subscription_id) for step in steps]
        refusals = await self._api.change_subscriptions(account, token, changes, self.address)
        outcomes = {}
        for step, refusal in zip(steps, refusals, strict=True):
            if refusal is not None:
                log.warning("subscription refused", account=account, topic=step.topic, reason=refusal)
            outcomes[step.topic] = (
                TopicOutcome(True, step.action) if refusal is None else TopicOutcome(False, f"refused: {refusal}")
            )
        return outcomes


def plan_subscriptions(
    topics: Iterable[str], address: str, subscriptions: Sequence[ShopifySubscription]
) -> list[PlannedSubscription]:
    """Return for each topic what to do so that it is delivered to `address`.

    A topic that is already delivered to `address` needs no change, even when it is delivered to other URLs as well.
    """
    ours = {subscription.topic for subscription in subscriptions if subscription.address == address}
    others = {subscription.topic: subscription.id for subscription in subscriptions if subscription.address != address}
    return [
        PlannedSubscription(topic, UNCHANGED)
        if topic in ours
        else PlannedSubscription(topic, MOVED, others[topic])
        if topic in others
        else PlannedSubscription(topic, REGISTERED)
        for topic in topics
    ]


def is_body_signed(signature: bytes, body: bytes, secrets: Sequence[str]) -> bool:
    """Return whether `signature` is the base64 HMAC-SHA256 of `body` with one of the secrets, in constant time."""
    return True in [hmac.compare_digest(_sign_body(secret, body), signature) for secret in secrets]


def _sign_body(secret: str, body: bytes) -> bytes:
    return b2a_base64(hmac.digest(secret.encode(), body, "sha256"), newline=False)


def _select_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return the values of Shopify's headers by name. A repeated header gets an empty value and counts as missing."""
    values: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _READ_HEADERS:
            values[name] = b"" if name in values else value
    return values


def _derive_webhook_id(topic: bytes, account: str, body: bytes) -> str:
    """Derive a webhook id for a delivery without one. Copies of a delivery get the same id."""
    return hmac.digest(b"%b\x1f%b" % (topic, account.encode()), body, "sha256").hex()


def _parse_body(body: bytes) -> dict[str, Any]:
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestRejectedError(400, "the body is not JSON") from error
    if not isinstance(payload, dict):
        raise RequestRejectedError(400, "the body is not a JSON object")
    return payload


def _classify_delivery(
    topic: bytes, webhook_id: str, payload: Mapping[str, Any]
) -> tuple[DeliveryKind, dict[str, list[str]]]:
    """Return the kind of a delivery and the ids of the records to read, by resource.

    A record that was deleted according to the delivery is read as well: only reading proves that it is deleted.
    """
    app_kind = _KINDS.get(topic)
    named = _NAMED_RECORDS.get(topic.partition(b"/")[0])
    if app_kind or named is None:
        return app_kind or DeliveryKind.UNKNOWN, {}
    resource, gid_prefix, payload_field = named
    kind = DeliveryKind.PROBE if webhook_id.startswith(PROBE_PREFIX) else DeliveryKind.RECORDS
    return kind, {resource: [_build_record_gid(payload.get(payload_field), gid_prefix)]}


def _find_shop(payload: Mapping[str, Any], kind: DeliveryKind, account: str) -> object:
    """Return the shop that the body names.

    When the body names none, return `account` if the body of a delivery of this kind need not name the shop.
    """
    if kind in _DATA_KINDS:
        return payload.get("shop_domain")
    return payload.get("myshopify_domain", payload.get("domain") if kind is DeliveryKind.UNINSTALLED else account)


def _build_record_gid(value: object, gid_prefix: str) -> str:
    if type(value) is int and value > 0:
        return f"{gid_prefix}{value}"
    if isinstance(value, str) and value.startswith(gid_prefix) and len(value) < 200:
        return value
    raise RequestRejectedError(400, "the body names no record")


def _parse_timestamp(value: bytes | None) -> int | None:
    """Convert an RFC 3339 time to ms since the Unix epoch; None when it is missing or malformed.

    Shopify writes nanoseconds, which Python does not parse: the digits after milliseconds are dropped.
    """
    try:
        shortened = re.sub(r"(\.\d{3})\d*", r"\1", (value or b"").decode("ascii"))
        return int(datetime.fromisoformat(shortened).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
