"""The roots of the schema, the shop itself, and looking records up by their ids."""

from collections.abc import Callable
from typing import Any

from sandbox.shopify import edits
from sandbox.shopify.errors import FieldFailure, access_denied
from sandbox.shopify.fields import collections, discounts, inventory, products, subscriptions
from sandbox.shopify.fields.context import Args, Context, Resolver, Typed, always, key_of, number_in
from sandbox.shopify.gids import gid, parse
from sandbox.shopify.model import Discount

_TABLES = {
    "Product": "products",
    "ProductVariant": "variants",
    "InventoryItem": "items",
    "Collection": "collections",
    "Location": "locations",
}
MAXIMUM_IDS = 250


def find(c: Context, text: str) -> Typed | None:
    """The record with the gid `text`, or None. Raises FieldFailure for what is no gid."""
    try:
        kind, number, item = parse(text)
    except ValueError as error:
        raise FieldFailure(str(error), "argumentLiteralsIncompatible") from error
    found = _find(c, kind, number, item)
    return Typed(kind, found) if found is not None else None


def _find(c: Context, kind: str, number: int, item: int | None) -> Any:
    if kind in _TABLES:
        return getattr(c.shop, _TABLES[kind]).get(number)
    if kind in ("DiscountCodeNode", "DiscountAutomaticNode", "DiscountNode"):
        found = c.shop.discounts.get(number)
        return found if found is not None and kind in ("DiscountNode", found.node_type) else None
    if kind == "InventoryLevel" and item is not None:
        return inventory.find_level(c, number, item)
    if kind == "WebhookSubscription":
        return c.subscriptions.get(number)
    return c.shop if kind == "Shop" and number == c.shop.profile.number else None


_SCOPES = {
    **dict.fromkeys(("Product", "ProductVariant", "Collection", "InventoryItem"), "read_products"),
    **dict.fromkeys(("DiscountNode", "DiscountCodeNode", "DiscountAutomaticNode"), "read_discounts"),
    "InventoryLevel": "read_inventory",
    "Location": "read_locations",
}


def _readable(c: Context, field: str, found: Typed | None) -> Typed | None:
    """What was found, unless the granted scopes do not cover its type: then the whole field is denied."""
    scope = _SCOPES.get(found.typename) if found is not None else None
    if scope is not None and not {scope, scope.replace("read_", "write_", 1)} & c.scopes:
        raise access_denied(field, scope)
    return found


def _node(_: Any, c: Context, a: Args) -> Typed | None:
    return _readable(c, "node", find(c, a["id"]))


def _nodes(_: Any, c: Context, a: Args) -> list[Typed | None]:
    ids = a["ids"]
    if len(ids) > MAXIMUM_IDS:
        message = f"The input array size of {len(ids)} is greater than the maximum allowed of {MAXIMUM_IDS}."
        raise FieldFailure(message, "MAX_INPUT_SIZE_EXCEEDED")
    return [_readable(c, "nodes", find(c, text)) for text in ids]


def _one(kind: str) -> Callable[[Any, Context, Args], Any]:
    def read(_: Any, c: Context, a: Args) -> Any:
        return _find(c, kind, number_in(a["id"], kind), None)

    return read


def _product(_: Any, c: Context, a: Args) -> Any:
    c.single_product = number_in(a["id"], "Product")
    return c.shop.products.get(c.single_product)


def _discount(*kinds: str) -> Callable[[Any, Context, Args], Discount | None]:
    def read(_: Any, c: Context, a: Args) -> Discount | None:
        found = find(c, a["id"])
        return found.value if found is not None and found.typename in kinds else None

    return read


def _level(_: Any, c: Context, a: Args) -> Any:
    found = find(c, a["id"])
    return found.value if found is not None and found.typename == "InventoryLevel" else None


def _product_update(_: Any, c: Context, a: Args) -> dict[str, Any]:
    body = a.get("product") or {}
    fields = {edits.FIELD_NAMES.get(name, name): value for name, value in body.items() if name != "id"}
    changed = edits.update_product(c.shop, c.ledger, number_in(body.get("id") or "", "Product"), fields)
    errors = [] if changed is not None else [{"field": ["id"], "message": "Product does not exist"}]
    return {"product": changed, "userErrors": errors}


def _product_delete(_: Any, c: Context, a: Args) -> dict[str, Any]:
    text = a["input"]["id"]
    gone = edits.delete_product(c.shop, c.ledger, number_in(text, "Product"))
    errors = [] if gone else [{"field": ["id"], "message": "Product does not exist"}]
    return {"deletedProductId": text if gone else None, "shop": c.shop, "userErrors": errors}


def _scopes(_: Any, c: Context) -> list[dict[str, str]]:
    return [{"handle": scope, "description": scope.replace("_", " ").capitalize()} for scope in sorted(c.scopes)]


def _versions(_: Any, __: Context) -> list[dict[str, Any]]:
    handles = ("2026-01", "2026-04", "2026-07", "2026-10")
    listed = [{"handle": h, "displayName": f"{h} (Supported)", "supported": True} for h in handles]
    return [*listed, {"handle": "unstable", "displayName": "unstable", "supported": False}]


def _profile(name: str) -> Callable[[Any, Context], Any]:
    return lambda o, _: getattr(o.profile, name)


_SHOP: dict[str, Resolver] = {
    "id": lambda o, _: gid("Shop", o.profile.number),
    "name": _profile("name"),
    "email": _profile("email"),
    "contactEmail": _profile("email"),
    "shopOwnerName": _profile("name"),
    "myshopifyDomain": _profile("domain"),
    "primaryDomain": lambda o, _: o,
    "url": lambda o, _: f"https://{o.domain}",
    "currencyCode": _profile("currency"),
    "ianaTimezone": _profile("timezone"),
    "timezoneAbbreviation": always("CET"),
    "plan": lambda o, _: o,
    "createdAt": _profile("created_at"),
    "updatedAt": _profile("updated_at"),
    "weightUnit": always("KILOGRAMS"),
    "resourceLimits": lambda o, _: o,
}

FIELDS: dict[str, dict[str, Resolver]] = {
    "QueryRoot": {
        "shop": lambda _, c: c.shop,
        "node": _node,
        "nodes": _nodes,
        "product": _product,
        "products": products.products,
        "productsCount": products.products_count,
        "productVariant": _one("ProductVariant"),
        "productVariants": products.product_variants,
        "productVariantsCount": products.variants_count,
        "inventoryItem": _one("InventoryItem"),
        "inventoryItems": inventory.inventory_items,
        "inventoryLevel": _level,
        "location": inventory.location,
        "locations": inventory.locations,
        "locationsCount": inventory.locations_count,
        "collection": _one("Collection"),
        "collections": collections.collections,
        "collectionsCount": collections.collections_count,
        "discountNode": _discount("DiscountNode", "DiscountCodeNode", "DiscountAutomaticNode"),
        "codeDiscountNode": _discount("DiscountCodeNode"),
        "automaticDiscountNode": _discount("DiscountAutomaticNode"),
        "discountNodes": discounts.nodes("discountNodes", None),
        "codeDiscountNodes": discounts.nodes("codeDiscountNodes", "Code"),
        "automaticDiscountNodes": discounts.nodes("automaticDiscountNodes", "Automatic"),
        "discountNodesCount": discounts.nodes_count,
        "webhookSubscription": subscriptions.subscription,
        "webhookSubscriptions": subscriptions.subscriptions,
        "webhookSubscriptionsCount": subscriptions.subscriptions_count,
        "currentAppInstallation": lambda _, c: c,
        "publicApiVersions": _versions,
    },
    "Mutation": {**subscriptions.MUTATIONS, "productUpdate": _product_update, "productDelete": _product_delete},
    "ProductUpdatePayload": {"product": key_of("product"), "userErrors": key_of("userErrors")},
    "ProductDeletePayload": {name: key_of(name) for name in ("deletedProductId", "shop", "userErrors")},
    "Shop": _SHOP,
    "Domain": {
        "id": lambda o, _: gid("Domain", o.profile.number),
        "host": lambda o, _: o.domain,
        "url": lambda o, _: f"https://{o.domain}",
        "sslEnabled": always(True),
    },
    "ShopPlan": {
        "displayName": lambda o, _: o.profile.plan.title(),
        "publicDisplayName": lambda o, _: o.profile.plan.title(),
        "partnerDevelopment": always(False),
        "shopifyPlus": lambda o, _: o.profile.plan in ("plus", "enterprise"),
    },
    "ShopResourceLimits": {
        "locationLimit": always(200),
        "maxProductOptions": always(3),
        "maxProductVariants": always(2048),
        "redirectLimitReached": always(False),
    },
    "AppInstallation": {
        "id": lambda _, c: gid("AppInstallation", c.shop.profile.number),
        "app": lambda o, _: o,
        "accessScopes": _scopes,
        "uninstallUrl": always(None),
    },
    "AccessScope": {"handle": key_of("handle"), "description": key_of("description")},
    "App": {
        "id": always(gid("App", 1)),
        "apiKey": lambda _, c: c.api_key,
        "title": always("merchant-sync"),
        "handle": always("merchant-sync"),
    },
    "ApiVersion": {name: key_of(name) for name in ("handle", "displayName", "supported")},
    "Count": {"count": key_of("count"), "precision": key_of("precision")},
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
