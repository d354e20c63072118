"""The snapshot (the document of all data of a shop) that the synchronization must write for a shop.

It is computed from the sandbox's own records only. Requests of clients do not influence it, so tests can compare it
with what the synchronization stored.
"""

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from sandbox import sample_texts
from sandbox.shopify.gids import build_gid, build_level_gid
from sandbox.shopify.model import Collection, Discount, Items, Level, Media, Product, Value, Variant
from sandbox.shopify.shops import Shop, get_current_time

Node = dict[str, Any]
_PAGE_INFO = {"endCursor": None, "hasNextPage": False}
_MEDIA_TYPES = {"IMAGE": "MediaImage", "VIDEO": "Video", "EXTERNAL_VIDEO": "ExternalVideo", "MODEL_3D": "Model3d"}


def build_document(shop: Shop, scopes: frozenset[str]) -> bytes:
    """Build the exact bytes of the snapshot that must be written for `shop`, for an app with the granted `scopes`.

    A snapshot is the document of all data of a shop. Keys are sorted, there is no white space, and non-ASCII characters
    are not escaped. A field whose scope is not granted is null or an empty list, but never absent.
    """
    builder = _NodeBuilder(shop, scopes)
    parts = (
        (b"automaticDiscountNodes", _dump_connection(builder.build_discounts("Automatic"))),
        (b"codeDiscountNodes", _dump_connection(builder.build_discounts("Code"))),
        (b"collections", _dump_connection(builder.build_collections())),
        (b"products", _dump_connection(builder.build_products())),
        (b"shop", _dump(builder.build_shop())),
    )
    return b'{"data":{' + b",".join(b'"' + key + b'":' + body for key, body in parts) + b"}}"


def _dump(node: Node) -> bytes:
    return orjson.dumps(node, option=orjson.OPT_SORT_KEYS)


def _build_edges(nodes: Iterable[Node]) -> Node:
    return {"edges": [{"node": node} for node in nodes]}


def _dump_connection(nodes: Iterable[Node]) -> bytes:
    # Each record is serialised at once: the dictionaries of a large shop would take ten times the memory of its bytes.
    edges = b",".join([_dump({"node": node}) for node in nodes])
    return b'{"edges":[' + edges + b'],"pageInfo":' + _dump(_PAGE_INFO) + b"}"


class _NodeBuilder:
    """Builds the nodes of the snapshot (the JSON objects of the records) for one shop and one set of granted scopes."""

    def __init__(self, shop: Shop, scopes: frozenset[str]) -> None:
        self.shop = shop
        self.scopes = scopes
        self.now = get_current_time()
        self.money = shop.profile.currency
        self.location_names = {location.number: location.name for location in shop.locations}

    def can_read(self, resource: str) -> bool:
        return f"read_{resource}" in self.scopes or f"write_{resource}" in self.scopes

    def build_shop(self) -> Node:
        profile = self.shop.profile
        return {
            "id": build_gid("Shop", profile.number), "name": profile.name, "primaryDomain": {"url": f"https://{profile.domain}"},
            "myshopifyDomain": profile.domain, "currencyCode": profile.currency, "ianaTimezone": profile.timezone,
        }  # fmt: skip

    def build_products(self) -> Iterable[Node]:
        return map(self.build_product, self.shop.products if self.can_read("products") else ())

    def build_product(self, p: Product) -> Node:
        custom = sorted((m for m in p.metafields if m.namespace == "custom"), key=lambda m: m.key)
        return {
            "id": build_gid("Product", p.number), "title": p.title, "handle": p.handle,
            "description": sample_texts.render_plain_text(p.text),
            "descriptionHtml": p.html if p.html is not None else sample_texts.render_html(p.text),
            "productType": p.product_type, "vendor": p.vendor, "tags": p.tags, "status": p.status,
            "onlineStoreUrl": f"https://{self.shop.domain}/products/{p.handle}" if p.status == "ACTIVE" else None,
            "category": {"fullName": p.category} if p.category else None,
            "options": [{"name": o.name, "optionValues": [{"name": v} for v in o.values]} for o in p.options],
            "variants": _build_edges(self.build_variant(p, v) for v in sorted(p.variants, key=lambda v: v.position)),
            "media": _build_edges(map(_build_media, p.media)),
            "metafields": _build_edges(
                {"namespace": m.namespace, "key": m.key, "type": m.type, "value": m.value} for m in custom
            ),
        }  # fmt: skip

    def build_variant(self, p: Product, v: Variant) -> Node:
        return {
            "id": build_gid("ProductVariant", v.number), "title": v.title, "price": v.price,
            "availableForSale": v.for_sale, "sku": v.sku, "barcode": v.barcode,
            "compareAtPrice": v.compare_at_price, "position": v.position,
            "inventoryPolicy": v.policy, "inventoryItem": self.build_item(v),
            "selectedOptions": [{"name": o.name, "value": c} for o, c in zip(p.options, v.values, strict=True)],
        }  # fmt: skip

    def build_item(self, v: Variant) -> Node:
        can_read = self.can_read("inventory")
        levels = [level for level in v.levels if level.active] if can_read else []
        return {
            "id": build_gid("InventoryItem", v.item),
            "tracked": v.tracked if can_read else None,
            "inventoryLevels": _build_edges(map(self.build_level, levels)),
        }

    def build_level(self, level: Level) -> Node:
        can_read = self.can_read("locations")
        location = {
            "id": build_gid("Location", level.location) if can_read else None,
            "name": self.location_names[level.location] if can_read else None,
        }
        quantities = [{"name": "available", "quantity": level.available}]
        return {"id": build_level_gid(level.location, level.item), "location": location, "quantities": quantities}

    def build_collections(self) -> Iterable[Node]:
        collections = list(self.shop.collections) if self.can_read("products") else []
        return map(self.build_collection, sorted(collections, key=lambda c: (c.title, c.number)))

    def build_collection(self, c: Collection) -> Node:
        members = self.shop.list_members(c)
        products = [self.shop.products.get(n) for n in (members if c.sort_order == "MANUAL" else sorted(members))]
        return {
            "id": build_gid("Collection", c.number), "title": c.title, "handle": c.handle, "description": c.description,
            "sortOrder": c.sort_order, "image": {"url": c.image_url, "altText": c.image_alt} if c.image_url else None,
            "products": _build_edges(
                {"id": build_gid("Product", p.number), "title": p.title, "handle": p.handle}
                for p in products if p is not None
            ),
        }  # fmt: skip

    def build_discounts(self, family: str) -> Iterable[Node]:
        discounts = [d for d in self.shop.discounts if d.family == family] if self.can_read("discounts") else []
        key = f"{family.lower()}Discount"
        discounts.sort(key=lambda d: (d.title, d.number))
        return ({"id": build_gid(d.node_type, d.number), key: self.build_discount(d)} for d in discounts)

    def build_discount(self, d: Discount) -> Node:
        node: Node = {
            "__typename": d.typename, "title": d.title, "status": d.get_status(self.now), "startsAt": d.starts_at,
            "endsAt": d.ends_at, "combinesWith": {f"{name}Discounts": on for name, on in d.combines_with.items()},
        }  # fmt: skip
        if d.family == "Code":
            node["codes"] = _build_edges({"code": code} for code in sorted(d.codes.values()))
            node["usageLimit"], node["appliesOncePerCustomer"] = d.usage_limit, d.once_per_customer
        return node | _TERM_BUILDERS[d.kind](self, d)

    def build_amount(self, value: str | None) -> Node | None:
        return {"amount": value, "currencyCode": self.money} if value is not None else None

    def build_items(self, items: Items) -> Node:
        if items.kind == "products":
            return {
                "__typename": "DiscountProducts",
                "products": self.build_titles("Product", items.products, self.shop.products.get),
                "productVariants": self.build_titles("ProductVariant", items.variants, self.shop.variants.get),
            }
        if items.kind == "collections":
            collections = self.build_titles("Collection", items.collections, self.shop.collections.get)
            return {"__typename": "DiscountCollections", "collections": collections}
        return {"__typename": "AllDiscountItems", "allItems": True}

    def build_titles(self, kind: str, numbers: list[int], get: Callable[[int], Any]) -> Node:
        records = [record for number in sorted(numbers) if (record := get(number)) is not None]
        return _build_edges({"id": build_gid(kind, record.number), "title": record.title} for record in records)

    def build_discount_value(self, value: Value) -> Node:
        if value.kind == "amount":
            return {"__typename": "DiscountAmount", "amount": self.build_amount(value.amount)}
        if value.kind == "percentage" or value.effect is None:
            return {"__typename": "DiscountPercentage", "percentage": value.percentage}
        quantity = {"quantity": str(value.quantity)}
        return {
            "__typename": "DiscountOnQuantity",
            "quantity": quantity,
            "effect": self.build_discount_value(value.effect),
        }

    def build_customer_gets(self, d: Discount) -> Node | None:
        if d.gets is None:
            return None
        return {"items": self.build_items(d.gets_items), "value": self.build_discount_value(d.gets)}

    def build_minimum(self, d: Discount) -> Node | None:
        if d.minimum_quantity is not None:
            quantity = str(d.minimum_quantity)
            return {"__typename": "DiscountMinimumQuantity", "greaterThanOrEqualToQuantity": quantity}
        if d.minimum_subtotal is None:
            return None
        subtotal = self.build_amount(d.minimum_subtotal)
        return {"__typename": "DiscountMinimumSubtotal", "greaterThanOrEqualToSubtotal": subtotal}


def _build_media(m: Media) -> Node:
    return {
        "id": build_gid(_MEDIA_TYPES[m.content], m.number), "alt": m.alt, "mediaContentType": m.content,
        "status": m.status,
        "preview": {"image": {"url": m.url} if m.url else None},
    }  # fmt: skip


def _build_basic(builder: _NodeBuilder, d: Discount) -> Node:
    return {
        "summary": build_summary(d),
        "customerGets": builder.build_customer_gets(d),
        "minimumRequirement": builder.build_minimum(d),
    }


def _build_bxgy(builder: _NodeBuilder, d: Discount) -> Node:
    if d.buys_quantity is not None:
        value: Node = {"__typename": "DiscountQuantity", "quantity": str(d.buys_quantity)}
    else:
        value = {"__typename": "DiscountPurchaseAmount", "amount": d.buys_amount}
    buys = {"items": builder.build_items(d.buys_items), "value": value}
    return {
        "summary": build_summary(d),
        "customerGets": builder.build_customer_gets(d),
        "customerBuys": buys,
        "usesPerOrderLimit": d.uses_per_order_limit,
    }


def _build_free_shipping(builder: _NodeBuilder, d: Discount) -> Node:
    countries = {"countries": sorted(d.countries or ()), "includeRestOfWorld": d.rest_of_world}
    everywhere = {"__typename": "DiscountCountryAll", "allCountries": True}
    return {
        "summary": build_summary(d),
        "minimumRequirement": builder.build_minimum(d),
        "maximumShippingPrice": builder.build_amount(d.maximum_shipping_price),
        "destinationSelection": everywhere if d.countries is None else {"__typename": "DiscountCountries"} | countries,
    }


def _build_app(_: _NodeBuilder, d: Discount) -> Node:
    return {"appDiscountType": {"title": d.app_title}}


_TERM_BUILDERS: dict[str, Callable[[_NodeBuilder, Discount], Node]] = {
    "Basic": _build_basic, "Bxgy": _build_bxgy, "FreeShipping": _build_free_shipping, "App": _build_app,
}  # fmt: skip


def build_summary(d: Discount) -> str:
    """Build the one-line summary of a discount."""
    if d.kind == "FreeShipping":
        return "Free shipping on all products" + (f" • For {len(d.countries)} countries" if d.countries else "")
    gets = d.gets or Value("percentage")
    effect = gets.effect or gets
    off = f"{effect.percentage:.0%}" if effect.kind == "percentage" else effect.amount
    what = {"all": "all products", "products": "some products", "collections": "some collections"}[d.gets_items.kind]
    return f"{f'Buy and get {gets.quantity} at ' if d.kind == 'Bxgy' else ''}{off} off {what}"
