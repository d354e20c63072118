"""Stock is set by comparison, once for each idempotency key, and as a whole or not at all."""

from typing import Any

import pytest

SET = """mutation($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id reason changes { name delta item { id } location { id } } }
    userErrors { field message code } } }"""
SET_WITHOUT_KEY = """mutation($input: InventorySetQuantitiesInput!) { inventorySetQuantities(input: $input) {
  inventoryAdjustmentGroup { id } userErrors { code } } }"""
ADJUST = """mutation($input: InventoryAdjustQuantitiesInput!, $key: String!) {
  inventoryAdjustQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { changes { name delta } } userErrors { field message code } } }"""
UPDATE_ITEM = """mutation($id: ID!, $input: InventoryItemInput!) { inventoryItemUpdate(id: $id, input: $input) {
  inventoryItem { updatedAt tracked sku unitCost { amount } measurement { weight { value unit } } }
  userErrors { field message } } }"""
OLD = "2026-01-01T00:00:00Z"


def build_row(shop: Any, quantity: int, index: int = 0, **fields: Any) -> dict[str, Any]:
    """A quantity of the stock of a variant at its first location. By default it is compared with what is there."""
    level = shop.product.variants[index].levels[0]
    return {
        "inventoryItemId": f"gid://shopify/InventoryItem/{level.item}",
        "locationId": f"gid://shopify/Location/{level.location}",
        "quantity": quantity, "changeFromQuantity": level.available, **fields,
    }  # fmt: skip


def build_input(*rows: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "available", "reason": "correction", "quantities": list(rows), **fields}


def read_stock(shop: Any) -> list[int]:
    return [variant.levels[0].available for variant in shop.product.variants]


@pytest.fixture(autouse=True)
def stock(shop: Any) -> None:
    for variant in shop.product.variants:
        variant.levels[0].available, variant.levels[0].active = 5, True
        variant.levels[0].updated_at = OLD


def test_stock_is_set_and_all_changes_are_in_one_group(shop: Any) -> None:
    payload = shop.send(SET, input=build_input(build_row(shop, 9), build_row(shop, 2, 1)), key="a")
    assert payload["userErrors"] == [] and read_stock(shop) == [9, 2, 5]
    changes = payload["inventoryAdjustmentGroup"]["changes"]
    assert [(c["name"], c["delta"]) for c in changes] == [
        ("available", 4), ("on_hand", 4), ("available", -3), ("on_hand", -3),
    ]  # fmt: skip
    assert shop.events == ["INVENTORY_LEVELS_UPDATE", "INVENTORY_LEVELS_UPDATE", "PRODUCTS_UPDATE"]


def test_one_stale_quantity_refuses_the_whole_call(shop: Any) -> None:
    rows = build_row(shop, 9), build_row(shop, 2, 1, changeFromQuantity=4)
    payload = shop.send(SET, input=build_input(*rows), key="a")
    error = payload["userErrors"][0]
    assert error["field"] == ["input", "quantities", "1", "changeFromQuantity"]
    assert error["code"] == "CHANGE_FROM_QUANTITY_STALE"
    assert payload["inventoryAdjustmentGroup"] is None and read_stock(shop) == [5, 5, 5] and shop.events == []


def test_null_is_not_compared_but_leaving_the_comparison_out_is_an_error(shop: Any) -> None:
    shop.send(SET, input=build_input(build_row(shop, 9, changeFromQuantity=None)), key="a")
    assert read_stock(shop)[0] == 9
    row = build_row(shop, 1)
    del row["changeFromQuantity"]
    body = shop.execute(SET, input=build_input(row), key="b")
    assert body["data"]["inventorySetQuantities"] is None
    assert body["errors"][0]["extensions"]["code"] == "INVALID_FIELD_ARGUMENTS"
    assert body["errors"][0]["message"].startswith("InventoryQuantityInput must include")


def test_an_equal_quantity_changes_nothing(shop: Any) -> None:
    payload = shop.send(SET, input=build_input(build_row(shop, 5)), key="a")
    assert payload == {"inventoryAdjustmentGroup": None, "userErrors": []}
    assert shop.product.variants[0].levels[0].updated_at == OLD and shop.events == []


def test_a_key_is_required_since_2026_04(shop: Any) -> None:
    variables = {"input": build_input(build_row(shop, 9))}
    body = shop.execute(SET_WITHOUT_KEY, **variables)
    assert body["errors"][0]["message"].startswith("The @idempotent directive is required")
    assert (body["errors"][0]["extensions"]["code"], read_stock(shop)[0]) == ("BAD_REQUEST", 5)
    assert shop.execute(SET_WITHOUT_KEY, version="2026-01", **variables)["data"]["inventorySetQuantities"]
    assert read_stock(shop)[0] == 9


def test_the_same_call_with_the_same_key_has_one_effect_and_the_same_answer(shop: Any) -> None:
    variables = {"input": build_input(build_row(shop, 9)), "key": "a"}
    first = shop.send(SET, **variables)
    shop.product.variants[0].levels[0].available = 3
    assert shop.send(SET, **variables) == first
    assert read_stock(shop)[0] == 3
    report = shop.tenant.statistics.build_report()
    assert (report["writes"], report["repeated_writes"]) == (
        {"inventorySetQuantities": 1}, {"inventorySetQuantities": 1},
    )  # fmt: skip


def test_a_key_belongs_to_one_call_and_a_failed_call_needs_a_new_one(shop: Any) -> None:
    shop.send(SET, input=build_input(build_row(shop, 9)), key="a")
    payload = shop.send(SET, input=build_input(build_row(shop, 8)), key="a")
    assert payload["userErrors"][0]["code"] == "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"
    stale = {"input": build_input(build_row(shop, 8, changeFromQuantity=1)), "key": "b"}
    shop.send(SET, **stale)
    assert shop.send(SET, **stale)["userErrors"][0]["code"] == "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"
    assert read_stock(shop)[0] == 9


def test_a_call_that_is_still_under_way_is_refused_and_may_be_sent_again(shop: Any) -> None:
    variables = {"input": build_input(build_row(shop, 9)), "key": "a"}
    shop.tenant.faults.concurrent_writes = 1
    assert shop.send(SET, **variables)["userErrors"][0]["code"] == "IDEMPOTENCY_CONCURRENT_REQUEST"
    assert read_stock(shop)[0] == 5
    assert shop.send(SET, **variables)["userErrors"] == []
    assert read_stock(shop)[0] == 9


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"inventoryItemId": "gid://shopify/InventoryItem/9"}, "inventoryItemId", "INVALID_INVENTORY_ITEM"),
        ({"locationId": "gid://shopify/Location/9"}, "locationId", "INVALID_LOCATION"),
        ({"quantity": 1_000_000_001}, "quantity", "INVALID_QUANTITY_TOO_HIGH"),
        ({"quantity": -1_000_000_001}, "quantity", "INVALID_QUANTITY_TOO_LOW"),
    ],
)
def test_a_wrong_quantity_is_a_user_error(shop: Any, fields: dict[str, Any], field: str, code: str) -> None:
    payload = shop.send(SET, input=build_input(build_row(shop, 9) | fields), key="a")
    errors = [(error["field"], error["code"]) for error in payload["userErrors"]]
    assert errors == [(["input", "quantities", "0", field], code)]


def test_the_same_stock_is_set_once_in_a_call(shop: Any) -> None:
    payload = shop.send(SET, input=build_input(build_row(shop, 9), build_row(shop, 8)), key="a")
    assert [error["code"] for error in payload["userErrors"]] == ["NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR"] * 2


@pytest.mark.parametrize(
    ("fields", "code"), [({"name": "damaged"}, "INVALID_NAME"), ({"reason": "made_up"}, "INVALID_REASON")]
)
def test_the_name_and_the_reason_are_checked(shop: Any, fields: dict[str, str], code: str) -> None:
    payload = shop.send(SET, input=build_input(build_row(shop, 9), **fields), key="a")
    assert [error["code"] for error in payload["userErrors"]] == [code]


def test_a_negative_stock_is_legal_but_not_on_hand(shop: Any) -> None:
    shop.send(SET, input=build_input(build_row(shop, -2)), key="a")
    assert read_stock(shop)[0] == -2
    payload = shop.send(SET, input=build_input(build_row(shop, -3), name="on_hand"), key="b")
    assert payload["userErrors"][0]["code"] == "INVALID_QUANTITY_NEGATIVE"


def test_an_item_is_connected_by_giving_it_stock_since_2026_10(shop: Any) -> None:
    shop.product.variants[0].levels[0].active = False
    variables = {"input": build_input(build_row(shop, 4, changeFromQuantity=None))}
    body = shop.execute(SET, version="2026-07", key="a", **variables)
    code = body["data"]["inventorySetQuantities"]["userErrors"][0]["code"]
    assert code == "ITEM_NOT_STOCKED_AT_LOCATION"
    assert shop.send(SET, key="b", **variables)["userErrors"] == []
    assert shop.events == ["INVENTORY_LEVELS_CONNECT", "PRODUCTS_UPDATE"]


def test_an_adjustment_is_added_to_what_is_there(shop: Any) -> None:
    row = build_row(shop, 0, delta=-7)
    del row["quantity"]
    adjustment = {"name": "available", "reason": "correction", "changes": [row]}
    payload = shop.send(ADJUST, input=adjustment, key="a")
    assert [c["delta"] for c in payload["inventoryAdjustmentGroup"]["changes"]] == [-7, -7]
    assert read_stock(shop)[0] == -2
    zero = {**adjustment, "changes": [{**row, "delta": 0, "changeFromQuantity": None}]}
    assert shop.send(ADJUST, input=zero, key="b") == {"inventoryAdjustmentGroup": None, "userErrors": []}
    named = {**adjustment, "name": "on_hand"}
    errors = shop.send(ADJUST, input=named, key="c")["userErrors"]
    assert [error["code"] for error in errors] == ["INVALID_QUANTITY_NAME", "INVALID_QUANTITY_DOCUMENT"]


def test_stock_moves_the_time_of_its_product(shop: Any) -> None:
    shop.send(SET, input=build_input(build_row(shop, 9)), key="a")
    assert shop.product.updated_at > OLD


def test_writing_stock_needs_the_scope_of_the_inventory(shop: Any) -> None:
    scopes = frozenset({"write_products", "read_inventory"})
    body = shop.execute(SET, scopes, input=build_input(build_row(shop, 9)), key="a")
    assert body["errors"][0]["extensions"]["requiredAccess"] == "`write_inventory` access scope."
    assert read_stock(shop)[0] == 5


def test_an_item_has_a_cost_and_a_weight(shop: Any) -> None:
    gid = f"gid://shopify/InventoryItem/{shop.product.variants[0].item}"
    fields = {"cost": "3", "measurement": {"weight": {"value": 250, "unit": "GRAMS"}}}
    item = shop.send(UPDATE_ITEM, id=gid, input=fields)["inventoryItem"]
    assert item["unitCost"] == {"amount": "3.0"}
    assert item["measurement"] == {"weight": {"value": 250.0, "unit": "GRAMS"}}
    assert shop.events == ["INVENTORY_ITEMS_UPDATE"] and shop.product.updated_at == OLD
    shop.send(UPDATE_ITEM, id=gid, input=fields)
    assert shop.events == []


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"cost": "-5.00"}, ["input", "cost"], "Cost must be greater than or equal to 0"),
        (
            {"measurement": {"weight": {"value": -1, "unit": "KILOGRAMS"}}},
            ["input", "measurement", "weight"], "Measurement weight value -1 kg must be >= 0 kg",
        ),
    ],
)  # fmt: skip
def test_a_wrong_cost_or_weight_is_refused(shop: Any, fields: Any, field: list[str], message: str) -> None:
    gid = f"gid://shopify/InventoryItem/{shop.product.variants[0].item}"
    payload = shop.send(UPDATE_ITEM, id=gid, input=fields)
    assert payload == {"inventoryItem": None, "userErrors": [{"field": field, "message": message}]}
