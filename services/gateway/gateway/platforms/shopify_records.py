"""Shopify's records as deliveries and operators name them, and the gids by which they are read."""

RECORDS = {
    b"products": ("products", "gid://shopify/Product/", "id"),
    b"inventory_levels": ("inventory", "gid://shopify/InventoryItem/", "inventory_item_id"),
    b"inventory_items": ("inventory", "gid://shopify/InventoryItem/", "id"),
    b"locations": ("locations", "gid://shopify/Location/", "id"),
    b"collections": ("collections", "gid://shopify/Collection/", "id"),
    b"discounts": ("discounts", "gid://shopify/Discount", "admin_graphql_api_id"),
    b"shop": ("shop", "gid://shopify/Shop/", "id"),
}
"""A topic's first word to the resource, the beginning of its gids, and the field of the payload that names one."""
_BEGINNINGS = {resource: beginning for resource, beginning, _ in RECORDS.values()}


def gid(resource: str, given: str) -> str | None:
    """The gid of a record from its gid or its number; None where it names none. A discount's number is not enough."""
    beginning = _BEGINNINGS.get(resource)
    if beginning is None or given.startswith(beginning):
        return given if beginning and given != beginning else None
    return beginning + given if given.isascii() and given.isdigit() and beginning.endswith("/") else None
