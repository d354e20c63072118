import orjson
import pytest

from platforms.odoo.hints import OdooHints


@pytest.mark.parametrize(
    ("hint", "records"),
    [
        ({"_model": "product.template", "_id": 7, "_action": "save"}, {"products": ("7",)}),
        ({"_model": "product.product", "_id": 9, "product_tmpl_id": 7}, {"products": ("7",)}),
        ({"_model": "stock.quant", "_id": 1, "product_id": 9, "location_id": 8}, {"stock": ("9-8",)}),
        ({"_model": "product.product", "_id": 9}, {}),
        ({"_model": "stock.quant", "_id": 1, "product_id": 9, "location_id": False}, {}),
        ({"_model": "product.template", "_id": True}, {}),
        ({"_model": "product.template", "_id": "7; drop"}, {}),
        ({"_model": "res.partner", "_id": 7}, {}),
        ([1], {}),
        ({}, {}),
    ],
)
def test_a_hint_names_the_records_to_read(hint: object, records: dict[str, tuple[str, ...]]) -> None:
    assert OdooHints().parse_records(orjson.dumps(hint)) == records


def test_what_is_no_json_names_nothing() -> None:
    assert OdooHints().parse_records(b"_model=product.template") == {}
