"""Models of products: templates, their variants, attributes, categories, tags, units and taxes."""

from typing import Any

from sandbox.odoo.environment import Environment
from sandbox.odoo.fields import (
    FieldDefinition,
    Fields,
    ModelDefinition,
    ModelList,
    Row,
    boolean,
    char,
    choice,
    computed,
    integer,
    many2many,
    many2one,
    number,
    one2many,
    text,
)
from sandbox.odoo.models import images, stock, variants

_ACTIVE = boolean("active", "Active", default=True)
_NAME = char("name", "Name", required=True, translate=True)
_KINDS = {"consu": "Goods", "service": "Service", "combo": "Combo"}
_OLD_KINDS = {"consu": "Consumable", "service": "Service", "product": "Storable Product"}


def add_models(models: ModelList) -> None:
    """Add the models of this module."""
    _add_lists(models)
    models.add(
        ModelDefinition(
            "product.template", "Product", {}, order="name" if models.version == 17 else "is_favorite desc, name",
            name_record=_name_product, before_create=variants.prepare_template,
            after_create=variants.create_variants, after_write=variants.follow_template,
        ),
        (*_TEMPLATE_FIELDS, *_KIND_FIELDS, *images.build_fields("image_1920"), *stock.build_template_fields()),
    )  # fmt: skip
    models.add(
        ModelDefinition(
            "product.product", "Product Variant", {}, order="default_code, name, id", name_record=_name_product,
            inherits=("product.template", "product_tmpl_id"), before_create=variants.prepare_variant,
            after_create=variants.complete_variants, before_write=variants.check_barcodes,
            after_write=variants.follow_variants, before_unlink=variants.forget_variants,
        ),
        (
            *_VARIANT_FIELDS, *images.build_fields("image_variant_1920"), *images.build_variant_fields(),
            *stock.build_variant_fields(),
        ),
    )  # fmt: skip
    _add_attributes(models)


def _name_product(env: Environment, row: Row) -> str:
    model = "product.product" if "product_tmpl_id" in row else "product.template"
    name, code = env.get_value(model, row, "name") or "", env.get_value(model, row, "default_code")
    if model == "product.product":
        values = ", ".join(
            str(variants.name_value(env, env.find("product.template.attribute.value", number)))
            for number in variants.list_distinguishing_values(env, row)
        )
        name = f"{name} ({values})" if values else name
    return f"[{code}] {name}" if code and env.context.get("display_default_code", True) else name


def _get_currency(env: Environment, row: Row) -> Any:
    return env.find("res.company", row.get("company_id") or 1)["currency_id"]


def _set_kind(env: Environment, row: Row, value: Any) -> None:
    kind = "consu" if value == "product" else value
    env.write("product.template", [row["id"]], {"kind": kind, "tracks_stock": value == "product"})


def _get_kind(_: Environment, row: Row) -> str:
    return "product" if row["tracks_stock"] else str(row["kind"])


_KIND_FIELDS: Fields = (
    choice("kind", "Kind", _KINDS, default="consu", is_internal=True),
    boolean("tracks_stock", "Tracks stock", is_internal=True),
    computed(
        choice("type", "Product Type", _KINDS, since=18), lambda _, row: row["kind"], is_stored=True, searchable=True,
        inverse=lambda env, row, value: env.write("product.template", [row["id"]], {"kind": value}),
    ),
    computed(
        boolean("is_storable", "Track Inventory", since=18, app="stock"), lambda _, row: row["tracks_stock"],
        is_stored=True, searchable=True,
        inverse=lambda env, row, value: env.write("product.template", [row["id"]], {"tracks_stock": bool(value)}),
    ),
    computed(
        choice("detailed_type", "Product Type", _OLD_KINDS, until=17), _get_kind, is_stored=True, searchable=True,
        inverse=_set_kind,
    ),
    computed(choice("type", "Type", _OLD_KINDS, until=17), _get_kind, is_stored=True, searchable=True,
             inverse=_set_kind),
)  # fmt: skip
"""What kind of product it is: 17 has one field for it, later versions two."""


def _build_single(definition: FieldDefinition, *, is_stored: bool) -> FieldDefinition:
    """Define a template's field that has the value of its variant, if there is exactly one, and false otherwise."""
    name = definition.name

    def compute(env: Environment, row: Row) -> Any:
        single = variants.find_single_variant(env, row)
        return single[name] if single else definition.convert(None)

    def inverse(env: Environment, row: Row, value: Any) -> None:
        single = variants.find_single_variant(env, row)
        if single:
            env.write("product.product", [single["id"]], {name: value})

    return computed(definition, compute, inverse=inverse, is_stored=is_stored, searchable=True)


def _get_default_taxes(env: Environment) -> list[int]:
    tax = env.find("res.company", 1).get("account_sale_tax_id")
    return [tax] if tax else []


_TEMPLATE_FIELDS: Fields = (
    _NAME, _ACTIVE,
    integer("sequence", "Sequence", default=1),
    text("description", "Description", translate=True),
    text("description_sale", "Sales Description", translate=True),
    text("description_purchase", "Purchase Description", translate=True),
    many2one("categ_id", "Product Category", "product.category", default=1, ondelete="restrict"),
    computed(many2one("currency_id", "Currency", "res.currency"), _get_currency),
    computed(many2one("cost_currency_id", "Cost Currency", "res.currency"), _get_currency),
    number("list_price", "Sales Price", default=1.0),
    _build_single(number("standard_price", "Cost", company_dependent=True), is_stored=False),
    _build_single(number("weight", "Weight"), is_stored=True),
    _build_single(number("volume", "Volume"), is_stored=True),
    _build_single(char("barcode", "Barcode"), is_stored=False),
    _build_single(char("default_code", "Internal Reference"), is_stored=True),
    computed(char("weight_uom_name", "Weight unit of measure label"), lambda *_: "kg"),
    computed(char("volume_uom_name", "Volume unit of measure label"), lambda *_: "m³"),
    boolean("sale_ok", "Sales", default=True),
    boolean("purchase_ok", "Purchase", default=True),
    many2one("uom_id", "Unit of Measure", "uom.uom", required=True, default=1),
    many2one("uom_po_id", "Purchase UoM", "uom.uom", required=True, default=1, until=18),
    many2one("company_id", "Company", "res.company"),
    integer("color", "Color Index"),
    choice("priority", "Favorite", {"0": "Normal", "1": "Favorite"}, default="0", until=17),
    boolean("is_favorite", "Favorite", since=18),
    choice("tracking", "Tracking", {"serial": "By Unique Serial Number", "lot": "By Lots", "none": "By Quantity"},
           default="none", required=True, app="stock"),
    choice("invoice_policy", "Invoicing Policy", {"order": "Ordered quantities", "delivery": "Delivered quantities"},
           default="order", app="sale"),
    text("description_ecommerce", "eCommerce Description", translate=True, app="website_sale", since=18),
    text("website_description", "Description for the website", translate=True, app="website_sale"),
    boolean("is_published", "Is Published", app="website_sale"),
    one2many("attribute_line_ids", "Product Attributes", "product.template.attribute.line", "product_tmpl_id"),
    computed(many2many("valid_product_template_attribute_line_ids", "Valid Product Attribute Lines",
                       "product.template.attribute.line"), variants.list_valid_lines),
    one2many("product_variant_ids", "Products", "product.product", "product_tmpl_id", required=True),
    computed(many2one("product_variant_id", "Product", "product.product"), variants.find_first_variant),
    computed(integer("product_variant_count", "# Product Variants"), variants.count_variants),
    many2many("product_tag_ids", "Tags", "product.tag"),
    many2many("taxes_id", "Sales Taxes", "account.tax", default=_get_default_taxes),
    many2many("supplier_taxes_id", "Purchase Taxes", "account.tax"),
)  # fmt: skip

_VARIANT_FIELDS: Fields = (
    many2one("product_tmpl_id", "Product Template", "product.template", required=True, ondelete="cascade"),
    _ACTIVE,
    char("default_code", "Internal Reference"),
    char("barcode", "Barcode"),
    number("standard_price", "Cost", company_dependent=True),
    number("weight", "Weight"),
    number("volume", "Volume"),
    many2many("product_template_attribute_value_ids", "Attribute Values", "product.template.attribute.value"),
    computed(many2many("product_template_variant_value_ids", "Variant Values", "product.template.attribute.value"),
             variants.list_distinguishing_values),
    computed(char("combination_indices", "Combination Indices"), variants.build_combination_indices, is_stored=True,
             searchable=True),
    computed(number("price_extra", "Variant Price Extra"), variants.sum_extra_prices),
    computed(number("lst_price", "Sales Price"), variants.compute_price, inverse=variants.set_price),
    many2many("additional_product_tag_ids", "Variant Tags", "product.tag"),
    computed(many2many("all_product_tag_ids", "All Product Tag", "product.tag"), variants.list_all_tags),
    computed(char("partner_ref", "Customer Ref"), _name_product),
    computed(boolean("is_product_variant", "Is Product Variant"), lambda *_: True),
)  # fmt: skip


def _build_complete_name(env: Environment, row: Row) -> str:
    parent = env.database.find("product.category", row["parent_id"]) if row["parent_id"] else None
    name = str(env.get_value("product.category", row, "name"))
    return f"{_build_complete_name(env, parent)} / {name}" if parent else name


def _add_lists(models: ModelList) -> None:
    models.add(
        ModelDefinition("product.category", "Product Category", {}, order="complete_name", rec_name="complete_name"),
        (
            char("name", "Name", required=True),
            many2one("parent_id", "Parent Category", "product.category", ondelete="cascade"),
            one2many("child_id", "Child Categories", "product.category", "parent_id"),
            computed(char("complete_name", "Complete Name"), _build_complete_name, is_stored=True, searchable=True),
        ),
    )
    models.add(
        ModelDefinition("product.tag", "Product Tag", {}, order="name" if models.version == 17 else "sequence, id"),
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
            _NAME, _ACTIVE,
            many2one("category_id", "Category", "uom.category", until=18),
            number("factor", "Ratio", default=1.0),
            number("rounding", "Rounding Precision", default=0.01),
            choice("uom_type", "Type", {"bigger": "Bigger", "reference": "Reference", "smaller": "Smaller"},
                   default="reference", until=18),
            number("relative_factor", "Contains", default=1.0, since=19),
            many2one("relative_uom_id", "Reference Unit", "uom.uom", since=19),
        ),
    )  # fmt: skip
    models.add(
        ModelDefinition("account.tax", "Tax", {}, order="sequence, id"),
        (
            _NAME, _ACTIVE,
            choice("type_tax_use", "Tax Type", {"sale": "Sales", "purchase": "Purchases", "none": "None"},
                   default="sale", required=True),
            choice("amount_type", "Tax Computation", {
                "group": "Group of Taxes", "fixed": "Fixed", "percent": "Percentage",
                "division": "Percentage Tax Included"}, default="percent", required=True),
            number("amount", "Amount", default=0.0),
            integer("sequence", "Sequence", default=1),
            text("description", "Description", translate=True),
            *((boolean("price_include", "Included in Price"),) if models.version == 17 else (
                choice("price_include_override", "Included in Price",
                       {"tax_included": "Tax Included", "tax_excluded": "Tax Excluded"}),
                computed(boolean("price_include", "Included in Price"),
                         lambda _, row: row["price_include_override"] == "tax_included", searchable=True),
            )),
            many2one("company_id", "Company", "res.company", required=True, default=1),
            many2one("country_id", "Country", "res.country"),
        ),
    )  # fmt: skip


def _build_reverse(name: str, string: str, relation: str, field_name: str) -> Fields:
    """Define a list of the records whose own list has this record."""

    def compute(env: Environment, row: Row) -> list[int]:
        found = [other["id"] for other in env.database.list_rows(relation).values() if row["id"] in other[field_name]]
        return env.sort(relation, found)

    def inverse(env: Environment, row: Row, value: Any) -> None:
        for code, target, wanted in value or []:
            before = set(compute(env.with_context(active_test=False), row))
            added = {target} if code == 4 else set(wanted) - before if code == 6 else set()
            removed = {target} if code == 3 else before - set(wanted or ()) if code in (5, 6) else set()
            env.write(relation, sorted(added), {field_name: [[4, row["id"], 0]]})
            env.write(relation, sorted(removed), {field_name: [[3, row["id"], 0]]})

    return (computed(many2many(name, string, relation), compute, inverse=inverse, is_stored=True, searchable=True),)


def _add_attributes(models: ModelList) -> None:
    models.add(
        ModelDefinition("product.attribute", "Product Attribute", {}, order="sequence, id"),
        (
            _NAME,
            boolean("active", "Active", default=True, since=18),
            choice("create_variant", "Variant Creation", {
                "always": "Instantly", "dynamic": "Dynamically", "no_variant": "Never"}, default="always",
                required=True),
            choice("display_type", "Display Type", {
                "radio": "Radio", "pills": "Pills", "select": "Select", "color": "Color", "multi": "Multi-checkbox"},
                default="radio", required=True),
            integer("sequence", "Sequence", default=20),
            one2many("value_ids", "Values", "product.attribute.value", "attribute_id"),
            one2many("attribute_line_ids", "Lines", "product.template.attribute.line", "attribute_id"),
        ),
    )  # fmt: skip
    models.add(
        ModelDefinition("product.attribute.value", "Attribute Value", {}, order="attribute_id, sequence, id",
                        name_record=variants.name_attribute_value),
        (
            _NAME,
            boolean("active", "Active", default=True, since=18),
            integer("sequence", "Sequence"),
            many2one("attribute_id", "Attribute", "product.attribute", required=True, ondelete="cascade"),
            number("default_extra_price", "Default Extra Price"),
            boolean("is_custom", "Free text"),
            char("html_color", "Color"),
            integer("color", "Color Index"),
        ),
    )  # fmt: skip
    models.add(
        ModelDefinition("product.template.attribute.line", "Product Template Attribute Line", {},
                        order="sequence, attribute_id, id", rec_name="attribute_id",
                        name_record=variants.name_line,
                        after_create=variants.follow_lines, after_write=variants.follow_line_changes,
                        before_unlink=variants.forget_lines),
        (
            _ACTIVE,
            many2one("product_tmpl_id", "Product Template", "product.template", required=True, ondelete="cascade"),
            integer("sequence", "Sequence", default=10),
            many2one("attribute_id", "Attribute", "product.attribute", required=True, ondelete="restrict"),
            many2many("value_ids", "Values", "product.attribute.value"),
            computed(integer("value_count", "Value Count"), lambda _, row: len(row["value_ids"]), is_stored=True),
            one2many("product_template_value_ids", "Product Attribute Values", "product.template.attribute.value",
                     "attribute_line_id"),
        ),
    )  # fmt: skip
    models.add(
        ModelDefinition("product.template.attribute.value", "Product Template Attribute Value", {},
                        order="attribute_line_id, product_attribute_value_id, id",
                        name_record=variants.name_template_value, before_create=variants.complete_template_value),
        (
            boolean("ptav_active", "Active", default=True),
            computed(char("name", "Value"), variants.name_value, searchable=True),
            many2one("product_attribute_value_id", "Attribute Value", "product.attribute.value", required=True,
                     ondelete="cascade"),
            many2one("attribute_line_id", "Attribute Line",
                     "product.template.attribute.line", required=True, ondelete="cascade"),
            number("price_extra", "Extra Price"),
            many2one("product_tmpl_id", "Product Template", "product.template", ondelete="cascade"),
            many2one("attribute_id", "Attribute", "product.attribute", ondelete="restrict"),
            integer("color", "Color"),
        ),
    )  # fmt: skip
