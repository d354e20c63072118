"""The `productOptions` and `variants` of productSet: their checks, and how they replace the product's."""

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.shopify.fields.context import Context, parse_gid_number
from sandbox.shopify.gids import build_gid
from sandbox.shopify.model import Product, Variant
from sandbox.shopify.mutations.metafield_writes import MetafieldValue, parse_metafield, replace_metafields
from sandbox.shopify.mutations.options import (
    OptionNames,
    describe_duplicate,
    find_option_errors,
    list_option_names,
    match_values,
    set_variant_values,
)
from sandbox.shopify.mutations.user_errors import Path, UserError, build_user_error
from sandbox.shopify.mutations.variant_fields import connect_new_variant, find_variant_errors, write_variant
from sandbox.shopify.product_edit import ProductEdit

MAXIMUM_OPTIONS, MAXIMUM_VARIANTS = 3, 2_048
_CODES = {"option": "OPTION_DOES_NOT_EXIST", "value": "OPTION_VALUE_DOES_NOT_EXIST"}


def find_shape_errors(context: Context, product: Product | None, fields: Mapping[str, Any]) -> list[UserError]:
    """Return the errors of the options and the variants of a productSet. Each of the two lists needs the other."""
    options, variants = fields.get("productOptions"), fields.get("variants")
    if options is None and variants is None:
        return []
    if variants is None:
        message = "Variants input is required when updating product options"
        return [build_user_error(["input", "variants"], message, "VARIANTS_INPUT_MISSING")]
    if options is None:
        message = "Product options input is required when updating variants"
        return [build_user_error(["input", "productOptions"], message, "PRODUCT_OPTIONS_INPUT_MISSING")]
    if len(variants) > MAXIMUM_VARIANTS:
        message = f"Variants count is over the allowed limit: {MAXIMUM_VARIANTS}"
        return [build_user_error(["input", "variants"], message, "VARIANTS_OVER_LIMIT")]
    errors = find_option_errors(options, MAXIMUM_OPTIONS)
    return errors or _find_variants_errors(context, product, _list_future_options(product, options), variants)


def _list_future_options(product: Product | None, inputs: Sequence[Mapping[str, Any]]) -> list[OptionNames]:
    """List the options that the product will have, as the variants of the same input refer to them."""
    existing = list_option_names(product) if product is not None else []
    options = []
    for fields in inputs:
        old = next((o for o in existing if o.gid == fields.get("id") or o.name == fields.get("name")), None)
        gids = {gid: name for name, gid in old.values.items()} if old is not None else {}
        values = {}
        for value in fields["values"]:
            name = str(value.get("name") or gids.get(value.get("id"), ""))
            values[name] = value.get("id") or (old.values.get(name) if old is not None else None)
        name = str(fields.get("name") or (old.name if old is not None else ""))
        options.append(OptionNames(old.gid if old is not None else None, name, values))
    return options


def _find_variants_errors(
    context: Context, product: Product | None, options: list[OptionNames], inputs: Sequence[Mapping[str, Any]]
) -> list[UserError]:
    errors: list[UserError] = []
    taken: set[tuple[str, ...]] = set()
    for index, fields in enumerate(inputs):
        path: Path = ["input", "variants", index]
        variant = _find_variant(product, fields, ())
        if fields.get("id") and variant is None:
            message = "Product variant does not exist"
            errors.append(build_user_error([*path, "id"], message, "PRODUCT_VARIANT_DOES_NOT_EXIST"))
            continue
        values = match_values(options, fields["optionValues"])
        if isinstance(values, tuple):
            parts = ["optionValues", *values[0]] if values[2] != "missing" else []
            errors.append(build_user_error([*path, *parts], values[1], _CODES.get(values[2], "INVALID_VARIANT")))
            continue
        for position, (option, value) in enumerate(zip(options, values, strict=True)):
            if value not in option.values:
                value_path = [*path, "optionValues", position]
                errors.append(build_user_error(value_path, "Option value does not exist", _CODES["value"]))
        if tuple(values) in taken:
            errors.append(build_user_error(path, describe_duplicate(values), "INVALID_VARIANT"))
        taken.add(tuple(values))
        errors += find_variant_errors(context.shop, variant, fields, path, lambda _: "INVALID_VARIANT")
        errors += _find_quantity_errors(context, fields, path)
    return errors


def _find_quantity_errors(context: Context, fields: Mapping[str, Any], path: Path) -> list[UserError]:
    errors = []
    for index, quantity in enumerate(fields.get("inventoryQuantities") or ()):
        if context.shop.locations.get(parse_gid_number(quantity["locationId"], "Location")) is None:
            location_path = [*path, "inventoryQuantities", index, "locationId"]
            errors.append(
                build_user_error(location_path, "The specified location could not be found.", "INVALID_INPUT")
            )
        if quantity["name"] not in ("available", "on_hand"):
            message = "The quantity name must be either 'available' or 'on_hand'."
            errors.append(build_user_error([*path, "inventoryQuantities", index, "name"], message, "INVALID_INPUT"))
    return errors


def _find_variant(product: Product | None, fields: Mapping[str, Any], values: Sequence[str]) -> Variant | None:
    """Return the variant that an input is about: that with its id, or without an id that with its option values."""
    variants = product.variants if product is not None else []
    if fields.get("id"):
        return next((v for v in variants if build_gid("ProductVariant", v.number) == fields["id"]), None)
    return next((v for v in variants if v.values == list(values)), None) if values else None


def replace_variants(edit: ProductEdit, inputs: Sequence[Mapping[str, Any]]) -> None:
    """Make `inputs`, a ProductVariantSetInput each, the variants of a product; others of its variants are deleted.

    The product has its new options already.
    """
    options = list_option_names(edit.product)
    rows = []
    for fields in inputs:
        values = match_values(options, fields["optionValues"])
        assert isinstance(values, list)
        rows.append((fields, values, _find_variant(edit.product, fields, values)))
    kept = {variant.number for _, _, variant in rows if variant is not None}
    for variant in [variant for variant in edit.product.variants if variant.number not in kept]:
        edit.remove_variant(variant)
    ordered = []
    for fields, values, existing in sorted(rows, key=lambda row: row[0].get("position") or len(rows)):
        variant = existing or edit.add_variant(values)
        set_variant_values(edit, variant, values)
        _write_variant(edit, variant, fields, is_new=existing is None)
        ordered.append(variant)
    if [variant.number for variant in ordered] != [variant.number for variant in edit.product.variants]:
        edit.mark_changed()
    edit.product.variants = ordered


def _write_variant(edit: ProductEdit, variant: Variant, fields: Mapping[str, Any], *, is_new: bool) -> None:
    write_variant(edit, variant, fields)
    if fields.get("metafields") is not None:
        values = [parse_metafield(edit.shop, variant, metafield) for metafield in fields["metafields"]]
        replace_metafields(edit, variant, [value for value in values if isinstance(value, MetafieldValue)])
    for quantity in fields.get("inventoryQuantities") or ():
        edit.set_stock(variant, parse_gid_number(quantity["locationId"], "Location"), quantity["quantity"])
    if is_new:
        connect_new_variant(edit, variant)
