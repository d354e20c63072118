"""Which resources the granted scopes allow, and the order in which a full read takes them."""

REQUIRED_SCOPES = {
    "shop": None,
    "locations": "read_locations",
    "products": "read_products",
    "inventory": "read_inventory",
    "collections": "read_products",
    "discounts": "read_discounts",
}
"""By resource, the scope that reading it needs; None: it needs none."""
READ_ORDER = ("shop", "locations", "products", "collections", "discounts")
CHILD_RESOURCES = {"products": ("inventory",)}
"""By resource, those whose records come with its records."""


def is_allowed(resource: str, scopes: frozenset[str]) -> bool:
    """Return whether `resource` may be read. A scope to write something includes reading it."""
    scope = REQUIRED_SCOPES[resource]
    if resource == "inventory" and not is_allowed("products", scopes):
        return False
    return scope is None or scope in scopes or scope.replace("read_", "write_", 1) in scopes


def describe_missing_scope(resource: str, scopes: frozenset[str]) -> str:
    """Return why `resource` may not be read, naming the scope that is missing."""
    needs_products = resource == "inventory" and not is_allowed("products", scopes)
    return f"scope {'read_products' if needs_products else REQUIRED_SCOPES[resource]} was not granted"
