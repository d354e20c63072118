"""A product is made once, with its variants, whatever becomes of answers."""

from typing import Any

import pytest

FIELDS: dict[str, Any] = {
    "title": "Shirt",
    "description": "<p>Cotton</p>",
    "product_type": "Shirts",
    "tags": ["summer"],
    "vendor": "Acme",
    "options": [{"name": "Size", "values": ["S", "M"]}, {"name": "Colour", "values": ["Red"]}],
}
SMALL = {"sku": "S-S", "barcode": None, "weight": "200", "option_values": {"Size": "S", "Colour": "Red"}}
MEDIUM = {"sku": "S-M", "barcode": "401", "weight": "220", "option_values": {"Size": "M", "Colour": "Red"}}
AMOUNTS = {"price": "9.90", "cost": "4.00"}
VARIANTS: list[dict[str, Any]] = [{**AMOUNTS, **SMALL}, {**AMOUNTS, **MEDIUM}]


def request_shirt(shelf: Any, **more: Any) -> Any:
    values = {"operation": "create", "external_id": "5f_products_1", "variants": VARIANTS, **more}
    return shelf.request(None, values.pop("fields", FIELDS), **values)


async def count_templates(shelf: Any) -> int:
    return len(await shelf.world.find("product.template", ("name", "in", ["Shirt", "Mug"])))


@pytest.mark.parametrize("version", [17, 18, 19])
async def test_a_product_is_made_with_its_variants(open_shelf: Any, version: int) -> None:
    shelf = await open_shelf(version=version)
    (result,) = await shelf.write(request_shirt(shelf))
    assert (result.outcome, result.message) == ("applied", None)
    assert set(result.variants) == {"S-S", "S-M"}
    shown = await shelf.show("product.template", result.record, "name", "list_price", "description_sale", "sale_ok")
    assert shown == {"name": "Shirt", "list_price": 9.9, "description_sale": "Cotton", "sale_ok": True}
    medium = await shelf.show(
        "product.product", result.variants["S-M"], "default_code", "barcode", "weight", "standard_price"
    )
    assert medium == {"default_code": "S-M", "barcode": "401", "weight": 0.22, "standard_price": 4.0}
    assert result.values["options"] == FIELDS["options"]


async def test_a_product_without_options_has_one_variant(shelf: Any) -> None:
    variants = [{"sku": "MUG", "price": "5.00", "option_values": {}}]
    (result,) = await shelf.write(request_shirt(shelf, fields={"title": "Mug", "options": []}, variants=variants))
    assert (result.outcome, list(result.variants)) == ("applied", ["MUG"])


async def test_requested_twice_it_is_made_once(shelf: Any) -> None:
    request = request_shirt(shelf)
    (first,) = await shelf.write(request)
    (second,) = await shelf.write(request)
    assert (second.outcome, second.record, dict(second.variants)) == ("unchanged", first.record, dict(first.variants))
    assert await count_templates(shelf) == 1


@pytest.mark.parametrize("method", ["product.template.load", "product.product.load"])
@pytest.mark.parametrize("fault", ["hidden_calls", "cut_calls"])
async def test_a_lost_answer_makes_no_second_product(shelf: Any, method: str, fault: str) -> None:
    request = request_shirt(shelf)
    shelf.set_faults(**{fault: 1}, methods=[method])
    assert [one.outcome for one in await shelf.write(request)] == ["postponed"]
    (result,) = await shelf.write(request)
    assert result.outcome in ("applied", "unchanged")
    assert set(result.variants) == {"S-S", "S-M"}
    assert await count_templates(shelf) == 1


async def test_a_product_whose_sku_is_there_already_is_not_made(shelf: Any) -> None:
    template, _ = await shelf.make("Shirt of old", default_code="S-M")
    (result,) = await shelf.write(request_shirt(shelf))
    assert (result.outcome, result.record) == ("unchanged", template)
    assert await count_templates(shelf) == 0


async def test_different_prices_of_variants_are_said(shelf: Any) -> None:
    variants = [{**VARIANTS[0], "price": "12.00"}, VARIANTS[1]]
    (result,) = await shelf.write(request_shirt(shelf, variants=variants))
    assert (result.outcome, "lowest" in str(result.message)) == ("applied", True)
    assert await shelf.show("product.template", result.record, "list_price") == {"list_price": 9.9}


async def test_a_value_that_odoo_refuses_leaves_no_variant_half_made(shelf: Any) -> None:
    await shelf.make(barcode="401")
    (result,) = await shelf.write(request_shirt(shelf))
    assert (result.outcome, result.reason_code) == ("refused", "odoo_data")
    assert await shelf.world.find("product.product", ("default_code", "in", ["S-S", "S-M"])) == []
