"""The options of products in mutations, and the option values by which variants are told apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.shopify.gids import build_gid
from sandbox.shopify.model import Option, Product, Variant
from sandbox.shopify.mutations.user_errors import build_user_error
from sandbox.shopify.product_edit import ProductEdit

Problem = tuple[list[str | int], str, str]
"""What is wrong with the option values of a variant: the path below them, a message, and what it is about.

The last is `duplicate`, `option`, `value` or `missing`; each mutation has its own codes for these.
"""


@dataclass(frozen=True, slots=True)
class OptionNames:
    """An option of a product with the gids and names of its values, as mutations refer to them."""

    gid: str | None
    name: str
    values: dict[str, str | None]

    def find_value(self, reference: Mapping[str, Any]) -> str | None:
        """Return the name of the value that a VariantOptionValueInput names by its name or by its id, or None."""
        if reference.get("name") is not None:
            return str(reference["name"])
        return next((name for name, gid in self.values.items() if gid is not None and gid == reference.get("id")), None)


def list_option_names(product: Product) -> list[OptionNames]:
    """List the options of a product as mutations refer to them."""
    return [
        OptionNames(
            build_gid("ProductOption", option.number),
            option.name,
            {
                name: build_gid("ProductOptionValue", number)
                for name, number in zip(option.values, option.list_value_numbers(), strict=True)
            },
        )
        for option in product.options
    ]


def match_values(
    options: Sequence[OptionNames], references: Sequence[Mapping[str, Any]], own: Sequence[str] = ()
) -> list[str] | Problem:
    """Return the value of a variant for each option, or what is wrong with the VariantOptionValueInputs `references`.

    `own` are the values that the variant has already; an option that is not referred to keeps its value.
    """
    chosen: dict[str, str] = {}
    for index, reference in enumerate(references):
        option = _find_option(options, reference)
        if option is None:
            return [index], "Option does not exist", "option"
        if option.name in chosen:
            return [], f"Duplicated option name '{option.name}'", "duplicate"
        value = option.find_value(reference)
        if value is None:
            return [index], "Option value does not exist", "value"
        chosen[option.name] = value
    for option, value in zip(options, own, strict=False):
        chosen.setdefault(option.name, value)
    missing = [option.name for option in options if option.name not in chosen]
    if missing:
        return [], f"You need to add option values for {', '.join(missing)}", "missing"
    return [chosen[option.name] for option in options]


def _find_option(options: Sequence[OptionNames], reference: Mapping[str, Any]) -> OptionNames | None:
    if reference.get("optionId") is not None:
        return next((option for option in options if option.gid == reference["optionId"]), None)
    return next((option for option in options if option.name == reference.get("optionName")), None)


def describe_duplicate(values: Sequence[str]) -> str:
    """Return the message for a variant whose option values another one has."""
    return f"The variant '{' / '.join(values)}' already exists. Please change at least one option value."


def set_variant_values(edit: ProductEdit, variant: Variant, values: list[str]) -> None:
    """Set the option values of a variant, and with them its title."""
    edit.set_variant_field(variant, "values", values)
    edit.set_variant_field(variant, "title", " / ".join(values))


def add_missing_values(edit: ProductEdit) -> None:
    """Add those option values of the product's variants to its options that these do not have yet."""
    for index, option in enumerate(edit.product.options):
        for variant in edit.product.variants:
            if variant.values[index] not in option.values:
                option.value_numbers = [*option.list_value_numbers(), edit.shop.allocate_number()]
                option.values = [*option.values, variant.values[index]]
                edit.mark_changed()


def find_option_errors(inputs: Sequence[Mapping[str, Any]], maximum: int) -> list[dict[str, Any]]:
    """Return the errors of the `productOptions` of a productSet."""
    path = ["input", "productOptions"]
    if len(inputs) > maximum:
        return [build_user_error(path, f"Options count is over the allowed limit: {maximum}", "OPTIONS_OVER_LIMIT")]
    errors, names = [], set()
    for index, option in enumerate(inputs):
        name = option.get("name") or ""
        values = [str(value.get("name") or value.get("id")) for value in option.get("values") or ()]
        if " / " in name:
            message = "The name contains unsupported sequence ' / '"
            errors.append(build_user_error([*path, index, "name"], message, "INVALID_INPUT"))
        if name.lower() in names:
            errors.append(build_user_error([*path, index], "Duplicated option name", "DUPLICATED_OPTION_NAME"))
        if not values:
            errors.append(build_user_error([*path, index], "Option values missing", "OPTION_VALUES_MISSING"))
        if len(set(values)) != len(values):
            errors.append(
                build_user_error([*path, index, "values"], "Duplicated option value", "DUPLICATED_OPTION_VALUE")
            )
        names.add(name.lower())
    return errors


def replace_options(edit: ProductEdit, inputs: Sequence[Mapping[str, Any]]) -> None:
    """Make `inputs`, an OptionSetInput each, the options of a product. Options and values of the same name stay."""
    ordered = sorted(enumerate(inputs), key=lambda item: (item[1].get("position") or item[0] + 1, item[0]))
    options = [_build_option(edit, fields) for _, fields in ordered]
    edit.set_field("options", options)


def _build_option(edit: ProductEdit, fields: Mapping[str, Any]) -> Option:
    old = next((o for o in edit.product.options if build_gid("ProductOption", o.number) == fields.get("id")), None)
    old = old or next((o for o in edit.product.options if o.name == fields.get("name")), None)
    numbers = dict(zip(old.values, old.list_value_numbers(), strict=True)) if old is not None else {}
    names_by_gid = {build_gid("ProductOptionValue", number): name for name, number in numbers.items()}
    values, value_numbers = [], []
    for value in fields["values"]:
        name = value.get("name") or names_by_gid[value["id"]]
        number = numbers.get(names_by_gid.get(value.get("id") or "", name))
        values.append(name)
        value_numbers.append(number if number is not None else edit.shop.allocate_number())
    number = old.number if old is not None else edit.shop.allocate_number()
    if old is not None and (old.name, old.values) == (fields.get("name") or old.name, values):
        return old
    return Option(number, fields.get("name") or (old.name if old is not None else ""), values, value_numbers)
