"""Existing products and variants of a real shop of the sandbox: what is written, what is not, and how often."""

from typing import Any

import pytest

GONE = "gid://shopify/Product/999999"
PRODUCT_VALUES = [
    ("title", "Mug", "Large mug"),
    ("description", "<p>Holds tea</p>", "<p>Holds <b>coffee</b></p>"),
    ("vendor", "Acme", "Potters"),
    ("product_type", "", "Cups"),
    ("tags", ["old", "red"], ["new", "red"]),
    ("published", True, False),
]
VARIANT_VALUES = [
    ("sku", "A-1", "A-2"),
    ("barcode", None, "4006381333931"),
    ("price", "10.00", "12.5"),
    ("compare_at_price", None, "15"),
    ("cost", None, "4.25"),
    ("weight", None, "1250"),
]


def make_mug(shop: Any) -> Any:
    product = shop.make_product(description_html="<p>Holds tea</p>", tags=["old", "red"], vendor="Acme")
    variant = {"id": product["variants"][0]["number"], "sku": "A-1", "barcode": None}
    return shop.control("PATCH", f"/products/{product['number']}", {"variants": [variant]})


def get_variant_id(product: Any, index: int = 0) -> str:
    return f"gid://shopify/ProductVariant/{product['variants'][index]['number']}"


async def check_field(shop: Any, gid: str, mutation: str, field: tuple[str, Any, Any]) -> None:
    """Write a field, write it again, and write it back; each result has the record's value as it is then."""
    name, old, new = field
    steps = ((new, old), (new, old), (old, new))
    requests = [shop.request(gid, {name: wanted}, {name: expected}) for wanted, expected in steps]
    there, again, back = [(await shop.write(request))[0] for request in requests]
    assert [one.outcome for one in (there, again, back)] == ["applied", "unchanged", "applied"], (there, again, back)
    assert shop.count_writes() == {mutation: 2}
    assert there.values.keys() == again.values.keys() == {name}
    assert again.values == there.values != back.values
    assert there.record == gid and there.version is not None
    assert 0 < there.read_at <= again.read_at <= back.read_at


@pytest.mark.parametrize("field", PRODUCT_VALUES, ids=lambda field: field[0])
async def test_each_field_of_a_product_is_written_once_and_back(shop: Any, field: Any) -> None:
    await check_field(shop, make_mug(shop)["gid"], "productUpdate", field)


@pytest.mark.parametrize("field", VARIANT_VALUES, ids=lambda field: field[0])
async def test_each_field_of_a_variant_is_written_once_and_back(shop: Any, field: Any) -> None:
    await check_field(shop, get_variant_id(make_mug(shop)), "productVariantsBulkUpdate", field)


async def test_only_fields_that_differ_are_written(shop: Any) -> None:
    product = make_mug(shop)
    wanted = {"title": "Cup", "vendor": "acme", "tags": ["RED", "old"]}
    (result,) = await shop.write(shop.request(product["gid"], wanted, {"title": "Mug", "vendor": "Acme"}))
    assert result.outcome == "applied"
    assert result.values == {"title": "Cup", "vendor": "acme", "tags": ["old", "red"]}
    assert shop.show(product)["title"] == "Cup"


async def test_a_field_that_somebody_else_has_changed_is_a_conflict_and_nothing_is_written(shop: Any) -> None:
    product = make_mug(shop)
    request = shop.request(product["gid"], {"title": "Cup", "vendor": "New"}, {"title": "Jug", "vendor": "Acme"})
    (result,) = await shop.write(request)
    assert (result.outcome, result.values) == ("conflict", {"title": "Mug", "vendor": "Acme"})
    assert shop.count_writes() == {}


async def test_the_version_of_a_variant_is_that_of_its_product(shop: Any) -> None:
    product = make_mug(shop)
    (result,) = await shop.write(shop.request(get_variant_id(product), {"price": "11"}, {"price": "10"}))
    assert result.version.isoformat() == shop.show(product)["updated_at"].replace("Z", "+00:00")


async def test_the_bin_stays_in_the_field_of_the_sku(shop: Any) -> None:
    product = make_mug(shop)
    variant = {"id": product["variants"][0]["number"], "sku": "A-1 - Shelf 7"}
    shop.control("PATCH", f"/products/{product['number']}", {"variants": [variant]})
    request = shop.request(get_variant_id(product), {"sku": "B-2"}, {"sku": "A-1"}, sku_format="sku-bin")
    (result,) = await shop.write(request)
    assert (result.outcome, result.values) == ("applied", {"sku": "B-2"})
    assert shop.show(product)["variants"][0]["sku"] == "B-2 - Shelf 7"


async def test_a_sku_that_would_be_read_differently_is_refused(shop: Any) -> None:
    gid = get_variant_id(make_mug(shop))
    (result,) = await shop.write(shop.request(gid, {"sku": "B 2"}, {"sku": "A-1"}, sku_format="sku-bin"))
    assert (result.outcome, result.reason_code) == ("refused", "shopify_data")
    assert "blank" in result.message


async def test_an_archived_product_is_not_published(shop: Any) -> None:
    product = shop.make_product(status="ARCHIVED")
    (result,) = await shop.write(shop.request(product["gid"], {"published": True}, {"published": False}))
    assert (result.outcome, shop.show(product)["status"]) == ("conflict", "ARCHIVED")


async def test_an_unlisted_product_counts_as_published(shop: Any) -> None:
    product = shop.make_product(status="UNLISTED")
    (result,) = await shop.write(shop.request(product["gid"], {"published": True}, {"published": False}))
    assert (result.outcome, shop.show(product)["status"]) == ("unchanged", "UNLISTED")


async def test_options_of_an_existing_product_are_refused(shop: Any) -> None:
    options = [{"name": "Size", "values": ["S"]}]
    (result,) = await shop.write(shop.request(make_mug(shop)["gid"], {"options": options}))
    assert (result.outcome, result.reason_code) == ("refused", "shopify_data")
    assert shop.count_writes() == {}


async def test_amounts_in_another_currency_are_refused(shop: Any) -> None:
    gid = get_variant_id(make_mug(shop))
    (result,) = await shop.write(shop.request(gid, {"price": "11"}, {"price": "10"}, currency="USD"))
    assert (result.outcome, result.reason_code) == ("refused", "currency")


async def test_a_value_that_the_shop_does_not_take_is_refused_with_its_message(shop: Any) -> None:
    (result,) = await shop.write(shop.request(make_mug(shop)["gid"], {"title": ""}, {"title": "Mug"}))
    assert (result.outcome, result.reason_code) == ("refused", "shopify_data")
    assert "can't be blank" in result.message


@pytest.mark.parametrize("gid", [GONE, "gid://shopify/Collection/1", "12"])
async def test_a_record_that_is_not_there_is_refused_and_others_are_written(shop: Any, gid: str) -> None:
    product = make_mug(shop)
    gone = shop.request(gid, {"title": "Cup"}, {"title": "Mug"}, resource="products")
    there = shop.request(product["gid"], {"title": "Cup"}, {"title": "Mug"})
    results = await shop.write(gone, there)
    assert [one.outcome for one in results] == ["refused", "applied"]
    assert results[0].reason_code == "shopify_data" and gid in results[0].message


async def test_variants_of_one_product_are_one_mutation(shop: Any) -> None:
    product = shop.make_product(variants=3)
    requests = [
        shop.request(get_variant_id(product, index), {"price": "77"}, {"price": variant["price"]})
        for index, variant in enumerate(product["variants"])
    ]
    results = await shop.write(*requests)
    assert [one.outcome for one in results] == ["applied"] * 3
    assert shop.count_writes() == {"productVariantsBulkUpdate": 1}
    assert [one["price"] for one in shop.show(product)["variants"]] == ["77.00"] * 3
    assert sum(one.calls for one in results) == 2 and sum(one.points for one in results) < 20


async def test_of_ten_variants_with_a_bad_one_nine_are_written(open_shop: Any) -> None:
    shop = await open_shop(products=1, variants=10)
    product = shop.make_product(variants=10)
    requests = [
        shop.request(
            get_variant_id(product, index), {"price": "-1" if index == 3 else "77"}, {"price": variant["price"]}
        )
        for index, variant in enumerate(product["variants"])
    ]
    results = await shop.write(*requests)
    assert [one.outcome for one in results] == ["refused" if index == 3 else "applied" for index in range(10)]
    assert "greater than or equal to 0" in results[3].message
    assert [one["price"] for one in shop.show(product)["variants"]].count("77.00") == 9


async def test_when_a_whole_mutation_is_refused_the_others_are_sent_again_without_the_bad_one(open_shop: Any) -> None:
    shop = await open_shop(products=1, variants=10)
    product = shop.make_product(variants=10)
    shop.set_faults(refused_records=[get_variant_id(product, 3)])
    requests = [
        shop.request(get_variant_id(product, index), {"price": "77"}, {"price": variant["price"]})
        for index, variant in enumerate(product["variants"])
    ]
    results = await shop.write(*requests)
    assert [one.outcome for one in results] == ["refused" if index == 3 else "applied" for index in range(10)]
    assert shop.count_writes() == {"productVariantsBulkUpdate": 1}
    assert [one["price"] for one in shop.show(product)["variants"]].count("77.00") == 9


async def test_one_bad_product_does_not_stop_others(shop: Any) -> None:
    products = [shop.make_product() for _ in range(12)]
    shop.set_faults(refused_records=[products[5]["gid"]])
    requests = [shop.request(one["gid"], {"title": "Cup"}, {"title": "Mug"}) for one in products]
    results = await shop.write(*requests)
    assert [one.outcome for one in results].count("applied") == 11
    assert results[5].outcome == "refused"


async def test_two_writes_to_one_record_are_done_one_after_the_other(shop: Any) -> None:
    product = make_mug(shop)
    first = shop.request(product["gid"], {"title": "Cup"}, {"title": "Mug"})
    second = shop.request(product["gid"], {"title": "Jug"}, {"title": "Cup"})
    assert [one.outcome for one in await shop.write(first, second)] == ["applied", "applied"]
    assert shop.show(product)["title"] == "Jug"


async def test_a_batch_is_read_in_few_calls(shop: Any) -> None:
    products = [shop.make_product() for _ in range(60)]
    results = await shop.write(*[shop.request(one["gid"], {"title": "Mug"}) for one in products])
    assert {one.outcome for one in results} == {"unchanged"}
    assert shop.control("GET", "/statistics")["calls"] == 2


async def test_costs_without_their_scope_are_refused_and_prices_are_written(open_shop: Any) -> None:
    shop = await open_shop(scopes="write_products")
    gids = [get_variant_id(make_mug(shop)) for _ in range(2)]
    results = await shop.write(
        shop.request(gids[0], {"cost": "4"}), shop.request(gids[1], {"price": "11"}, {"price": "10"})
    )
    assert [(one.outcome, one.reason_code) for one in results] == [("refused", "access_denied"), ("applied", None)]


async def test_a_cost_and_a_weight_need_no_scope_to_write_inventory(shop: Any) -> None:
    assert "write_inventory" not in shop.tokens.token.scopes
    gid = get_variant_id(make_mug(shop))
    (result,) = await shop.write(shop.request(gid, {"cost": "4", "weight": "500"}))
    assert (result.outcome, result.values) == ("applied", {"cost": "4.0", "weight": "500.0"})
