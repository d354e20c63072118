"""What is done when Shopify throttles, answers nothing, or refuses the token: nothing twice, and nothing lost."""

from dataclasses import replace
from typing import Any

import pytest

from contracts.events import WriteRequested


def request_titles(shop: Any, count: int) -> list[WriteRequested]:
    products = [shop.make_product() for _ in range(count)]
    return [shop.request(one["gid"], {"title": "Cup"}, {"title": "Mug"}) for one in products]


def list_titles(shop: Any) -> list[str]:
    return [one["title"] for one in shop.control("GET", "/products?limit=250")["products"]]


@pytest.mark.parametrize("fault", [{"lost_answers": 1}, {"lost_answers": 1, "lost_answer_seconds": 0.3}])
async def test_a_mutation_whose_answer_is_lost_is_not_sent_again_but_read_first(shop: Any, fault: Any) -> None:
    (request,) = request_titles(shop, 1)
    shop.set_faults(**fault)
    (lost,) = await shop.write(request)
    assert lost.outcome == "postponed" and lost.not_before > 0
    assert shop.count_writes() == {"productUpdate": 1}
    (again,) = await shop.write(request.model_copy(update={"attempt": 2}))
    assert (again.outcome, again.values) == ("unchanged", {"title": "Cup"})
    assert shop.count_writes() == {"productUpdate": 1}


async def test_variants_whose_answer_is_lost_are_found_written(shop: Any) -> None:
    product = shop.make_product(variants=3)
    requests = [
        shop.request(f"gid://shopify/ProductVariant/{one['number']}", {"price": "77"}, {"price": one["price"]})
        for one in product["variants"]
    ]
    shop.set_faults(lost_answers=1)
    assert {one.outcome for one in await shop.write(*requests)} == {"postponed"}
    assert {one.outcome for one in await shop.write(*requests)} == {"unchanged"}
    assert shop.count_writes() == {"productVariantsBulkUpdate": 1}


async def test_a_mutation_that_failed_is_not_repeated_in_the_same_attempt(shop: Any) -> None:
    (request,) = request_titles(shop, 1)
    shop.set_faults(fail_writes=1, fail_status=502)
    assert (await shop.write(request))[0].outcome == "postponed"
    assert shop.count_writes() == {}
    assert (await shop.write(request))[0].outcome == "applied"


async def test_one_unknown_outcome_does_not_hold_up_the_rest(shop: Any) -> None:
    requests = request_titles(shop, 10)
    shop.set_faults(lost_answers=1)
    outcomes = [one.outcome for one in await shop.write(*requests)]
    assert sorted(outcomes) == ["applied"] * 9 + ["postponed"]
    again = [one.outcome for one in await shop.write(*requests)]
    assert again == ["unchanged"] * 10
    assert shop.count_writes() == {"productUpdate": 10}


async def test_a_shop_that_answers_nothing_is_not_asked_for_every_record(shop: Any) -> None:
    requests = request_titles(shop, 12)
    shop.set_faults(fail_writes=-1)
    assert {one.outcome for one in await shop.write(*requests)} == {"postponed"}
    assert shop.control("GET", "/statistics")["errors"]["http_503"] == 4


async def test_a_throttled_mutation_was_not_executed_and_is_sent_again(shop: Any) -> None:
    (request,) = request_titles(shop, 1)
    shop.set_faults(throttle_writes=2)
    assert (await shop.write(request))[0].outcome == "applied"
    assert shop.count_writes() == {"productUpdate": 1}
    assert shop.control("GET", "/statistics")["throttled"] == 2


async def test_a_shop_that_throttles_on_and_on_postpones_the_rest(shop: Any) -> None:
    requests = request_titles(shop, 5)
    shop.set_faults(throttle_writes=-1)
    results = await shop.write(*requests)
    assert {one.outcome for one in results} == {"postponed"}
    assert list_titles(shop).count("Mug") == 5


async def test_an_empty_bucket_is_left_alone(shop: Any) -> None:
    """Others have used up most points: after one answer that says so, the writer leaves alone what it cannot pay."""
    requests = request_titles(shop, 40)
    shop.set_faults(restore_rate=1)
    counts = " ".join(f"c{number}: productsCount {{ count }}" for number in range(90))
    for _ in range(2):
        shop.execute(f"{{ {counts} }}")
    outcomes = [one.outcome for one in await shop.write(*requests)]
    assert 15 <= outcomes.count("applied") <= 25 and set(outcomes) == {"applied", "postponed"}
    assert shop.control("GET", "/statistics")["throttled"] == 0


async def test_with_a_revoked_token_all_writes_wait_for_the_merchant(shop: Any) -> None:
    requests = request_titles(shop, 3)
    shop.control("POST", "/grants/expire")
    results = await shop.write(*requests)
    assert {(one.outcome, one.reason_code) for one in results} == {("postponed", "access_denied")}
    assert shop.count_writes() == {}


async def test_without_the_scope_to_write_nothing_is_sent(open_shop: Any) -> None:
    shop = await open_shop(scopes="read_products,read_inventory")
    results = await shop.write(*request_titles(shop, 2))
    assert {(one.outcome, one.reason_code) for one in results} == {("refused", "access_denied")}
    assert shop.control("GET", "/statistics")["calls"] == 0


async def test_a_scope_that_was_granted_meanwhile_is_used(open_shop: Any) -> None:
    shop = await open_shop()
    shop.tokens.granted = shop.tokens.token
    shop.tokens.token = replace(shop.tokens.token, scopes=frozenset({"read_products"}))
    assert (await shop.write(*request_titles(shop, 1)))[0].outcome == "applied"


async def test_a_shop_that_denies_access_refuses_all_writes(shop: Any) -> None:
    requests = request_titles(shop, 3)
    shop.set_faults(deny_scopes=["write_products"])
    results = await shop.write(*requests)
    assert {(one.outcome, one.reason_code) for one in results} == {("refused", "access_denied")}


async def test_a_frozen_shop_postpones_all_writes_for_long(shop: Any) -> None:
    requests = request_titles(shop, 2)
    shop.set_faults(fail_calls=-1, fail_status=402)
    results = await shop.write(*requests)
    assert {one.outcome for one in results} == {"postponed"}
    assert "frozen" in results[0].message


async def test_requests_of_an_earlier_connection_are_refused(shop: Any) -> None:
    (request,) = request_titles(shop, 1)
    shop.tokens.token = replace(shop.tokens.token, epoch=2)
    assert (await shop.write(request))[0].outcome == "refused"
    assert shop.count_writes() == {}
