"""Webhook subscriptions and the mutations on them."""

from collections.abc import Callable
from typing import Any

from sandbox.shopify.fields.context import Args, Context, Resolver, Typed, always, by_number, key_of, number_in
from sandbox.shopify.gids import gid
from sandbox.shopify.pagination import Page, count, page
from sandbox.shopify.webhooks import Subscription


def _matching(c: Context, a: Args) -> list[Subscription]:
    wanted = {"topic": a.get("topics"), "uri": a.get("uri") or a.get("callbackUrl")}
    found = sorted(c.subscriptions.all(), key=by_number)
    if wanted["topic"]:
        found = [s for s in found if s.topic in wanted["topic"]]
    return [s for s in found if wanted["uri"] in (None, s.uri)]


def subscriptions(_: Any, c: Context, a: Args) -> Page:
    """QueryRoot.webhookSubscriptions."""
    return page(_matching(c, a), by_number, a)


def subscriptions_count(_: Any, c: Context, a: Args) -> dict[str, Any]:
    """QueryRoot.webhookSubscriptionsCount."""
    return count(len(c.subscriptions.all()), a.get("limit"))


def subscription(_: Any, c: Context, a: Args) -> Subscription | None:
    """QueryRoot.webhookSubscription."""
    return c.subscriptions.get(number_in(a["id"], "WebhookSubscription"))


def _create(_: Any, c: Context, a: Args) -> dict[str, Any]:
    made = c.subscriptions.create(a["topic"], a["webhookSubscription"], c.scopes)
    return _payload(made)


def _update(_: Any, c: Context, a: Args) -> dict[str, Any]:
    return _payload(c.subscriptions.update(number_in(a["id"], "WebhookSubscription"), a["webhookSubscription"]))


def _delete(_: Any, c: Context, a: Args) -> dict[str, Any]:
    gone = c.subscriptions.delete(number_in(a["id"], "WebhookSubscription"))
    if gone is None:
        return {
            "deletedWebhookSubscriptionId": None,
            "userErrors": [_error(["id"], "Webhook subscription does not exist")],
        }
    return {"deletedWebhookSubscriptionId": a["id"], "userErrors": []}


def _payload(made: Subscription | list[tuple[list[str], str]]) -> dict[str, Any]:
    if isinstance(made, Subscription):
        return {"webhookSubscription": made, "userErrors": []}
    return {"webhookSubscription": None, "userErrors": [_error(*refusal) for refusal in made]}


def _error(path: list[str], message: str) -> dict[str, Any]:
    return {"field": path, "message": message}


def _endpoint(s: Subscription, _: Context) -> Typed:
    if s.uri.startswith("pubsub://"):
        return Typed("WebhookPubSubEndpoint", s)
    return Typed("WebhookEventBridgeEndpoint" if s.uri.startswith("arn:") else "WebhookHttpEndpoint", s)


def _pubsub(part: int) -> Callable[[Subscription, Context], str]:
    return lambda s, _: s.uri.removeprefix("pubsub://").split(":", 1)[part]


MUTATIONS: dict[str, Resolver] = {
    "webhookSubscriptionCreate": _create,
    "webhookSubscriptionUpdate": _update,
    "webhookSubscriptionDelete": _delete,
}
_BOTH = {name: key_of(name) for name in ("webhookSubscription", "userErrors")}
FIELDS: dict[str, dict[str, Resolver]] = {
    "WebhookSubscriptionCreatePayload": {**_BOTH},
    "WebhookSubscriptionUpdatePayload": {**_BOTH},
    "WebhookSubscriptionDeletePayload": {name: key_of(name) for name in ("deletedWebhookSubscriptionId", "userErrors")},
    "UserError": {"field": key_of("field"), "message": key_of("message")},
    "WebhookSubscription": {
        "id": lambda s, _: gid("WebhookSubscription", s.number),
        "legacyResourceId": lambda s, _: str(s.number),
        "apiVersion": lambda _, c: {"handle": c.version, "displayName": c.version, "supported": True},
        "callbackUrl": "uri",
        "endpoint": _endpoint,
        "format": always("JSON"),
        "updatedAt": "created_at",
    },
    "WebhookHttpEndpoint": {"callbackUrl": "uri"},
    "WebhookPubSubEndpoint": {"pubSubProject": _pubsub(0), "pubSubTopic": _pubsub(1)},
    "WebhookEventBridgeEndpoint": {"arn": "uri"},
}
