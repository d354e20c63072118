"""Models of attributes, their values, and the attribute lines of products."""

from sandbox.odoo.fields import (
    ModelDefinition,
    ModelList,
    boolean,
    char,
    define_choice,
    define_computed,
    integer,
    many2many,
    many2one,
    number,
    one2many,
)
from sandbox.odoo.models import attribute_lines, variants

_ACTIVE = boolean("active", "Active", default=True)
_NAME = char("name", "Name", required=True, translate=True)
_SAME_VALUE = "You cannot create two values with the same name for the same attribute."


def add_models(models: ModelList) -> None:
    """Add the models of this module."""
    models.add(
        ModelDefinition("product.attribute", "Product Attribute", {}, order="sequence, id"),
        (
            _NAME,
            boolean("active", "Active", default=True, since=18),
            define_choice(
                "create_variant",
                "Variant Creation",
                {"always": "Instantly", "dynamic": "Dynamically", "no_variant": "Never"},
                default="always",
                required=True,
            ),
            define_choice(
                "display_type",
                "Display Type",
                {"radio": "Radio", "pills": "Pills", "select": "Select", "color": "Color", "multi": "Multi-checkbox"},
                default="radio",
                required=True,
            ),
            integer("sequence", "Sequence", default=20),
            one2many("value_ids", "Values", "product.attribute.value", "attribute_id"),
            one2many("attribute_line_ids", "Lines", "product.template.attribute.line", "attribute_id"),
        ),
    )
    models.add(
        ModelDefinition(
            "product.attribute.value",
            "Attribute Value",
            {},
            order="attribute_id, sequence, id",
            unique=((("attribute_id", "name"), _SAME_VALUE),),
            name_record=variants.build_attribute_value_name,
        ),
        (
            _NAME,
            boolean("active", "Active", default=True, since=18),
            integer("sequence", "Sequence"),
            many2one("attribute_id", "Attribute", "product.attribute", required=True, ondelete="cascade"),
            number("default_extra_price", "Default Extra Price", digits=2),
            boolean("is_custom", "Free text"),
            char("html_color", "Color"),
            integer("color", "Color Index"),
        ),
    )
    models.add(
        ModelDefinition(
            "product.template.attribute.line",
            "Product Template Attribute Line",
            {},
            order="sequence, attribute_id, id",
            rec_name="attribute_id",
            name_record=variants.build_line_name,
            after_create=attribute_lines.apply_lines,
            after_write=attribute_lines.apply_line_changes,
            before_unlink=attribute_lines.forget_lines,
        ),
        (
            _ACTIVE,
            many2one("product_tmpl_id", "Product Template", "product.template", required=True, ondelete="cascade"),
            integer("sequence", "Sequence", default=10),
            many2one("attribute_id", "Attribute", "product.attribute", required=True, ondelete="restrict"),
            many2many("value_ids", "Values", "product.attribute.value"),
            define_computed(
                integer("value_count", "Value Count"), lambda _, row: len(row["value_ids"]), is_stored=True
            ),
            one2many(
                "product_template_value_ids",
                "Product Attribute Values",
                "product.template.attribute.value",
                "attribute_line_id",
            ),
        ),
    )
    models.add(
        ModelDefinition(
            "product.template.attribute.value",
            "Product Template Attribute Value",
            {},
            order="attribute_line_id, product_attribute_value_id, id",
            name_record=variants.build_value_name,
            before_create=variants.complete_template_value,
        ),
        (
            boolean("ptav_active", "Active", default=True),
            define_computed(char("name", "Value"), variants.find_value_name, searchable=True),
            many2one(
                "product_attribute_value_id",
                "Attribute Value",
                "product.attribute.value",
                required=True,
                ondelete="cascade",
            ),
            many2one(
                "attribute_line_id",
                "Attribute Line",
                "product.template.attribute.line",
                required=True,
                ondelete="cascade",
            ),
            number("price_extra", "Extra Price", digits=2),
            many2one("product_tmpl_id", "Product Template", "product.template", ondelete="cascade"),
            many2one("attribute_id", "Attribute", "product.attribute", ondelete="restrict"),
            integer("color", "Color"),
        ),
    )
