"""One record that fails stops no other, and what may have had its effect is looked at before it is written again."""

from typing import Any

import pytest


async def make_lamps(shelf: Any, count: int) -> list[Any]:
    """Make products, and return requests that give each another title."""
    made = [await shelf.make() for _ in range(count)]
    return [shelf.request(template, {"title": "Lamp of oak"}, {"title": "Lamp"}) for template, _ in made]


async def test_one_record_that_odoo_refuses_among_ten_stops_no_other(shelf: Any) -> None:
    requests = await make_lamps(shelf, 10)
    taken, _ = await shelf.make(barcode="400")
    template, variant = await shelf.make()
    requests[4] = shelf.request(variant, {"barcode": "400"}, {}, product=template)
    results = await shelf.write(*requests)
    assert [one.outcome for one in results].count("applied") == 9
    assert (results[4].outcome, results[4].reason_code) == ("refused", "odoo_data")
    assert "arcode" in str(results[4].message)
    assert await shelf.show("product.template", taken, "barcode") == {"barcode": "400"}


@pytest.mark.parametrize("fault", ["hidden_calls", "cut_calls"])
async def test_a_write_whose_answer_is_lost_is_found_to_be_made(shelf: Any, fault: str) -> None:
    requests = await make_lamps(shelf, 3)
    shelf.forget_calls()
    shelf.set_faults(**{fault: 1}, methods=["product.template.write"])
    results = await shelf.write(*requests)
    assert sorted(one.outcome for one in results) == ["applied", "applied", "postponed"]
    assert all(one.not_before for one in results if one.outcome == "postponed")
    again = await shelf.write(*requests)
    assert [one.outcome for one in again] == ["unchanged"] * 3
    assert shelf.count_calls() == {"product.template.write": 3}


async def test_a_write_that_meets_another_transaction_is_postponed_and_then_made(shelf: Any) -> None:
    (request,) = await make_lamps(shelf, 1)
    shelf.set_faults(concurrency_errors=1)
    assert [one.outcome for one in await shelf.write(request)] == ["postponed"]
    assert [one.outcome for one in await shelf.write(request)] == ["applied"]


async def test_a_server_that_answers_nothing_is_left_alone_after_three_writes(shelf: Any) -> None:
    requests = await make_lamps(shelf, 10)
    shelf.forget_calls()
    shelf.set_faults(concurrency_errors=-1)
    results = await shelf.write(*requests)
    assert {one.outcome for one in results} == {"postponed"}
    assert shelf.world.state.statistics.errors.total() == 3


async def test_with_a_removed_key_all_writes_wait_for_the_merchant(shelf: Any) -> None:
    requests = await make_lamps(shelf, 3)
    shelf.forget_calls()
    shelf.remove_keys()
    results = await shelf.write(*requests)
    assert {(one.outcome, one.reason_code) for one in results} == {("postponed", "access_denied")}
    assert shelf.count_calls() == {}


@pytest.mark.parametrize("version", [17, 19])
async def test_other_versions_are_written_to_as_well(open_shelf: Any, version: int) -> None:
    shelf = await open_shelf(version=version)
    template, variant = await shelf.make()
    product = shelf.request(template, {"title": "Lamp of oak", "tags": ["Oak"]}, {"title": "Lamp", "tags": []})
    own = shelf.request(variant, {"sku": "L-1", "weight": "1500"}, {}, product=template)
    assert [one.outcome for one in await shelf.write(product, own)] == ["applied", "applied"]
    assert [one.outcome for one in await shelf.write(product, own)] == ["unchanged", "unchanged"]
    assert await shelf.show("product.product", variant, "default_code", "weight") == {
        "default_code": "L-1",
        "weight": 1.5,
    }
