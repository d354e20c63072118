"""productSet makes a product as its input says: what lists leave out is deleted, what the input leaves out stays."""

from typing import Any

import pytest

OLD = "2026-01-01T00:00:00Z"
SET = """mutation($input: ProductSetInput!, $identifier: ProductSetIdentifiers, $synchronous: Boolean) {
  productSet(input: $input, identifier: $identifier, synchronous: $synchronous) {
    product { id title handle status updatedAt options { id name optionValues { id name hasVariants } }
      variants(first: 50) { nodes { id title price sku position inventoryQuantity inventoryItem { id tracked } } }
      metafields(first: 20) { nodes { namespace key type value } }
      media(first: 20) { nodes { id alt status } } }
    productSetOperation { id status }
    userErrors { field message code } } }"""
DEFINE = """mutation($definition: MetafieldDefinitionInput!) { metafieldDefinitionCreate(definition: $definition) {
  createdDefinition { id namespace key type { name } capabilities { uniqueValues { enabled } } }
  userErrors { field message code } } }"""
BY_CUSTOM_ID = """query($value: String!) { productByIdentifier(identifier:
  {customId: {namespace: "erp", key: "id", value: $value}}) { id title } }"""
COLORS = {
    "title": "Shirt",
    "productOptions": [{"name": "Color", "values": [{"name": "Red"}, {"name": "Blue"}]}],
    "variants": [
        {"optionValues": [{"optionName": "Color", "name": "Red"}], "price": "9.5", "sku": "R"},
        {"optionValues": [{"optionName": "Color", "name": "Blue"}], "price": "10", "sku": "B"},
    ],
}


def define_custom_id(shop: Any) -> None:
    definition = {"ownerType": "PRODUCT", "namespace": "erp", "key": "id", "name": "Id", "type": "id"}
    assert shop.send(DEFINE, definition=definition)["createdDefinition"]["capabilities"]["uniqueValues"]["enabled"]


def build_custom(value: str, **fields: Any) -> dict[str, Any]:
    """The variables of a productSet for the custom id `value`."""
    metafields = [{"namespace": "erp", "key": "id", "value": value}]
    identifier = {"customId": {"namespace": "erp", "key": "id", "value": value}}
    return {"identifier": identifier, "input": {"metafields": metafields, **fields}}


def list_codes(payload: dict[str, Any]) -> list[Any]:
    return [error["code"] for error in payload["userErrors"]]


def test_a_product_is_made_with_its_options_and_variants(shop: Any) -> None:
    payload = shop.send(SET, input=COLORS)
    assert payload["userErrors"] == []
    product = payload["product"]
    assert (product["handle"], product["status"]) == ("shirt", "ACTIVE")
    assert [(v["title"], v["price"], v["sku"]) for v in product["variants"]["nodes"]] == [
        ("Red", "9.50", "R"), ("Blue", "10.00", "B"),
    ]  # fmt: skip
    assert shop.events == ["PRODUCTS_CREATE", *(["INVENTORY_ITEMS_CREATE", "INVENTORY_LEVELS_CONNECT"] * 2)]


def test_a_product_without_options_has_one_default_variant(shop: Any) -> None:
    product = shop.send(SET, input={"title": "Shirt"})["product"]
    assert [v["title"] for v in product["variants"]["nodes"]] == ["Default Title"]
    again = shop.send(SET, input={"title": "Shirt"})["product"]
    assert (product["handle"], again["handle"]) == ("shirt", "shirt-1")


def test_the_same_input_again_changes_nothing(shop: Any) -> None:
    first = shop.send(SET, input=COLORS)["product"]
    second = shop.send(SET, input=COLORS, identifier={"id": first["id"]})["product"]
    assert (second, shop.events) == (first, [])


def test_variants_that_are_left_out_are_deleted_and_the_others_stay_themselves(shop: Any) -> None:
    first = shop.send(SET, input=COLORS)["product"]
    changed = {
        "productOptions": [{"name": "Color", "values": [{"name": "Blue"}, {"name": "Green"}]}],
        "variants": [
            {"optionValues": [{"optionName": "Color", "name": "Green"}], "price": "1"},
            {"optionValues": [{"optionName": "Color", "name": "Blue"}]},
        ],
    }
    product = shop.send(SET, input=changed, identifier={"id": first["id"]})["product"]
    green, blue = product["variants"]["nodes"]
    assert blue == first["variants"]["nodes"][1] | {"position": 2}
    assert green["title"] == "Green" and green["id"] not in {v["id"] for v in first["variants"]["nodes"]}
    values = product["options"][0]["optionValues"]
    assert [value["name"] for value in values] == ["Blue", "Green"]
    assert values[0]["id"] == first["options"][0]["optionValues"][1]["id"]
    assert product["title"] == "Shirt"
    assert sorted(shop.events) == [
        "INVENTORY_ITEMS_CREATE", "INVENTORY_ITEMS_DELETE", "INVENTORY_LEVELS_CONNECT", "PRODUCTS_UPDATE",
    ]  # fmt: skip


def test_metafields_that_are_left_out_are_deleted_and_without_a_list_all_stay(shop: Any) -> None:
    before = [(m.namespace, m.key) for m in shop.product.metafields]
    product = shop.send(SET, input={"title": "Same metafields"}, identifier={"id": shop.gid})["product"]
    assert len(product["metafields"]["nodes"]) == len(before) == 3
    kept = {"namespace": before[0][0], "key": before[0][1], "value": "kept"}
    product = shop.send(SET, input={"metafields": [kept]}, identifier={"id": shop.gid})["product"]
    assert product["metafields"]["nodes"] == [kept | {"type": "single_line_text_field"}]


def test_files_that_are_left_out_are_removed_and_new_ones_are_processed(shop: Any) -> None:
    before = shop.send(SET, input={"title": "x"}, identifier={"id": shop.gid})["product"]["media"]["nodes"]
    files = [
        {"originalSource": "https://images.example/new.png", "alt": "New"},
        {"id": before[1]["id"]},
        {"originalSource": "https://images.example/broken.png"},
    ]
    shop.tenant.faults.failing_media = ["broken"]
    media = shop.send(SET, input={"files": files}, identifier={"id": shop.gid})["product"]["media"]["nodes"]
    assert [m["status"] for m in media] == ["UPLOADED", before[1]["status"], "UPLOADED"]
    assert (media[0]["alt"], media[1]["id"]) == ("New", before[1]["id"])
    shop.work()
    assert [m.status for m in shop.product.media] == ["READY", before[1]["status"], "FAILED"]
    assert shop.product.media[0].url is not None and shop.product.media[2].url is None


def test_a_custom_id_makes_a_product_once_and_finds_it_then(shop: Any) -> None:
    define_custom_id(shop)
    first = shop.send(SET, **build_custom("7", title="First"))["product"]
    second = shop.send(SET, **build_custom("7", title="Second"))["product"]
    assert second["id"] == first["id"] and second["title"] == "Second"
    assert first["metafields"]["nodes"] == [{"namespace": "erp", "key": "id", "type": "id", "value": "7"}]
    assert shop.send(BY_CUSTOM_ID, value="7") == {"id": first["id"], "title": "Second"}
    assert shop.send(BY_CUSTOM_ID, value="8") is None


def test_a_custom_id_finds_a_product_that_got_it_by_another_mutation(shop: Any) -> None:
    define_custom_id(shop)
    query = """mutation($metafields: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $metafields) {
      metafields { type } userErrors { field code } } }"""
    assert shop.send(BY_CUSTOM_ID, value="7") is None
    fields = [{"ownerId": shop.gid, "namespace": "erp", "key": "id", "value": "7"}]
    assert shop.send(query, metafields=fields) == {"metafields": [{"type": "id"}], "userErrors": []}
    assert shop.send(SET, **build_custom("7", title="Found"))["product"]["id"] == shop.gid


def test_a_custom_id_that_another_product_has_is_refused(shop: Any) -> None:
    define_custom_id(shop)
    shop.send(SET, **build_custom("7", title="First"))
    metafields = build_custom("7")["input"]["metafields"]
    assert list_codes(shop.send(SET, input={"title": "Other", "metafields": metafields})) == ["CAPABILITY_VIOLATION"]


def test_a_custom_id_without_a_definition_is_an_error_of_the_field(shop: Any) -> None:
    body = shop.execute(SET, **build_custom("7", title="First"))
    assert body["data"]["productSet"] is None
    assert body["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert "type 'id' is required" in body["errors"][0]["message"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"metafields": None, "title": "x"}, "MISSING_FIELD_REQUIRED"),
        ({"metafields": [], "title": "x"}, "METAFIELD_MISMATCH"),
        ({"metafields": [{"namespace": "erp", "key": "id", "value": "8"}], "title": "x"}, "METAFIELD_MISMATCH"),
        ({"id": "gid://shopify/Product/1"}, "ID_NOT_ALLOWED"),
    ],
)
def test_the_input_must_agree_with_a_custom_id(shop: Any, fields: dict[str, Any], code: str) -> None:
    define_custom_id(shop)
    assert list_codes(shop.send(SET, **build_custom("7", **fields))) == [code]


def test_the_input_must_agree_with_a_handle(shop: Any) -> None:
    handle = {"handle": shop.product.handle}
    assert list_codes(shop.send(SET, input={"title": "x"}, identifier=handle)) == ["MISSING_FIELD_REQUIRED"]
    assert list_codes(shop.send(SET, input={"handle": "other"}, identifier=handle)) == ["INPUT_MISMATCH"]
    assert shop.send(SET, input={**handle, "title": "x"}, identifier=handle)["product"]["id"] == shop.gid


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"id": "gid://shopify/Product/9"}, ["input", "id"], "PRODUCT_DOES_NOT_EXIST"),
        ({"title": ""}, ["input", "title"], "INVALID_INPUT"),
        ({**COLORS, "variants": None}, ["input", "variants"], "VARIANTS_INPUT_MISSING"),
        ({**COLORS, "productOptions": None}, ["input", "productOptions"], "PRODUCT_OPTIONS_INPUT_MISSING"),
        ({**COLORS, "variants": COLORS["variants"] * 2}, ["input", "variants", "2"], "INVALID_VARIANT"),
        (
            {**COLORS, "productOptions": [{"name": "Size", "values": [{"name": "S"}]}]},
            ["input", "variants", "0", "optionValues", "0"], "OPTION_DOES_NOT_EXIST",
        ),
        (
            {**COLORS, "productOptions": [{"name": "Color", "values": [{"name": "Blue"}]}]},
            ["input", "variants", "0", "optionValues", "0"], "OPTION_VALUE_DOES_NOT_EXIST",
        ),
        (
            {**COLORS, "variants": [{**COLORS["variants"][0], "inventoryItem": {"cost": "-1"}}]},
            ["input", "variants", "0", "inventoryItem", "cost"], "INVALID_VARIANT",
        ),
    ],
)  # fmt: skip
def test_a_wrong_input_is_refused_whole(shop: Any, fields: dict[str, Any], field: list[str], code: str) -> None:
    payload = shop.send(SET, input=fields)
    error = payload["userErrors"][0]
    assert (payload["product"], error["field"], error["code"], shop.events) == (None, field, code, [])
    assert len(shop.tenant.shop.products) == 3


def test_quantities_need_the_scope_of_the_inventory(shop: Any) -> None:
    location = next(iter(shop.tenant.shop.locations)).number
    quantities = [{"locationId": f"gid://shopify/Location/{location}", "name": "available", "quantity": 7}]
    variants = [{**COLORS["variants"][0], "inventoryQuantities": quantities}]
    body = shop.execute(SET, frozenset({"write_products"}), input={**COLORS, "variants": variants})
    assert body["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
    product = shop.send(SET, input={**COLORS, "variants": variants})["product"]
    assert product["variants"]["nodes"][0]["inventoryQuantity"] == 7


def test_a_product_can_be_set_after_the_answer(shop: Any) -> None:
    payload = shop.send(SET, input=COLORS, synchronous=False)
    operation = payload["productSetOperation"]
    assert (payload["product"], operation["status"]) == (None, "CREATED")
    shop.work()
    query = "query($id: ID!) { productOperation(id: $id) { status product { title } } }"
    assert shop.send(query, id=operation["id"]) == {"status": "COMPLETE", "product": {"title": "Shirt"}}
