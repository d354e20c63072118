"""Translates the records of a shop into the form that both sides of a link share.

A shop's records hold neither costs nor weights.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from linking.records import PRODUCTS, STOCK, VARIANTS, ExtractOptions, LinkedRecord, MatchKeys, SkuFormat, Value
from linking.sku_formats import MissingSkuError, ParsedSku, parse_sku
from linking.values import convert_to_amount
from platforms.shopify.ids import is_id_of
from platforms.shopify.scopes import LINK_SCOPES, STOCK_SCOPES

__all__ = ["LINKED_RESOURCES", "LINK_SCOPES", "STOCK_SCOPES", "extract_currency", "extract_record"]
INVENTORY = "inventory"
LINKED_RESOURCES = {PRODUCTS: PRODUCTS, INVENTORY: STOCK}
"""What links use of the records of a shop: the shared resource by the shop's."""
ARCHIVED = "ARCHIVED"
PUBLISHED = {"ACTIVE": True, "UNLISTED": True, "DRAFT": False, ARCHIVED: False}
"""Whether a product of a status can be bought. Unlisted ones can, by their address. Nothing is said of other
statuses."""
ONLY_OPTION = ("Title", ["Default Title"])
"""The option of a product without options."""
_ONLY_CHOICE = [("Title", "Default Title")]


def extract_record(
    resource: str, record_id: str, body: Mapping[str, Any], options: ExtractOptions
) -> LinkedRecord | None:
    """Return a record of the change feed as a link sees it; None if links do not use the resource.

    Archived products are no candidates for Odoo, but are matched. Raises `KeyError`, `TypeError` or `ValueError` for a
    body of another form.
    """
    if resource == INVENTORY:
        return _extract_stock(record_id, body)
    if resource != PRODUCTS or not is_id_of(PRODUCTS, record_id):
        return None
    is_archived = body["status"] == ARCHIVED
    variants = [edge["node"] for edge in body["variants"]["edges"]]
    values: dict[str, Value] = {
        "title": body["title"],
        "vendor": body["vendor"],
        "product_type": body["productType"],
        "tags": list(body["tags"]),
        "options": extract_options(body["options"]),
    }
    # Records that were read before shops were asked for it do not tell it.
    if "descriptionHtml" in body:
        values["description"] = body["descriptionHtml"]
    if body["status"] in PUBLISHED:
        values["published"] = PUBLISHED[body["status"]]
    return LinkedRecord(
        PRODUCTS,
        record_id,
        values,
        children=tuple(_extract_variant(node, record_id, options) for node in variants),
        is_archived=is_archived,
        is_in_domain=not is_archived,
    )


def _extract_stock(record_id: str, body: Mapping[str, Any]) -> LinkedRecord | None:
    """Return the available units of an inventory item by location; None if it is not the item of one variant.

    An item that is not tracked, or of which no location is told, has no number.
    """
    if len(body["variants"]) != 1:
        return None
    (variant,) = body["variants"]
    units = {
        level["location"]: one["quantity"]
        for level in body["levels"]
        for one in level["quantities"]
        if body["tracked"] and level["location"] is not None and one["name"] == "available"
    }
    return LinkedRecord(STOCK, record_id, units, parent=variant, is_stocked=body["tracked"])


def extract_currency(resource: str, body: Mapping[str, Any]) -> str | None:
    """Return the currency of the shop's amounts (ISO 4217) from the record `shop`; None for other records."""
    return body.get("currencyCode") if resource == "shop" else None


def parse_sku_field(text: str | None, sku_format: SkuFormat) -> ParsedSku:
    """Return the SKU and the bin of a variant's SKU field; both are empty where there is no SKU."""
    try:
        return parse_sku(text, sku_format)
    except MissingSkuError:
        return ParsedSku("")


def extract_options(options: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a product's options in the form that both sides share; none for a product without options."""
    extracted = [{"name": one["name"], "values": [value["name"] for value in one["optionValues"]]} for one in options]
    return [one for one in extracted if (one["name"], one["values"]) != ONLY_OPTION]


def _extract_variant(node: Mapping[str, Any], product: str, options: ExtractOptions) -> LinkedRecord:
    parsed = parse_sku_field(node["sku"], options.sku_format)
    keys = MatchKeys(parsed.sku or None, (node["barcode"] or "").strip() or None)
    values: dict[str, Value] = {
        "sku": keys.sku,
        "barcode": keys.barcode,
        "price": convert_to_amount(node["price"]),
        "compare_at_price": convert_to_amount(node["compareAtPrice"]),
    }
    chosen = {one["name"]: one["value"] for one in node["selectedOptions"]}
    option_values = {} if list(chosen.items()) == _ONLY_CHOICE else chosen
    return LinkedRecord(VARIANTS, node["id"], values, keys, parent=product, option_values=option_values, bin=parsed.bin)
