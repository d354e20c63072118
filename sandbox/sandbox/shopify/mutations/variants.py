"""The mutations productVariantsBulkUpdate, productVariantsBulkCreate and productVariantsBulkDelete."""

from collections.abc import Mapping
from typing import Any

from sandbox.shopify.fields.context import Args, Context, Resolver, parse_gid_number
from sandbox.shopify.model import Product, Variant
from sandbox.shopify.mutations.identifiers import get_product
from sandbox.shopify.mutations.options import (
    OptionNames,
    add_missing_values,
    describe_duplicate,
    list_option_names,
    match_values,
    set_variant_values,
)
from sandbox.shopify.mutations.user_errors import Path, UserError, build_user_error
from sandbox.shopify.mutations.variant_fields import (
    connect_new_variant,
    find_variant_errors,
    list_other_values,
    write_variant,
    write_variant_metafields,
)
from sandbox.shopify.product_edit import ProductEdit

_MISSING = ("Product does not exist", "PRODUCT_DOES_NOT_EXIST")
_ONLY_ON_CREATE = (
    "Inventory quantities can only be provided during create. To update inventory for existing variants, use "
    "inventoryAdjustQuantities."
)
_OPTION_CODES = {"option": "OPTION_DOES_NOT_EXIST", "value": "OPTION_VALUE_DOES_NOT_EXIST"}


def _choose_code(is_too_low: bool) -> str:
    return "GREATER_THAN_OR_EQUAL_TO" if is_too_low else "INVALID_INPUT"


def _update_variants(_: Any, context: Context, args: Args) -> dict[str, Any]:
    product = get_product(context, args["productId"])
    if product is None:
        return {"product": None, "productVariants": None, "userErrors": [build_user_error(["productId"], *_MISSING)]}
    options = list_option_names(product)
    wrong: dict[int, list[UserError]] = {}
    for index, fields in enumerate(args["variants"]):
        errors = _find_update_errors(context, product, options, fields, index)
        if errors:
            wrong[index] = errors
    all_errors = [error for errors in wrong.values() for error in errors]
    if wrong and not args.get("allowPartialUpdates"):
        return {"product": product, "productVariants": None, "userErrors": all_errors}
    edit = ProductEdit(context.shop, context.changes, product)
    for index, fields in enumerate(args["variants"]):
        if index not in wrong:
            _write_update(edit, options, _get_variant(context, product, fields), fields)
    add_missing_values(edit)
    edit.finish()
    variants = [_get_variant(context, product, fields) for fields in args["variants"]]
    return {"product": product, "productVariants": [v for v in variants if v is not None], "userErrors": all_errors}


def _get_variant(context: Context, product: Product, fields: Mapping[str, Any]) -> Variant | None:
    variant = context.shop.variants.get(parse_gid_number(fields.get("id") or "0", "ProductVariant"))
    return variant if variant is not None and variant.product == product.number else None


def _find_update_errors(
    context: Context, product: Product, options: list[OptionNames], fields: Mapping[str, Any], index: int
) -> list[UserError]:
    path: Path = ["variants", index]
    if not fields.get("id"):
        message = "Product variant is missing ID attribute"
        return [build_user_error([*path, "id"], message, "PRODUCT_VARIANT_ID_MISSING")]
    variant = _get_variant(context, product, fields)
    if variant is None:
        return [build_user_error([*path, "id"], "Product variant does not exist", "PRODUCT_VARIANT_DOES_NOT_EXIST")]
    if fields.get("inventoryQuantities"):
        code = "NO_INVENTORY_QUANTITIES_ON_VARIANTS_UPDATE"
        return [build_user_error([*path, "inventoryQuantities"], _ONLY_ON_CREATE, code)]
    values = match_values(options, fields.get("optionValues") or (), variant.values)
    if isinstance(values, tuple):
        code = _OPTION_CODES.get(values[2], "INVALID_INPUT")
        return [build_user_error([*path, "optionValues", *values[0]], values[1], code)]
    if tuple(values) in list_other_values(product, variant):
        return [build_user_error(path, describe_duplicate(values), "VARIANT_ALREADY_EXISTS")]
    return find_variant_errors(context.shop, variant, fields, path, _choose_code)


def _write_update(
    edit: ProductEdit, options: list[OptionNames], variant: Variant | None, fields: Mapping[str, Any]
) -> None:
    assert variant is not None
    values = match_values(options, fields.get("optionValues") or (), variant.values)
    assert isinstance(values, list)
    set_variant_values(edit, variant, values)
    write_variant(edit, variant, fields)
    write_variant_metafields(edit, variant, fields)


def _create_variants(_: Any, context: Context, args: Args) -> dict[str, Any]:
    product = get_product(context, args["productId"])
    if product is None:
        return {"product": None, "productVariants": [], "userErrors": [build_user_error(["productId"], *_MISSING)]}
    options = list_option_names(product)
    rows = [match_values(options, fields.get("optionValues") or ()) for fields in args["variants"]]
    is_standalone = _is_standalone_removed(product, args.get("strategy"))
    errors = _find_create_errors(context, product, args["variants"], rows, ignores_existing=is_standalone)
    if errors:
        return {"product": None, "productVariants": [], "userErrors": errors}
    edit = ProductEdit(context.shop, context.changes, product)
    standalone = product.variants[0] if is_standalone else None
    created = []
    for fields, values in zip(args["variants"], rows, strict=True):
        assert isinstance(values, list)
        variant = edit.add_variant(values)
        write_variant(edit, variant, fields)
        write_variant_metafields(edit, variant, fields)
        for quantity in fields.get("inventoryQuantities") or ():
            location = parse_gid_number(quantity["locationId"], "Location")
            edit.set_stock(variant, location, quantity["availableQuantity"])
        connect_new_variant(edit, variant)
        created.append(variant)
    if standalone is not None and created:
        edit.remove_variant(standalone)
    add_missing_values(edit)
    edit.finish()
    return {"product": product, "productVariants": created, "userErrors": []}


def _is_standalone_removed(product: Product, strategy: str | None) -> bool:
    """Return whether the only variant of a product goes when others are created. The default one does."""
    if len(product.variants) != 1 or strategy == "PRESERVE_STANDALONE_VARIANT":
        return False
    return strategy == "REMOVE_STANDALONE_VARIANT" or product.variants[0].values == ["Default Title"]


def _find_create_errors(
    context: Context, product: Product, inputs: list[Any], rows: list[Any], *, ignores_existing: bool
) -> list[UserError]:
    errors: list[UserError] = []
    taken = set() if ignores_existing else list_other_values(product, None)
    for index, (fields, values) in enumerate(zip(inputs, rows, strict=True)):
        path: Path = ["variants", index]
        if fields.get("id"):
            errors.append(build_user_error([*path, "id"], "Id can't be given on create", "NO_KEY_ON_CREATE"))
        elif isinstance(values, tuple) and values[2] == "missing":
            errors.append(build_user_error(path, values[1], "NEED_TO_ADD_OPTION_VALUES"))
        elif isinstance(values, tuple):
            errors.append(build_user_error([*path, "optionValues", *values[0]], values[1], "INVALID_INPUT"))
        elif tuple(values) in taken:
            code = "VARIANT_ALREADY_EXISTS_CHANGE_OPTION_VALUE"
            errors.append(build_user_error(path, describe_duplicate(values), code))
        else:
            taken.add(tuple(values))
            errors += find_variant_errors(context.shop, None, fields, path, _choose_code)
            errors += _find_location_errors(context, fields, values, path)
    return errors


def _find_location_errors(
    context: Context, fields: Mapping[str, Any], values: list[str], path: Path
) -> list[UserError]:
    numbers = [parse_gid_number(q["locationId"], "Location") for q in fields.get("inventoryQuantities") or ()]
    if all(context.shop.locations.get(number) is not None for number in numbers):
        return []
    message = f"Quantity for {' / '.join(values)} couldn't be set because the location was deleted."
    return [build_user_error([*path, "inventoryQuantities"], message, "TRACKED_VARIANT_LOCATION_NOT_FOUND")]


def _delete_variants(_: Any, context: Context, args: Args) -> dict[str, Any]:
    product = get_product(context, args["productId"])
    if product is None:
        return {"product": None, "userErrors": [build_user_error(["productId"], *_MISSING)]}
    variants = [_get_variant(context, product, {"id": gid}) for gid in args["variantsIds"]]
    if None in variants:
        message = "At least one variant does not belong to the product"
        code = "AT_LEAST_ONE_VARIANT_DOES_NOT_BELONG_TO_THE_PRODUCT"
        return {"product": None, "userErrors": [build_user_error(["variantsIds", variants.index(None)], message, code)]}
    numbers = {variant.number for variant in variants if variant is not None}
    if len(numbers) == len(product.variants):
        message = "You cannot delete the last variant of a product"
        error = build_user_error(["variantsIds"], message, "CANNOT_DELETE_LAST_VARIANT")
        return {"product": None, "userErrors": [error]}
    edit = ProductEdit(context.shop, context.changes, product)
    for variant in [variant for variant in product.variants if variant.number in numbers]:
        edit.remove_variant(variant)
    edit.finish()
    return {"product": product, "userErrors": []}


MUTATIONS: dict[str, Resolver] = {
    "productVariantsBulkUpdate": _update_variants,
    "productVariantsBulkCreate": _create_variants,
    "productVariantsBulkDelete": _delete_variants,
}
