"""Models of what products are sorted by and measured in: categories, tags, units, taxes."""

from typing import Any

from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.fields import (
    Fields,
    ModelDefinition,
    ModelList,
    Row,
    boolean,
    char,
    define_choice,
    define_computed,
    integer,
    many2many,
    many2one,
    number,
    one2many,
    text,
)

_ACTIVE = boolean("active", "Active", default=True)
_NAME = char("name", "Name", required=True, translate=True)


def _build_complete_name(env: OdooEnvironment, row: Row) -> str:
    parent = env.database.find("product.category", row["parent_id"]) if row["parent_id"] else None
    name = str(env.get_value("product.category", row, "name"))
    return f"{_build_complete_name(env, parent)} / {name}" if parent else name


def add_models(models: ModelList) -> None:
    """Add the models of this module."""
    models.add(
        ModelDefinition("product.category", "Product Category", {}, order="complete_name", rec_name="complete_name"),
        (
            char("name", "Name", required=True),
            many2one("parent_id", "Parent Category", "product.category", ondelete="cascade"),
            one2many("child_id", "Child Categories", "product.category", "parent_id"),
            define_computed(
                char("complete_name", "Complete Name"), _build_complete_name, is_stored=True, searchable=True
            ),
        ),
    )
    models.add(
        ModelDefinition(
            "product.tag",
            "Product Tag",
            {},
            order="name" if models.version == 17 else "sequence, id",
            unique=((("name",), "Tag name already exists!"),),
        ),
        (
            _NAME,
            integer("sequence", "Sequence", default=10, since=18),
            integer("color", "Color", default=3),
            *_build_reverse("product_template_ids", "Product Templates", "product.template", "product_tag_ids"),
            *_build_reverse("product_product_ids", "Product Variants", "product.product", "additional_product_tag_ids"),
        ),
    )
    models.add(
        ModelDefinition("uom.category", "Product UoM Categories", {}, order="id"),
        (_NAME,),
    )
    models.add(
        ModelDefinition("uom.uom", "Product Unit of Measure", {}, order="id"),
        (
            _NAME,
            _ACTIVE,
            many2one("category_id", "Category", "uom.category", until=18),
            number("factor", "Ratio", default=1.0),
            number("rounding", "Rounding Precision", default=0.01),
            define_choice(
                "uom_type",
                "Type",
                {"bigger": "Bigger", "reference": "Reference", "smaller": "Smaller"},
                default="reference",
                until=18,
            ),
            number("relative_factor", "Contains", default=1.0, since=19),
            many2one("relative_uom_id", "Reference Unit", "uom.uom", since=19),
        ),
    )
    models.add(
        ModelDefinition("account.tax", "Tax", {}, order="sequence, id"),
        (
            _NAME,
            _ACTIVE,
            define_choice(
                "type_tax_use",
                "Tax Type",
                {"sale": "Sales", "purchase": "Purchases", "none": "None"},
                default="sale",
                required=True,
            ),
            define_choice(
                "amount_type",
                "Tax Computation",
                {
                    "group": "Group of Taxes",
                    "fixed": "Fixed",
                    "percent": "Percentage",
                    "division": "Percentage Tax Included",
                },
                default="percent",
                required=True,
            ),
            number("amount", "Amount", default=0.0),
            integer("sequence", "Sequence", default=1),
            text("description", "Description", translate=True),
            *(
                (boolean("price_include", "Included in Price"),)
                if models.version == 17
                else (
                    define_choice(
                        "price_include_override",
                        "Included in Price",
                        {"tax_included": "Tax Included", "tax_excluded": "Tax Excluded"},
                    ),
                    define_computed(
                        boolean("price_include", "Included in Price"),
                        lambda _, row: row["price_include_override"] == "tax_included",
                        searchable=True,
                    ),
                )
            ),
            many2one("company_id", "Company", "res.company", required=True, default=1),
            many2one("country_id", "Country", "res.country"),
        ),
    )


def _build_reverse(name: str, string: str, relation: str, field_name: str) -> Fields:
    """Define a list of the records whose own list has this record."""

    def compute(env: OdooEnvironment, row: Row) -> list[int]:
        found = [other["id"] for other in env.database.list_rows(relation).values() if row["id"] in other[field_name]]
        return env.sort(relation, found)

    def inverse(env: OdooEnvironment, row: Row, value: Any) -> None:
        for code, target, wanted in value or []:
            before = set(compute(env.extend_context(active_test=False), row))
            added = {target} if code == 4 else set(wanted) - before if code == 6 else set()
            removed = {target} if code == 3 else before - set(wanted or ()) if code in (5, 6) else set()
            env.write(relation, sorted(added), {field_name: [[4, row["id"], 0]]})
            env.write(relation, sorted(removed), {field_name: [[3, row["id"], 0]]})

    return (
        define_computed(many2many(name, string, relation), compute, inverse=inverse, is_stored=True, searchable=True),
    )
