"""Says which resources the granted scopes allow, and in which order a full read reads them."""

REQUIRED_SCOPES = {
    "shop": None,
    "locations": "read_locations",
    "products": "read_products",
    "inventory": "read_inventory",
    "collections": "read_products",
    "discounts": "read_discounts",
}
"""The scope that each resource needs; None for a resource that needs none."""
READ_ORDER = ("shop", "locations", "products", "collections", "discounts")
CHILD_RESOURCES = {"products": ("inventory",)}
"""The child resources of each resource: their records come in the response with the parent's."""


def is_allowed(resource: str, scopes: frozenset[str]) -> bool:
    """Return whether `scopes` allow to read `resource`. A scope that begins with `write_` includes the one to read.

    Inventory also needs the scope of products.
    """
    scope = REQUIRED_SCOPES[resource]
    if resource == "inventory" and not is_allowed("products", scopes):
        return False
    return scope is None or scope in scopes or scope.replace("read_", "write_", 1) in scopes


def describe_missing_scope(resource: str, scopes: frozenset[str]) -> str:
    """Return the reason why `resource` is not allowed, with the name of the missing scope."""
    needs_products = resource == "inventory" and not is_allowed("products", scopes)
    return f"scope {'read_products' if needs_products else REQUIRED_SCOPES[resource]} was not granted"
