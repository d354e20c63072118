"""Inventory items, which are variants seen from the shelf, their levels, and locations."""

from typing import Any

from sandbox.shopify.fields.context import (
    Args,
    Context,
    Resolver,
    always,
    by_number,
    key_of,
    listed,
    number_in,
    sorted_page,
)
from sandbox.shopify.gids import gid
from sandbox.shopify.model import Level, Location, Variant
from sandbox.shopify.pagination import Page, count, page
from sandbox.shopify.search import Reader

_ITEM_SEARCHABLE: dict[str, Reader] = {
    "sku": lambda v: v.sku,
    "updated_at": lambda v: v.item_updated_at,
    "created_at": lambda v: v.created_at,
}
_LOCATION_SEARCHABLE: dict[str, Reader] = {"name": lambda place: place.name, "active": lambda place: place.active}
_MOVED = ("committed", "damaged", "incoming", "quality_control", "reserved", "safety_stock")


def _by_item(v: Variant) -> tuple[int, int]:
    return v.item, v.item


def inventory_items(_: Any, c: Context, a: Args) -> Page:
    """QueryRoot.inventoryItems."""
    return sorted_page(listed(c, "inventoryItems", c.shop.items, _ITEM_SEARCHABLE, a.get("query")), a, None, _by_item)


def locations(_: Any, c: Context, a: Args) -> Page:
    """QueryRoot.locations."""
    found = listed(c, "locations", c.shop.locations, _LOCATION_SEARCHABLE, a.get("query"))
    if not a.get("includeInactive"):
        found = [place for place in found if place.active]
    return sorted_page(found, a, (lambda place: place.name) if a["sortKey"] == "NAME" else None)


def locations_count(_: Any, c: Context, a: Args) -> dict[str, Any]:
    """QueryRoot.locationsCount."""
    found = listed(c, "locationsCount", c.shop.locations, _LOCATION_SEARCHABLE, a.get("query"))
    return count(c.faults.counted(len(found)), a.get("limit"))


def location(_: Any, c: Context, a: Args) -> Location | None:
    """QueryRoot.location; without an id, the shop's first."""
    if a.get("id") is None:
        return next(iter(c.shop.locations), None)
    return c.shop.locations.get(number_in(a["id"], "Location"))


def find_level(c: Context, place: int, item: int) -> Level | None:
    """The level of `item` at `place`, active or not."""
    variant = c.shop.items.get(item)
    return next((level for level in variant.levels if level.location == place), None) if variant is not None else None


def _by_place(level: Level) -> tuple[int, int]:
    return level.location, level.location


def _levels(v: Variant, _: Context, a: Args) -> Page:
    kept = v.levels if a.get("includeInactive") else [level for level in v.levels if level.active]
    return page(kept, _by_place, a)


def _level(v: Variant, c: Context, a: Args) -> Level | None:
    level = find_level(c, number_in(a["locationId"], "Location"), v.item)
    return level if level is not None and (level.active or a.get("includeInactive")) else None


def _levels_at(place: Location, c: Context, a: Args) -> Page:
    held = [find_level(c, place.number, v.item) for v in c.shop.items]
    kept = [level for level in held if level is not None and (level.active or a.get("includeInactive"))]
    return page(kept, lambda level: (level.item, level.item), a)


def _quantities(level: Level, _: Context, a: Args) -> list[tuple[Level, str]]:
    return [(level, name) for name in a["names"] if name in ("available", "on_hand", *_MOVED)]


def _quantity(o: tuple[Level, str], _: Context) -> int:
    return o[0].available if o[1] in ("available", "on_hand") else 0


FIELDS: dict[str, dict[str, Resolver]] = {
    "InventoryItem": {
        "id": lambda v, _: f"gid://shopify/InventoryItem/{v.item}",
        "legacyResourceId": lambda v, _: str(v.item),
        "requiresShipping": always(True),
        "updatedAt": "item_updated_at",
        "inventoryLevel": _level,
        "inventoryLevels": _levels,
        "locationsCount": lambda v, _: count(sum(level.active for level in v.levels), None),
        "variant": lambda v, _: v,
        "variants": lambda v, _, a: page([v], by_number, a),
    },
    "InventoryLevel": {
        "id": lambda o, _: f"gid://shopify/InventoryLevel/{o.location}?inventory_item_id={o.item}",
        "isActive": "active",
        "item": lambda o, c: c.shop.items.get(o.item),
        "location": lambda o, c: c.shop.locations.get(o.location),
        "quantities": _quantities,
        "createdAt": "updated_at",
        "canDeactivate": always(True),
    },
    "InventoryQuantity": {
        "id": lambda o, _: f"gid://shopify/InventoryQuantity/{o[0].location}?inventory_item_id={o[0].item}&name={o[1]}",
        "name": lambda o, _: o[1],
        "quantity": _quantity,
        "updatedAt": lambda o, _: o[0].updated_at,
    },
    "Location": {
        "id": lambda o, _: gid("Location", o.number),
        "legacyResourceId": lambda o, _: str(o.number),
        "isActive": "active",
        "isFulfillmentService": always(False),
        "fulfillsOnlineOrders": always(True),
        "shipsInventory": always(True),
        "deactivatedAt": lambda o, _: None if o.active else o.updated_at,
        "activatable": lambda o, _: not o.active,
        "deactivatable": "active",
        "inventoryLevels": _levels_at,
        "address": lambda o, _: {"city": o.city, "countryCode": o.country, "formatted": [o.city, o.country]},
    },
    "LocationAddress": {
        **{name: key_of(name) for name in ("city", "countryCode", "formatted")},
        "country": key_of("countryCode"),
        **{name: always(None) for name in ("address1", "address2", "phone", "province", "provinceCode", "zip")},
    },
}
