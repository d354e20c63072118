"""The mutations of products and variants do what Shopify's do: to the records, to their times, and in their answers."""

from typing import Any

import pytest

from sandbox.shopify import edits
from sandbox.shopify.change_set import ChangeSet

OLD = "2026-01-01T00:00:00Z"
UPDATE = """mutation($product: ProductUpdateInput!, $media: [CreateMediaInput!]) {
  productUpdate(product: $product, media: $media) {
    product { id title handle vendor tags status description descriptionHtml updatedAt }
    userErrors { field message } } }"""
UPDATE_VARIANTS = """mutation($id: ID!, $variants: [ProductVariantsBulkInput!]!, $partly: Boolean) {
  productVariantsBulkUpdate(productId: $id, variants: $variants, allowPartialUpdates: $partly) {
    productVariants { id title price compareAtPrice barcode sku updatedAt metafields(first: 5) { nodes { key value } }
      inventoryItem { updatedAt tracked unitCost { amount } measurement { weight { value unit } } } }
    userErrors { field message code } } }"""


def test_an_update_sets_the_fields_that_it_has(shop: Any) -> None:
    vendor = shop.product.vendor
    payload = shop.send(UPDATE, product={"id": shop.gid, "title": "New", "tags": ["b", " a ", "B"]})
    assert payload["userErrors"] == []
    assert (payload["product"]["title"], payload["product"]["tags"]) == ("New", ["a", "b"])
    assert payload["product"]["vendor"] == vendor
    assert payload["product"]["updatedAt"] > OLD
    assert shop.events == ["PRODUCTS_UPDATE"]


def test_an_update_with_equal_values_moves_no_time_and_sends_no_webhook(shop: Any) -> None:
    fields = {"title": shop.product.title, "vendor": shop.product.vendor, "tags": shop.product.tags}
    payload = shop.send(UPDATE, product={"id": shop.gid, **fields})
    assert payload["product"]["updatedAt"] == OLD and shop.events == []


def test_a_description_stays_the_html_that_was_written(shop: Any) -> None:
    html = "<p>One &amp; <b>two</b></p><ul><li>three</li></ul>"
    product = shop.send(UPDATE, product={"id": shop.gid, "descriptionHtml": html})["product"]
    assert (product["descriptionHtml"], product["description"]) == (html, "One & two three")


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"title": ""}, ["title"], "Title can't be blank"),
        ({"title": "x" * 256}, ["title"], "Title is too long (maximum is 255 characters)"),
        ({"vendor": "x" * 256}, ["vendor"], "Vendor is too long (maximum is 255 characters)"),
        ({"handle": "x" * 256}, ["handle"], "Handle is too long (maximum is 255 characters)"),
        ({"tags": ["x" * 256]}, ["tags"], "Product tags is invalid"),
    ],
)
def test_an_update_with_a_wrong_value_is_refused_whole(
    shop: Any, fields: dict[str, Any], field: list[str], message: str
) -> None:
    payload = shop.send(UPDATE, product={"id": shop.gid, "status": "ARCHIVED", **fields})
    assert payload["userErrors"] == [{"field": field, "message": message}]
    assert shop.product.status == "ACTIVE" and shop.events == []


def test_an_update_of_an_unknown_product_is_a_user_error(shop: Any) -> None:
    payload = shop.send(UPDATE, product={"id": "gid://shopify/Product/9", "title": "Ghost"})
    assert payload == {"product": None, "userErrors": [{"field": ["id"], "message": "Product does not exist"}]}


def test_no_two_products_have_the_same_handle(shop: Any) -> None:
    other = list(shop.tenant.shop.products)[1]
    payload = shop.send(UPDATE, product={"id": shop.gid, "handle": f" {other.handle.upper()} "})
    assert payload["userErrors"][0]["field"] == ["input", "handle"]
    assert "already in use" in payload["userErrors"][0]["message"]
    assert shop.send(UPDATE, product={"id": shop.gid, "handle": " Mixed CASE/ Weird 200 % "})["product"]["handle"] == (
        "mixed-case-weird-200"
    )


def test_a_handle_is_taken_by_a_product_that_the_merchant_made(shop: Any) -> None:
    shop.send(UPDATE, product={"id": shop.gid, "handle": "first"})
    handle = edits.create_product(shop.tenant.shop, ChangeSet(), {"title": "Made by hand"}).handle
    payload = shop.send(UPDATE, product={"id": shop.gid, "handle": handle})
    assert payload["userErrors"][0]["field"] == ["input", "handle"]


def test_variants_are_updated_with_their_items(shop: Any) -> None:
    item = {"sku": "A - 1", "cost": "4.5", "tracked": True, "measurement": {"weight": {"value": 1.5, "unit": "POUNDS"}}}
    metafield = {"namespace": "custom", "key": "bin", "type": "single_line_text_field", "value": "1"}
    fields = {"price": "24", "compareAtPrice": "30", "barcode": "123", "inventoryItem": item, "metafields": [metafield]}
    payload = shop.send(UPDATE_VARIANTS, id=shop.gid, variants=[{"id": shop.variant_gid(0), **fields}])
    assert payload["userErrors"] == []
    variant = payload["productVariants"][0]
    assert [variant[name] for name in ("price", "compareAtPrice", "barcode", "sku")] == [
        "24.00",
        "30.00",
        "123",
        "A - 1",
    ]
    assert variant["metafields"]["nodes"] == [{"key": "bin", "value": "1"}]
    assert variant["inventoryItem"]["unitCost"] == {"amount": "4.5"}
    assert variant["inventoryItem"]["measurement"] == {"weight": {"value": 1.5, "unit": "POUNDS"}}
    assert sorted(shop.events) == ["INVENTORY_ITEMS_UPDATE", "PRODUCTS_UPDATE"]


def test_a_new_cost_moves_the_time_of_the_item_alone(shop: Any) -> None:
    variants = [{"id": shop.variant_gid(0), "inventoryItem": {"cost": "999"}}]
    variant = shop.send(UPDATE_VARIANTS, id=shop.gid, variants=variants)["productVariants"][0]
    assert variant["inventoryItem"]["updatedAt"] > OLD and variant["updatedAt"] == shop.product.updated_at == OLD
    assert shop.events == ["INVENTORY_ITEMS_UPDATE"]


def test_one_wrong_variant_refuses_all_unless_partial_updates_are_allowed(shop: Any) -> None:
    variants = [{"id": shop.variant_gid(0), "price": "9.99"}, {"id": shop.variant_gid(1), "price": "-1.00"}]
    error = {
        "field": ["variants", "1", "price"],
        "message": "Price must be greater than or equal to 0",
        "code": "GREATER_THAN_OR_EQUAL_TO",
    }
    payload = shop.send(UPDATE_VARIANTS, id=shop.gid, variants=variants)
    assert (payload["productVariants"], payload["userErrors"], shop.events) == (None, [error], [])
    payload = shop.send(UPDATE_VARIANTS, id=shop.gid, variants=variants, partly=True)
    assert payload["userErrors"] == [error] and payload["productVariants"][0]["price"] == "9.99"
    assert shop.product.variants[1].price != "-1.00"


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({}, ["variants", "0", "id"], "PRODUCT_VARIANT_ID_MISSING"),
        ({"id": "gid://shopify/ProductVariant/9"}, ["variants", "0", "id"], "PRODUCT_VARIANT_DOES_NOT_EXIST"),
    ],
)
def test_a_variant_that_is_not_the_products_is_refused(
    shop: Any, fields: dict[str, str], field: list[str], code: str
) -> None:
    payload = shop.send(UPDATE_VARIANTS, id=shop.gid, variants=[fields])
    assert [(error["field"], error["code"]) for error in payload["userErrors"]] == [(field, code)]


def test_stock_is_not_set_by_an_update_of_variants(shop: Any) -> None:
    quantities = [{"locationId": "gid://shopify/Location/1", "availableQuantity": 4}]
    variants = [{"id": shop.variant_gid(0), "inventoryQuantities": quantities}]
    payload = shop.send(UPDATE_VARIANTS, id=shop.gid, variants=variants)
    assert payload["userErrors"][0]["code"] == "NO_INVENTORY_QUANTITIES_ON_VARIANTS_UPDATE"
