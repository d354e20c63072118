"""Shopify's webhook topics: those that each scope calls for as GraphQL names them, and all as deliveries name them."""

ALWAYS = ("APP_UNINSTALLED", "APP_SCOPES_UPDATE", "SHOP_UPDATE")
TOPICS = {
    "read_products": (
        *("PRODUCTS_CREATE", "PRODUCTS_UPDATE", "PRODUCTS_DELETE"),
        *("COLLECTIONS_CREATE", "COLLECTIONS_UPDATE", "COLLECTIONS_DELETE"),
    ),
    "read_inventory": (
        *("INVENTORY_LEVELS_CONNECT", "INVENTORY_LEVELS_UPDATE", "INVENTORY_LEVELS_DISCONNECT"),
        "INVENTORY_ITEMS_UPDATE",
    ),
    "read_locations": (
        *("LOCATIONS_CREATE", "LOCATIONS_UPDATE", "LOCATIONS_DELETE"),
        *("LOCATIONS_ACTIVATE", "LOCATIONS_DEACTIVATE"),
    ),
    "read_discounts": (
        *("DISCOUNTS_CREATE", "DISCOUNTS_UPDATE", "DISCOUNTS_DELETE"),
        *("DISCOUNTS_REDEEMCODE_ADDED", "DISCOUNTS_REDEEMCODE_REMOVED"),
    ),
}
_OF_THE_APP = ("customers/data_request", "customers/redact", "shop/redact")
"""Those that are set for the app as a whole, not subscribed to."""
_FIRST = ("app", "shop", "products", "collections", "inventory_levels", "inventory_items", "locations", "discounts")


def as_delivered(topic: str) -> str:
    """A subscription's topic (`INVENTORY_LEVELS_UPDATE`) as its deliveries name it (`inventory_levels/update`)."""
    words = topic.lower()
    first = next(name for name in _FIRST if words.startswith(f"{name}_"))
    return f"{first}/{words.removeprefix(f'{first}_')}"


DELIVERED = frozenset(as_delivered(topic) for topics in (ALWAYS, *TOPICS.values()) for topic in topics) | {*_OF_THE_APP}
