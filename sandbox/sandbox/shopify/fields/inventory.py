"""The resolvers of inventory items, inventory levels and locations.

The sandbox stores an inventory item as part of its variant.
"""

from typing import Any

from sandbox.shopify.fields.context import (
    Args,
    Context,
    Resolver,
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
from sandbox.shopify.model import Level, Location, Variant
from sandbox.shopify.pagination import NodePage, build_count, build_page
from sandbox.shopify.search import Reader

_ITEM_SEARCHABLE: dict[str, Reader] = {
    "sku": lambda v: v.sku,
    "updated_at": lambda v: v.item_updated_at,
    "created_at": lambda v: v.created_at,
}
_LOCATION_SEARCHABLE: dict[str, Reader] = {
    "name": lambda location: location.name,
    "active": lambda location: location.active,
}
_ZERO_QUANTITIES = ("committed", "damaged", "incoming", "quality_control", "reserved", "safety_stock")


def _get_item_key(v: Variant) -> tuple[int, int]:
    return v.item, v.item


def list_items(_: Any, context: Context, args: Args) -> NodePage:
    """Resolve `QueryRoot.inventoryItems`."""
    variants = list_visible_records(context, "inventoryItems", context.shop.items, _ITEM_SEARCHABLE, args.get("query"))
    return build_sorted_page(variants, args, None, _get_item_key)


def list_locations(_: Any, context: Context, args: Args) -> NodePage:
    """Resolve `QueryRoot.locations`."""
    locations = list_visible_records(
        context, "locations", context.shop.locations, _LOCATION_SEARCHABLE, args.get("query")
    )
    if not args.get("includeInactive"):
        locations = [location for location in locations if location.active]
    return build_sorted_page(locations, args, (lambda location: location.name) if args["sortKey"] == "NAME" else None)


def count_locations(_: Any, context: Context, args: Args) -> dict[str, Any]:
    """Resolve `QueryRoot.locationsCount`."""
    query = args.get("query")
    total = count_visible_records(context, "locationsCount", context.shop.locations, _LOCATION_SEARCHABLE, query)
    return build_count(total, args.get("limit"))


def find_location(_: Any, context: Context, args: Args) -> Location | None:
    """Resolve `QueryRoot.location`. A query without an id gets the first location of the shop."""
    if args.get("id") is None:
        return next(iter(context.shop.locations), None)
    return context.shop.locations.get(parse_gid_number(args["id"], "Location"))


def find_level(context: Context, location: int, item: int) -> Level | None:
    """Return the inventory level (the stock) of an item at a location; None if there is none.

    `location` and `item` are the numbers in their gids. A level is inactive if the item was disconnected from the
    location; it is returned all the same.
    """
    variant = context.shop.items.get(item)
    levels = variant.levels if variant is not None else []
    return next((level for level in levels if level.location == location), None)


def _get_location_key(level: Level) -> tuple[int, int]:
    return level.location, level.location


def _list_levels(v: Variant, _: Context, args: Args) -> NodePage:
    levels = v.levels if args.get("includeInactive") else [level for level in v.levels if level.active]
    return build_page(levels, _get_location_key, args)


def _find_level(v: Variant, context: Context, args: Args) -> Level | None:
    level = find_level(context, parse_gid_number(args["locationId"], "Location"), v.item)
    return level if level is not None and (level.active or args.get("includeInactive")) else None


def _list_levels_at_location(location: Location, context: Context, args: Args) -> NodePage:
    candidates = [find_level(context, location.number, v.item) for v in context.shop.items]
    levels = [level for level in candidates if level is not None and (level.active or args.get("includeInactive"))]
    return build_page(levels, lambda level: (level.item, level.item), args)


def _list_quantities(level: Level, _: Context, args: Args) -> list[tuple[Level, str]]:
    return [(level, name) for name in args["names"] if name in ("available", "on_hand", *_ZERO_QUANTITIES)]


def _read_quantity(o: tuple[Level, str], _: Context) -> int:
    return o[0].available if o[1] in ("available", "on_hand") else 0


def _build_cost(v: Variant, context: Context) -> dict[str, str] | None:
    # Shopify writes amounts of MoneyV2 with one decimal at least: 12.5, 12.0.
    return build_money(context, str(float(v.cost))) if v.cost is not None else None


FIELDS: dict[str, dict[str, Resolver]] = {
    "InventoryItem": {
        "id": lambda v, _: f"gid://shopify/InventoryItem/{v.item}",
        "legacyResourceId": lambda v, _: str(v.item),
        "unitCost": _build_cost,
        "measurement": lambda v, _: v,
        "updatedAt": "item_updated_at",
        "inventoryLevel": _find_level,
        "inventoryLevels": _list_levels,
        "locationsCount": lambda v, _: build_count(sum(level.active for level in v.levels), None),
        "variant": lambda v, _: v,
        "variants": lambda v, _, args: build_page([v], get_number_key, args),
    },
    "InventoryItemMeasurement": {
        "id": lambda v, _: build_gid("InventoryItemMeasurement", v.item),
        "weight": lambda v, _: v,
    },
    "Weight": {"value": "weight", "unit": "weight_unit"},
    "InventoryLevel": {
        "id": lambda o, _: f"gid://shopify/InventoryLevel/{o.location}?inventory_item_id={o.item}",
        "isActive": "active",
        "item": lambda o, context: context.shop.items.get(o.item),
        "location": lambda o, context: context.shop.locations.get(o.location),
        "quantities": _list_quantities,
        "createdAt": "updated_at",
        "canDeactivate": return_constant(True),
    },
    "InventoryQuantity": {
        "id": lambda o, _: f"gid://shopify/InventoryQuantity/{o[0].location}?inventory_item_id={o[0].item}&name={o[1]}",
        "name": lambda o, _: o[1],
        "quantity": _read_quantity,
        "updatedAt": lambda o, _: o[0].updated_at,
    },
    "Location": {
        "id": lambda o, _: build_gid("Location", o.number),
        "legacyResourceId": lambda o, _: str(o.number),
        "isActive": "active",
        "isFulfillmentService": return_constant(False),
        "fulfillsOnlineOrders": return_constant(True),
        "shipsInventory": return_constant(True),
        "deactivatedAt": lambda o, _: None if o.active else o.updated_at,
        "activatable": lambda o, _: not o.active,
        "deactivatable": "active",
        "inventoryLevels": _list_levels_at_location,
        "address": lambda o, _: {"city": o.city, "countryCode": o.country, "formatted": [o.city, o.country]},
    },
    "LocationAddress": {
        **{name: read_key(name) for name in ("city", "countryCode", "formatted")},
        "country": read_key("countryCode"),
        **{
            name: return_constant(None) for name in ("address1", "address2", "phone", "province", "provinceCode", "zip")
        },
    },
}
