"""Collections and their products."""

from html import escape
from typing import Any

from sandbox.shopify.fields.context import Args, Context, Resolver, always, listed, number_in, sorted_page
from sandbox.shopify.gids import gid
from sandbox.shopify.model import Collection, Product
from sandbox.shopify.pagination import Page, count, page
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
_OWN_ORDERS = {"ALPHA_ASC": ("TITLE", False), "ALPHA_DESC": ("TITLE", True), "CREATED": ("CREATED", False)}
_OWN_ORDERS |= {"CREATED_DESC": ("CREATED", True), "PRICE_ASC": ("PRICE", False), "PRICE_DESC": ("PRICE", True)}


def collections(_: Any, c: Context, a: Args) -> Page:
    """QueryRoot.collections."""
    found = listed(c, "collections", c.shop.collections, _SEARCHABLE, a.get("query"))
    return sorted_page(found, a, _SORTS.get(a["sortKey"]))


def collections_count(_: Any, c: Context, a: Args) -> dict[str, Any]:
    """QueryRoot.collectionsCount."""
    found = listed(c, "collectionsCount", c.shop.collections, _SEARCHABLE, a.get("query"))
    return count(c.faults.counted(len(found)), a.get("limit"))


def _products(o: Collection, c: Context, a: Args) -> Page:
    members = c.shop.members(o)
    order, reverse = a["sortKey"], bool(a.get("reverse"))
    if order == "COLLECTION_DEFAULT":
        order, descending = _OWN_ORDERS.get(o.sort_order, (o.sort_order, False))
        reverse = reverse != descending
    args = {**a, "reverse": reverse}
    if order == "MANUAL" and o.rule is None:
        return _in_own_order(members, c, args)
    found = [p for p in map(c.shop.products.get, sorted(members)) if p is not None]
    return sorted_page(found, args, _PRODUCT_SORTS.get(order))


def _in_own_order(members: list[int], c: Context, a: Args) -> Page:
    places = {number: place for place, number in enumerate(members)}

    def key(p: Product) -> tuple[int, int]:
        return places[p.number], p.number

    return page([p for p in map(c.shop.products.get, members) if p is not None], key, a)


def _has_product(o: Collection, c: Context, a: Args) -> bool:
    return number_in(a["id"], "Product") in c.shop.members(o)


def _image(o: Collection, _: Context) -> dict[str, Any] | None:
    if o.image_url is None:
        return None
    return {
        "id": gid("CollectionImage", o.number),
        "url": o.image_url,
        "altText": o.image_alt,
        "width": 800,
        "height": 600,
    }


def _description(o: Collection, _: Context, a: Args) -> str:
    limit = a.get("truncateAt")
    return o.description if limit is None else o.description[:limit]


FIELDS: dict[str, dict[str, Resolver]] = {
    "Collection": {
        "id": lambda o, _: gid("Collection", o.number),
        "legacyResourceId": lambda o, _: str(o.number),
        "description": _description,
        "descriptionHtml": lambda o, _: f"<p>{escape(o.description)}</p>" if o.description else "",
        "image": _image,
        "products": _products,
        "productsCount": lambda o, c: count(len(c.shop.members(o)), None),
        "hasProduct": _has_product,
        "templateSuffix": always(None),
        "ruleSet": lambda o, _: [o.rule] if o.rule else None,
    },
    "CollectionRuleSet": {"appliedDisjunctively": always(False), "rules": lambda o, _: o},
    "CollectionRule": {"relation": always("EQUALS")},
}
