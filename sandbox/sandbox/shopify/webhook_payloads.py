"""The bodies of webhooks. They have the format of Shopify's REST API and contain fewer fields than the records."""

from typing import Any

from sandbox import sample_texts
from sandbox.shopify.bulk_operations import BulkOperation
from sandbox.shopify.gids import build_gid, build_level_gid
from sandbox.shopify.model import Collection, Discount, Level, Location, Media, Product, Profile, Variant
from sandbox.shopify.shops import get_current_time

Body = dict[str, Any]
MAXIMUM_VARIANTS = 100
_GROUPS = (
    "inventory_levels", "inventory_items", "products", "collections", "discounts", "locations", "shop", "app",
    "bulk_operations",
)  # fmt: skip


def format_topic(topic: str) -> str:
    """Format a topic for the header X-Shopify-Topic. For example, PRODUCTS_UPDATE becomes products/update."""
    lower = topic.lower()
    group = next((name for name in _GROUPS if lower.startswith(f"{name}_")), lower.split("_", 1)[0])
    return f"{group}/{lower[len(group) + 1 :]}"


def build_product(p: Product) -> Body:
    """Build the body of products/create and products/update: the first 100 variants and the gids of all variants."""
    images = [_build_image(p, m, position) for position, m in enumerate(p.media, 1) if m.url]
    return {
        "id": p.number, "admin_graphql_api_id": build_gid("Product", p.number), "title": p.title,
        "body_html": p.html if p.html is not None else sample_texts.render_html(p.text),
        "vendor": p.vendor, "product_type": p.product_type, "handle": p.handle, "status": p.status.lower(),
        "tags": ", ".join(p.tags), "created_at": p.created_at, "updated_at": p.updated_at, "template_suffix": None,
        "published_at": p.created_at if p.status == "ACTIVE" else None, "published_scope": "global",
        "options": [
            {"id": o.number, "product_id": p.number, "name": o.name, "position": n, "values": o.values}
            for n, o in enumerate(p.options, 1)
        ],
        "images": images, "image": images[0] if images else None,
        "media": [_build_media(p, m, position) for position, m in enumerate(p.media, 1)],
        "variants": [_build_variant(v) for v in p.variants[:MAXIMUM_VARIANTS]],
        "variant_gids": [
            {"admin_graphql_api_id": build_gid("ProductVariant", v.number), "updated_at": v.updated_at}
            for v in p.variants
        ],
        "has_variants_that_requires_components": False,
        "category": {"full_name": p.category} if p.category else None,
    }  # fmt: skip


def _build_variant(v: Variant) -> Body:
    options = {f"option{n}": value for n, value in enumerate([*v.values, None, None][:3], 1)}
    return {
        "id": v.number, "admin_graphql_api_id": build_gid("ProductVariant", v.number), "product_id": v.product,
        "title": v.title,
        "price": v.price, "compare_at_price": v.compare_at_price, "position": v.position, "sku": v.sku,
        "barcode": v.barcode, "inventory_policy": v.policy.lower(), "inventory_item_id": v.item,
        "inventory_quantity": v.available, "taxable": v.taxable, "created_at": v.created_at, "updated_at": v.updated_at,
        **options,
    }  # fmt: skip


def _build_image(p: Product, m: Media, position: int) -> Body:
    return {"id": m.number, "product_id": p.number, "position": position, "alt": m.alt, "src": m.url, "variant_ids": []}


def _build_media(p: Product, m: Media, position: int) -> Body:
    kind = m.content.lower()
    return {
        "id": m.number,
        "product_id": p.number,
        "position": position,
        "alt": m.alt,
        "status": m.status,
        "media_content_type": kind,
    }


def build_deletion(number: int) -> Body:
    """Build the body of products/delete, inventory_items/delete and locations/delete. It has only the id."""
    return {"id": number}


def build_level(level: Level) -> Body:
    """Build the body of inventory_levels/connect and inventory_levels/update."""
    return {
        "inventory_item_id": level.item, "location_id": level.location, "available": level.available,
        "updated_at": level.updated_at, "admin_graphql_api_id": build_level_gid(level.location, level.item),
    }  # fmt: skip


def build_disconnected_level(level: Level) -> Body:
    """Build the body of inventory_levels/disconnect. It has no gid."""
    return {"inventory_item_id": level.item, "location_id": level.location}


def build_item(v: Variant) -> Body:
    """Build the body of inventory_items/create and inventory_items/update."""
    return {
        "id": v.item, "sku": v.sku, "created_at": v.created_at, "updated_at": v.item_updated_at,
        "requires_shipping": v.requires_shipping,
        "tracked": v.tracked, "cost": v.cost, "admin_graphql_api_id": build_gid("InventoryItem", v.item),
    }  # fmt: skip


def build_collection(o: Collection) -> Body:
    """Build the body of collections/create and collections/update."""
    return {
        "id": o.number, "handle": o.handle, "title": o.title, "updated_at": o.updated_at, "body_html": o.description,
        "published_at": o.updated_at, "sort_order": o.sort_order.lower().replace("_", "-"), "template_suffix": None,
        "published_scope": "web", "admin_graphql_api_id": build_gid("Collection", o.number),
    }  # fmt: skip


def build_collection_deletion(number: int) -> Body:
    """Build the body of collections/delete."""
    return {"id": number, "published_scope": "web", "admin_graphql_api_id": build_gid("Collection", number)}


def build_discount(d: Discount) -> Body:
    """Build the body of discounts/create, discounts/update and discounts/delete. It has a gid but no numeric id."""
    return {
        "admin_graphql_api_id": build_gid(d.node_type, d.number), "title": d.title,
        "status": d.get_status(get_current_time()), "created_at": d.created_at, "updated_at": d.updated_at,
    }  # fmt: skip


def build_redeem_code(d: Discount, number: int, code: str) -> Body:
    """Build the body of discounts/redeemcode_added and discounts/redeemcode_removed."""
    redeem_code = {"id": build_gid("DiscountRedeemCode", number), "code": code}
    gid = build_gid(d.node_type, d.number)
    return {"admin_graphql_api_id": gid, "redeem_code": redeem_code, "updated_at": d.updated_at}


def build_location(location: Location) -> Body:
    """Build the body of locations/create, locations/update, locations/activate and locations/deactivate."""
    return {
        "id": location.number, "name": location.name, "city": location.city, "country_code": location.country,
        "active": location.active, "created_at": location.created_at, "updated_at": location.updated_at,
        "admin_graphql_api_id": build_gid("Location", location.number),
    }  # fmt: skip


def build_shop(profile: Profile) -> Body:
    """Build the body of shop/update and app/uninstalled."""
    return {
        "id": profile.number, "name": profile.name, "email": profile.email, "domain": profile.domain,
        "myshopify_domain": profile.domain, "currency": profile.currency, "iana_timezone": profile.timezone,
        "plan_name": profile.plan, "created_at": profile.created_at, "updated_at": profile.updated_at,
    }  # fmt: skip


def build_bulk_operation(operation: BulkOperation) -> Body:
    """Build the body of bulk_operations/finish."""
    return {
        "admin_graphql_api_id": build_gid("BulkOperation", operation.number), "type": "mutation",
        "status": operation.status.lower(), "error_code": operation.error_code, "created_at": operation.created_at,
        "completed_at": operation.completed_at,
    }  # fmt: skip
