"""What a shop's snapshot must be, computed from the sandbox's own records and from nothing that a client said."""

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from sandbox import sample_texts
from sandbox.shopify.gids import gid, level_gid
from sandbox.shopify.model import Collection, Discount, Items, Level, Media, Product, Value, Variant
from sandbox.shopify.shops import Shop, now

Node = dict[str, Any]
_PAGE_INFO = {"endCursor": None, "hasNextPage": False}
_MEDIA_TYPES = {"IMAGE": "MediaImage", "VIDEO": "Video", "EXTERNAL_VIDEO": "ExternalVideo", "MODEL_3D": "Model3d"}


def document(shop: Shop, scopes: frozenset[str]) -> bytes:
    """The exact bytes of the snapshot of `shop` for a client that was granted `scopes`.

    Keys sorted, no blanks, non-ASCII as it is. What a missing scope hides is null or empty, never left out.
    """
    writer = _Writer(shop, scopes)
    parts = (
        (b"automaticDiscountNodes", _top(writer.discounts("Automatic"))),
        (b"codeDiscountNodes", _top(writer.discounts("Code"))),
        (b"collections", _top(map(writer.collection, writer.sorted_collections()))),
        (b"products", _top(map(writer.product, shop.products if writer.may("products") else ()))),
        (b"shop", _dump(writer.shop_node())),
    )
    return b'{"data":{' + b",".join(b'"' + key + b'":' + body for key, body in parts) + b"}}"


def _dump(node: Node) -> bytes:
    return orjson.dumps(node, option=orjson.OPT_SORT_KEYS)


def _edges(nodes: Iterable[Node]) -> Node:
    return {"edges": [{"node": node} for node in nodes]}


def _top(nodes: Iterable[Node]) -> bytes:
    # Each record becomes bytes at once: a large shop's dictionaries would take ten times the memory of its bytes.
    edges = b",".join([_dump({"node": node}) for node in nodes])
    return b'{"edges":[' + edges + b'],"pageInfo":' + _dump(_PAGE_INFO) + b"}"


class _Writer:
    def __init__(self, shop: Shop, scopes: frozenset[str]) -> None:
        self.shop = shop
        self.scopes = scopes
        self.now = now()
        self.money = shop.profile.currency
        self.places = {place.number: place.name for place in shop.locations}

    def may(self, what: str) -> bool:
        return f"read_{what}" in self.scopes or f"write_{what}" in self.scopes

    def shop_node(self) -> Node:
        profile = self.shop.profile
        return {
            "id": gid("Shop", profile.number), "name": profile.name, "primaryDomain": {"url": f"https://{profile.domain}"},
            "myshopifyDomain": profile.domain, "currencyCode": profile.currency, "ianaTimezone": profile.timezone,
        }  # fmt: skip

    def product(self, p: Product) -> Node:
        custom = sorted((m for m in p.metafields if m.namespace == "custom"), key=lambda m: m.key)
        return {
            "id": gid("Product", p.number), "title": p.title, "description": sample_texts.plain(p.text), "handle": p.handle,
            "productType": p.product_type, "vendor": p.vendor, "tags": p.tags, "status": p.status,
            "onlineStoreUrl": f"https://{self.shop.domain}/products/{p.handle}" if p.status == "ACTIVE" else None,
            "category": {"fullName": p.category} if p.category else None,
            "options": [{"name": o.name, "optionValues": [{"name": v} for v in o.values]} for o in p.options],
            "variants": _edges(self.variant(p, v) for v in sorted(p.variants, key=lambda v: v.position)),
            "media": _edges(map(_media, p.media)),
            "metafields": _edges({"namespace": m.namespace, "key": m.key, "type": m.type,
            "value": m.value} for m in custom),
        }  # fmt: skip

    def variant(self, p: Product, v: Variant) -> Node:
        return {
            "id": gid("ProductVariant", v.number), "title": v.title, "price": v.price, "availableForSale": v.for_sale,
            "sku": v.sku, "barcode": v.barcode, "compareAtPrice": v.compare_at_price, "position": v.position,
            "inventoryPolicy": v.policy, "inventoryItem": self.item(v),
            "selectedOptions": [{"name": o.name, "value": c} for o, c in zip(p.options, v.values, strict=True)],
        }  # fmt: skip

    def item(self, v: Variant) -> Node:
        readable = self.may("inventory")
        levels = [level for level in v.levels if level.active] if readable else []
        return {
            "id": gid("InventoryItem", v.item),
            "tracked": v.tracked if readable else None,
            "inventoryLevels": _edges(map(self.level, levels)),
        }

    def level(self, held: Level) -> Node:
        named = self.may("locations")
        place = {
            "id": gid("Location", held.location) if named else None,
            "name": self.places[held.location] if named else None,
        }
        quantities = [{"name": "available", "quantity": held.available}]
        return {"id": level_gid(held.location, held.item), "location": place, "quantities": quantities}

    def sorted_collections(self) -> list[Collection]:
        found = list(self.shop.collections) if self.may("products") else []
        return sorted(found, key=lambda c: (c.title, c.number))

    def collection(self, c: Collection) -> Node:
        members = self.shop.members(c)
        products = [self.shop.products.get(n) for n in (members if c.sort_order == "MANUAL" else sorted(members))]
        return {
            "id": gid("Collection", c.number), "title": c.title, "handle": c.handle, "description": c.description,
            "sortOrder": c.sort_order, "image": {"url": c.image_url, "altText": c.image_alt} if c.image_url else None,
            "products": _edges(
                {"id": gid("Product", p.number), "title": p.title,
                "handle": p.handle} for p in products if p is not None
            ),
        }  # fmt: skip

    def discounts(self, family: str) -> Iterable[Node]:
        found = [d for d in self.shop.discounts if d.family == family] if self.may("discounts") else []
        key = f"{family.lower()}Discount"
        found.sort(key=lambda d: (d.title, d.number))
        return ({"id": gid(d.node_type, d.number), key: self.discount(d)} for d in found)

    def discount(self, d: Discount) -> Node:
        node: Node = {
            "__typename": d.typename, "title": d.title, "status": d.status(self.now), "startsAt": d.starts_at,
            "endsAt": d.ends_at, "combinesWith": {f"{name}Discounts": on for name, on in d.combines_with.items()},
        }  # fmt: skip
        if d.family == "Code":
            node["codes"] = _edges({"code": code} for code in sorted(d.codes.values()))
            node["usageLimit"], node["appliesOncePerCustomer"] = d.usage_limit, d.once_per_customer
        return node | _TERMS[d.kind](self, d)

    def amount(self, value: str | None) -> Node | None:
        return {"amount": value, "currencyCode": self.money} if value is not None else None

    def items(self, items: Items) -> Node:
        if items.kind == "products":
            return {
                "__typename": "DiscountProducts",
                "products": self.titles("Product", items.products, self.shop.products.get),
                "productVariants": self.titles("ProductVariant", items.variants, self.shop.variants.get),
            }
        if items.kind == "collections":
            named = self.titles("Collection", items.collections, self.shop.collections.get)
            return {"__typename": "DiscountCollections", "collections": named}
        return {"__typename": "AllDiscountItems", "allItems": True}

    def titles(self, kind: str, numbers: list[int], get: Callable[[int], Any]) -> Node:
        found = [get(number) for number in sorted(numbers)]
        return _edges({"id": gid(kind, record.number), "title": record.title} for record in found if record is not None)

    def value(self, value: Value) -> Node:
        if value.kind == "amount":
            return {"__typename": "DiscountAmount", "amount": self.amount(value.amount)}
        if value.kind == "percentage" or value.effect is None:
            return {"__typename": "DiscountPercentage", "percentage": value.percentage}
        quantity = {"quantity": str(value.quantity)}
        return {"__typename": "DiscountOnQuantity", "quantity": quantity, "effect": self.value(value.effect)}

    def gets(self, d: Discount) -> Node | None:
        return {"items": self.items(d.gets_items), "value": self.value(d.gets)} if d.gets is not None else None

    def minimum(self, d: Discount) -> Node | None:
        if d.minimum_quantity is not None:
            quantity = str(d.minimum_quantity)
            return {"__typename": "DiscountMinimumQuantity", "greaterThanOrEqualToQuantity": quantity}
        if d.minimum_subtotal is None:
            return None
        subtotal = self.amount(d.minimum_subtotal)
        return {"__typename": "DiscountMinimumSubtotal", "greaterThanOrEqualToSubtotal": subtotal}


def _media(m: Media) -> Node:
    return {
        "id": gid(_MEDIA_TYPES[m.content], m.number), "alt": m.alt, "mediaContentType": m.content, "status": m.status,
        "preview": {"image": {"url": m.url} if m.url else None},
    }  # fmt: skip


def _basic(writer: _Writer, d: Discount) -> Node:
    return {"summary": summary(d), "customerGets": writer.gets(d), "minimumRequirement": writer.minimum(d)}


def _bxgy(writer: _Writer, d: Discount) -> Node:
    if d.buys_quantity is not None:
        value: Node = {"__typename": "DiscountQuantity", "quantity": str(d.buys_quantity)}
    else:
        value = {"__typename": "DiscountPurchaseAmount", "amount": d.buys_amount}
    buys = {"items": writer.items(d.buys_items), "value": value}
    limit = d.uses_per_order_limit
    return {"summary": summary(d), "customerGets": writer.gets(d), "customerBuys": buys, "usesPerOrderLimit": limit}


def _free_shipping(writer: _Writer, d: Discount) -> Node:
    chosen = {"countries": sorted(d.countries or ()), "includeRestOfWorld": d.rest_of_world}
    everywhere = {"__typename": "DiscountCountryAll", "allCountries": True}
    return {
        "summary": summary(d),
        "minimumRequirement": writer.minimum(d),
        "maximumShippingPrice": writer.amount(d.maximum_shipping_price),
        "destinationSelection": everywhere if d.countries is None else {"__typename": "DiscountCountries"} | chosen,
    }


def _app(_: _Writer, d: Discount) -> Node:
    return {"appDiscountType": {"title": d.app_title}}


_TERMS: dict[str, Callable[[_Writer, Discount], Node]] = {
    "Basic": _basic, "Bxgy": _bxgy, "FreeShipping": _free_shipping, "App": _app,
}  # fmt: skip


def summary(d: Discount) -> str:
    """The line in which the shop's own admin sums a discount up."""
    if d.kind == "FreeShipping":
        return "Free shipping on all products" + (f" • For {len(d.countries)} countries" if d.countries else "")
    gets = d.gets or Value("percentage")
    effect = gets.effect or gets
    off = f"{effect.percentage:.0%}" if effect.kind == "percentage" else effect.amount
    what = {"all": "all products", "products": "some products", "collections": "some collections"}[d.gets_items.kind]
    return f"{f'Buy and get {gets.quantity} at ' if d.kind == 'Bxgy' else ''}{off} off {what}"
