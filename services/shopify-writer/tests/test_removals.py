"""Products that are taken off sale, archived or deleted: each once, and only as they were expected."""

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("operation", "status", "becomes", "outcome"),
    [
        ("draft", "ACTIVE", "DRAFT", "applied"),
        ("draft", "UNLISTED", "DRAFT", "applied"),
        ("draft", "DRAFT", "DRAFT", "unchanged"),
        ("draft", "ARCHIVED", "ARCHIVED", "unchanged"),
        ("archive", "ACTIVE", "ARCHIVED", "applied"),
        ("archive", "DRAFT", "ARCHIVED", "applied"),
        ("archive", "ARCHIVED", "ARCHIVED", "unchanged"),
    ],
)
async def test_a_product_is_taken_off_sale_or_archived(
    shop: Any, operation: str, status: str, becomes: str, outcome: str
) -> None:
    product = shop.make_product(status=status)
    request = shop.request(product["gid"], operation=operation)
    (result,) = await shop.write(request)
    assert (result.outcome, shop.show(product)["status"]) == (outcome, becomes)
    assert result.values == {"published": False} and result.version is not None
    (again,) = await shop.write(request)
    assert again.outcome == "unchanged"
    assert shop.count_writes() == ({"productUpdate": 1} if outcome == "applied" else {})


async def test_a_product_is_deleted_once(shop: Any) -> None:
    product = shop.make_product()
    request = shop.request(product["gid"], operation="delete")
    results = [(await shop.write(request))[0] for _ in range(2)]
    assert [one.outcome for one in results] == ["applied", "unchanged"]
    assert all(one.read_at > 0 and one.record == product["gid"] for one in results)
    assert shop.count_writes() == {"productDelete": 1}
    assert product["gid"] not in [one["gid"] for one in shop.control("GET", "/products?limit=250")["products"]]


async def test_a_deletion_whose_answer_is_lost_is_found_done(shop: Any) -> None:
    request = shop.request(shop.make_product()["gid"], operation="delete")
    shop.set_faults(lost_answers=1)
    assert (await shop.write(request))[0].outcome == "postponed"
    assert (await shop.write(request))[0].outcome == "unchanged"
    assert shop.count_writes() == {"productDelete": 1}


@pytest.mark.parametrize("operation", ["draft", "archive", "delete"])
async def test_a_product_that_has_changed_meanwhile_is_left_alone(shop: Any, operation: str) -> None:
    product = shop.make_product(title="Jug")
    (result,) = await shop.write(shop.request(product["gid"], None, {"title": "Mug"}, operation=operation))
    assert result.outcome == "conflict"
    assert shop.show(product)["status"] == "ACTIVE"


@pytest.mark.parametrize("operation", ["draft", "archive"])
async def test_a_product_that_is_gone_cannot_be_taken_off_sale(shop: Any, operation: str) -> None:
    (result,) = await shop.write(shop.request("gid://shopify/Product/999999", operation=operation))
    assert (result.outcome, result.reason_code) == ("refused", "shopify_data")


async def test_variants_are_not_removed(shop: Any) -> None:
    product = shop.make_product(variants=3)
    gid = f"gid://shopify/ProductVariant/{product['variants'][0]['number']}"
    (result,) = await shop.write(shop.request(gid, operation="delete"))
    assert (result.outcome, len(shop.show(product)["variants"])) == ("refused", 3)
