"""Which scope a field needs. A write scope covers its read scope."""

from sandbox.shopify.errors import access_denied
from sandbox.shopify.fields.context import Context

_PRODUCTS, _INVENTORY = ("read_products",), ("read_inventory",)
_LOCATIONS, _DISCOUNTS = ("read_locations",), ("read_discounts",)
_NEEDS: dict[tuple[str, str], tuple[str, ...]] = {
    **{
        ("QueryRoot", name): _PRODUCTS
        for name in ("product", "products", "productsCount", "productVariant", "productVariants",
        "productVariantsCount")
    },
    **{("QueryRoot", name): _PRODUCTS for name in ("collection", "collections", "collectionsCount")},
    **{("QueryRoot", name): ("read_inventory", "read_products") for name in ("inventoryItem", "inventoryItems")},
    ("QueryRoot", "inventoryLevel"): _INVENTORY,
    ("InventoryItem", "inventoryLevel"): _INVENTORY,
    ("InventoryItem", "inventoryLevels"): _INVENTORY,
    ("InventoryItem", "variant"): _PRODUCTS,
    ("InventoryItem", "variants"): _PRODUCTS,
    ("InventoryLevel", "location"): _LOCATIONS,
    **{("QueryRoot", name): _LOCATIONS for name in ("location", "locations", "locationsCount")},
    ("Location", "inventoryLevels"): _INVENTORY,
    **{
        ("QueryRoot", name): _DISCOUNTS
        for name in (
            "discountNode", "discountNodes", "discountNodesCount", "codeDiscountNode", "codeDiscountNodes",
            "automaticDiscountNode", "automaticDiscountNodes",
        )
    },
    ("DiscountProducts", "products"): _PRODUCTS,
    ("DiscountProducts", "productVariants"): _PRODUCTS,
    ("DiscountCollections", "collections"): _PRODUCTS,
    ("Mutation", "productUpdate"): ("write_products",),
    ("Mutation", "productDelete"): ("write_products",),
}  # fmt: skip


def covered(needed: tuple[str, ...], scopes: frozenset[str]) -> bool:
    """Whether any of the scopes in `needed` was granted; nothing needed is always covered."""
    return not needed or any(scope in scopes or scope.replace("read_", "write_", 1) in scopes for scope in needed)


def allowed(type_name: str, field_name: str, scopes: frozenset[str]) -> bool:
    """Whether a client with `scopes` may read the field."""
    return covered(_NEEDS.get((type_name, field_name), ()), scopes)


def check(type_name: str, field_name: str, context: Context) -> None:
    """Raise ACCESS_DENIED for a field that the client may not read."""
    if not allowed(type_name, field_name, context.scopes):
        raise access_denied(field_name, _NEEDS[type_name, field_name][0])
