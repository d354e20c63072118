"""Inventory items: the mutation inventoryItemUpdate, and the `inventoryItem` of variants in other mutations."""

from collections.abc import Mapping
from typing import Any

from sandbox.shopify.fields.context import Args, Context, Resolver, parse_gid_number
from sandbox.shopify.model import Variant
from sandbox.shopify.mutations.user_errors import build_user_error, find_amount_problem, format_amount
from sandbox.shopify.product_edit import ProductEdit

_UNITS = {"KILOGRAMS": "kg", "GRAMS": "g", "POUNDS": "lb", "OUNCES": "oz"}


def get_weight(fields: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the WeightInput in an InventoryItemInput, or None."""
    return (fields.get("measurement") or {}).get("weight")


def find_weight_problem(fields: Mapping[str, Any]) -> str | None:
    """Return why the weight in an InventoryItemInput is none; None if it is one, or if there is none."""
    weight = get_weight(fields)
    if weight is None or weight["value"] >= 0:
        return None
    unit = _UNITS[weight["unit"]]
    return f"Measurement weight value {weight['value']:g} {unit} must be >= 0 {unit}"


def write_item(edit: ProductEdit, variant: Variant, fields: Mapping[str, Any]) -> None:
    """Set those of the inventory item's fields that are in an InventoryItemInput, which was checked."""
    if "sku" in fields:
        edit.set_item_field(variant, "sku", fields["sku"] or None)
    if "cost" in fields:
        edit.set_item_field(variant, "cost", format_amount(fields["cost"]))
    for name, attribute in (("tracked", "tracked"), ("requiresShipping", "requires_shipping")):
        if fields.get(name) is not None:
            edit.set_item_field(variant, attribute, fields[name])
    weight = get_weight(fields)
    if weight is not None:
        edit.set_item_field(variant, "weight", float(weight["value"]))
        edit.set_item_field(variant, "weight_unit", weight["unit"])


def _update_item(_: Any, context: Context, args: Args) -> dict[str, Any]:
    variant = context.shop.items.get(parse_gid_number(args["id"], "InventoryItem"))
    product = context.shop.products.get(variant.product) if variant is not None else None
    if variant is None or product is None:
        message = "The product couldn't be updated because it does not exist."
        return {"inventoryItem": None, "userErrors": [build_user_error(["id"], message)]}
    fields = args["input"]
    errors = []
    problem = find_amount_problem(fields.get("cost"))
    if problem is not None:
        errors.append(build_user_error(["input", "cost"], f"Cost {problem[0]}"))
    weight_problem = find_weight_problem(fields)
    if weight_problem is not None:
        errors.append(build_user_error(["input", "measurement", "weight"], weight_problem))
    if errors:
        return {"inventoryItem": None, "userErrors": errors}
    edit = ProductEdit(context.shop, context.changes, product)
    write_item(edit, variant, fields)
    edit.finish()
    return {"inventoryItem": variant, "userErrors": []}


MUTATIONS: dict[str, Resolver] = {"inventoryItemUpdate": _update_item}
