"""The record of a template is one that links read."""

from linking.records import ExtractOptions
from platforms.odoo.linking import extract_record
from platforms.odoo.products import ProductMapper, ProductParts

TEMPLATE = {
    "id": 5,
    "name": "Shirt",
    "active": True,
    "type": "consu",
    "sale_ok": True,
    "description_sale": False,
    "list_price": 9.9,
    "currency_id": [1, "EUR"],
    "categ_id": [1, "All"],
    "product_tag_ids": [2],
    "weight_uom_name": "lb",
    "write_date": "2026-11-01 10:00:00",
}
VARIANT = {
    "id": 7,
    "product_tmpl_id": [5, "Shirt"],
    "active": True,
    "default_code": "A-1",
    "barcode": False,
    "lst_price": 9.9,
    "standard_price": 0.0,
    "weight": 1.0,
    "write_date": "2026-11-01 10:00:00",
}


def test_the_record_of_a_template_is_one_that_links_read() -> None:
    parts = ProductParts([VARIANT], names={"product.tag": {2: "summer"}})
    record = ProductMapper(parts).map_template(TEMPLATE, 1_000)
    assert record.body is not None
    linked = extract_record("products", record.id, record.body, ExtractOptions())
    assert linked is not None
    assert (linked.id, linked.is_in_domain, linked.values["title"]) == ("5", True, "Shirt")
    (variant,) = linked.children
    assert variant.keys.sku == "A-1"
    assert variant.values["weight"] == "453.592370"
