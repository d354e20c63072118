"""Which resources the granted scopes allow, in the order in which a walk takes them."""

NEEDS = {
    "shop": None,
    "locations": "read_locations",
    "products": "read_products",
    "inventory": "read_inventory",
    "collections": "read_products",
    "discounts": "read_discounts",
}
WALKED = ("shop", "locations", "products", "collections", "discounts")
COME_ALONG = {"products": ("inventory",)}
"""Resources whose records come with those of another."""


def allowed(resource: str, scopes: frozenset[str]) -> bool:
    """Whether `resource` may be read; the right to write something holds the right to read it."""
    scope = NEEDS[resource]
    if resource == "inventory" and not allowed("products", scopes):
        return False
    return scope is None or scope in scopes or scope.replace("read_", "write_", 1) in scopes


def refusal(resource: str, scopes: frozenset[str]) -> str:
    """Why `resource` may not be read, naming the scope that is wanting."""
    scope = "read_products" if resource == "inventory" and not allowed("products", scopes) else NEEDS[resource]
    return f"scope {scope} was not granted"
