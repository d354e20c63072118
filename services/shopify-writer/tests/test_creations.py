"""Products that are made: with all their variants, and once, however often it is requested."""

from typing import Any

import pytest

FIELDS = {
    "title": "Shirt",
    "description": "<p>Of cotton</p>",
    "vendor": "Acme",
    "product_type": "Shirts",
    "tags": ["red", "new"],
    "published": True,
    "options": [{"name": "Size", "values": ["S", "M"]}, {"name": "Color", "values": ["Red"]}],
}
VARIANTS = (
    {
        "sku": "S-1",
        "barcode": "4006381333931",
        "price": "10",
        "compare_at_price": "12.5",
        "cost": "4",
        "weight": "250",
        "option_values": {"Size": "S", "Color": "Red"},
    },
    {"sku": "S-2", "price": "11", "option_values": {"Size": "M", "Color": "Red"}},
)


def build_request(shop: Any, fields: Any = None, variants: Any = VARIANTS, **more: Any) -> Any:
    more.setdefault("external_id", "link.product.7")
    return shop.request(None, fields or FIELDS, operation="create", variants=variants, **more)


def list_made(shop: Any) -> list[Any]:
    products: list[Any] = shop.control("GET", "/products?limit=250")["products"]
    return [one for one in products if one["title"] == "Shirt"]


async def test_a_product_is_made_with_its_variants(shop: Any) -> None:
    (result,) = await shop.write(build_request(shop))
    assert result.outcome == "applied", result
    (made,) = list_made(shop)
    assert result.record == made["gid"] and result.read_at > 0 and result.version is not None
    numbers = [one["number"] for one in made["variants"]]
    expected_ids = [f"gid://shopify/ProductVariant/{number}" for number in numbers]
    assert result.variants == dict(zip(("S-1", "S-2"), expected_ids, strict=True))
    assert result.values == {**FIELDS, "tags": ["new", "red"]}
    assert (made["status"], made["html"]) == ("ACTIVE", "<p>Of cotton</p>")
    assert [one["values"] for one in made["variants"]] == [["S", "Red"], ["M", "Red"]]
    first = made["variants"][0]
    assert (first["price"], first["compare_at_price"], first["cost"]) == ("10.00", "12.50", "4.00")
    assert (first["barcode"], first["weight"], first["weight_unit"]) == ("4006381333931", 250.0, "GRAMS")


async def test_a_product_is_made_with_its_stock(open_shop: Any) -> None:
    shop = await open_shop(scopes="write_products,read_inventory,write_inventory")
    location = shop.control("GET", "")["locations"][0]["number"]
    stocked = {**VARIANTS[0], "stock": {f"gid://shopify/Location/{location}": 4}}
    (result,) = await shop.write(build_request(shop, variants=(stocked, VARIANTS[1])))
    assert result.outcome == "applied", result
    (made,) = list_made(shop)
    first = made["variants"][0]
    units = {one["location"]: one["available"] for one in first["levels"] if one["available"]}
    assert (first["tracked"], units) == (True, {location: 4})


async def test_a_product_that_is_requested_again_is_not_made_again(shop: Any) -> None:
    first = (await shop.write(build_request(shop)))[0]
    again = (await shop.write(build_request(shop)))[0]
    assert again.outcome == "unchanged"
    assert (again.record, again.variants, again.values) == (first.record, first.variants, first.values)
    assert shop.count_writes() == {"metafieldDefinitionCreate": 1, "productSet": 1}
    assert len(list_made(shop)) == 1


async def test_a_product_whose_answer_is_lost_is_found_made(shop: Any) -> None:
    await shop.write(build_request(shop, external_id="another"))
    shop.set_faults(lost_answers=1)
    assert (await shop.write(build_request(shop)))[0].outcome == "postponed"
    (again,) = await shop.write(build_request(shop))
    assert (again.outcome, again.variants.keys()) == ("unchanged", {"S-1", "S-2"})
    assert len(list_made(shop)) == 2
    assert shop.count_writes() == {"metafieldDefinitionCreate": 1, "productSet": 2}


async def test_a_definition_whose_answer_is_lost_is_no_obstacle(shop: Any) -> None:
    shop.set_faults(lost_answers=1)
    assert (await shop.write(build_request(shop)))[0].outcome == "postponed"
    assert (await shop.write(build_request(shop)))[0].outcome == "applied"
    assert shop.count_writes() == {"metafieldDefinitionCreate": 1, "productSet": 1}


async def test_products_made_at_once_share_the_definition(shop: Any) -> None:
    results = await shop.write(*[build_request(shop, external_id=f"product {number}") for number in range(6)])
    assert {one.outcome for one in results} == {"applied"}
    assert len({one.record for one in results}) == 6
    assert shop.count_writes() == {"metafieldDefinitionCreate": 1, "productSet": 6}


async def test_a_product_without_options_has_one_variant(shop: Any) -> None:
    fields = {"title": "Shirt", "options": []}
    (result,) = await shop.write(build_request(shop, fields, ({"sku": "S-1", "price": "10"},)))
    assert (result.outcome, result.values) == ("applied", fields)
    assert result.variants.keys() == {"S-1"}
    (made,) = list_made(shop)
    assert [one["values"] for one in made["variants"]] == [["Default Title"]]


async def test_a_product_of_which_nobody_says_that_it_is_published_is_a_draft(shop: Any) -> None:
    await shop.write(build_request(shop, {"title": "Shirt"}, ({"sku": "S-1"},)))
    assert list_made(shop)[0]["status"] == "DRAFT"


async def test_all_variants_of_a_large_product_are_reported(shop: Any) -> None:
    sizes = [str(number) for number in range(300)]
    fields = {"title": "Shirt", "options": [{"name": "Size", "values": sizes}]}
    variants = tuple({"sku": f"S-{size}", "price": "1", "option_values": {"Size": size}} for size in sizes)
    (result,) = await shop.write(build_request(shop, fields, variants))
    assert (result.outcome, len(result.variants)) == ("applied", 300)


@pytest.mark.parametrize(
    ("fields", "variants", "says"),
    [
        ({"title": ""}, ({"sku": "A"},), "blank"),
        ({"title": "Shirt"}, ({"sku": ""},), "no SKU"),
        ({"title": "Shirt"}, ({"sku": "A", "price": "cheap"},), "price"),
        ({"title": "Shirt"}, ({"sku": "A", "color": "red"},), "color"),
        (FIELDS, ({"sku": "A", "option_values": {"Size": "XXL", "Color": "Red"}},), "Option value does not exist"),
    ],
)
async def test_what_the_shop_does_not_take_is_refused(shop: Any, fields: Any, variants: Any, says: str) -> None:
    (result,) = await shop.write(build_request(shop, fields, variants))
    assert (result.outcome, result.reason_code) == ("refused", "shopify_data")
    assert says in result.message
    assert list_made(shop) == []


async def test_a_product_without_an_external_id_is_refused(shop: Any) -> None:
    (result,) = await shop.write(build_request(shop, external_id=None))
    assert (result.outcome, list_made(shop)) == ("refused", [])


async def test_amounts_in_another_currency_are_refused(shop: Any) -> None:
    (result,) = await shop.write(build_request(shop, currency="USD"))
    assert (result.outcome, result.reason_code) == ("refused", "currency")
    assert list_made(shop) == []
