"""The same edits at a simulated Odoo and at a real one: what is stored is what is there."""

from typing import Any
from uuid import uuid4

import pytest

from odoo_fetcher.read_state import RARE_SECONDS
from odoo_fetcher.windows import SETTLED_SECONDS


async def read_first(world: Any) -> None:
    """Read everything, and look again until what was written before is settled."""
    await world.sync()
    for _ in range(2):
        world.pass_time(SETTLED_SECONDS)
        await world.sync()


async def find_storable(world: Any) -> tuple[int, int, int]:
    """Return the ids of a template, its only variant and the location of the stock."""
    place = next(body.body["lot_stock_location_id"] for key, body in world.stored.items() if key[0] == "warehouses")
    for (resource, _), record in world.stored.items():
        body = record.body
        if resource == "products" and body["is_storable"] and body["active"] and len(body["variants"]) == 1:
            return body["id"], body["variants"][0]["id"], place
    raise AssertionError("no storable product")


async def test_everything_is_read_as_it_is(world: Any) -> None:
    read = await world.sync()
    assert read.end.skipped_resources == {} and not [record for record in read.records if record.unreadable]
    await world.assert_equal_to_truth()
    assert (await world.sync()).end.id_ranges == ()


async def test_other_versions_are_read_by_the_fields_that_they_have(other_version: Any) -> None:
    await other_version.sync()
    await other_version.assert_equal_to_truth()
    template, _, _ = await find_storable(other_version)
    # An edit in the second of the one before could not be told from it.
    edited_before = other_version.read_clock()
    while other_version.read_clock() < edited_before + 1.1:
        await other_version.sleep(0.1)
    await other_version.write("product.template", template, name="Renamed")
    await other_version.sync()
    await other_version.assert_equal_to_truth()


async def test_a_read_in_many_steps_is_the_same_one(world: Any) -> None:
    await world.sync_in_steps()
    await world.assert_equal_to_truth()


@pytest.mark.parametrize(
    "values",
    [
        {"name": "Renamed"},
        {"list_price": 77.25},
        {"description_sale": "One line\nand <another> & more"},
        {"description_sale": False},
        {"active": False},
    ],
)
async def test_an_edit_of_a_template_is_read_at_the_next_poll(world: Any, values: Any) -> None:
    await read_first(world)
    template, _, _ = await find_storable(world)
    await world.write("product.template", template, **values)
    read = await world.sync()
    assert read.list_ids("products") == [str(template)]
    assert {name: world.stored["products", str(template)].body[name] or False for name in values} == values
    await world.assert_equal_to_truth()


async def test_an_edit_of_a_variant_is_read_at_the_next_poll(world: Any) -> None:
    await read_first(world)
    template, variant, _ = await find_storable(world)
    code, barcode = f"CODE-{uuid4().hex[:8]}", uuid4().hex[:12]
    await world.write("product.product", variant, default_code=code, barcode=barcode, standard_price=1.5, weight=2.5)
    await world.sync()
    record = world.stored["products", str(template)]
    body = record.body["variants"][0]
    assert [body[name] for name in ("default_code", "barcode", "cost", "weight")] == [code, barcode, 1.5, 2.5]
    assert record.lookup_values["default_code"] == (code,) and record.lookup_values["barcode"] == (barcode,)
    await world.assert_equal_to_truth()


async def test_an_image_is_known_by_its_checksum(world: Any) -> None:
    await read_first(world)
    template, _, _ = await find_storable(world)
    picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    await world.write("product.template", template, image_1920=picture)
    await world.sync()
    checksum = world.stored["products", str(template)].body["image_checksum"]
    assert checksum is not None and len(checksum) == 40
    await world.assert_equal_to_truth()


async def test_a_new_product_with_variants_is_read_and_its_deletion_at_the_next_poll(world: Any) -> None:
    await read_first(world)
    attribute = await world.create("product.attribute", name="Taste", create_variant="always")
    values = [await world.create("product.attribute.value", name=name, attribute_id=attribute) for name in "AB"]
    line = [0, 0, {"attribute_id": attribute, "value_ids": [[6, 0, values]]}]
    template = await world.create("product.template", name="Sweet", attribute_line_ids=[line])
    await world.sync()
    body = world.stored["products", str(template)].body
    assert [variant["options"][0]["value"] for variant in body["variants"]] == ["A", "B"]
    await world.assert_equal_to_truth()

    (extra,) = await world.find(
        "product.template.attribute.value",
        ("product_tmpl_id", "=", template),
        ("product_attribute_value_id", "=", values[0]),
    )
    world.pass_time(SETTLED_SECONDS)
    await world.write("product.template.attribute.value", extra, price_extra=4.5)
    await world.sync()
    prices = {
        one["options"][0]["value"]: one["price"] for one in world.stored["products", str(template)].body["variants"]
    }
    assert prices["A"] == prices["B"] + 4.5
    await world.assert_equal_to_truth()

    await world.write("product.attribute.value", values[1], name="Bitter")
    world.pass_time(RARE_SECONDS)
    await world.sync()
    await world.assert_equal_to_truth()

    await world.call("product.template", "unlink", [template])
    await world.sync()
    assert ("products", str(template)) not in world.stored
    await world.assert_equal_to_truth()


async def test_counted_stock_is_read_and_stock_that_became_nothing_is_a_tombstone(world: Any) -> None:
    await read_first(world)
    _, variant, place = await find_storable(world)
    key = ("stock", f"{variant}-{place}")
    await world.count_stock(variant, place, 12.0)
    read = await world.sync()
    assert read.list_ids("stock") == [key[1]] and read.list_ids("products") == []
    assert world.stored[key].body["on_hand"] == 12.0
    await world.assert_equal_to_truth()
    await world.count_stock(variant, place, 0.0)
    await world.clean_quants()
    await world.sync()
    assert key not in world.stored
    await world.assert_equal_to_truth()


async def test_names_of_tags_and_categories_are_read_with_the_products_that_have_them(world: Any) -> None:
    await world.sync()
    template, _, _ = await find_storable(world)
    tag = await world.create("product.tag", name=f"tag {uuid4().hex[:6]}")
    category = await world.create("product.category", name=f"category {uuid4().hex[:6]}")
    below = await world.create("product.category", name="below", parent_id=category)
    await world.write("product.template", template, product_tag_ids=[[6, 0, [tag]]], categ_id=below)
    await read_first(world)
    await world.write("product.tag", tag, name=f"tag {uuid4().hex[:6]}")
    await world.write("product.category", category, name="Another")
    world.pass_time(RARE_SECONDS)
    read = await world.sync()
    assert read.list_ids("products") == [str(template)]
    assert world.stored["products", str(template)].body["category"]["name"] == "Another / below"
    await world.assert_equal_to_truth()


async def test_an_unchanged_database_costs_few_calls(world: Any) -> None:
    await read_first(world)
    context = world.build_context()
    assert len([step async for step in world.source.read_all(context, None)]) == 1
    assert context.calls <= 9
