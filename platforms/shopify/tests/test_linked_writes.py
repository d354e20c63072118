"""What is written and read back means what was wanted, for all values of all fields."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linking.fields import FIELDS, ValueKind, list_fields
from linking.records import PRODUCTS, VARIANTS, SkuFormat
from linking.sku_formats import format_sku
from linking.values import is_same
from platforms.shopify.linked_writes import (
    build_new_product,
    build_product_input,
    build_variant_input,
    read_product_values,
    read_variant_values,
)

KINDS = {(one.resource, one.name): one.kind for one in FIELDS}
TEXTS = st.none() | st.text(max_size=30)
AMOUNTS = st.none() | st.decimals(0, 10**6, places=3).map(str) | st.sampled_from(["", "0", "12.345", "1e2"])
SKUS = st.text("ABC-123", min_size=1, max_size=8).map(str.strip)
PRODUCT: dict[str, Any] = {
    "status": "ACTIVE", "title": "Mug", "descriptionHtml": "<p>Tea</p>", "vendor": "", "productType": "", "tags": [],
}  # fmt: skip
STRATEGIES = {
    ValueKind.TEXT: TEXTS,
    ValueKind.HTML: st.none() | st.text("<p> b/>äx&;", max_size=30),
    ValueKind.MONEY: AMOUNTS,
    ValueKind.WEIGHT: st.none() | st.decimals(0, 10**6, places=4).map(str),
    ValueKind.TAGS: st.none() | st.lists(st.text("aAbB ,é", max_size=6), max_size=4),
    ValueKind.BOOLEAN: st.booleans(),
}


def build_values(resource: str, **others: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Values of any of the fields that are written to existing records."""
    fields = {one.name: STRATEGIES[one.kind] for one in list_fields(resource) if one.kind is not ValueKind.OPTIONS}
    return st.fixed_dictionaries({}, optional={**fields, **others})


def build_variant(unit: str = "KILOGRAMS", sku: str = "A-1") -> dict[str, Any]:
    weight = {"value": 1.0, "unit": unit}
    item = {"unitCost": None, "measurement": {"weight": weight}}
    return {"sku": sku, "barcode": None, "price": "1.00", "compareAtPrice": None, "inventoryItem": item}


def apply_to_variant(node: dict[str, Any], written: dict[str, Any]) -> dict[str, Any]:
    """The variant as a shop has it after it was written to."""
    item = written.get("inventoryItem", {})
    own = node["inventoryItem"]
    cost = item.get("cost", own["unitCost"])
    return {
        **node,
        **{name: value for name, value in written.items() if name in node},
        "sku": item.get("sku", node["sku"]),
        "inventoryItem": {
            "unitCost": {"amount": cost} if cost is not None else None,
            "measurement": item.get("measurement", own["measurement"]),
        },
    }


def assert_same(resource: str, read: dict[str, Any], wanted: dict[str, Any], currency: str | None = None) -> None:
    different = {
        name: (read[name], value)
        for name, value in wanted.items()
        if not is_same(KINDS[resource, name], read[name], value, currency)
    }
    assert different == {}


@given(build_values(PRODUCTS))
def test_a_product_reads_back_as_it_was_written(wanted: dict[str, Any]) -> None:
    node = {**PRODUCT, **build_product_input(wanted)}
    assert_same(PRODUCTS, read_product_values(node), wanted)


@given(
    build_values(VARIANTS, sku=SKUS),
    st.sampled_from(["GRAMS", "KILOGRAMS", "OUNCES", "POUNDS"]),
    st.sampled_from(["EUR", "JPY", "KWD", None]),
)
def test_a_variant_reads_back_as_it_was_written(wanted: dict[str, Any], unit: str, currency: str | None) -> None:
    node = build_variant(unit)
    written = build_variant_input(wanted, node, SkuFormat.PLAIN, currency)
    read = apply_to_variant(node, written)
    assert_same(VARIANTS, read_variant_values(read, SkuFormat.PLAIN), wanted, currency)
    assert read["inventoryItem"]["measurement"]["weight"]["unit"] == unit


@given(SKUS, st.text("XY- 7", max_size=6))
def test_the_bin_of_a_variant_stays(sku: str, bin_name: str) -> None:
    node = build_variant(sku=format_sku("OLD", bin_name, SkuFormat.SKU_BIN))
    written = build_variant_input({"sku": sku}, node, SkuFormat.SKU_BIN, None)
    assert written["inventoryItem"]["sku"] == format_sku(sku, bin_name, SkuFormat.SKU_BIN)
    read = read_variant_values(apply_to_variant(node, written), SkuFormat.SKU_BIN)
    assert read["sku"] == sku


@given(build_values(PRODUCTS), build_values(VARIANTS, sku=SKUS))
def test_a_new_product_reads_back_as_it_was_written(fields: dict[str, Any], variant: dict[str, Any]) -> None:
    written = build_new_product("7", fields, [variant], SkuFormat.PLAIN, "EUR")
    assert_same(PRODUCTS, read_product_values({**PRODUCT, **written}), fields)
    (made,) = written["variants"]
    node = apply_to_variant(build_variant(), made)
    assert_same(VARIANTS, read_variant_values(node, SkuFormat.PLAIN), variant, "EUR")


def test_amounts_have_the_digits_of_their_currency() -> None:
    values = {"price": "12.345", "cost": "0.005", "compare_at_price": "0"}
    written = build_variant_input(values, None, SkuFormat.PLAIN, "EUR")
    assert written == {"price": "12.35", "compareAtPrice": None, "inventoryItem": {"cost": "0.01"}}
    assert build_variant_input({"price": "12.345"}, None, SkuFormat.PLAIN, "JPY") == {"price": "12"}


def test_a_weight_keeps_the_merchants_unit() -> None:
    written = build_variant_input({"weight": "1250"}, build_variant("KILOGRAMS"), SkuFormat.PLAIN, None)
    weight = written["inventoryItem"]["measurement"]["weight"]
    assert (Decimal(str(weight["value"])), weight["unit"]) == (Decimal("1.25"), "KILOGRAMS")


def test_a_custom_id_is_written_without_a_type() -> None:
    (metafield,) = build_new_product("7", {"title": "Mug"}, [], SkuFormat.PLAIN, None)["metafields"]
    assert metafield == {"namespace": "merchant_sync", "key": "external_id", "value": "7"}


@pytest.mark.parametrize(
    ("resource", "values"),
    [
        (PRODUCTS, {"title": 7}),
        (PRODUCTS, {"tags": "red"}),
        (PRODUCTS, {"published": "yes"}),
        (PRODUCTS, {"sku": "A"}),
        (VARIANTS, {"price": "cheap"}),
        (VARIANTS, {"weight": "NaN"}),
        (VARIANTS, {"sku": None}),
        (VARIANTS, {"title": "A"}),
    ],
)
def test_a_value_of_another_form_is_refused(resource: str, values: dict[str, Any]) -> None:
    if resource == PRODUCTS:
        with pytest.raises(ValueError, match=r"not a|no field"):
            build_product_input(values)
    else:
        with pytest.raises(ValueError, match=r"not a|no field|no SKU"):
            build_variant_input(values, None, SkuFormat.PLAIN, None)


def test_a_new_variant_whose_stock_is_counted_is_tracked_and_has_its_units() -> None:
    counted = {"sku": "A", "cost": "1", "stock": {"gid://shopify/Location/1": 4}}
    (made,) = build_new_product("7", {"title": "Mug"}, [counted], SkuFormat.PLAIN, "EUR")["variants"]
    assert made["inventoryItem"] == {"sku": "A", "cost": "1.00", "tracked": True}
    assert made["inventoryQuantities"] == [
        {"locationId": "gid://shopify/Location/1", "name": "available", "quantity": 4}
    ]
    (made,) = build_new_product("7", {"title": "Mug"}, [{"sku": "A"}], SkuFormat.PLAIN, "EUR")["variants"]
    assert made["inventoryItem"] == {"sku": "A"}
