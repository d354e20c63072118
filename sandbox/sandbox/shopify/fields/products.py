"""The resolvers of products, variants, media and metafields."""

from typing import Any

from sandbox import sample_texts
from sandbox.shopify import metafields
from sandbox.shopify.fields.context import (
    Args,
    Context,
    Resolver,
    TypedValue,
    build_money,
    build_sorted_page,
    count_visible_records,
    get_number_key,
    list_visible_records,
    parse_gid_number,
    read_key,
    return_constant,
)
from sandbox.shopify.gids import build_gid
from sandbox.shopify.model import Media, Metafield, Option, Product, Variant
from sandbox.shopify.pagination import MAXIMUM_PAGE_SIZE, NodePage, build_count, build_page
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
    "INVENTORY_TOTAL": lambda p: _sum_tracked_stock(p),
}
_VARIANT_SORTS: dict[str, Reader] = {
    "SKU": lambda v: v.sku or "",
    "TITLE": lambda v: v.title,
    "NAME": lambda v: v.title,
}
_MAXIMUM_VARIANTS_PAGE_SIZE = 2_000
_MEDIA_TYPES = {"IMAGE": "MediaImage", "VIDEO": "Video", "EXTERNAL_VIDEO": "ExternalVideo", "MODEL_3D": "Model3d"}


def _sum_tracked_stock(p: Product) -> int:
    return sum(v.available for v in p.variants if v.tracked)


def list_products(_: Any, context: Context, args: Args) -> NodePage:
    """Resolve `QueryRoot.products`."""
    products = list_visible_records(context, "products", context.shop.products, SEARCHABLE, args.get("query"))
    return build_sorted_page(products, args, SORTS.get(args["sortKey"]))


def count_products(_: Any, context: Context, args: Args) -> dict[str, Any]:
    """Resolve `QueryRoot.productsCount`."""
    total = count_visible_records(context, "productsCount", context.shop.products, SEARCHABLE, args.get("query"))
    return build_count(total, args.get("limit"))


def list_variants(_: Any, context: Context, args: Args) -> NodePage:
    """Resolve `QueryRoot.productVariants`."""
    variants = list_visible_records(
        context, "productVariants", context.shop.variants, VARIANT_SEARCHABLE, args.get("query")
    )
    return build_sorted_page(variants, args, _VARIANT_SORTS.get(args["sortKey"]))


def count_variants(_: Any, context: Context, args: Args) -> dict[str, Any]:
    """Resolve `QueryRoot.productVariantsCount`."""
    query = args.get("query")
    total = count_visible_records(context, "productVariantsCount", context.shop.variants, VARIANT_SEARCHABLE, query)
    return build_count(total, args.get("limit"))


def _get_position_key(v: Variant) -> tuple[int, int]:
    return v.position, v.number


def _list_variants_of_product(p: Product, context: Context, args: Args) -> NodePage:
    if args["sortKey"] == "POSITION":
        maximum = _MAXIMUM_VARIANTS_PAGE_SIZE if p.number == context.single_product else MAXIMUM_PAGE_SIZE
        return build_page(p.variants, _get_position_key, args, maximum)
    variants = sorted(p.variants, key=get_number_key)
    return build_sorted_page(variants, args, _VARIANT_SORTS.get(args["sortKey"]))


def _list_media(p: Product, _: Context, args: Args) -> NodePage:
    by_id = args["sortKey"] == "ID"
    ordered = sorted(p.media, key=get_number_key) if by_id else p.media
    positions = {m.number: position for position, m in enumerate(ordered)}
    media = [TypedValue(_MEDIA_TYPES[m.content], m) for m in ordered]
    return build_page(media, lambda t: (positions[t.value.number], t.value.number), args)


def _list_metafields(o: Product | Variant, _: Context, args: Args) -> NodePage:
    namespace, keys = args.get("namespace"), args.get("keys")
    matches = [m for m in o.metafields if namespace is None or m.namespace == namespace]
    if keys is not None:
        matches = [m for m in matches if m.key in keys or f"{m.namespace}.{m.key}" in keys]
    return build_page(sorted(matches, key=get_number_key), get_number_key, args)


def _find_metafield(o: Product | Variant, _: Context, args: Args) -> Metafield | None:
    namespace = args.get("namespace")
    return next((m for m in o.metafields if m.key == args["key"] and namespace in (None, m.namespace)), None)


def _list_collections(p: Product, context: Context, args: Args) -> NodePage:
    shop = context.shop
    collections = [collection for collection in shop.collections if p.number in shop.list_members(collection)]
    return build_sorted_page(collections, args, (lambda o: o.title) if args["sortKey"] == "TITLE" else None)


def _is_in_collection(p: Product, context: Context, args: Args) -> bool:
    collection = context.shop.collections.get(parse_gid_number(args["id"], "Collection"))
    return collection is not None and p.number in context.shop.list_members(collection)


def _build_price_range(p: Product, context: Context) -> dict[str, Any]:
    prices = sorted((v.price for v in p.variants), key=float)
    return {"minVariantPrice": build_money(context, prices[0]), "maxVariantPrice": build_money(context, prices[-1])}


def _read_description(p: Product, _: Context, args: Args) -> str:
    text, limit = sample_texts.render_plain_text(p.text), args.get("truncateAt")
    return text if limit is None or len(text) <= limit else f"{text[: max(limit - 3, 0)]}..."


def _render_html(p: Product, _: Context) -> str:
    return p.html if p.html is not None else sample_texts.render_html(p.text)


def _build_online_url(p: Product, context: Context) -> str | None:
    return f"https://{context.shop.domain}/products/{p.handle}" if p.status == "ACTIVE" else None


def _list_options(p: Product, _: Context, args: Args) -> list[dict[str, Any]]:
    return [
        {
            "id": build_gid("ProductOption", o.number),
            "name": o.name,
            "position": n,
            "values": o.values,
            "optionValues": _list_option_values(p, o, n - 1),
        }
        for n, o in enumerate(p.options[: args.get("first")], 1)
    ]


def _list_option_values(p: Product, o: Option, index: int) -> list[dict[str, Any]]:
    return [
        {"id": build_gid("ProductOptionValue", number), "name": name, "product": p, "index": index}
        for number, name in zip(o.list_value_numbers(), o.values, strict=True)
    ]


def _has_variants(o: dict[str, Any], _: Context) -> bool:
    return any(v.values[o["index"]] == o["name"] for v in o["product"].variants)


def _list_selected_options(v: Variant, context: Context) -> list[dict[str, str]]:
    product = context.shop.products.get(v.product)
    options = product.options if product is not None else []
    return [{"name": o.name, "value": value} for o, value in zip(options, v.values, strict=True)]


def _build_category(p: Product, _: Context) -> dict[str, Any] | None:
    return {"fullName": p.category, "name": p.category.rsplit(" > ", 1)[-1]} if p.category is not None else None


def _build_image(m: Media, _: Context) -> dict[str, Any] | None:
    if m.url is None:
        return None
    return {"id": build_gid("ImageSource", m.number), "url": m.url, "altText": m.alt, "width": 1200, "height": 900}


def _build_preview(m: Media, context: Context) -> dict[str, Any]:
    return {"image": _build_image(m, context), "status": m.status}


_MEDIA: dict[str, Resolver] = {
    "mediaContentType": "content",
    "fileStatus": "status",
    "preview": _build_preview,
    "createdAt": "updated_at",
    "filename": lambda m, _: f"{m.number}.mp4",
    "duration": return_constant(30_000),
    "embedUrl": lambda m, _: f"https://www.youtube.com/embed/{m.number}",
    "originUrl": lambda m, _: f"https://www.youtube.com/watch?v={m.number}",
    "host": return_constant("YOUTUBE"),
    "mimeType": return_constant("image/jpeg"),
    "image": _build_image,
}


def _build_media_fields(kind: str) -> dict[str, Resolver]:
    return {**_MEDIA, "id": lambda m, _: build_gid(kind, m.number)}


FIELDS: dict[str, dict[str, Resolver]] = {
    "Product": {
        "id": lambda p, _: f"gid://shopify/Product/{p.number}",
        "legacyResourceId": lambda p, _: str(p.number),
        "description": _read_description,
        "descriptionHtml": _render_html,
        "bodyHtml": _render_html,
        "onlineStoreUrl": _build_online_url,
        "onlineStorePreviewUrl": _build_online_url,
        "category": _build_category,
        "options": _list_options,
        "variants": _list_variants_of_product,
        "variantsCount": lambda p, _: build_count(len(p.variants), None),
        "totalVariants": lambda p, _: len(p.variants),
        "media": _list_media,
        "mediaCount": lambda p, _: build_count(len(p.media), None),
        "metafield": _find_metafield,
        "metafields": _list_metafields,
        "collections": _list_collections,
        "inCollection": _is_in_collection,
        "publishedAt": lambda p, _: p.created_at if p.status == "ACTIVE" else None,
        "totalInventory": lambda p, _: _sum_tracked_stock(p),
        "tracksInventory": lambda p, _: any(v.tracked for v in p.variants),
        "hasOnlyDefaultVariant": lambda p, _: p.options[0].values == ["Default Title"],
        "hasOutOfStockVariants": lambda p, _: any(v.available <= 0 for v in p.variants),
        "isGiftCard": return_constant(False),
        "templateSuffix": return_constant(None),
        "priceRangeV2": _build_price_range,
        "featuredMedia": lambda p, _: TypedValue(_MEDIA_TYPES[p.media[0].content], p.media[0]) if p.media else None,
    },
    "ProductVariant": {
        "id": lambda v, _: f"gid://shopify/ProductVariant/{v.number}",
        "legacyResourceId": lambda v, _: str(v.number),
        "displayName": lambda v, context: f"{context.shop.products.get(v.product).title} - {v.title}",
        "availableForSale": "for_sale",
        "inventoryPolicy": "policy",
        "inventoryQuantity": "available",
        "sellableOnlineQuantity": "available",
        "selectedOptions": _list_selected_options,
        "inventoryItem": lambda v, _: v,
        "product": lambda v, context: context.shop.products.get(v.product),
        "metafield": _find_metafield,
        "metafields": _list_metafields,
    },
    "ProductOption": {name: read_key(name) for name in ("id", "name", "position", "values", "optionValues")},
    "ProductOptionValue": {"id": read_key("id"), "name": read_key("name"), "hasVariants": _has_variants},
    "SelectedOption": {"name": read_key("name"), "value": read_key("value")},
    "ProductPriceRangeV2": {name: read_key(name) for name in ("minVariantPrice", "maxVariantPrice")},
    "MoneyV2": {"amount": read_key("amount"), "currencyCode": read_key("currencyCode")},
    "TaxonomyCategory": {
        "fullName": read_key("fullName"),
        "name": read_key("name"),
        "id": lambda o, _: f"gid://shopify/TaxonomyCategory/{o['name'].lower().replace(' ', '-')}",
        "isArchived": return_constant(False),
        "isLeaf": return_constant(True),
        "isRoot": return_constant(False),
        "level": lambda o, _: o["fullName"].count(">") + 1,
    },
    "Metafield": {
        "id": lambda m, _: build_gid("Metafield", m.number),
        "legacyResourceId": lambda m, _: str(m.number),
        "jsonValue": "value",
        "createdAt": "updated_at",
        "ownerType": "owner",
        "compareDigest": lambda m, _: metafields.compute_digest(m),
        "definition": lambda m, context: metafields.find_definition(context.shop, m.owner, m.namespace, m.key),
    },
    **{kind: _build_media_fields(kind) for kind in _MEDIA_TYPES.values()},
    "MediaPreviewImage": {"image": read_key("image"), "status": read_key("status")},
    "Image": {
        "id": read_key("id"),
        "url": read_key("url"),
        "src": read_key("url"),
        "altText": read_key("altText"),
        "width": read_key("width"),
        "height": read_key("height"),
    },
}
