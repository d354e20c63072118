"""Products, variants, media and metafields."""

from typing import Any

from sandbox import sample_texts
from sandbox.shopify.fields.context import (
    Args,
    Context,
    Resolver,
    Typed,
    always,
    by_number,
    key_of,
    listed,
    money,
    number_in,
    sorted_page,
)
from sandbox.shopify.gids import gid
from sandbox.shopify.model import Media, Metafield, Option, Product, Variant
from sandbox.shopify.pagination import PAGE_SIZE, Page, count, page
from sandbox.shopify.search import Reader

SEARCHABLE: dict[str, Reader] = {
    "status": lambda p: p.status,
    "updated_at": lambda p: p.updated_at,
    "created_at": lambda p: p.created_at,
    "title": lambda p: p.title,
    "vendor": lambda p: p.vendor,
    "product_type": lambda p: p.product_type,
    "tag": lambda p: p.tags,
    "handle": lambda p: p.handle,
    "sku": lambda p: [v.sku for v in p.variants],
}
VARIANT_SEARCHABLE: dict[str, Reader] = {
    "sku": lambda v: v.sku,
    "barcode": lambda v: v.barcode,
    "title": lambda v: v.title,
    "product_id": lambda v: v.product,
    "updated_at": lambda v: v.updated_at,
}
SORTS: dict[str, Reader] = {
    "TITLE": lambda p: p.title,
    "UPDATED_AT": lambda p: p.updated_at,
    "CREATED_AT": lambda p: p.created_at,
    "PUBLISHED_AT": lambda p: p.created_at,
    "VENDOR": lambda p: p.vendor,
    "PRODUCT_TYPE": lambda p: p.product_type,
    "INVENTORY_TOTAL": lambda p: _stock(p),
}
_VARIANT_SORTS: dict[str, Reader] = {
    "SKU": lambda v: v.sku or "",
    "TITLE": lambda v: v.title,
    "NAME": lambda v: v.title,
}
_LONG_PAGE = 2_000
_MEDIA_TYPES = {"IMAGE": "MediaImage", "VIDEO": "Video", "EXTERNAL_VIDEO": "ExternalVideo", "MODEL_3D": "Model3d"}


def _stock(p: Product) -> int:
    return sum(v.available for v in p.variants if v.tracked)


def products(_: Any, c: Context, a: Args) -> Page:
    """QueryRoot.products."""
    found = listed(c, "products", c.shop.products, SEARCHABLE, a.get("query"))
    return sorted_page(found, a, SORTS.get(a["sortKey"]))


def products_count(_: Any, c: Context, a: Args) -> dict[str, Any]:
    """QueryRoot.productsCount."""
    found = listed(c, "productsCount", c.shop.products, SEARCHABLE, a.get("query"))
    return count(c.faults.counted(len(found)), a.get("limit"))


def product_variants(_: Any, c: Context, a: Args) -> Page:
    """QueryRoot.productVariants."""
    found = listed(c, "productVariants", c.shop.variants, VARIANT_SEARCHABLE, a.get("query"))
    return sorted_page(found, a, _VARIANT_SORTS.get(a["sortKey"]))


def variants_count(_: Any, c: Context, a: Args) -> dict[str, Any]:
    """QueryRoot.productVariantsCount."""
    found = listed(c, "productVariantsCount", c.shop.variants, VARIANT_SEARCHABLE, a.get("query"))
    return count(c.faults.counted(len(found)), a.get("limit"))


def _by_position(v: Variant) -> tuple[int, int]:
    return v.position, v.number


def _variants(p: Product, c: Context, a: Args) -> Page:
    if a["sortKey"] == "POSITION":
        return page(p.variants, _by_position, a, _LONG_PAGE if p.number == c.single_product else PAGE_SIZE)
    by_id = sorted(p.variants, key=by_number)
    return sorted_page(by_id, a, _VARIANT_SORTS.get(a["sortKey"]))


def _media(p: Product, _: Context, a: Args) -> Page:
    wrapped = [Typed(_MEDIA_TYPES[m.content], m) for m in p.media]
    return page(wrapped, lambda t: (t.value.number, t.value.number), a)


def _metafields(p: Product, _: Context, a: Args) -> Page:
    namespace, keys = a.get("namespace"), a.get("keys")
    found = [m for m in p.metafields if namespace is None or m.namespace == namespace]
    if keys is not None:
        found = [m for m in found if m.key in keys or f"{m.namespace}.{m.key}" in keys]
    return page(sorted(found, key=by_number), by_number, a)


def _metafield(p: Product, _: Context, a: Args) -> Metafield | None:
    namespace = a.get("namespace")
    return next((m for m in p.metafields if m.key == a["key"] and namespace in (None, m.namespace)), None)


def _collections(p: Product, c: Context, a: Args) -> Page:
    found = [collection for collection in c.shop.collections if p.number in c.shop.members(collection)]
    return sorted_page(found, a, (lambda o: o.title) if a["sortKey"] == "TITLE" else None)


def _in_collection(p: Product, c: Context, a: Args) -> bool:
    collection = c.shop.collections.get(number_in(a["id"], "Collection"))
    return collection is not None and p.number in c.shop.members(collection)


def _prices(p: Product, c: Context) -> dict[str, Any]:
    prices = sorted((v.price for v in p.variants), key=float)
    return {"minVariantPrice": money(c, prices[0]), "maxVariantPrice": money(c, prices[-1])}


def _description(p: Product, _: Context, a: Args) -> str:
    text, limit = sample_texts.plain(p.text), a.get("truncateAt")
    return text if limit is None or len(text) <= limit else f"{text[: max(limit - 3, 0)]}..."


def _online_url(p: Product, c: Context) -> str | None:
    return f"https://{c.shop.domain}/products/{p.handle}" if p.status == "ACTIVE" else None


def _option_values(o: Option, _: Context) -> list[dict[str, Any]]:
    return [{"id": gid("ProductOptionValue", o.number * 100 + n), "name": v} for n, v in enumerate(o.values)]


def _options(p: Product, _: Context, a: Args) -> list[dict[str, Any]]:
    first = a.get("first")
    return [
        {
            "id": gid("ProductOption", o.number),
            "name": o.name,
            "position": n,
            "values": o.values,
            "optionValues": _option_values(o, _),
        }
        for n, o in enumerate(p.options[:first], 1)
    ]


def _selected(v: Variant, c: Context) -> list[dict[str, str]]:
    parent = c.shop.products.get(v.product)
    options = parent.options if parent is not None else []
    return [{"name": o.name, "value": value} for o, value in zip(options, v.values, strict=True)]


def _category(p: Product, _: Context) -> dict[str, Any] | None:
    return {"fullName": p.category, "name": p.category.rsplit(" > ", 1)[-1]} if p.category is not None else None


def _image(m: Media, _: Context) -> dict[str, Any] | None:
    if m.url is None:
        return None
    return {"id": gid("ImageSource", m.number), "url": m.url, "altText": m.alt, "width": 1200, "height": 900}


def _preview(m: Media, c: Context) -> dict[str, Any]:
    return {"image": _image(m, c), "status": m.status}


_MEDIA: dict[str, Resolver] = {
    "mediaContentType": "content",
    "fileStatus": "status",
    "preview": _preview,
    "createdAt": "updated_at",
    "filename": lambda m, _: f"{m.number}.mp4",
    "duration": always(30_000),
    "embedUrl": lambda m, _: f"https://www.youtube.com/embed/{m.number}",
    "originUrl": lambda m, _: f"https://www.youtube.com/watch?v={m.number}",
    "host": always("YOUTUBE"),
    "mimeType": always("image/jpeg"),
    "image": _image,
}
_EMPTY_PAGE = Page((), False, False, by_number)


def _media_fields(kind: str) -> dict[str, Resolver]:
    return {**_MEDIA, "id": lambda m, _: gid(kind, m.number)}


FIELDS: dict[str, dict[str, Resolver]] = {
    "Product": {
        "id": lambda p, _: f"gid://shopify/Product/{p.number}",
        "legacyResourceId": lambda p, _: str(p.number),
        "description": _description,
        "descriptionHtml": lambda p, _: sample_texts.html(p.text),
        "bodyHtml": lambda p, _: sample_texts.html(p.text),
        "onlineStoreUrl": _online_url,
        "onlineStorePreviewUrl": _online_url,
        "category": _category,
        "options": _options,
        "variants": _variants,
        "variantsCount": lambda p, _: count(len(p.variants), None),
        "totalVariants": lambda p, _: len(p.variants),
        "media": _media,
        "mediaCount": lambda p, _: count(len(p.media), None),
        "metafield": _metafield,
        "metafields": _metafields,
        "collections": _collections,
        "inCollection": _in_collection,
        "publishedAt": lambda p, _: p.created_at if p.status == "ACTIVE" else None,
        "totalInventory": lambda p, _: _stock(p),
        "tracksInventory": lambda p, _: any(v.tracked for v in p.variants),
        "hasOnlyDefaultVariant": lambda p, _: p.options[0].values == ["Default Title"],
        "hasOutOfStockVariants": lambda p, _: any(v.available <= 0 for v in p.variants),
        "isGiftCard": always(False),
        "templateSuffix": always(None),
        "priceRangeV2": _prices,
        "featuredMedia": lambda p, _: Typed(_MEDIA_TYPES[p.media[0].content], p.media[0]) if p.media else None,
    },
    "ProductVariant": {
        "id": lambda v, _: f"gid://shopify/ProductVariant/{v.number}",
        "legacyResourceId": lambda v, _: str(v.number),
        "displayName": lambda v, c: f"{c.shop.products.get(v.product).title} - {v.title}",
        "availableForSale": "for_sale",
        "inventoryPolicy": "policy",
        "inventoryQuantity": "available",
        "sellableOnlineQuantity": "available",
        "selectedOptions": _selected,
        "inventoryItem": lambda v, _: v,
        "product": lambda v, c: c.shop.products.get(v.product),
        "taxable": always(True),
        "metafield": lambda _, __, ___: None,
        "metafields": lambda _, __, ___: _EMPTY_PAGE,
    },
    "ProductOption": {name: key_of(name) for name in ("id", "name", "position", "values", "optionValues")},
    "ProductOptionValue": {"id": key_of("id"), "name": key_of("name"), "hasVariants": always(True)},
    "SelectedOption": {"name": key_of("name"), "value": key_of("value")},
    "ProductPriceRangeV2": {name: key_of(name) for name in ("minVariantPrice", "maxVariantPrice")},
    "MoneyV2": {"amount": key_of("amount"), "currencyCode": key_of("currencyCode")},
    "TaxonomyCategory": {
        "fullName": key_of("fullName"),
        "name": key_of("name"),
        "id": lambda o, _: f"gid://shopify/TaxonomyCategory/{o['name'].lower().replace(' ', '-')}",
        "isArchived": always(False),
        "isLeaf": always(True),
        "isRoot": always(False),
        "level": lambda o, _: o["fullName"].count(">") + 1,
    },
    "Metafield": {
        "id": lambda m, _: gid("Metafield", m.number),
        "legacyResourceId": lambda m, _: str(m.number),
        "jsonValue": "value",
        "createdAt": "updated_at",
        "ownerType": always("PRODUCT"),
        "compareDigest": lambda m, _: f"{hash((m.type, m.value)) & 0xFFFFFFFF:08x}",
    },
    **{kind: _media_fields(kind) for kind in _MEDIA_TYPES.values()},
    "MediaPreviewImage": {"image": key_of("image"), "status": key_of("status")},
    "Image": {
        "id": key_of("id"),
        "url": key_of("url"),
        "src": key_of("url"),
        "altText": key_of("altText"),
        "width": key_of("width"),
        "height": key_of("height"),
    },
}
