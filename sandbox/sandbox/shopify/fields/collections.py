"""The resolvers of collections and of their products."""

from html import escape
from typing import Any

from sandbox.shopify.fields.context import (
    Args,
    Context,
    Resolver,
    build_sorted_page,
    count_visible_records,
    list_visible_records,
    parse_gid_number,
    return_constant,
)
from sandbox.shopify.gids import build_gid
from sandbox.shopify.model import Collection, Product
from sandbox.shopify.pagination import NodePage, build_count, build_page
from sandbox.shopify.search import Reader

_SEARCHABLE: dict[str, Reader] = {
    "title": lambda o: o.title,
    "handle": lambda o: o.handle,
    "updated_at": lambda o: o.updated_at,
    "collection_type": lambda o: "smart" if o.rule else "custom",
}
_SORTS: dict[str, Reader] = {"TITLE": lambda o: o.title, "UPDATED_AT": lambda o: o.updated_at}
_PRODUCT_SORTS: dict[str, Reader] = {
    "TITLE": lambda p: p.title,
    "CREATED": lambda p: p.created_at,
    "PRICE": lambda p: float(p.variants[0].price),
}
_DEFAULT_ORDERS = {"ALPHA_ASC": ("TITLE", False), "ALPHA_DESC": ("TITLE", True), "CREATED": ("CREATED", False)}
_DEFAULT_ORDERS |= {"CREATED_DESC": ("CREATED", True), "PRICE_ASC": ("PRICE", False), "PRICE_DESC": ("PRICE", True)}


def list_collections(_: Any, context: Context, args: Args) -> NodePage:
    """Resolve `QueryRoot.collections`."""
    collections = list_visible_records(context, "collections", context.shop.collections, _SEARCHABLE, args.get("query"))
    return build_sorted_page(collections, args, _SORTS.get(args["sortKey"]))


def count_collections(_: Any, context: Context, args: Args) -> dict[str, Any]:
    """Resolve `QueryRoot.collectionsCount`."""
    total = count_visible_records(context, "collectionsCount", context.shop.collections, _SEARCHABLE, args.get("query"))
    return build_count(total, args.get("limit"))


def _list_products(o: Collection, context: Context, args: Args) -> NodePage:
    members = context.shop.list_members(o)
    order, reverse = args["sortKey"], bool(args.get("reverse"))
    if order == "COLLECTION_DEFAULT":
        order, descending = _DEFAULT_ORDERS.get(o.sort_order, (o.sort_order, False))
        reverse = reverse != descending
    args = {**args, "reverse": reverse}
    if order == "MANUAL" and o.rule is None:
        return _list_in_manual_order(members, context, args)
    products = [p for p in map(context.shop.products.get, sorted(members)) if p is not None]
    return build_sorted_page(products, args, _PRODUCT_SORTS.get(order))


def _list_in_manual_order(members: list[int], context: Context, args: Args) -> NodePage:
    positions = {number: position for position, number in enumerate(members)}

    def get_key(p: Product) -> tuple[int, int]:
        return positions[p.number], p.number

    return build_page([p for p in map(context.shop.products.get, members) if p is not None], get_key, args)


def _has_product(o: Collection, context: Context, args: Args) -> bool:
    return parse_gid_number(args["id"], "Product") in context.shop.list_members(o)


def _build_image(o: Collection, _: Context) -> dict[str, Any] | None:
    if o.image_url is None:
        return None
    return {
        "id": build_gid("CollectionImage", o.number),
        "url": o.image_url,
        "altText": o.image_alt,
        "width": 800,
        "height": 600,
    }


def _read_description(o: Collection, _: Context, args: Args) -> str:
    limit = args.get("truncateAt")
    return o.description if limit is None else o.description[:limit]


FIELDS: dict[str, dict[str, Resolver]] = {
    "Collection": {
        "id": lambda o, _: build_gid("Collection", o.number),
        "legacyResourceId": lambda o, _: str(o.number),
        "description": _read_description,
        "descriptionHtml": lambda o, _: f"<p>{escape(o.description)}</p>" if o.description else "",
        "image": _build_image,
        "products": _list_products,
        "productsCount": lambda o, context: build_count(len(context.shop.list_members(o)), None),
        "hasProduct": _has_product,
        "templateSuffix": return_constant(None),
        "ruleSet": lambda o, _: [o.rule] if o.rule else None,
    },
    "CollectionRuleSet": {"appliedDisjunctively": return_constant(False), "rules": lambda o, _: o},
    "CollectionRule": {"relation": return_constant("EQUALS")},
}
