"""Webhook bodies: the REST-like shapes in which Shopify tells of a change, smaller than the records that changed."""

from typing import Any

from sandbox import sample_texts
from sandbox.shopify.gids import gid, level_gid
from sandbox.shopify.model import Collection, Discount, Level, Location, Media, Product, Profile, Variant
from sandbox.shopify.shops import now

Body = dict[str, Any]
MAXIMUM_VARIANTS = 100
_GROUPS = ("inventory_levels", "inventory_items", "products", "collections", "discounts", "locations", "shop", "app")


def wire(topic: str) -> str:
    """The name in the X-Shopify-Topic header of an enum value: PRODUCTS_UPDATE is products/update."""
    lower = topic.lower()
    group = next((name for name in _GROUPS if lower.startswith(f"{name}_")), lower.split("_", 1)[0])
    return f"{group}/{lower[len(group) + 1 :]}"


def product(p: Product) -> Body:
    """products/create and products/update: at most 100 variants in full, all of them by gid."""
    images = [_image(p, m, position) for position, m in enumerate(p.media, 1) if m.url]
    return {
        "id": p.number, "admin_graphql_api_id": gid("Product", p.number), "title": p.title,
        "body_html": sample_texts.html(p.text),
        "vendor": p.vendor, "product_type": p.product_type, "handle": p.handle, "status": p.status.lower(),
        "tags": ", ".join(p.tags), "created_at": p.created_at, "updated_at": p.updated_at, "template_suffix": None,
        "published_at": p.created_at if p.status == "ACTIVE" else None, "published_scope": "global",
        "options": [
            {"id": o.number, "product_id": p.number, "name": o.name, "position": n, "values": o.values}
            for n, o in enumerate(p.options, 1)
        ],
        "images": images, "image": images[0] if images else None,
        "media": [_media(p, m, position) for position, m in enumerate(p.media, 1)],
        "variants": [_variant(v) for v in p.variants[:MAXIMUM_VARIANTS]],
        "variant_gids": [
            {"admin_graphql_api_id": gid("ProductVariant", v.number), "updated_at": v.updated_at} for v in p.variants
        ],
        "has_variants_that_requires_components": False,
        "category": {"full_name": p.category} if p.category else None,
    }  # fmt: skip


def _variant(v: Variant) -> Body:
    options = {f"option{n}": value for n, value in enumerate([*v.values, None, None][:3], 1)}
    return {
        "id": v.number, "admin_graphql_api_id": gid("ProductVariant", v.number), "product_id": v.product,
        "title": v.title,
        "price": v.price, "compare_at_price": v.compare_at_price, "position": v.position, "sku": v.sku,
        "barcode": v.barcode, "inventory_policy": v.policy.lower(), "inventory_item_id": v.item,
        "inventory_quantity": v.available, "taxable": True, "created_at": v.created_at, "updated_at": v.updated_at,
        **options,
    }  # fmt: skip


def _image(p: Product, m: Media, position: int) -> Body:
    return {"id": m.number, "product_id": p.number, "position": position, "alt": m.alt, "src": m.url, "variant_ids": []}


def _media(p: Product, m: Media, position: int) -> Body:
    kind = m.content.lower()
    return {
        "id": m.number,
        "product_id": p.number,
        "position": position,
        "alt": m.alt,
        "status": m.status,
        "media_content_type": kind,
    }


def deleted(number: int) -> Body:
    """products/delete, inventory_items/delete, locations/delete: an id and nothing else."""
    return {"id": number}


def level(held: Level) -> Body:
    """inventory_levels/connect and inventory_levels/update."""
    return {
        "inventory_item_id": held.item, "location_id": held.location, "available": held.available,
        "updated_at": held.updated_at, "admin_graphql_api_id": level_gid(held.location, held.item),
    }  # fmt: skip


def disconnected(held: Level) -> Body:
    """inventory_levels/disconnect, which carries no gid."""
    return {"inventory_item_id": held.item, "location_id": held.location}


def item(v: Variant) -> Body:
    """inventory_items/create and inventory_items/update."""
    return {
        "id": v.item, "sku": v.sku, "created_at": v.created_at, "updated_at": v.item_updated_at,
        "requires_shipping": True,
        "tracked": v.tracked, "cost": None, "admin_graphql_api_id": gid("InventoryItem", v.item),
    }  # fmt: skip


def collection(o: Collection) -> Body:
    """collections/create and collections/update."""
    return {
        "id": o.number, "handle": o.handle, "title": o.title, "updated_at": o.updated_at, "body_html": o.description,
        "published_at": o.updated_at, "sort_order": o.sort_order.lower().replace("_", "-"), "template_suffix": None,
        "published_scope": "web", "admin_graphql_api_id": gid("Collection", o.number),
    }  # fmt: skip


def deleted_collection(number: int) -> Body:
    """collections/delete."""
    return {"id": number, "published_scope": "web", "admin_graphql_api_id": gid("Collection", number)}


def discount(d: Discount) -> Body:
    """discounts/create, discounts/update and discounts/delete: by gid, without a numeric id."""
    return {
        "admin_graphql_api_id": gid(d.node_type, d.number), "title": d.title, "status": d.status(now()),
        "created_at": d.created_at, "updated_at": d.updated_at,
    }  # fmt: skip


def redeem_code(d: Discount, number: int, code: str) -> Body:
    """discounts/redeemcode_added and discounts/redeemcode_removed."""
    named = {"id": gid("DiscountRedeemCode", number), "code": code}
    return {"admin_graphql_api_id": gid(d.node_type, d.number), "redeem_code": named, "updated_at": d.updated_at}


def location(place: Location) -> Body:
    """locations/create, locations/update, locations/activate and locations/deactivate."""
    return {
        "id": place.number, "name": place.name, "city": place.city, "country_code": place.country,
        "active": place.active,
        "created_at": place.created_at, "updated_at": place.updated_at, "admin_graphql_api_id": gid("Location",
        place.number),
    }  # fmt: skip


def shop(profile: Profile) -> Body:
    """shop/update and app/uninstalled."""
    return {
        "id": profile.number, "name": profile.name, "email": profile.email, "domain": profile.domain,
        "myshopify_domain": profile.domain, "currency": profile.currency, "iana_timezone": profile.timezone,
        "plan_name": profile.plan, "created_at": profile.created_at, "updated_at": profile.updated_at,
    }  # fmt: skip
