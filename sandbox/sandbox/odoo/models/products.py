"""Models of products: templates, their variants, attributes, categories, tags, units and taxes."""

from typing import Any

from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.fields import (
    FieldDefinition,
    Fields,
    ModelDefinition,
    ModelList,
    Row,
    boolean,
    char,
    define_choice,
    define_computed,
    html,
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
    models.add(
        ModelDefinition(
            "product.template",
            "Product",
            {},
            order="name" if models.version == 17 else "is_favorite desc, name",
            name_record=_name_product,
            before_create=variants.prepare_template,
            after_create=variants.create_variants,
            after_write=variants.adjust_variants,
        ),
        (*_TEMPLATE_FIELDS, *_KIND_FIELDS, *images.build_fields("image_1920"), *stock.build_template_fields()),
    )
    models.add(
        ModelDefinition(
            "product.product",
            "Product Variant",
            {},
            order="default_code, name, id",
            name_record=_name_product,
            inherits=("product.template", "product_tmpl_id"),
            indexed=("barcode", "default_code"),
            before_create=variants.prepare_variant,
            after_create=variants.complete_variants,
            before_write=variants.check_barcodes,
            after_write=variants.adjust_template,
            before_unlink=variants.forget_variants,
        ),
        (
            *_VARIANT_FIELDS,
            *images.build_fields("image_variant_1920"),
            *images.build_variant_fields(),
            *stock.build_variant_fields(),
        ),
    )


def _name_product(env: OdooEnvironment, row: Row) -> str:
    model = "product.product" if "product_tmpl_id" in row else "product.template"
    name, code = env.get_value(model, row, "name") or "", env.get_value(model, row, "default_code")
    if model == "product.product":
        values = ", ".join(
            str(variants.find_value_name(env, env.find("product.template.attribute.value", number)))
            for number in variants.list_distinguishing_values(env, row)
        )
        name = f"{name} ({values})" if values else name
    return f"[{code}] {name}" if code and env.context.get("display_default_code", True) else name


def _get_currency(env: OdooEnvironment, row: Row) -> Any:
    return env.find("res.company", row.get("company_id") or 1)["currency_id"]


def _set_kind(env: OdooEnvironment, row: Row, value: Any) -> None:
    kind = "consu" if value == "product" else value
    env.write("product.template", [row["id"]], {"kind": kind, "tracks_stock": value == "product"})


def _get_kind(_: OdooEnvironment, row: Row) -> str:
    return "product" if row["tracks_stock"] else str(row["kind"])


_KIND_FIELDS: Fields = (
    define_choice("kind", "Kind", _KINDS, default="consu", is_internal=True),
    boolean("tracks_stock", "Tracks stock", is_internal=True),
    define_computed(
        define_choice("type", "Product Type", _KINDS, since=18),
        lambda _, row: row["kind"],
        is_stored=True,
        searchable=True,
        inverse=lambda env, row, value: env.write("product.template", [row["id"]], {"kind": value}),
    ),
    define_computed(
        boolean("is_storable", "Track Inventory", since=18, app="stock"),
        lambda _, row: row["tracks_stock"],
        is_stored=True,
        searchable=True,
        inverse=lambda env, row, value: env.write("product.template", [row["id"]], {"tracks_stock": bool(value)}),
    ),
    define_computed(
        define_choice("detailed_type", "Product Type", _OLD_KINDS, until=17),
        _get_kind,
        is_stored=True,
        searchable=True,
        inverse=_set_kind,
    ),
    define_computed(
        define_choice("type", "Type", _OLD_KINDS, until=17),
        _get_kind,
        is_stored=True,
        searchable=True,
        inverse=_set_kind,
    ),
)
"""What kind of product it is: 17 has one field for it, later versions two."""


def _build_single(definition: FieldDefinition, *, is_stored: bool) -> FieldDefinition:
    """Define a template's field that has the value of its variant, if there is exactly one, and false otherwise."""
    name = definition.name

    def compute(env: OdooEnvironment, row: Row) -> Any:
        single = variants.find_single_variant(env, row)
        return single[name] if single else definition.convert(None)

    def inverse(env: OdooEnvironment, row: Row, value: Any) -> None:
        single = variants.find_single_variant(env, row)
        if single:
            env.write("product.product", [single["id"]], {name: value})

    return define_computed(definition, compute, inverse=inverse, is_stored=is_stored, searchable=True)


def _get_default_taxes(env: OdooEnvironment) -> list[int]:
    tax = env.find("res.company", 1).get("account_sale_tax_id")
    return [tax] if tax else []


_TEMPLATE_FIELDS: Fields = (
    _NAME,
    _ACTIVE,
    integer("sequence", "Sequence", default=1),
    html("description", "Description", translate=True),
    text("description_sale", "Sales Description", translate=True),
    text("description_purchase", "Purchase Description", translate=True),
    many2one("categ_id", "Product Category", "product.category", default=1, required=True, ondelete="restrict"),
    define_computed(many2one("currency_id", "Currency", "res.currency"), _get_currency),
    define_computed(many2one("cost_currency_id", "Cost Currency", "res.currency"), _get_currency),
    number("list_price", "Sales Price", default=1.0, digits=2),
    _build_single(number("standard_price", "Cost", company_dependent=True, digits=2), is_stored=False),
    _build_single(number("weight", "Weight", digits=2), is_stored=True),
    _build_single(number("volume", "Volume"), is_stored=True),
    _build_single(char("barcode", "Barcode"), is_stored=False),
    _build_single(char("default_code", "Internal Reference"), is_stored=True),
    define_computed(char("weight_uom_name", "Weight unit of measure label"), lambda *_: "kg"),
    define_computed(char("volume_uom_name", "Volume unit of measure label"), lambda *_: "m³"),
    boolean("sale_ok", "Sales", default=True),
    boolean("purchase_ok", "Purchase", default=True),
    many2one("uom_id", "Unit of Measure", "uom.uom", required=True, default=1),
    many2one("uom_po_id", "Purchase UoM", "uom.uom", required=True, default=1, until=18),
    define_computed(
        char("uom_name", "Unit of Measure Name"), lambda env, row: env.read_value("uom.uom", row["uom_id"], "name")
    ),
    many2one("company_id", "Company", "res.company"),
    integer("color", "Color Index"),
    define_choice("priority", "Favorite", {"0": "Normal", "1": "Favorite"}, default="0", until=17),
    boolean("is_favorite", "Favorite", since=18),
    define_choice(
        "tracking",
        "Tracking",
        {"serial": "By Unique Serial Number", "lot": "By Lots", "none": "By Quantity"},
        default="none",
        required=True,
        app="stock",
    ),
    define_choice(
        "invoice_policy",
        "Invoicing Policy",
        {"order": "Ordered quantities", "delivery": "Delivered quantities"},
        default="order",
        app="sale",
    ),
    html("description_ecommerce", "eCommerce Description", translate=True, app="website_sale", since=18),
    html("website_description", "Description for the website", translate=True, app="website_sale"),
    boolean("is_published", "Is Published", app="website_sale"),
    one2many("attribute_line_ids", "Product Attributes", "product.template.attribute.line", "product_tmpl_id"),
    define_computed(
        many2many(
            "valid_product_template_attribute_line_ids",
            "Valid Product Attribute Lines",
            "product.template.attribute.line",
        ),
        variants.list_valid_lines,
    ),
    one2many("product_variant_ids", "Products", "product.product", "product_tmpl_id", required=True),
    define_computed(many2one("product_variant_id", "Product", "product.product"), variants.find_first_variant),
    define_computed(integer("product_variant_count", "# Product Variants"), variants.count_variants),
    many2many("product_tag_ids", "Tags", "product.tag"),
    many2many("taxes_id", "Sales Taxes", "account.tax", default=_get_default_taxes),
    many2many("supplier_taxes_id", "Purchase Taxes", "account.tax"),
)

_VARIANT_FIELDS: Fields = (
    many2one("product_tmpl_id", "Product Template", "product.template", required=True, ondelete="cascade"),
    _ACTIVE,
    char("default_code", "Internal Reference"),
    char("barcode", "Barcode"),
    number("standard_price", "Cost", company_dependent=True, digits=2),
    number("weight", "Weight", digits=2),
    number("volume", "Volume"),
    many2many("product_template_attribute_value_ids", "Attribute Values", "product.template.attribute.value"),
    define_computed(
        many2many("product_template_variant_value_ids", "Variant Values", "product.template.attribute.value"),
        variants.list_distinguishing_values,
    ),
    define_computed(
        char("combination_indices", "Combination Indices"),
        variants.build_combination_indices,
        is_stored=True,
        searchable=True,
    ),
    define_computed(number("price_extra", "Variant Price Extra"), variants.compute_extra_price),
    define_computed(number("lst_price", "Sales Price"), variants.compute_price, inverse=variants.set_price),
    many2many("additional_product_tag_ids", "Variant Tags", "product.tag"),
    define_computed(many2many("all_product_tag_ids", "All Product Tag", "product.tag"), variants.list_all_tags),
    define_computed(char("partner_ref", "Customer Ref"), _name_product),
    define_computed(boolean("is_product_variant", "Is Product Variant"), lambda *_: True),
)
