"""Maps what a database has few of: companies, warehouses with their locations, and taxes."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from contracts.events import Record
from platforms.odoo.calls import Row
from platforms.odoo.field_values import read_name, read_named_reference, read_reference, read_value


def map_company(row: Row, read_at: int) -> Record:
    """Return the record of a company."""
    body = {
        "id": row["id"],
        "name": read_value(row["name"]),
        "currency": read_name(row.get("currency_id")),
        "country": read_name(row.get("country_id")),
    }
    return _build_record("company", row, body, read_at, {"name": body["name"]})


def map_tax(row: Row, read_at: int) -> Record:
    """Return the record of a tax."""
    body = {
        "id": row["id"],
        "name": read_value(row["name"]),
        "type_tax_use": read_value(row.get("type_tax_use")),
        "amount_type": read_value(row.get("amount_type")),
        "amount": row.get("amount"),
        "price_include": bool(row.get("price_include")),
        "company": read_named_reference(row.get("company_id")),
        "active": bool(row.get("active")),
    }
    return _build_record("taxes", row, body, read_at, {"name": body["name"]})


def map_warehouses(rows: Sequence[Row], locations: Sequence[Row], read_at: int) -> list[Record]:
    """Return the records of warehouses. `locations` are those of all warehouses."""
    by_warehouse: defaultdict[int | None, list[dict[str, Any]]] = defaultdict(list)
    for location in sorted(locations, key=lambda one: int(one["id"])):
        by_warehouse[read_reference(location.get("warehouse_id"))].append(
            {
                "id": location["id"],
                "complete_name": read_value(location.get("complete_name")),
                "usage": read_value(location.get("usage")),
                "active": bool(location.get("active")),
            }
        )
    return [_map_warehouse(row, by_warehouse[row["id"]], read_at) for row in rows]


def _map_warehouse(row: Row, locations: list[dict[str, Any]], read_at: int) -> Record:
    body = {
        "id": row["id"],
        "name": read_value(row["name"]),
        "code": read_value(row.get("code")),
        "company": read_named_reference(row.get("company_id")),
        "lot_stock_location_id": read_reference(row.get("lot_stock_id")),
        "locations": locations,
    }
    return _build_record("warehouses", row, body, read_at, {"name": body["name"], "code": body["code"]})


def _build_record(resource: str, row: Row, body: dict[str, Any], read_at: int, lookup_fields: dict[str, Any]) -> Record:
    # Without `updated_at`: the names of others, such as a currency, are in the body and have times of their own.
    return Record(
        resource=resource,
        id=str(row["id"]),
        read_at=read_at,
        body=body,
        sort_key=row["id"],
        lookup_fields=lookup_fields,
    )
