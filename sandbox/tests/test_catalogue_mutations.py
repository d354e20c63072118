"""Variants come and go, media are ordered, tags and metafields are set, and definitions say what metafields may be."""

from typing import Any

import pytest

from sandbox.shopify import metafields

CREATE_VARIANTS = """mutation($id: ID!, $variants: [ProductVariantsBulkInput!]!,
    $strategy: ProductVariantsBulkCreateStrategy) {
  productVariantsBulkCreate(productId: $id, variants: $variants, strategy: $strategy) {
    product { options { name values } }
    productVariants { id title price position inventoryQuantity } userErrors { field message code } } }"""
DELETE_VARIANTS = """mutation($id: ID!, $ids: [ID!]!) { productVariantsBulkDelete(productId: $id, variantsIds: $ids) {
  product { variants(first: 9) { nodes { id position } } } userErrors { field code } } }"""
REORDER = """mutation($id: ID!, $moves: [MoveInput!]!) { productReorderMedia(id: $id, moves: $moves) {
  job { id done } mediaUserErrors { field message code } } }"""
MEDIA = "query($id: ID!) { product(id: $id) { media(first: 9) { nodes { id } } } }"
ADD_TAGS = """mutation($id: ID!, $tags: [String!]!) { tagsAdd(id: $id, tags: $tags) {
  node { ... on Product { tags } } userErrors { field } } }"""
REMOVE_TAGS = ADD_TAGS.replace("tagsAdd", "tagsRemove")
SET_METAFIELDS = """mutation($metafields: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $metafields) {
  metafields { namespace key type value compareDigest ownerType } userErrors { field message code } } }"""
DEFINE = """mutation($definition: MetafieldDefinitionInput!) { metafieldDefinitionCreate(definition: $definition) {
  createdDefinition { key } userErrors { field message code } } }"""


def build_new_variant(shop: Any, value: str, **fields: Any) -> dict[str, Any]:
    option = shop.product.options[0].name
    return {"optionValues": [{"optionName": option, "name": value}], "price": "5", **fields}


def build_metafield(shop: Any, **fields: Any) -> dict[str, Any]:
    text = {"type": "single_line_text_field", "value": "wool"}
    return {"ownerId": shop.gid, "namespace": "custom", "key": "fabric", **text, **fields}


def test_new_variants_bring_their_option_values_and_their_stock(shop: Any) -> None:
    location = next(iter(shop.tenant.shop.locations)).number
    quantities = [{"locationId": f"gid://shopify/Location/{location}", "availableQuantity": 4}]
    variants = [build_new_variant(shop, "Huge", inventoryQuantities=quantities), build_new_variant(shop, "Tiny")]
    payload = shop.send(CREATE_VARIANTS, id=shop.gid, variants=variants)
    assert payload["userErrors"] == []
    assert [(v["title"], v["price"], v["position"]) for v in payload["productVariants"]] == [
        ("Huge", "5.00", 4), ("Tiny", "5.00", 5),
    ]  # fmt: skip
    assert [v["inventoryQuantity"] for v in payload["productVariants"]] == [4, 0]
    assert payload["product"]["options"][0]["values"][-2:] == ["Huge", "Tiny"]


@pytest.mark.parametrize(
    ("values", "field", "code"),
    [
        ([], ["variants", "0"], "NEED_TO_ADD_OPTION_VALUES"),
        ([{"optionName": "Smell", "name": "x"}], ["variants", "0", "optionValues", "0"], "INVALID_INPUT"),
    ],
)
def test_a_new_variant_needs_a_value_for_each_option(shop: Any, values: Any, field: list[str], code: str) -> None:
    payload = shop.send(CREATE_VARIANTS, id=shop.gid, variants=[{"optionValues": values}])
    assert [(error["field"], error["code"]) for error in payload["userErrors"]] == [(field, code)]
    assert payload["productVariants"] == [] and shop.events == []


def test_a_variant_exists_once(shop: Any) -> None:
    value = shop.product.variants[0].values[0]
    payload = shop.send(CREATE_VARIANTS, id=shop.gid, variants=[build_new_variant(shop, value)])
    assert payload["userErrors"][0]["code"] == "VARIANT_ALREADY_EXISTS_CHANGE_OPTION_VALUE"
    assert payload["userErrors"][0]["message"].startswith(f"The variant '{value}' already exists.")


def test_variants_are_deleted_and_the_others_move_up(shop: Any) -> None:
    kept = [shop.variant_gid(1), shop.variant_gid(2)]
    payload = shop.send(DELETE_VARIANTS, id=shop.gid, ids=[shop.variant_gid(0)])
    nodes = payload["product"]["variants"]["nodes"]
    assert [(node["id"], node["position"]) for node in nodes] == [(kept[0], 1), (kept[1], 2)]
    assert shop.events == ["PRODUCTS_UPDATE", "INVENTORY_ITEMS_DELETE"]


def test_the_last_variant_and_variants_of_others_are_not_deleted(shop: Any) -> None:
    ids = [shop.variant_gid(index) for index in range(3)]
    assert shop.send(DELETE_VARIANTS, id=shop.gid, ids=ids)["userErrors"][0]["code"] == "CANNOT_DELETE_LAST_VARIANT"
    payload = shop.send(DELETE_VARIANTS, id=shop.gid, ids=[ids[0], "gid://shopify/ProductVariant/9"])
    code = "AT_LEAST_ONE_VARIANT_DOES_NOT_BELONG_TO_THE_PRODUCT"
    assert payload["userErrors"] == [{"field": ["variantsIds", "1"], "code": code}]
    assert len(shop.product.variants) == 3


def test_media_are_ordered_some_time_after_the_answer(shop: Any) -> None:
    before = [node["id"] for node in shop.send(MEDIA, id=shop.gid)["media"]["nodes"]]
    job = shop.send(REORDER, id=shop.gid, moves=[{"id": before[1], "newPosition": "0"}])["job"]
    query = "query($id: ID!) { job(id: $id) { done } }"
    assert (job["done"], shop.send(query, id=job["id"])) == (False, {"done": False})
    shop.work()
    assert [node["id"] for node in shop.send(MEDIA, id=shop.gid)["media"]["nodes"]] == before[::-1]
    assert shop.send(query, id=job["id"]) == {"done": True}


def test_media_of_an_unknown_product_are_not_ordered(shop: Any) -> None:
    payload = shop.send(REORDER, id="gid://shopify/Product/9", moves=[])
    error = {"field": ["id"], "message": "Product does not exist", "code": "PRODUCT_DOES_NOT_EXIST"}
    assert payload == {"job": None, "mediaUserErrors": [error]}


def test_tags_are_added_and_removed_whatever_their_case(shop: Any) -> None:
    shop.product.tags = ["a", "b"]
    assert shop.send(ADD_TAGS, id=shop.gid, tags=["C, d", "A"])["node"] == {"tags": ["C", "a", "b", "d"]}
    assert shop.send(REMOVE_TAGS, id=shop.gid, tags=["c", "B"])["node"] == {"tags": ["a", "d"]}
    assert shop.send(REMOVE_TAGS, id=shop.gid, tags=["x"])["node"] == {"tags": ["a", "d"]} and shop.events == []


def test_a_metafield_is_set_if_its_digest_is_still_the_same(shop: Any) -> None:
    first = shop.send(SET_METAFIELDS, metafields=[build_metafield(shop, compareDigest=None)])["metafields"][0]
    assert (first["value"], first["ownerType"]) == ("wool", "PRODUCT")
    changed = build_metafield(shop, value="silk", compareDigest=first["compareDigest"])
    assert shop.send(SET_METAFIELDS, metafields=[changed])["metafields"][0]["value"] == "silk"
    payload = shop.send(SET_METAFIELDS, metafields=[changed | {"value": "jute"}])
    assert [(error["field"], error["code"]) for error in payload["userErrors"]] == [
        (["metafields", "0"], "STALE_OBJECT")
    ]
    assert metafields.find_metafield(shop.product.metafields, "custom", "fabric").value == "silk"


def test_a_digest_of_a_metafield_that_is_not_there_is_invalid(shop: Any) -> None:
    payload = shop.send(SET_METAFIELDS, metafields=[build_metafield(shop, compareDigest="0" * 64)])
    assert payload["userErrors"][0]["code"] == "INVALID_COMPARE_DIGEST"


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"ownerId": "gid://shopify/Product/9"}, "ownerId", "INVALID_VALUE"),
        ({"type": None}, "type", "BLANK"),
        ({"namespace": "ab"}, "namespace", "TOO_SHORT"),
        ({"key": "x"}, "key", "TOO_SHORT"),
        ({"value": ""}, "value", "INVALID_VALUE"),
        ({"type": "number_integer"}, "value", "INVALID_VALUE"),
        ({"type": "json", "value": "{nope"}, "value", "INVALID_VALUE"),
    ],
)
def test_one_wrong_metafield_refuses_all(shop: Any, fields: dict[str, Any], field: str, code: str) -> None:
    rows = [build_metafield(shop, key="right"), build_metafield(shop, **fields)]
    payload = shop.send(SET_METAFIELDS, metafields=rows)
    assert [(e["field"], e["code"]) for e in payload["userErrors"]] == [(["metafields", "1", field], code)]
    assert metafields.find_metafield(shop.product.metafields, "custom", "right") is None


def test_a_metafield_of_a_variant_is_the_variants(shop: Any) -> None:
    row = build_metafield(shop, ownerId=shop.variant_gid(0))
    assert shop.send(SET_METAFIELDS, metafields=[row])["metafields"][0]["ownerType"] == "PRODUCTVARIANT"
    assert [m.key for m in shop.product.variants[0].metafields] == ["fabric"]


def test_at_most_25_metafields_are_set_at_once(shop: Any) -> None:
    rows = [build_metafield(shop, key=f"key_{n}") for n in range(26)]
    assert shop.send(SET_METAFIELDS, metafields=rows)["userErrors"][0]["code"] == "LESS_THAN_OR_EQUAL_TO"


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"namespace": "ab"}, ["definition", "namespace"], "TOO_SHORT"),
        ({"namespace": "my space"}, ["definition", "namespace"], "INVALID_CHARACTER"),
        ({"type": "made_up"}, ["definition", "type"], "INCLUSION"),
        ({"name": "x" * 256}, ["definition", "name"], "TOO_LONG"),
        (
            {"capabilities": {"uniqueValues": {"enabled": False}}},
            ["definition"], "CAPABILITY_REQUIRED_BUT_DISABLED",
        ),
        ({"type": "json", "capabilities": {"uniqueValues": {"enabled": True}}}, ["definition"], "INVALID_CAPABILITY"),
        ({}, None, None),
    ],
)  # fmt: skip
def test_a_definition_is_made_once_and_only_if_it_is_right(
    shop: Any, fields: dict[str, Any], field: list[str] | None, code: str | None
) -> None:
    definition = {"ownerType": "PRODUCT", "namespace": "erp", "key": "id", "name": "Id", "type": "id", **fields}
    payload = shop.send(DEFINE, definition=definition)
    if field is not None:
        assert [(error["field"], error["code"]) for error in payload["userErrors"]] == [(field, code)]
        return
    assert payload == {"createdDefinition": {"key": "id"}, "userErrors": []}
    error = shop.send(DEFINE, definition=definition)["userErrors"][0]
    assert error["code"] == "TAKEN"
    assert error["message"] == "Key is in use for Product metafields on the 'erp' namespace."
