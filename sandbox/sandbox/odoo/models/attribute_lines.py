"""How a change of a product's attribute lines changes its values, and with them its variants."""

from collections.abc import Sequence

from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.errors import ValidationError
from sandbox.odoo.fields import Row
from sandbox.odoo.models.variants import (
    LINE,
    TEMPLATE,
    VALUE,
    VARIANT,
    create_variants,
    list_line_values,
    list_variants,
    remove_variants,
)
from sandbox.odoo.records import update_row


def apply_lines(env: OdooEnvironment, numbers: Sequence[int]) -> None:
    """Make the values of new or changed attribute lines what they say, and then the variants."""
    if not env.context.get("create_product_product", True):
        return
    for number in numbers:
        line = env.find(LINE, number)
        _check_line(env, line)
        present = {row["product_attribute_value_id"]: row for row in list_line_values(env, line)}
        wanted = env.sort("product.attribute.value", line["value_ids"])
        for value in wanted:
            if value not in present:
                extra = env.find("product.attribute.value", value)["default_extra_price"]
                env.create(
                    VALUE, {"product_attribute_value_id": value, "attribute_line_id": number, "price_extra": extra}
                )
            elif not present[value]["ptav_active"]:
                env.write(VALUE, [present[value]["id"]], {"ptav_active": True})
        removed = [row for value, row in present.items() if value not in wanted and row["ptav_active"]]
        _remove_values(env, removed)
        create_variants(env, [line["product_tmpl_id"]])


def apply_line_changes(env: OdooEnvironment, numbers: Sequence[int], values: Row) -> None:
    """After a change of attribute lines, bring values and variants in line."""
    if not values.get("active", True):
        for number in numbers:
            update_row(env, LINE, number, value_ids=[])
    apply_lines(env, numbers)


def forget_lines(env: OdooEnvironment, numbers: Sequence[int]) -> None:
    """Before attribute lines are deleted, remove their values from the variants."""
    for number in numbers:
        line = env.database.find(LINE, number)
        if line and env.database.find(TEMPLATE, line["product_tmpl_id"]):
            _remove_values(env, list_line_values(env, line))
            update_row(env, LINE, number, active=False, value_ids=[])
            create_variants(env, [line["product_tmpl_id"]])


def _check_line(env: OdooEnvironment, line: Row) -> None:
    product_name = env.read_value(TEMPLATE, line["product_tmpl_id"], "display_name")
    attribute = env.read_value("product.attribute", line["attribute_id"], "name")
    if line["active"] and not line["value_ids"]:
        raise ValidationError(f"The attribute {attribute} must have at least one value for the product {product_name}.")
    for number in line["value_ids"]:
        value = env.find("product.attribute.value", number)
        if value["attribute_id"] != line["attribute_id"]:
            raise ValidationError(
                f"On the product {product_name} you cannot associate the value {value['name']} with the attribute"
                f" {attribute} because they do not match."
            )


def _remove_values(env: OdooEnvironment, values: Sequence[Row]) -> None:
    """Delete values of a product with the variants that have them; archive what something else refers to."""
    for value in values:
        line = env.find(LINE, value["attribute_line_id"])
        is_single = len(list_line_values(env, line)) == 1
        users = [v for v in list_variants(env, value["product_tmpl_id"])
                 if value["id"] in v["product_template_attribute_value_ids"]]  # fmt: skip
        if is_single:
            for variant in users:
                linked = [n for n in variant["product_template_attribute_value_ids"] if n != value["id"]]
                update_row(env, VARIANT, variant["id"], product_template_attribute_value_ids=linked)
        else:
            remove_variants(env, [variant["id"] for variant in users])
        still_used = any(
            value["id"] in variant["product_template_attribute_value_ids"]
            for variant in list_variants(env, value["product_tmpl_id"])
        )
        if still_used:
            env.write(VALUE, [value["id"]], {"ptav_active": False})
        else:
            env.delete(VALUE, [value["id"]])
