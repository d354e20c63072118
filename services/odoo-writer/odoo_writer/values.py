"""Translates values that both sides of a link share into fields of Odoo, as far as that needs no other record."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from linking.html_text import extract_text
from linking.records import Value
from linking.values import GRAMS

PRODUCT_TYPE, TAGS = "product_type", "tags"
"""Fields whose values are records of their own: categories and tags (`odoo_writer.named_records`)."""


class UnwritableError(Exception):
    """Raised for a value that Odoo has no place for. `args[0]` says why, in words for the merchant."""


def build_template_values(fields: Mapping[str, Value], body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `product.template` for these values, without category and tags.

    `body` is the product's record. Raises UnwritableError for a field that Odoo does not have.
    """
    values: dict[str, Any] = {}
    for name, value in fields.items():
        match name:
            case "title":
                values["name"] = value
            case "description" if "website_description" in body:
                values["website_description"] = value or False
            case "description":
                values["description_sale"] = extract_text(value) if value else False
            case "published" if "is_published" in body:
                values["is_published"] = bool(value)
            case "product_type" | "tags":
                pass
            case "options":
                raise UnwritableError("the options of a product that exists are not changed: change them in Odoo")
            case _:
                raise UnwritableError(f"this database has no field for {name}")
    return values


def build_variant_values(fields: Mapping[str, Value], weight_unit: str) -> dict[str, Any]:
    """Return the fields of `product.product` for these values, without the price, which all variants share.

    Raises UnwritableError for a field that Odoo does not have.
    """
    values: dict[str, Any] = {}
    for name, value in fields.items():
        match name:
            case "sku":
                values["default_code"] = value or False
            case "barcode":
                values["barcode"] = value or False
            case "cost":
                values["standard_price"] = float(value or 0)
            case "weight":
                values["weight"] = float(Decimal(value or 0) / GRAMS[weight_unit])
            case "price":
                pass
            case _:
                raise UnwritableError(f"this database has no field for {name}")
    return values
