"""How the variants of a product follow from its attribute lines, and what variants and their template share."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.errors import RefusedError, ValidationError
from sandbox.odoo.fields import Row
from sandbox.odoo.records import touch, update_row

TEMPLATE, VARIANT = "product.template", "product.product"
LINE, VALUE = "product.template.attribute.line", "product.template.attribute.value"
_MOST_VARIANTS = 1000
_SHARED = ("default_code", "weight", "volume")
"""The fields of a variant that the server stores in the template as well, when there is one variant."""


def list_variants(env: OdooEnvironment, template: int) -> list[Row]:
    """Return all variants of a template, archived ones too, oldest first."""
    numbers = env.database.find_referring(VARIANT, "product_tmpl_id", template)
    return [env.find(VARIANT, number) for number in sorted(numbers)]


def find_single_variant(env: OdooEnvironment, template: Row) -> Row | None:
    """Return the only variant of a template. Of an archived template's variants the archived ones count."""
    found = list_variants(env, template["id"])
    active = [variant for variant in found if variant["active"]]
    chosen = active or (found if not template.get("active", True) else [])
    return chosen[0] if len(chosen) == 1 else None


def find_first_variant(env: OdooEnvironment, template: Row) -> int | None:
    """Return the id of a template's first variant."""
    found = env.get_value(TEMPLATE, template, "product_variant_ids")
    return found[0] if found else None


def count_variants(env: OdooEnvironment, template: Row) -> int:
    """Return the number of a template's variants."""
    return len(env.get_value(TEMPLATE, template, "product_variant_ids"))


def list_lines(env: OdooEnvironment, template: int) -> list[Row]:
    """Return a template's attribute lines that are active and have values, in their order."""
    numbers = env.sort(LINE, env.database.find_referring(LINE, "product_tmpl_id", template))
    return [row for number in numbers if (row := env.find(LINE, number))["active"] and row["value_ids"]]


def list_valid_lines(env: OdooEnvironment, template: Row) -> list[int]:
    """Return the ids of a template's attribute lines that have values."""
    return [row["id"] for row in list_lines(env, template["id"])]


def list_line_values(env: OdooEnvironment, line: Row) -> list[Row]:
    """Return all values of a line, archived ones too, in the order of the attribute's values."""
    rows = [env.find(VALUE, n) for n in env.database.find_referring(VALUE, "attribute_line_id", line["id"])]
    ordered = env.sort("product.attribute.value", {row["product_attribute_value_id"] for row in rows})
    return sorted(rows, key=lambda row: (ordered.index(row["product_attribute_value_id"]), row["id"]))


def _get_mode(env: OdooEnvironment, line: Row) -> str:
    return str(env.find("product.attribute", line["attribute_id"])["create_variant"])


def prepare_template(env: OdooEnvironment, values: Row) -> Row:
    """Complete the values of a new template."""
    return values if values.get("uom_po_id") or not values.get("uom_id") or env.version > 18 else {
        **values, "uom_po_id": values["uom_id"]
    }  # fmt: skip


def create_variants(env: OdooEnvironment, templates: Sequence[int]) -> None:
    """Create, activate, archive and delete variants so that they are what the attribute lines say."""
    if not env.context.get("create_product_product", True):
        return
    for template in templates:
        _create_variants_of(env, template)


def _create_variants_of(env: OdooEnvironment, template: int) -> None:
    every_line = list_lines(env, template)
    lines = [line for line in every_line if _get_mode(env, line) != "no_variant"]
    choices = [[v["id"] for v in list_line_values(env, line) if v["ptav_active"]] for line in lines]
    _add_single_values(env, template, choices)
    existing: dict[frozenset[int], Row] = {}
    for variant in sorted(list_variants(env, template), key=lambda row: (row["active"], -row["id"])):
        existing[frozenset(variant["product_template_attribute_value_ids"])] = variant
    if any(_get_mode(env, line) == "dynamic" for line in every_line):
        kept = [existing[c] for c in existing if _is_possible(c, choices)]
    else:
        kept, missing = [], []
        for combination in product(*choices):
            variant_or_none = existing.get(frozenset(combination))
            (kept.append(variant_or_none) if variant_or_none else missing.append(combination))
            if len(missing) > _MOST_VARIANTS:
                raise RefusedError("The number of variants to generate is above allowed limit.")
        active = env.find(TEMPLATE, template)["active"]
        for combination in missing:
            env.create(
                VARIANT,
                {
                    "product_tmpl_id": template,
                    "active": active,
                    "product_template_attribute_value_ids": [[6, 0, list(combination)]],
                },
            )
    for variant in kept:
        env.write(VARIANT, [variant["id"]], {"active": True})
    kept_ids = {variant["id"] for variant in kept}
    remove_variants(env, [row["id"] for row in existing.values() if row["id"] not in kept_ids])


def _is_possible(combination: frozenset[int], choices: Sequence[Sequence[int]]) -> bool:
    return len(combination) == len(choices) and all(not combination.isdisjoint(values) for values in choices)


def _add_single_values(env: OdooEnvironment, template: int, choices: Sequence[Sequence[int]]) -> None:
    """Add the values of lines with only one value to existing variants, so that these stay."""
    single = {values[0] for values in choices if len(values) == 1}
    if not single:
        return
    for variant in list_variants(env, template):
        linked = variant["product_template_attribute_value_ids"]
        combination = frozenset(linked) | single
        if combination != frozenset(linked) and _is_possible(combination, choices):
            env.write(VARIANT, [variant["id"]], {"product_template_attribute_value_ids": [[6, 0, sorted(combination)]]})


def remove_variants(env: OdooEnvironment, numbers: Sequence[int]) -> None:
    """Delete variants; archive those that something else refers to."""
    for number in numbers:
        try:
            with env.database.begin_savepoint():
                env.extend_context(keeps_template=True).delete(VARIANT, [number])
        except ValidationError:
            env.write(VARIANT, [number], {"active": False})


def adjust_variants(env: OdooEnvironment, templates: Sequence[int], values: Row) -> None:
    """After a change of templates, bring variants in line: their times, whether they are archived, combinations."""
    for template in templates:
        for variant in list_variants(env, template):
            touch(env, VARIANT, variant["id"])
        if "active" in values and not values["active"]:
            active = [row["id"] for row in list_variants(env, template) if row["active"]]
            env.write(VARIANT, active, {"active": False})
        if "attribute_line_ids" in values or (
            values.get("active") and not any(row["active"] for row in list_variants(env, template))
        ):
            create_variants(env, [template])


def prepare_variant(_: OdooEnvironment, values: Row) -> Row:
    """Complete the values of a new variant: a price that is given is its template's."""
    if "lst_price" in values and "list_price" not in values:
        values = {**values, "list_price": values["lst_price"]}
    return values


def complete_variants(env: OdooEnvironment, numbers: Sequence[int]) -> None:
    """Check new variants, and let their templates follow."""
    for number in numbers:
        variant = env.find(VARIANT, number)
        _check_combination(env, variant)
        _check_barcode(env, variant)
        touch(env, TEMPLATE, variant["product_tmpl_id"])
        touch_shared_fields(env, variant["product_tmpl_id"])


def check_barcodes(env: OdooEnvironment, numbers: Sequence[int], values: Mapping[str, Any]) -> None:
    """Raise ValidationError if another product has a barcode that variants are to get."""
    if values.get("barcode"):
        for number in numbers:
            _check_barcode(env, {**env.find(VARIANT, number), "barcode": str(values["barcode"])})


def adjust_template(env: OdooEnvironment, numbers: Sequence[int], values: Row) -> None:
    """After a change of variants: check combinations, and let the template's stored fields follow."""
    for number in numbers:
        variant = env.find(VARIANT, number)
        if {"active", "product_template_attribute_value_ids"} & set(values):
            _check_combination(env, variant)
        if {"active", *_SHARED} & set(values):
            touch_shared_fields(env, variant["product_tmpl_id"])


def touch_shared_fields(env: OdooEnvironment, template: int) -> None:
    """Compute what a template stores of its only variant; a change of it is a change of the template."""
    row = env.find(TEMPLATE, template)
    shown = {f"shared_{name}": env.get_value(TEMPLATE, row, name) for name in _SHARED}
    if any(row.get(name) != value for name, value in shown.items()):
        update_row(env, TEMPLATE, template, **shown)
        for variant in list_variants(env, template):
            touch(env, VARIANT, variant["id"])


def forget_variants(env: OdooEnvironment, numbers: Sequence[int]) -> None:
    """Before variants are deleted, which changes their templates.

    A template without variants goes as well, unless they are made on demand.
    """
    for number in numbers:
        variant = env.database.find(VARIANT, number)
        if variant is not None:
            touch(env, TEMPLATE, variant["product_tmpl_id"])
    if env.context.get("keeps_template"):
        return
    for number in numbers:
        variant = env.database.find(VARIANT, number)
        if variant is None:
            continue
        template = variant["product_tmpl_id"]
        others = {row["id"] for row in list_variants(env, template)} - set(numbers)
        is_dynamic = any(_get_mode(env, line) == "dynamic" for line in list_lines(env, template))
        if not others and not is_dynamic:
            env.extend_context(keeps_template=True).delete(TEMPLATE, [template])


def _check_combination(env: OdooEnvironment, variant: Row) -> None:
    combination = set(variant["product_template_attribute_value_ids"])
    for other in list_variants(env, variant["product_tmpl_id"]):
        is_same = set(other["product_template_attribute_value_ids"]) == combination
        if other["id"] != variant["id"] and is_same and other["active"] and variant["active"]:
            raise ValidationError(
                "The operation cannot be completed: duplicate key value violates unique constraint"
                ' "product_product_combination_unique"'
            )


def _check_barcode(env: OdooEnvironment, variant: Row) -> None:
    if not variant["barcode"]:
        return
    everything = env.extend_context(active_test=False)
    same = everything.search(VARIANT, [("barcode", "=", variant["barcode"]), ("id", "!=", variant["id"])])
    if same:
        names = ", ".join(env.build_name(VARIANT, env.find(VARIANT, number)) for number in same)
        code = variant["barcode"]
        message = f'Barcode(s) already assigned:\n\n- Barcode "{code}" already assigned to product(s): {names}'
        raise ValidationError(message)


def list_distinguishing_values(env: OdooEnvironment, variant: Row) -> list[int]:
    """Return those values of a variant that tell it from others: of lines with more than one value."""
    found = []
    for number in variant["product_template_attribute_value_ids"]:
        line = env.database.find(LINE, env.find(VALUE, number)["attribute_line_id"])
        if line and len(line["value_ids"]) > 1:
            found.append(number)
    return found


def build_combination_indices(_: OdooEnvironment, variant: Row) -> str:
    """Return the ids of a variant's attribute values, separated by commas."""
    return ",".join(str(number) for number in sorted(variant["product_template_attribute_value_ids"]))


def compute_extra_price(env: OdooEnvironment, variant: Row) -> float:
    """Return what a variant costs more than its template."""
    return sum((env.find(VALUE, n)["price_extra"] for n in variant["product_template_attribute_value_ids"]), 0.0)


def compute_price(env: OdooEnvironment, variant: Row) -> float:
    """Return the sales price of a variant."""
    price: float = env.find(TEMPLATE, variant["product_tmpl_id"])["list_price"]
    return round(price + compute_extra_price(env, variant), 6)


def set_price(env: OdooEnvironment, variant: Row, value: Any) -> None:
    """Set the sales price of a variant. It is the template's price that changes, and with it those of all variants."""
    price = float(value or 0) - compute_extra_price(env, variant)
    env.write(TEMPLATE, [variant["product_tmpl_id"]], {"list_price": price})


def list_all_tags(env: OdooEnvironment, variant: Row) -> list[int]:
    """Return the tags of a variant and of its template."""
    template = env.find(TEMPLATE, variant["product_tmpl_id"])
    return env.sort("product.tag", {*template["product_tag_ids"], *variant["additional_product_tag_ids"]})


def build_attribute_value_name(env: OdooEnvironment, row: Row) -> str:
    """Return the display name of an attribute value, e.g. `Size: L`."""
    attribute = env.read_value("product.attribute", row["attribute_id"], "name")
    name = env.get_value("product.attribute.value", row, "name")
    return f"{attribute}: {name}" if env.context.get("show_attribute", True) else str(name)


def build_line_name(env: OdooEnvironment, row: Row) -> str:
    """Return the display name of an attribute line: that of its attribute."""
    return str(env.read_value("product.attribute", row["attribute_id"], "name"))


def find_value_name(env: OdooEnvironment, row: Row) -> Any:
    """Return the name of a product's attribute value."""
    return env.read_value("product.attribute.value", row["product_attribute_value_id"], "name")


def build_value_name(env: OdooEnvironment, row: Row) -> str:
    """Return the display name of a product's attribute value, e.g. `Size: L`."""
    return f"{env.read_value('product.attribute', row['attribute_id'], 'name')}: {find_value_name(env, row)}"


def complete_template_value(env: OdooEnvironment, values: Row) -> Row:
    """Complete a new value of a product with its template and attribute."""
    line = env.find(LINE, values["attribute_line_id"])
    return {**values, "product_tmpl_id": line["product_tmpl_id"], "attribute_id": line["attribute_id"]}
