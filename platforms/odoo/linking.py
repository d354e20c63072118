"""Translates the records of a database into the form that both sides of a link share.

Odoo has no field for a vendor as shops have it, and none for a price before a discount.
"""

from collections.abc import Mapping
from typing import Any

from linking.html_text import build_html
from linking.records import (
    DOMAIN_FIELDS,
    PRODUCTS,
    STOCK,
    VARIANTS,
    DomainPreset,
    ExtractOptions,
    LinkedRecord,
    MatchKeys,
    Value,
)
from linking.stock import count_whole_units
from linking.values import convert_to_amount, convert_to_grams

LINKED_RESOURCES = {PRODUCTS: PRODUCTS, "stock": STOCK}
"""What links use of the records of a database: the shared resource by the database's."""
MODELS = {PRODUCTS: "product.template", VARIANTS: "product.product"}
"""The model of each linked resource."""
GOODS = frozenset({"consu", "product"})
"""The types of goods: those with stock were a type of their own up to Odoo 17."""
CATEGORY_SEPARATOR = " / "
ROOT_CATEGORY = "All"


def extract_record(
    resource: str, record_id: str, body: Mapping[str, Any], options: ExtractOptions
) -> LinkedRecord | None:
    """Return a record of the change feed as a link sees it; None if links do not use the resource.

    Raises `KeyError`, `TypeError` or `ValueError` for a body of another form.
    """
    if resource == "stock":
        units = {str(body["location"]["id"]): count_whole_units(body["free"])}
        return LinkedRecord(STOCK, record_id, units, parent=str(body["product_id"]))
    if resource != PRODUCTS:
        return None
    values: dict[str, Value] = {
        "title": body["name"],
        "description": _extract_description(body),
        "product_type": _extract_product_type(body["category"]),
        "tags": [tag["name"] for tag in body["tags"]],
        "options": [
            {"name": line["attribute"]["name"], "values": [value["name"] for value in line["values"]]}
            for line in body["attributes"]
        ],
    }
    # An archived product keeps its flag, but is on sale nowhere: what is done then is a setting of the link.
    if "is_published" in body and body["active"]:
        values["published"] = bool(body["is_published"])
    return LinkedRecord(
        PRODUCTS,
        record_id,
        values,
        children=tuple(_extract_variant(variant, record_id, body) for variant in body["variants"]),
        is_archived=not body["active"],
        is_in_domain=all(_meets(preset, body) for preset in options.domain),
        lacking=tuple(name for preset in options.domain if (name := DOMAIN_FIELDS[preset]) not in body),
        currency=body["currency"],
    )


def extract_currency(resource: str, body: Mapping[str, Any]) -> str | None:
    """Return the currency of the database's amounts (ISO 4217) from a record `company`; None for other records."""
    return body.get("currency") if resource == "company" else None


def _extract_variant(variant: Mapping[str, Any], product: str, body: Mapping[str, Any]) -> LinkedRecord:
    keys = MatchKeys((variant["default_code"] or "").strip() or None, (variant["barcode"] or "").strip() or None)
    values: dict[str, Value] = {
        "sku": keys.sku,
        "barcode": keys.barcode,
        "price": convert_to_amount(variant["price"]),
        "cost": convert_to_amount(variant["cost"]),
        "weight": convert_to_grams(variant["weight"], body["weight_unit"]),
    }
    return LinkedRecord(
        VARIANTS,
        str(variant["id"]),
        values,
        keys,
        parent=product,
        is_archived=not variant["active"],
        currency=body["currency"],
        option_values=_list_option_values(variant, body),
        is_stocked=body["is_storable"],
    )


def _list_option_values(variant: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, str]:
    """Return the variant's value of each attribute: those that make variants, and those with one value for all."""
    single = {
        line["attribute"]["name"]: line["values"][0]["name"] for line in body["attributes"] if len(line["values"]) == 1
    }
    return single | {option["attribute"]: option["value"] for option in variant["options"]}


def _extract_description(body: Mapping[str, Any]) -> str | None:
    """Return the description of the web shop, as HTML; that of sales orders where there is no web shop."""
    if "website_description" in body:
        return body["website_description"] or None
    return build_html(body["description_sale"])


def _extract_product_type(category: Mapping[str, Any] | None) -> str | None:
    """Return the last part of a category's whole name; None for the root, which stands for no category."""
    name = str((category or {}).get("name") or "").rpartition(CATEGORY_SEPARATOR)[2]
    return name if name != ROOT_CATEGORY else None


def _meets(preset: DomainPreset, body: Mapping[str, Any]) -> bool:
    """Return whether the product meets the condition; False where the database lacks the field."""
    if preset is DomainPreset.GOODS:
        return body["type"] in GOODS
    return bool(body.get(DOMAIN_FIELDS[preset]))
