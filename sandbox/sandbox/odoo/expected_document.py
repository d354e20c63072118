"""The document that merchant-sync must store for a database, computed from the simulated server's own rows.

Calls of clients do not influence it, so tests can compare it with what merchant-sync stored.
"""

from collections.abc import Iterable
from typing import Any

import orjson

from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.fields import Row
from sandbox.odoo.models import images, variants
from sandbox.odoo.models.stock_moves import QUANT
from sandbox.odoo.reading import show_value

Body = dict[str, Any]
_DIGITS = 6


def build_document(env: OdooEnvironment) -> bytes:
    """Build the exact bytes of the document of a database: every resource's records, in the order of their ids."""
    everything = env.extend_context(active_test=False)
    data: dict[str, list[Body]] = {
        "company": [_build_company(everything, row) for row in _list_rows(env, "res.company")],
        "products": [build_product(everything, row) for row in _list_rows(env, "product.template")],
        "stock": _build_stock(everything),
        "taxes": [_build_tax(everything, row) for row in _list_rows(env, "account.tax")],
        "warehouses": [_build_warehouse(everything, row) for row in _list_rows(env, "stock.warehouse")],
    }
    return orjson.dumps({"data": data}, option=orjson.OPT_SORT_KEYS)


def _list_rows(env: OdooEnvironment, model: str) -> list[Row]:
    return [row for _, row in sorted(env.database.list_rows(model).items())] if model in env.models else []


def _get(env: OdooEnvironment, model: str, row: Row, name: str) -> Any:
    """Return the value of a field as the document has it: null for an empty one."""
    field = env.get_fields(model).get(name)
    if field is None:
        return None
    value = show_value(env, model, row, field)
    return None if value is False and field.type != "boolean" else value


def _get_name(env: OdooEnvironment, model: str, row: Row, name: str) -> Any:
    value = _get(env, model, row, name)
    return value[1] if value else None


def _get_reference(env: OdooEnvironment, model: str, row: Row, name: str) -> Body | None:
    value = _get(env, model, row, name)
    return {"id": value[0], "name": value[1]} if value else None


def _build_company(env: OdooEnvironment, row: Row) -> Body:
    model = "res.company"
    return {
        "id": row["id"], "name": row["name"], "currency": _get_name(env, model, row, "currency_id"),
        "country": _get_name(env, model, row, "country_id"),
    }  # fmt: skip


def _build_tax(env: OdooEnvironment, row: Row) -> Body:
    model = "account.tax"
    plain = ("id", "name", "type_tax_use", "amount_type", "amount", "price_include", "active")
    return {
        **{name: _get(env, model, row, name) for name in plain},
        "company": _get_reference(env, model, row, "company_id"),
    }


def _build_warehouse(env: OdooEnvironment, row: Row) -> Body:
    model, place = "stock.warehouse", "stock.location"
    locations = [
        {name: _get(env, place, other, name) for name in ("id", "complete_name", "usage", "active")}
        for other in _list_rows(env, place)
        if env.get_value(place, other, "warehouse_id") == row["id"]
    ]
    return {
        "id": row["id"], "name": row["name"], "code": row["code"], "locations": locations,
        "company": _get_reference(env, model, row, "company_id"), "lot_stock_location_id": row["lot_stock_id"],
    }  # fmt: skip


def build_product(env: OdooEnvironment, row: Row) -> Body:
    """Build the record of a product: its template with its variants."""
    model = "product.template"
    optional = {
        name: _get(env, model, row, name)
        for name in ("website_description", "is_published")
        if name in env.get_fields(model)
    }
    plain = ("id", "name", "active", "sale_ok", "description_sale", "default_code", "barcode", "list_price", "weight",
             "write_date", "create_date")  # fmt: skip
    kind = "product" if env.version == 17 and row["tracks_stock"] else row["kind"]
    lines = [
        line for number in env.database.find_referring(variants.LINE, "product_tmpl_id", row["id"])
        if (line := env.find(variants.LINE, number))["active"]
    ]  # fmt: skip
    lines.sort(key=lambda line: (line["sequence"], line["id"]))
    return {
        **{name: _get(env, model, row, name) for name in plain},
        **optional,
        "type": kind,
        "is_storable": row["tracks_stock"],
        "weight_unit": "kg",
        "currency": _get_name(env, model, row, "currency_id"),
        "category": _get_reference(env, model, row, "categ_id"),
        "tags": _name_all(env, "product.tag", row["product_tag_ids"]),
        "taxes": sorted(row["taxes_id"]),
        "attributes": [_build_line(env, line) for line in lines],
        "variants": [_build_variant(env, variant) for variant in variants.list_variants(env, row["id"])],
        "image_checksum": _get_checksum(env, model, row["id"], "image_1920"),
        "x_fields": {},
    }


def _build_line(env: OdooEnvironment, line: Row) -> Body:
    attribute = line["attribute_id"]
    return {
        "id": line["id"],
        "attribute": {"id": attribute, "name": env.read_value("product.attribute", attribute, "name")},
        "values": _name_all(env, "product.attribute.value", line["value_ids"]),
    }


def _build_variant(env: OdooEnvironment, row: Row) -> Body:
    model = "product.product"
    options = []
    for number in row["product_template_attribute_value_ids"]:
        value = env.find(variants.VALUE, number)
        options.append(
            {
                "attribute": env.read_value("product.attribute", value["attribute_id"], "name"),
                "value": variants.find_value_name(env, value),
                "value_id": number,
                "price_extra": value["price_extra"],
            }
        )
    plain = ("id", "active", "default_code", "barcode", "weight", "write_date")
    return {
        **{name: _get(env, model, row, name) for name in plain},
        "price": _get(env, model, row, "lst_price"),
        "cost": _get(env, model, row, "standard_price"),
        "options": options,
        "image_checksum": _get_checksum(env, model, row["id"], "image_variant_1920"),
    }


def _name_all(env: OdooEnvironment, model: str, numbers: Iterable[int]) -> list[Body]:
    return [{"id": number, "name": env.read_value(model, number, "name")} for number in sorted(numbers)]


def _get_checksum(env: OdooEnvironment, model: str, number: int, name: str) -> Any:
    found = images.find_attachment(env, model, number, name)
    return found["checksum"] if found else None


def _build_stock(env: OdooEnvironment) -> list[Body]:
    grouped: dict[tuple[int, int], list[Row]] = {}
    for row in _list_rows(env, QUANT):
        if env.find("stock.location", row["location_id"])["usage"] == "internal":
            grouped.setdefault((row["product_id"], row["location_id"]), []).append(row)
    return [_build_level(env, *key, quants) for key, quants in sorted(grouped.items())]


def _build_level(env: OdooEnvironment, product_id: int, location_id: int, quants: list[Row]) -> Body:
    product, place = env.find("product.product", product_id), env.find("stock.location", location_id)
    on_hand, reserved = (sum(row[name] for row in quants) for name in ("quantity", "reserved_quantity"))
    return {
        "product_id": product_id,
        "template_id": product["product_tmpl_id"],
        "default_code": product["default_code"],
        "location": {"id": location_id, "name": env.build_name("stock.location", place)},
        "warehouse_id": env.get_value("stock.location", place, "warehouse_id"),
        "on_hand": round(on_hand, _DIGITS),
        "reserved": round(reserved, _DIGITS),
        "free": round(on_hand - reserved, _DIGITS),
        "uom": _get_name(env, "product.product", product, "uom_id"),
        "updated_at": max(row["write_date"][:19] for row in quants),
    }
