"""Translates values from the form that both sides of a link share into Odoo's: `platforms.odoo.linking` backwards.

| shared field | field of Odoo |
|-|-|
| title | `name` |
| description | `website_description`, as HTML; without a web shop `description_sale`, as plain text |
| product_type | `categ_id` (`references.py`) |
| tags | `product_tag_ids` (`references.py`) |
| published | `is_published`, where there is a web shop |
| sku, barcode, cost, weight | `default_code`, `barcode`, `standard_price`, `weight` of the variant |
| price | `list_price` of the template: variants have no price of their own |
"""

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from linking.html_text import extract_lines
from linking.records import VARIANTS, Value, Values
from linking.values import GRAMS, convert_to_amount, convert_to_grams
from odoo_writer.refusals import RefusedWriteError
from odoo_writer.writable_fields import COST, PRICE, WEIGHT, WritableFields

TITLE, DESCRIPTION, PRODUCT_TYPE, TAGS, PUBLISHED = "title", "description", "product_type", "tags", "published"
SKU, BARCODE, COST_FIELD, WEIGHT_FIELD, PRICE_FIELD = "sku", "barcode", "cost", "weight", "price"
AMOUNTS = frozenset({PRICE_FIELD, COST_FIELD, "compare_at_price"})


def explain_missing_place(name: str, database: WritableFields) -> str | None:
    """Return why Odoo cannot hold a shared field of a product or variant that exists; None where it can."""
    if name == "vendor":
        return "Odoo has no field for the vendor of a product"
    if name == "compare_at_price":
        return "Odoo has no field for a price before a discount"
    if name == "options":
        return "the options of a product that exists are not changed in Odoo: its variants would be made anew"
    if name == PUBLISHED and not database.has_publishing:
        return "the database has no web shop in which products are published"
    if name == TAGS and not database.fields.has_tags:
        return "the products of the database have no tags"
    return None


def settle_values(resource: str, wanted: Values, database: WritableFields, weight_unit: str) -> dict[str, Value]:
    """Return wanted values as they are read once Odoo has rounded them. Raises ValueError for a value of another form.

    Without this a value that Odoo cannot hold exactly would be written for ever.
    """
    settled = dict(wanted)
    if resource == VARIANTS:
        for name, key in ((COST_FIELD, COST), (PRICE_FIELD, PRICE)):
            if settled.get(name):
                settled[name] = convert_to_amount(round_to(Decimal(str(settled[name])), database.decimals.get(key)))
        if settled.get(WEIGHT_FIELD):
            weight = convert_weight(settled[WEIGHT_FIELD], weight_unit, database)
            settled[WEIGHT_FIELD] = convert_to_grams(Decimal(str(weight)), weight_unit)
    return settled


def build_product_values(unwritten: Values, database: WritableFields) -> dict[str, Any]:
    """Return the fields of a template for shared values, without those that refer to other records."""
    values: dict[str, Any] = {}
    if TITLE in unwritten:
        title = _require_text(unwritten[TITLE]).strip()
        if not title:
            raise RefusedWriteError("a product must have a name in Odoo")
        values["name"] = title
    if DESCRIPTION in unwritten:
        values |= build_description(_require_text(unwritten[DESCRIPTION]), database)
    if PUBLISHED in unwritten:
        values["is_published"] = bool(unwritten[PUBLISHED])
    return values


def build_description(html: str, database: WritableFields) -> dict[str, Any]:
    """Return the field that holds the description of a product."""
    if database.has_web_shop_text:
        return {"website_description": html or False}
    return {"description_sale": extract_lines(html) or False}


def build_variant_values(unwritten: Values, database: WritableFields, weight_unit: str) -> dict[str, Any]:
    """Return the fields of a variant for shared values, without the price. Raises ValueError for another form."""
    return {
        field: convert(unwritten[name], database, weight_unit)
        for name, (field, convert) in _VARIANT_FIELDS.items()
        if name in unwritten
    }


def build_list_price(price: Value, extra: Decimal, database: WritableFields) -> float:
    """Return the price of a template whose variant shall cost `price`, `extra` of it for its options."""
    return float(round_to(Decimal(str(price or 0)) - extra, database.decimals.get(PRICE)))


def convert_weight(grams: Value, weight_unit: str, database: WritableFields) -> float:
    """Return a weight in the unit of the database, rounded as the database does."""
    weight = Decimal(str(grams or 0)) / GRAMS[weight_unit]
    return float(round_to(weight, database.decimals.get(WEIGHT)))


def round_to(number: Decimal, decimals: int | None) -> Decimal:
    """Return a number with so many decimal places; None for all. Raises ValueError for what is no finite number."""
    if not number.is_finite():
        raise ValueError("not a number")
    return number if decimals is None else number.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def _convert_text(value: Value, _database: WritableFields, _unit: str) -> str | bool:
    return _require_text(value).strip() or False


def _convert_cost(value: Value, database: WritableFields, _unit: str) -> float:
    return float(round_to(Decimal(str(value or 0)), database.decimals.get(COST)))


def _convert_weight_of(value: Value, database: WritableFields, unit: str) -> float:
    return convert_weight(value, unit, database)


def _require_text(value: Value) -> str:
    if value is not None and not isinstance(value, str):
        raise ValueError("not a text")
    return value or ""


_VARIANT_FIELDS: Mapping[str, tuple[str, Callable[[Value, WritableFields, str], Any]]] = {
    SKU: ("default_code", _convert_text),
    BARCODE: ("barcode", _convert_text),
    COST_FIELD: ("standard_price", _convert_cost),
    WEIGHT_FIELD: ("weight", _convert_weight_of),
}
