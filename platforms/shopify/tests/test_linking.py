"""Products of a shop in the form that both sides of a link share."""

from typing import Any

import pytest

from linking.fields import FIELDS, list_field_names
from linking.records import ExtractOptions, LinkedRecord, MatchKeys, SkuFormat
from linking.values import normalise
from platforms.shopify.linking import extract_currency, extract_record

PRODUCT, VARIANT = "gid://shopify/Product/1", "gid://shopify/ProductVariant/2"
ITEM, SHELF = "gid://shopify/InventoryItem/4", "gid://shopify/Location/5"


def build_variant(**fields: Any) -> dict[str, Any]:
    node: dict[str, Any] = {"id": VARIANT, "sku": "A-1", "barcode": "400", "price": "9.90", "compareAtPrice": None}
    node |= {"selectedOptions": [{"name": "Size", "value": "S"}], **fields}
    return {"node": node}


def build_body(*variants: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": PRODUCT,
        "title": "Shirt",
        "description": "Cotton & <linen>",
        "descriptionHtml": "<p>Cotton &amp; &lt;linen&gt;</p>",
        "vendor": "Acme",
        "productType": "Shirts",
        "tags": ["summer", "new"],
        "status": "ACTIVE",
        "options": [{"name": "Size", "optionValues": [{"name": "S"}, {"name": "M"}]}],
        "variants": {"edges": list(variants or [build_variant()])},
        **fields,
    }


def extract(body: dict[str, Any], sku_format: SkuFormat = SkuFormat.PLAIN) -> LinkedRecord:
    record = extract_record("products", PRODUCT, body, ExtractOptions(sku_format))
    assert record is not None
    return record


def test_a_product_has_its_shared_fields() -> None:
    record = extract(build_body())
    assert (record.resource, record.id, record.parent) == ("products", PRODUCT, None)
    assert record.values == {
        "title": "Shirt",
        "description": "<p>Cotton &amp; &lt;linen&gt;</p>",
        "vendor": "Acme",
        "product_type": "Shirts",
        "tags": ["summer", "new"],
        "options": [{"name": "Size", "values": ["S", "M"]}],
        "published": True,
    }


def test_a_variant_has_its_shared_fields_and_keys() -> None:
    (variant,) = extract(build_body(build_variant(compareAtPrice="12.00"))).children
    assert (variant.resource, variant.id, variant.parent) == ("variants", VARIANT, PRODUCT)
    assert variant.keys == MatchKeys("A-1", "400")
    assert variant.option_values == {"Size": "S"}
    assert variant.values == {"sku": "A-1", "barcode": "400", "price": "9.90", "compare_at_price": "12.00"}


def test_every_value_has_the_form_of_its_kind() -> None:
    record = extract(build_body())
    for one in (record, *record.children):
        kinds = {field.name: field.kind for field in FIELDS if field.resource == one.resource}
        assert set(one.values) <= set(list_field_names())
        for name, value in one.values.items():
            normalise(kinds[name], value, "EUR")


def test_the_bin_is_read_from_the_sku_s_field() -> None:
    (variant,) = extract(build_body(build_variant(sku="A-1 - Shelf 4")), SkuFormat.SKU_BIN).children
    assert (variant.keys.sku, variant.values["sku"], variant.bin) == ("A-1", "A-1", "Shelf 4")


@pytest.mark.parametrize("sku", [None, "", " ", " - Shelf 4"])
def test_a_variant_without_a_sku_has_none(sku: str | None) -> None:
    (variant,) = extract(build_body(build_variant(sku=sku, barcode=" ")), SkuFormat.SKU_BIN).children
    assert variant.keys == MatchKeys()


def test_a_product_without_options_has_none() -> None:
    options = [{"name": "Title", "optionValues": [{"name": "Default Title"}]}]
    assert extract(build_body(options=options)).values["options"] == []


@pytest.mark.parametrize(
    ("status", "published", "archived"),
    [("ACTIVE", True, False), ("UNLISTED", True, False), ("DRAFT", False, False), ("ARCHIVED", False, True)],
)
def test_a_product_s_status_says_whether_it_can_be_bought(status: str, published: bool, archived: bool) -> None:
    record = extract(build_body(status=status))
    assert record.values["published"] is published
    assert (record.is_archived, record.is_in_domain) == (archived, not archived)


def test_nothing_is_said_of_a_status_that_is_not_known() -> None:
    assert "published" not in extract(build_body(status="A_STATUS_OF_2027")).values


def test_other_resources_are_not_linked() -> None:
    assert extract_record("collections", "gid://shopify/Collection/1", {}, ExtractOptions()) is None
    assert extract_record("products", "1", build_body(), ExtractOptions()) is None


def test_the_shop_tells_the_currency() -> None:
    assert extract_currency("shop", {"currencyCode": "EUR"}) == "EUR"
    assert extract_currency("products", build_body()) is None


def build_item(**fields: Any) -> dict[str, Any]:
    level = {"id": "l1", "location": SHELF, "quantities": [{"name": "available", "quantity": 7}]}
    return {"tracked": True, "variants": {VARIANT: True}, "levels": [level], **fields}


def test_stock_is_what_is_available_by_location() -> None:
    record = extract_record("inventory", ITEM, build_item(), ExtractOptions())
    assert record == LinkedRecord("stock", ITEM, {SHELF: 7}, parent=VARIANT)


@pytest.mark.parametrize("fields", [{"tracked": False}, {"levels": []}])
def test_an_item_that_is_not_tracked_or_is_nowhere_has_no_number(fields: dict[str, Any]) -> None:
    record = extract_record("inventory", ITEM, build_item(**fields), ExtractOptions())
    assert record is not None
    assert record.values == {}


def test_a_level_whose_location_is_not_told_has_no_number() -> None:
    item = build_item()
    item["levels"][0]["location"] = None
    record = extract_record("inventory", ITEM, item, ExtractOptions())
    assert record is not None
    assert record.values == {}


@pytest.mark.parametrize("variants", [{}, {VARIANT: True, "gid://shopify/ProductVariant/3": True}])
def test_an_item_of_no_variant_or_of_several_is_not_linked(variants: dict[str, bool]) -> None:
    assert extract_record("inventory", ITEM, build_item(variants=variants), ExtractOptions()) is None


def test_a_record_without_the_description_as_html_says_nothing_of_it() -> None:
    body = build_body()
    del body["descriptionHtml"]
    assert "description" not in extract(body).values
