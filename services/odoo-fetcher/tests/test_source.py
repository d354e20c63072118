"""What is read of a database: everything at first, then what has changed; and what follows from errors."""

from typing import Any

import pytest

from connector.source import Checkpoint, RecordBatch, UnreadableRecord
from fake_odoo import add_product, fill_shop
from odoo_fetcher.read_state import FULL_SECONDS, RARE_SECONDS, decode_state
from odoo_fetcher.windows import SETTLED_SECONDS
from platform_sdk.errors import AccessDeniedError, ConnectionEndedError, PermanentError, RetryLaterError

POLL = 30


async def settle(bench: Any) -> None:
    """Run full syncs until nothing of before is in a window any more."""
    for _ in range(3):
        bench.pass_time(SETTLED_SECONDS)
        await bench.sync()


def refuse(*models: str) -> Any:
    """Return a check that denies access to models."""

    def check(model: str, method: str, domain: Any) -> None:
        if model in models:
            raise AccessDeniedError(f"you may not read {model}")

    return check


# -- a first read


async def test_a_first_read_has_every_resource_and_counts_as_evidence(shop: Any) -> None:
    read = await shop.sync()
    assert read.end.continues is None and read.end.skipped_resources == {}
    assert read.end.id_ranges == (
        ("company", 0),
        ("warehouses", 0),
        ("taxes", 0),
        ("products", 0),
        ("stock", 0),
    )
    assert {end.resource: (end.sent_count, end.count_before, end.count_after) for end in read.range_ends} == {
        "company": (1, 1, 1),
        "warehouses": (1, 1, 1),
        "taxes": (1, 1, 1),
        "products": (3, 3, 3),
        "stock": (3, 3, 3),
    }


async def test_an_empty_database_is_read_to_its_end(bench: Any) -> None:
    read = await bench.sync()
    assert read.records == [] and len(read.end.id_ranges) == 5
    bench.pass_time(POLL)
    assert (await bench.sync()).end.id_ranges == ()
    fill_shop(bench.odoo, products=2)
    bench.pass_time(RARE_SECONDS)
    await bench.sync()
    await bench.assert_equal_to_truth()


async def test_archived_templates_and_variants_are_records_like_others(shop: Any) -> None:
    shop.odoo.write("product.template", 1, active=False)
    shop.odoo.write("product.product", 1, active=False)
    body = (await shop.sync()).records[3].body
    assert (body["id"], body["active"], body["variants"][0]["active"]) == (1, False, False)


async def test_everything_is_read_in_ranges_and_batches(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odoo_fetcher.whole_read.RANGE_RECORDS", 600)
    fill_shop(bench.odoo, products=1_500)
    read = await bench.sync()
    ends = [
        (end.resource, end.id_range, end.sent_count) for end in read.range_ends if end.id_range or end.sent_count > 1
    ]
    assert ends == [
        ("products", 0, 600), ("products", 1, 600), ("products", 2, 300),
        ("stock", 0, 600), ("stock", 1, 600), ("stock", 2, 300),
    ]  # fmt: skip
    assert max(len(batch.records) for batch in read.batches) == 500


async def test_a_read_that_is_killed_after_each_checkpoint_reads_the_same(shop: Any) -> None:
    read = await shop.sync_in_steps()
    assert read.list_ids("products") == ["1", "2", "3"] and read.list_ids("stock") == ["1-1", "2-1", "3-1"]
    await shop.assert_equal_to_truth()


async def test_a_product_that_is_deleted_while_its_range_is_read_fails_the_counts_and_the_range_is_read_again(
    shop: Any,
) -> None:
    def delete(model: str, method: str, domain: Any) -> None:
        if model == "product.template" and method == "search_read" and ("id", "in", [1, 2, 3]) in domain:
            shop.odoo.checks.clear()
            shop.odoo.unlink("product.template", 2)

    shop.odoo.checks.append(delete)
    steps = await shop.read_steps()
    (end,) = [step for step in steps if getattr(step, "sent_count", 0) and step.resource == "products"]
    assert (end.sent_count, end.count_before, end.count_after) == (3, 3, 2)
    again = await shop.read_steps(end.retry_cursor)
    assert [(step.attempt, step.id_range) for step in again if isinstance(step, RecordBatch)] == [(2, 0)]
    assert [record.id for step in again if isinstance(step, RecordBatch) for record in step.records] == ["1", "3"]
    assert (again[-1].sent_count, again[-1].count_before, again[-1].count_after) == (2, 2, 2)


async def test_several_quants_of_a_product_at_a_location_are_one_record(shop: Any) -> None:
    shop.odoo.create("stock.quant", product_id=1, location_id=1, quantity=0.1, reserved_quantity=0.0)
    shop.odoo.create("stock.quant", product_id=1, location_id=1, quantity=0.2, reserved_quantity=0.5)
    shop.odoo.create("stock.quant", product_id=1, location_id=2, quantity=7.0, reserved_quantity=0.0)
    shop.odoo.create("stock.quant", product_id=1, location_id=3, quantity=9.0, reserved_quantity=0.0)
    await shop.sync()
    body = shop.stored["stock", "1-1"].body
    assert (body["on_hand"], body["reserved"], body["free"]) == (5.3, 1.5, 3.8)
    assert shop.stored["stock", "1-2"].body["location"] == {"id": 2, "name": "WH/Shelf"}
    assert ("stock", "1-3") not in shop.stored


async def test_stock_that_changes_while_it_is_counted_is_read_again_at_once(shop: Any) -> None:
    def move(model: str, method: str, domain: Any) -> None:
        if (model, method) == ("stock.quant", "search_read") and ("location_id.usage", "=", "internal") in domain:
            shop.odoo.checks.clear()
            shop.odoo.create("stock.quant", product_id=2, location_id=2, quantity=1.0, reserved_quantity=0.0)

    shop.odoo.checks.append(move)
    read = await shop.sync()
    assert read.list_ids("stock") == ["1-1", "2-1", "2-2", "3-1"]


# -- rights and apps


async def test_resources_that_may_not_be_read_are_skipped_by_name_and_the_others_are_read(shop: Any) -> None:
    shop.odoo.checks.append(refuse("stock.quant", "account.tax", "product.tag"))
    with pytest.raises(AccessDeniedError):
        await shop.sync()  # the names of tags belong to products
    shop.odoo.checks[:] = [refuse("stock.quant", "account.tax", "stock.move.line", "ir.attachment")]
    read = await shop.sync()
    assert read.end.skipped_resources == {
        "stock": "you may not read stock.quant",
        "taxes": "you may not read account.tax",
    }
    assert len(read.list_ids("products")) == 3
    shop.odoo.write("product.template", 1, name="Renamed")
    shop.pass_time(RARE_SECONDS)
    read = await shop.sync()
    assert read.list_ids("products") == ["1"] and read.list_ids("stock") == []
    assert set(read.end.skipped_resources) == {"stock", "taxes"}


async def test_a_database_without_stock_and_taxes_has_neither(shop: Any) -> None:
    shop.odoo.fields["product.product"].discard("qty_available")
    shop.odoo.fields["product.template"] -= {"taxes_id", "product_tag_ids"}
    read = await shop.sync()
    assert [resource for resource, _ in read.end.id_ranges] == ["company", "products"]
    assert not {"stock.quant", "account.tax", "product.tag", "stock.move.line"} & {call[0] for call in shop.odoo.calls}


async def test_a_field_that_a_new_app_adds_is_read_of_all_products(shop: Any) -> None:
    await shop.sync()
    shop.odoo.fields["product.template"].add("website_description")
    shop.pass_time(RARE_SECONDS)
    read = await shop.sync()
    assert read.end.continues is None
    assert read.records[-6].body["website_description"] is None


# -- changes


async def test_an_unchanged_database_costs_few_calls_and_no_record(shop: Any) -> None:
    first = await shop.sync()
    previous = shop.previous
    shop.pass_time(POLL)
    read = await shop.sync()
    assert first.end.state is not None
    assert read.steps == [read.end] and read.end.continues == previous.sync_id and read.end.id_ranges == ()
    assert shop.count_calls() <= 8


@pytest.mark.parametrize("age", [0, 500])
async def test_a_changed_template_is_read_once_and_with_its_stock(shop: Any, age: float) -> None:
    await shop.sync()
    shop.pass_time(POLL)
    # A transaction that began long before it was committed.
    shop.odoo.write("product.template", 2, shop.odoo.now - age, name="Renamed")
    read = await shop.sync()
    assert read.list_ids("products") == ["2"] and read.list_ids("stock") == ["2-1"]
    assert shop.stored["products", "2"].body["name"] == "Renamed"
    for _ in range(50):
        shop.pass_time(POLL)
        assert (await shop.sync()).list_ids("products") == []
    await shop.assert_equal_to_truth()


async def test_a_second_edit_within_the_second_of_the_look_is_in_what_is_read(shop: Any) -> None:
    await shop.sync()
    shop.pass_time(POLL)
    shop.odoo.now = float(round(shop.odoo.now))
    shop.odoo.write("product.template", 2, name="First")

    def edit(model: str, method: str, domain: Any) -> None:
        if model == "stock.quant":
            shop.odoo.checks.clear()
            shop.odoo.write("product.template", 2, shop.odoo.now + 0.9, name="Second")

    shop.odoo.checks.append(edit)
    await shop.sync()
    assert shop.stored["products", "2"].body["name"] == "Second"


async def test_a_changed_variant_changes_its_product(shop: Any) -> None:
    await shop.sync()
    shop.pass_time(POLL)
    shop.odoo.write("product.product", 3, default_code="OTHER")
    read = await shop.sync()
    assert read.list_ids("products") == ["3"]
    await shop.assert_equal_to_truth()
    assert shop.stored["products", "3"].lookup_values["default_code"] == ("SKU-3", "OTHER")


async def test_many_changes_of_one_moment_are_all_read_and_only_once(shop: Any) -> None:
    await shop.sync()
    await settle(shop)
    for number in range(4_500):
        add_product(shop.odoo, f"Imported {number}", f"IMP-{number}")
    read = await shop.sync_in_steps()
    assert len(read.list_ids("products")) == len(read.list_ids("stock")) == 4_500
    shop.pass_time(POLL)
    shop.odoo.write("product.template", 2_000, name="Renamed")
    read = await shop.sync()
    assert "2000" in read.list_ids("products") and len(read.list_ids("products")) < 200
    assert len(read.end.state.encode()) < 16 * 1024
    await shop.assert_equal_to_truth()


async def test_an_extra_price_is_seen_at_once_though_no_product_was_written(shop: Any) -> None:
    shop.odoo.create("product.attribute", name="Color")
    shop.odoo.create("product.attribute.value", name="Red", attribute_id=1)
    shop.odoo.create("product.template.attribute.line", product_tmpl_id=1, attribute_id=1, value_ids=[1])
    shop.odoo.create(
        "product.template.attribute.value",
        product_tmpl_id=1, attribute_id=1, product_attribute_value_id=1, price_extra=0.0,
    )  # fmt: skip
    shop.odoo.write("product.product", 1, product_template_attribute_value_ids=[1])
    await shop.sync()
    await settle(shop)
    shop.odoo.write("product.template.attribute.value", 1, price_extra=2.5)
    assert (await shop.sync()).list_ids("products") == ["1"]
    assert shop.stored["products", "1"].body["variants"][0]["options"] == [
        {"attribute": "Color", "value": "Red", "value_id": 1, "price_extra": 2.5}
    ]
    assert shop.stored["products", "1"].body["attributes"] == [
        {"id": 1, "attribute": {"id": 1, "name": "Color"}, "values": [{"id": 1, "name": "Red"}]}
    ]


@pytest.mark.parametrize(
    ("model", "number", "values", "products", "stock"),
    [
        ("product.tag", 1, {"name": "old"}, 3, 0),
        ("product.category", 2, {"complete_name": "All / Boots"}, 3, 0),
        ("product.category", 1, {"complete_name": "Everything"}, 3, 0),
        ("uom.uom", 1, {"name": "Pieces"}, 0, 3),
        ("stock.location", 1, {"complete_name": "WH/Hall"}, 0, 3),
    ],
)
async def test_a_name_that_records_show_is_seen_within_five_minutes(
    shop: Any, model: str, number: int, values: Any, products: int, stock: int
) -> None:
    await shop.sync()
    shop.odoo.write(model, number, **values)
    shop.pass_time(POLL)
    assert (await shop.sync()).end.id_ranges == ()
    shop.pass_time(RARE_SECONDS)
    read = await shop.sync()
    assert (len(read.list_ids("products")), len(read.list_ids("stock"))) == (products, stock)
    await shop.assert_equal_to_truth()


async def test_changes_of_small_resources_are_seen_within_five_minutes_and_their_deletion(shop: Any) -> None:
    shop.odoo.create("account.tax", name="10 %", type_tax_use="sale", amount_type="percent", amount=10.0, company_id=1)
    await shop.sync()
    shop.odoo.write("res.company", 1, name="Acme Ltd")
    shop.odoo.unlink("account.tax", 2)
    shop.pass_time(RARE_SECONDS)
    read = await shop.sync()
    assert read.end.id_ranges == (("company", 0), ("warehouses", 0), ("taxes", 0))
    assert ("taxes", "2") not in shop.stored
    await shop.assert_equal_to_truth()
    shop.pass_time(RARE_SECONDS)
    assert (await shop.sync()).end.id_ranges == ()


# -- stock


async def test_a_changed_quant_is_a_changed_record_of_stock_alone(shop: Any) -> None:
    await shop.sync()
    shop.pass_time(POLL)
    shop.odoo.write("stock.quant", 2, quantity=3.0)
    read = await shop.sync()
    assert read.end.id_ranges == (("stock", 0),) and read.list_ids("stock") == ["2-1"]
    assert shop.stored["stock", "2-1"].body["on_hand"] == 3.0


async def test_a_quant_that_was_emptied_and_deleted_is_found_by_its_move(shop: Any) -> None:
    await shop.sync()
    await settle(shop)
    shop.odoo.create("stock.move.line", product_id=2, location_id=1, location_dest_id=3, state="done", quantity=5.0)
    shop.odoo.unlink("stock.quant", 2)
    read = await shop.sync()
    assert [(record.id, record.body) for record in read.records] == [("2-1", None)]
    assert ("stock", "2-1") not in shop.stored
    await shop.assert_equal_to_truth()


async def test_a_planned_move_changes_nothing(shop: Any) -> None:
    await shop.sync()
    shop.odoo.create("stock.move.line", product_id=2, location_id=1, location_dest_id=3, state="assigned")
    shop.pass_time(POLL)
    assert (await shop.sync()).end.id_ranges == ()


# -- deletions


async def test_a_new_product_that_is_soon_deleted_is_a_tombstone_at_the_next_poll(shop: Any) -> None:
    await shop.sync()
    shop.pass_time(POLL)
    number = add_product(shop.odoo, "Mistake", "X", quantity=0)
    await shop.sync()
    assert ("products", str(number)) in shop.stored
    shop.odoo.unlink("product.template", number)
    shop.pass_time(POLL)
    read = await shop.sync()
    assert read.end.continues is not None
    assert ("products", str(number)) not in shop.stored


async def test_an_old_product_that_is_deleted_lets_everything_be_read(shop: Any) -> None:
    await shop.sync()
    await settle(shop)
    shop.odoo.unlink("stock.quant", 2)
    shop.odoo.unlink("product.template", 2)
    read = await shop.sync()
    assert read.end.continues is None and read.list_ids("products") == ["1", "3"]
    await shop.assert_equal_to_truth()


async def test_everything_is_read_again_after_a_day(shop: Any) -> None:
    await shop.sync()
    shop.pass_time(FULL_SECONDS - 5)
    assert (await shop.sync()).end.continues is not None
    shop.pass_time(5)
    read = await shop.sync()
    assert read.end.continues is None and len(read.list_ids("products")) == 3


async def test_a_changes_read_that_is_not_believed_reads_everything(shop: Any) -> None:
    await shop.sync()
    shop.odoo.write("product.template", 1, name="Renamed")
    shop.pass_time(POLL)
    end = (await shop.sync()).end
    read = await shop.sync(end.retry_cursor)
    assert read.end.continues is None and len(read.list_ids("products")) == 3


async def test_a_range_of_changes_that_has_not_arrived_is_read_again(shop: Any) -> None:
    await shop.sync()
    shop.odoo.write("product.template", 1, name="Renamed")
    shop.pass_time(POLL)
    before = shop.previous
    read = await shop.sync()
    shop.previous = before
    steps = await shop.read_steps(read.range_ends[0].retry_cursor)
    assert [(step.attempt, len(step.records)) for step in steps if isinstance(step, RecordBatch)] == [(2, 1)]
    assert not hasattr(steps[-1], "state")


async def test_a_state_of_another_version_is_as_if_there_were_none(shop: Any) -> None:
    await shop.sync()
    shop.previous = type(shop.previous)(shop.previous.sync_id, '{"version": 0}')
    assert decode_state(shop.previous.text) is None
    assert (await shop.sync()).end.continues is None


# -- errors


async def test_a_product_that_odoo_cannot_give_is_left_out_alone(bench: Any) -> None:
    fill_shop(bench.odoo, products=500)
    bench.odoo.poisoned.add(("product.template", 250))
    read = await bench.sync()
    unreadable = [record.id for record in read.records if record.unreadable]
    assert unreadable == ["250"] and len(read.list_ids("products")) == 500
    assert "cannot be computed" in (read.records[252].unreadable or "")


async def test_a_fault_of_all_products_is_no_fault_of_each(bench: Any) -> None:
    fill_shop(bench.odoo, products=500)
    bench.odoo.poisoned |= {("product.template", number) for number in range(500)}
    with pytest.raises(PermanentError):
        await bench.sync()
    assert bench.count_calls() < 200


async def test_a_product_of_an_unknown_form_is_left_out_alone(shop: Any) -> None:
    shop.odoo.tables["product.template"][2]["taxes_id"] = 5
    read = await shop.sync()
    assert [record.id for record in read.records if record.unreadable] == ["2"]


@pytest.mark.parametrize("error", [RetryLaterError("busy"), ConnectionEndedError("reauthorise")])
async def test_errors_of_the_session_end_the_step(shop: Any, error: Exception) -> None:
    def check(model: str, method: str, domain: Any) -> None:
        if method == "authenticate":
            raise error

    shop.odoo.checks.append(check)
    with pytest.raises(type(error)):
        await shop.sync()


# -- by ids


async def test_records_are_read_by_their_ids_with_tombstones_for_those_that_are_gone(shop: Any) -> None:
    steps = await shop.read_ids(
        products=["2", "99"], stock=["1-1", "1-2"], taxes=["1", "7"], company=["1"], warehouses=["1"]
    )
    records = {(one.resource, one.id): one for step in steps if isinstance(step, RecordBatch) for one in step.records}
    assert {key: record.body is not None for key, record in records.items()} == {
        ("company", "1"): True,
        ("warehouses", "1"): True,
        ("taxes", "1"): True,
        ("taxes", "7"): False,
        ("products", "2"): True,
        ("products", "99"): False,
        ("stock", "1-1"): True,
        ("stock", "1-2"): False,
    }
    assert not isinstance(steps[-1], Checkpoint)


async def test_what_is_no_id_is_unreadable_and_the_others_are_read(shop: Any) -> None:
    steps = await shop.read_ids(products=["2", "x", "01"], orders=["1"], stock=["1"])
    assert {(step.resource, step.id) for step in steps if isinstance(step, UnreadableRecord)} == {
        ("orders", "1"), ("products", "x"), ("products", "01"), ("stock", "1"),
    }  # fmt: skip
    assert [record.id for step in steps if isinstance(step, RecordBatch) for record in step.records] == ["2"]


async def test_many_ids_are_read_on_from_a_checkpoint(bench: Any) -> None:
    fill_shop(bench.odoo, products=250)
    ids = {"products": tuple(str(number) for number in range(1, 251))}
    steps = [step async for step in bench.source.read_records(bench.build_context(), ids, None)]
    cursors = [step.cursor for step in steps if isinstance(step, Checkpoint)]
    rest = [step async for step in bench.source.read_records(bench.build_context(), ids, cursors[1])]
    assert len(cursors) == 2 and [len(step.records) for step in rest if isinstance(step, RecordBatch)] == [50]
