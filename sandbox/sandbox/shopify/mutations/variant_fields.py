"""The fields of variants in mutations: their checks, and how they are written."""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.shopify.model import Product, Variant
from sandbox.shopify.mutations.items import find_weight_problem, write_item
from sandbox.shopify.mutations.metafield_writes import MetafieldValue, parse_metafield, put_metafield
from sandbox.shopify.mutations.user_errors import Path, UserError, build_user_error, find_amount_problem, format_amount
from sandbox.shopify.product_edit import ProductEdit
from sandbox.shopify.shops import Shop

ChooseCode = Callable[[bool], str | None]
"""Returns the code of an amount that is wrong, by whether it is too low. Each mutation has its own codes."""
_LABELS = {"compareAtPrice": "", "price": "Price "}


def find_variant_errors(
    shop: Shop, variant: Variant | None, fields: Mapping[str, Any], path: Path, choose_code: ChooseCode
) -> list[UserError]:
    """Return the errors of a variant's fields in an input at `path`. `variant` is None for a new one."""
    errors = []
    for name, label in _LABELS.items():
        problem = find_amount_problem(fields.get(name))
        if problem is not None:
            errors.append(build_user_error([*path, name], f"{label}{problem[0]}", choose_code(problem[1])))
    item = fields.get("inventoryItem") or {}
    problem = find_amount_problem(item.get("cost"))
    if problem is not None:
        message = f"Cost per item {problem[0]}"
        errors.append(build_user_error([*path, "inventoryItem", "cost"], message, choose_code(problem[1])))
    weight_problem = find_weight_problem(item)
    if weight_problem is not None:
        weight_path = [*path, "inventoryItem", "measurement", "weight"]
        errors.append(build_user_error(weight_path, weight_problem, choose_code(False)))
    for index, metafield in enumerate(fields.get("metafields") or ()):
        result = parse_metafield(shop, variant or _NEW_VARIANT, metafield)
        if not isinstance(result, MetafieldValue):
            errors.append(build_user_error([*path, "metafields", index, result[0]], result[1], choose_code(False)))
    return errors


_NEW_VARIANT = Variant(0, 0, 0, "", "", 0, [], "", "", "")


def write_variant(edit: ProductEdit, variant: Variant, fields: Mapping[str, Any]) -> None:
    """Set those fields of a variant that are in `fields`, which were checked. Its option values are set elsewhere."""
    if fields.get("price") is not None:
        edit.set_variant_field(variant, "price", format_amount(fields["price"]))
    if "compareAtPrice" in fields:
        edit.set_variant_field(variant, "compare_at_price", format_amount(fields["compareAtPrice"]))
    if "barcode" in fields:
        edit.set_variant_field(variant, "barcode", fields["barcode"] or None)
    if "sku" in fields:
        edit.set_item_field(variant, "sku", fields["sku"] or None)
    for name, attribute in (("inventoryPolicy", "policy"), ("taxable", "taxable")):
        if fields.get(name) is not None:
            edit.set_variant_field(variant, attribute, fields[name])
    if fields.get("inventoryItem"):
        write_item(edit, variant, fields["inventoryItem"])


def write_variant_metafields(edit: ProductEdit, variant: Variant, fields: Mapping[str, Any]) -> None:
    """Set or add the metafields of a variant that are in `fields`; others stay."""
    for metafield in fields.get("metafields") or ():
        value = parse_metafield(edit.shop, variant, metafield)
        if isinstance(value, MetafieldValue):
            put_metafield(edit, variant, value)


def connect_new_variant(edit: ProductEdit, variant: Variant) -> None:
    """Connect a new variant, whose stock was not said for any location, to the first active location, without stock."""
    location = next((location for location in edit.shop.locations if location.active), None)
    if location is not None and not variant.levels:
        edit.set_stock(variant, location.number, 0)


def list_other_values(product: Product, own: Variant | None) -> set[tuple[str, ...]]:
    """Return the option values of all variants of a product but `own`."""
    return {tuple(variant.values) for variant in product.variants if variant is not own}
