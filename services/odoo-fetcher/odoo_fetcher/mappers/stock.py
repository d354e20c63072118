"""Maps the quants of a product at a location, of which there may be several, to one record of the snapshot."""

from collections.abc import Mapping, Sequence

from contracts.events import Record
from platforms.odoo.calls import Row
from platforms.odoo.field_values import list_texts, read_name, read_reference, read_value

StockKey = tuple[int, int]
"""The ids of a product (a variant) and of a location."""
DIGITS = 6
"""Quantities are sums of binary fractions. Odoo's own units of measure have fewer digits."""


def join_key(key: StockKey) -> str:
    """Return the id of the record of a product at a location."""
    return f"{key[0]}-{key[1]}"


def split_key(record_id: str) -> StockKey | None:
    """Return the product and the location that the id of a record names; None for a text of another form."""
    product, _, location = record_id.partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) <= 9 for part in (product, location)):
        return None
    key = (int(product), int(location))
    return key if join_key(key) == record_id else None


def group_quants(rows: Sequence[Row]) -> dict[StockKey, list[Row]]:
    """Return the quants by product and location."""
    grouped: dict[StockKey, list[Row]] = {}
    for row in rows:
        product, location = read_reference(row["product_id"]), read_reference(row["location_id"])
        if product is not None and location is not None:
            grouped.setdefault((product, location), []).append(row)
    return grouped


def map_stock(key: StockKey, quants: Sequence[Row], product: Row, locations: Mapping[int, Row], read_at: int) -> Record:
    """Return the record of what is there of a product at a location.

    It has no `updated_at`: an empty quant is deleted, and the latest change of those left is an earlier one.
    """
    product_id, location_id = key
    location = locations.get(location_id, {})
    on_hand = sum((quant["quantity"] or 0.0 for quant in quants), 0.0)
    reserved = sum((quant["reserved_quantity"] or 0.0 for quant in quants), 0.0)
    code = read_value(product.get("default_code"))
    body = {
        "product_id": product_id,
        "template_id": read_reference(product["product_tmpl_id"]),
        "default_code": code,
        "location": {"id": location_id, "name": read_value(location.get("complete_name"))},
        "warehouse_id": read_reference(location.get("warehouse_id")),
        "on_hand": round(on_hand, DIGITS),
        "reserved": round(reserved, DIGITS),
        "free": round(on_hand - reserved, DIGITS),
        "uom": read_name(product.get("uom_id")),
        "updated_at": max((quant["write_date"] or "" for quant in quants), default="") or None,
    }
    return Record(
        resource="stock",
        id=join_key(key),
        read_at=read_at,
        body=body,
        sort_key=product_id,
        lookup_values={"product_id": (str(product_id),), "default_code": list_texts(code)},
    )


def build_tombstone(key: StockKey, read_at: int) -> Record:
    """Return the note that nothing is at a location of a product."""
    return Record(resource="stock", id=join_key(key), read_at=read_at, sort_key=key[0])
