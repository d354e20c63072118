"""The resolvers of the root fields of queries and mutations and of the shop itself, and the lookup of records by id."""

from collections.abc import Callable
from typing import Any

from sandbox.shopify.errors import build_access_denied_error, build_field_error
from sandbox.shopify.fields import collections, discounts, inventory, products, subscriptions
from sandbox.shopify.fields.context import (
    Args,
    Context,
    Resolver,
    TypedValue,
    parse_gid_number,
    read_key,
    return_constant,
)
from sandbox.shopify.gids import build_gid, parse_gid
from sandbox.shopify.model import Discount
from sandbox.shopify.mutations.tables import MUTATIONS, QUERIES
from sandbox.shopify.versions import VERSIONS

_TABLES = {
    "Product": "products",
    "ProductVariant": "variants",
    "InventoryItem": "items",
    "Collection": "collections",
    "Location": "locations",
}
MAXIMUM_IDS = 250


def find_node(context: Context, gid: str) -> TypedValue | None:
    """Return the record with the gid `gid`, and its GraphQL type; None if there is no such record.

    Raises GraphQLError if `gid` is malformed.
    """
    try:
        kind, number, item = parse_gid(gid)
    except ValueError as error:
        raise build_field_error(str(error), "argumentLiteralsIncompatible") from error
    record = _find_record(context, kind, number, item)
    return TypedValue(kind, record) if record is not None else None


def _find_record(context: Context, kind: str, number: int, item: int | None) -> Any:
    shop = context.shop
    if kind in _TABLES:
        return getattr(shop, _TABLES[kind]).get(number)
    if kind in ("DiscountCodeNode", "DiscountAutomaticNode", "DiscountNode"):
        discount = shop.discounts.get(number)
        return discount if discount is not None and kind in ("DiscountNode", discount.node_type) else None
    if kind == "InventoryLevel" and item is not None:
        return inventory.find_level(context, number, item)
    if kind == "WebhookSubscription":
        return context.subscriptions.get(number)
    return shop if kind == "Shop" and number == shop.profile.number else None


_SCOPES = {
    **dict.fromkeys(("Product", "ProductVariant", "Collection", "InventoryItem"), "read_products"),
    **dict.fromkeys(("DiscountNode", "DiscountCodeNode", "DiscountAutomaticNode"), "read_discounts"),
    "InventoryLevel": "read_inventory",
    "Location": "read_locations",
}


def _check_scope(context: Context, field: str, node: TypedValue | None) -> TypedValue | None:
    """Return `node` unchanged. Raises GraphQLError if the granted scopes do not cover the type of `node`.

    `field` is the name of the field that the error reports.
    """
    scope = _SCOPES.get(node.typename) if node is not None else None
    if scope is not None and not {scope, scope.replace("read_", "write_", 1)} & context.scopes:
        raise build_access_denied_error(field, scope)
    return node


def _read_node(_: Any, context: Context, args: Args) -> TypedValue | None:
    return _check_scope(context, "node", find_node(context, args["id"]))


def _read_nodes(_: Any, context: Context, args: Args) -> list[TypedValue | None]:
    ids = args["ids"]
    if len(ids) > MAXIMUM_IDS:
        message = f"The input array size of {len(ids)} is greater than the maximum allowed of {MAXIMUM_IDS}."
        raise build_field_error(message, "MAX_INPUT_SIZE_EXCEEDED")
    return [_check_scope(context, "nodes", find_node(context, gid)) for gid in ids]


def _read_record(kind: str) -> Callable[[Any, Context, Args], Any]:
    """Build a resolver that returns the record of the type `kind` whose gid is the argument `id`, or None."""

    def read(_: Any, context: Context, args: Args) -> Any:
        return _find_record(context, kind, parse_gid_number(args["id"], kind), None)

    return read


def _read_and_mark_single_product(_: Any, context: Context, args: Args) -> Any:
    context.single_product = parse_gid_number(args["id"], "Product")
    return context.shop.products.get(context.single_product)


def _read_discount(*kinds: str) -> Callable[[Any, Context, Args], Discount | None]:
    """Build a resolver that returns the discount whose gid is the argument `id`, or None.

    The gid may be of any of the types `kinds`.
    """

    def read(_: Any, context: Context, args: Args) -> Discount | None:
        node = find_node(context, args["id"])
        return node.value if node is not None and node.typename in kinds else None

    return read


def _read_level(_: Any, context: Context, args: Args) -> Any:
    node = find_node(context, args["id"])
    return node.value if node is not None and node.typename == "InventoryLevel" else None


def _list_scopes(_: Any, context: Context) -> list[dict[str, str]]:
    return [{"handle": scope, "description": scope.replace("_", " ").capitalize()} for scope in sorted(context.scopes)]


def _list_versions(_: Any, __: Context) -> list[dict[str, Any]]:
    *supported, unstable = VERSIONS
    return [
        *({"handle": v, "displayName": f"{v} (Supported)", "supported": True} for v in supported),
        {"handle": unstable, "displayName": unstable, "supported": False},
    ]


def _read_profile(name: str) -> Callable[[Any, Context], Any]:
    """Build a resolver that reads the attribute `name` of the shop's profile."""
    return lambda o, _: getattr(o.profile, name)


_SHOP: dict[str, Resolver] = {
    "id": lambda o, _: build_gid("Shop", o.profile.number),
    "name": _read_profile("name"),
    "email": _read_profile("email"),
    "contactEmail": _read_profile("email"),
    "shopOwnerName": _read_profile("name"),
    "myshopifyDomain": _read_profile("domain"),
    "primaryDomain": lambda o, _: o,
    "url": lambda o, _: f"https://{o.domain}",
    "currencyCode": _read_profile("currency"),
    "ianaTimezone": _read_profile("timezone"),
    "timezoneAbbreviation": return_constant("CET"),
    "plan": lambda o, _: o,
    "createdAt": _read_profile("created_at"),
    "updatedAt": _read_profile("updated_at"),
    "weightUnit": return_constant("KILOGRAMS"),
    "resourceLimits": lambda o, _: o,
}

FIELDS: dict[str, dict[str, Resolver]] = {
    "QueryRoot": {
        "shop": lambda _, context: context.shop,
        "node": _read_node,
        "nodes": _read_nodes,
        "product": _read_and_mark_single_product,
        "products": products.list_products,
        "productsCount": products.count_products,
        "productVariant": _read_record("ProductVariant"),
        "productVariants": products.list_variants,
        "productVariantsCount": products.count_variants,
        "inventoryItem": _read_record("InventoryItem"),
        "inventoryItems": inventory.list_items,
        "inventoryLevel": _read_level,
        "location": inventory.find_location,
        "locations": inventory.list_locations,
        "locationsCount": inventory.count_locations,
        "collection": _read_record("Collection"),
        "collections": collections.list_collections,
        "collectionsCount": collections.count_collections,
        "discountNode": _read_discount("DiscountNode", "DiscountCodeNode", "DiscountAutomaticNode"),
        "codeDiscountNode": _read_discount("DiscountCodeNode"),
        "automaticDiscountNode": _read_discount("DiscountAutomaticNode"),
        "discountNodes": discounts.build_lister("discountNodes", None),
        "codeDiscountNodes": discounts.build_lister("codeDiscountNodes", "Code"),
        "automaticDiscountNodes": discounts.build_lister("automaticDiscountNodes", "Automatic"),
        "discountNodesCount": discounts.count_discounts,
        "webhookSubscription": subscriptions.find_subscription,
        "webhookSubscriptions": subscriptions.list_subscriptions,
        "webhookSubscriptionsCount": subscriptions.count_subscriptions,
        "currentAppInstallation": lambda _, context: context,
        "publicApiVersions": _list_versions,
        **QUERIES,
    },
    "Mutation": {**subscriptions.MUTATIONS, **MUTATIONS},
    "Shop": _SHOP,
    "Domain": {
        "id": lambda o, _: build_gid("Domain", o.profile.number),
        "host": lambda o, _: o.domain,
        "url": lambda o, _: f"https://{o.domain}",
        "sslEnabled": return_constant(True),
    },
    "ShopPlan": {
        "displayName": lambda o, _: o.profile.plan.title(),
        "publicDisplayName": lambda o, _: o.profile.plan.title(),
        "partnerDevelopment": return_constant(False),
        "shopifyPlus": lambda o, _: o.profile.plan in ("plus", "enterprise"),
    },
    "ShopResourceLimits": {
        "locationLimit": return_constant(200),
        "maxProductOptions": return_constant(3),
        "maxProductVariants": return_constant(2048),
        "redirectLimitReached": return_constant(False),
    },
    "AppInstallation": {
        "id": lambda _, context: build_gid("AppInstallation", context.shop.profile.number),
        "app": lambda o, _: o,
        "accessScopes": _list_scopes,
        "uninstallUrl": return_constant(None),
    },
    "AccessScope": {"handle": read_key("handle"), "description": read_key("description")},
    "App": {
        "id": return_constant(build_gid("App", 1)),
        "apiKey": lambda _, context: context.api_key,
        "title": return_constant("merchant-sync"),
        "handle": return_constant("merchant-sync"),
    },
    "ApiVersion": {name: read_key(name) for name in ("handle", "displayName", "supported")},
    "Count": {"count": read_key("count"), "precision": read_key("precision")},
    "PageInfo": {},
    **{
        f"{kind}Connection": {"pageInfo": lambda o, _: o}
        for kind in (
            "Product", "ProductVariant", "InventoryItem", "InventoryLevel", "Location", "Collection", "Media",
            "Metafield",
            "DiscountNode", "DiscountCodeNode", "DiscountAutomaticNode", "DiscountRedeemCode", "WebhookSubscription",
        )
    },
}  # fmt: skip
