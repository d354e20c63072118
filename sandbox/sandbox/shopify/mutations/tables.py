"""All mutations of the shop's data with their resolvers, the queries that belong to them, and the fields of both."""

from typing import Any

from sandbox.shopify.fields.context import Args, Context, Resolver, TypedValue, parse_gid_number, read_key
from sandbox.shopify.gids import build_gid
from sandbox.shopify.model import Product
from sandbox.shopify.mutations import bulk, definitions, items, media, product_set, products, stock, variants
from sandbox.shopify.mutations.identifiers import find_identified_product


def _find_product(_: Any, context: Context, args: Args) -> Product | None:
    return find_identified_product(context, args["identifier"])


def _find_operation(_: Any, context: Context, args: Args) -> TypedValue | None:
    operation = context.shop.operations.get(parse_gid_number(args["id"], "ProductSetOperation"))
    return TypedValue("ProductSetOperation", operation) if operation is not None else None


def _read_job(_: Any, context: Context, args: Args) -> dict[str, Any]:
    return {"id": args["id"], "done": args["id"] not in context.shop.open_jobs}


def _list_changes(group: dict[str, Any], _: Context, args: Args) -> list[dict[str, Any]]:
    items_wanted, locations_wanted = args.get("inventoryItemIds"), args.get("locationIds")
    return [
        change
        for change in group["changes"]
        if (items_wanted is None or build_gid("InventoryItem", change["variant"].item) in items_wanted)
        and (locations_wanted is None or build_gid("Location", change["location"]) in locations_wanted)
        and (args.get("quantityNames") is None or change["name"] in args["quantityNames"])
    ]


def _read_keys(*names: str) -> dict[str, Resolver]:
    """Return the fields `names` of a type whose objects are dictionaries with these keys."""
    return {name: read_key(name) for name in names}


_ERRORS = (
    "UserError", "MediaUserError", "ProductSetUserError", "ProductVariantsBulkUpdateUserError",
    "ProductVariantsBulkCreateUserError", "ProductVariantsBulkDeleteUserError", "InventorySetQuantitiesUserError",
    "InventoryAdjustQuantitiesUserError", "MetafieldDefinitionCreateUserError", "MetafieldsSetUserError",
    "BulkMutationUserError",
)  # fmt: skip
_ERROR = _read_keys("field", "message", "code", "elementIndex", "elementKey")

QUERIES: dict[str, Resolver] = {
    **bulk.QUERIES,
    **definitions.QUERIES,
    "productByIdentifier": _find_product,
    "productOperation": _find_operation,
    "job": _read_job,
}
MUTATIONS: dict[str, Resolver] = {
    **products.MUTATIONS,
    **product_set.MUTATIONS,
    **variants.MUTATIONS,
    **media.MUTATIONS,
    **items.MUTATIONS,
    **stock.MUTATIONS,
    **definitions.MUTATIONS,
    **bulk.MUTATIONS,
}
FIELDS: dict[str, dict[str, Resolver]] = {
    **definitions.FIELDS,
    **bulk.FIELDS,
    **dict.fromkeys(_ERRORS, _ERROR),
    "ProductUpdatePayload": _read_keys("product", "userErrors"),
    "ProductDeletePayload": _read_keys("deletedProductId", "shop", "userErrors"),
    "ProductSetPayload": _read_keys("product", "productSetOperation", "userErrors"),
    "ProductSetOperation": {
        **_read_keys("product", "status", "userErrors"),
        "id": lambda o, _: build_gid("ProductSetOperation", o["number"]),
    },
    "ProductVariantsBulkUpdatePayload": _read_keys("product", "productVariants", "userErrors"),
    "ProductVariantsBulkCreatePayload": _read_keys("product", "productVariants", "userErrors"),
    "ProductVariantsBulkDeletePayload": _read_keys("product", "userErrors"),
    "ProductReorderMediaPayload": _read_keys("job", "userErrors", "mediaUserErrors"),
    "Job": _read_keys("id", "done"),
    "TagsAddPayload": _read_keys("node", "userErrors"),
    "TagsRemovePayload": _read_keys("node", "userErrors"),
    "MetafieldDefinitionCreatePayload": _read_keys("createdDefinition", "userErrors"),
    "MetafieldsSetPayload": _read_keys("metafields", "userErrors"),
    "BulkOperationRunMutationPayload": _read_keys("bulkOperation", "userErrors"),
    "BulkOperationCancelPayload": _read_keys("bulkOperation", "userErrors"),
    "StagedUploadsCreatePayload": _read_keys("stagedTargets", "userErrors"),
    "StagedMediaUploadTarget": _read_keys("url", "resourceUrl", "parameters"),
    "StagedUploadParameter": _read_keys("name", "value"),
    "InventoryItemUpdatePayload": _read_keys("inventoryItem", "userErrors"),
    "InventoryActivatePayload": _read_keys("inventoryLevel", "userErrors"),
    "InventorySetQuantitiesPayload": _read_keys("inventoryAdjustmentGroup", "userErrors"),
    "InventoryAdjustQuantitiesPayload": _read_keys("inventoryAdjustmentGroup", "userErrors"),
    "InventoryAdjustmentGroup": {
        **_read_keys("createdAt", "reason", "referenceDocumentUri"),
        "id": lambda o, _: build_gid("InventoryAdjustmentGroup", o["id"]),
        "app": lambda o, _: o,
        "changes": _list_changes,
    },
    "InventoryChange": {
        **_read_keys("name", "delta"),
        "item": lambda o, _: o["variant"],
        "location": lambda o, context: context.shop.locations.get(o["location"]),
        "ledgerDocumentUri": lambda _, __: None,
        "quantityAfterChange": lambda _, __: None,
    },
}  # fmt: skip
