"""The access scopes that GraphQL fields require. An app may read a field if it has any one of the field's scopes."""

from sandbox.shopify.errors import build_access_denied_error
from sandbox.shopify.fields.context import Context

_PRODUCTS, _INVENTORY = ("read_products",), ("read_inventory",)
_LOCATIONS, _DISCOUNTS = ("read_locations",), ("read_discounts",)
_REQUIRED_SCOPES: dict[tuple[str, str], tuple[str, ...]] = {
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
    **{
        ("QueryRoot", name): _PRODUCTS
        for name in ("productByIdentifier", "productOperation", "metafieldDefinition", "metafieldDefinitions")
    },
    ("InventoryItem", "unitCost"): _INVENTORY,
    **{
        ("Mutation", name): ("write_products",)
        for name in (
            "productSet", "productUpdate", "productDelete", "productVariantsBulkUpdate", "productVariantsBulkCreate",
            "productVariantsBulkDelete", "productReorderMedia", "tagsAdd", "tagsRemove", "metafieldDefinitionCreate",
            "metafieldsSet",
        )
    },
    **{
        ("Mutation", name): ("write_inventory",)
        for name in (
            "inventorySetQuantities", "inventoryAdjustQuantities", "inventoryActivate", "inventoryItemUpdate",
        )
    },
}  # fmt: skip


def can_read_field(type_name: str, field_name: str, scopes: frozenset[str]) -> bool:
    """Return whether an app with the granted `scopes` may read the field `field_name` of the type `type_name`.

    `type_name` names a GraphQL type. A write scope includes its read scope.
    """
    required = _REQUIRED_SCOPES.get((type_name, field_name), ())
    return not required or any(s in scopes or s.replace("read_", "write_", 1) in scopes for s in required)


def check_access(type_name: str, field_name: str, context: Context) -> None:
    """Raise GraphQLError with the code ACCESS_DENIED if the app may not read the field.

    The scopes that are granted to the app are in `context`.
    """
    if not can_read_field(type_name, field_name, context.scopes):
        raise build_access_denied_error(field_name, _REQUIRED_SCOPES[type_name, field_name][0])
