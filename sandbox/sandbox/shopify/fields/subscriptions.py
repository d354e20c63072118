"""The resolvers that list webhook subscriptions, and the mutations that create, update and delete them."""

from collections.abc import Callable
from typing import Any

from sandbox.shopify.fields.context import (
    Args,
    Context,
    Resolver,
    TypedValue,
    get_number_key,
    parse_gid_number,
    read_key,
    return_constant,
)
from sandbox.shopify.gids import build_gid
from sandbox.shopify.pagination import NodePage, build_count, build_page
from sandbox.shopify.webhooks import Refusals, Subscription


def list_subscriptions(_: Any, context: Context, args: Args) -> NodePage:
    """Resolve `QueryRoot.webhookSubscriptions`."""
    topics, uri = args.get("topics"), args.get("uri") or args.get("callbackUrl")
    subscriptions = sorted(context.subscriptions.list_all(), key=get_number_key)
    if topics:
        subscriptions = [s for s in subscriptions if s.topic in topics]
    return build_page([s for s in subscriptions if uri in (None, s.uri)], get_number_key, args)


def count_subscriptions(_: Any, context: Context, args: Args) -> dict[str, Any]:
    """Resolve `QueryRoot.webhookSubscriptionsCount`."""
    return build_count(len(context.subscriptions.list_all()), args.get("limit"))


def find_subscription(_: Any, context: Context, args: Args) -> Subscription | None:
    """Resolve `QueryRoot.webhookSubscription`."""
    return context.subscriptions.get(parse_gid_number(args["id"], "WebhookSubscription"))


def _create_subscription(_: Any, context: Context, args: Args) -> dict[str, Any]:
    return _build_payload(context.subscriptions.create(args["topic"], args["webhookSubscription"], context.scopes))


def _update_subscription(_: Any, context: Context, args: Args) -> dict[str, Any]:
    number = parse_gid_number(args["id"], "WebhookSubscription")
    return _build_payload(context.subscriptions.update(number, args["webhookSubscription"]))


def _delete_subscription(_: Any, context: Context, args: Args) -> dict[str, Any]:
    if context.subscriptions.delete(parse_gid_number(args["id"], "WebhookSubscription")) is None:
        error = _build_error(["id"], "Webhook subscription does not exist")
        return {"deletedWebhookSubscriptionId": None, "userErrors": [error]}
    return {"deletedWebhookSubscriptionId": args["id"], "userErrors": []}


def _build_payload(result: Subscription | Refusals) -> dict[str, Any]:
    if isinstance(result, Subscription):
        return {"webhookSubscription": result, "userErrors": []}
    return {"webhookSubscription": None, "userErrors": [_build_error(*refusal) for refusal in result]}


def _build_error(path: list[str], message: str) -> dict[str, Any]:
    return {"field": path, "message": message}


def _wrap_endpoint(s: Subscription, _: Context) -> TypedValue:
    if s.uri.startswith("pubsub://"):
        return TypedValue("WebhookPubSubEndpoint", s)
    return TypedValue("WebhookEventBridgeEndpoint" if s.uri.startswith("arn:") else "WebhookHttpEndpoint", s)


def _read_pubsub_part(index: int) -> Callable[[Subscription, Context], str]:
    """Build a resolver that returns the project (`index` 0) or the topic (1) of a subscription's Pub/Sub URI."""
    return lambda s, _: s.uri.removeprefix("pubsub://").split(":", 1)[index]


MUTATIONS: dict[str, Resolver] = {
    "webhookSubscriptionCreate": _create_subscription,
    "webhookSubscriptionUpdate": _update_subscription,
    "webhookSubscriptionDelete": _delete_subscription,
}
_BOTH = {name: read_key(name) for name in ("webhookSubscription", "userErrors")}
FIELDS: dict[str, dict[str, Resolver]] = {
    "WebhookSubscriptionCreatePayload": {**_BOTH},
    "WebhookSubscriptionUpdatePayload": {**_BOTH},
    "WebhookSubscriptionDeletePayload": {
        name: read_key(name) for name in ("deletedWebhookSubscriptionId", "userErrors")
    },
    "WebhookSubscription": {
        "id": lambda s, _: build_gid("WebhookSubscription", s.number),
        "legacyResourceId": lambda s, _: str(s.number),
        "apiVersion": lambda _, context: {"handle": context.version, "displayName": context.version, "supported": True},
        "callbackUrl": "uri",
        "endpoint": _wrap_endpoint,
        "format": return_constant("JSON"),
        "updatedAt": "created_at",
    },
    "WebhookHttpEndpoint": {"callbackUrl": "uri"},
    "WebhookPubSubEndpoint": {"pubSubProject": _read_pubsub_part(0), "pubSubTopic": _read_pubsub_part(1)},
    "WebhookEventBridgeEndpoint": {"arn": "uri"},
}
