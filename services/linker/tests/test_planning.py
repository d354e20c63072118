"""Records of both sides are matched when both were read whole, and what differs is planned at once."""

from typing import Any
from uuid import UUID

import pytest

from links_fixture import DATABASE, SHOP, LinkWorld, build_product

pytestmark = pytest.mark.integration


async def put_on_both(world: LinkWorld, number: int, **fields: Any) -> None:
    """Put a product with the same values on both sides: `s1` in the shop, `o1` in Odoo."""
    world.shopify.put(f"s{number}", build_product(f"s{number}", f"SKU-{number}", **fields))
    world.odoo.put(f"o{number}", build_product(f"o{number}", f"SKU-{number}", **fields))


async def test_nothing_is_matched_before_both_sides_were_read_whole(world: LinkWorld) -> None:
    await put_on_both(world, 1)
    await world.create_link()
    (request, _) = await world.pop_messages("read.requested")
    await world.reads(SHOP, world.shopify.build_read(UUID(request["read_id"])))
    await world.plan()
    assert (await world.get_link()).state == "reading"
    assert await world.list_pairs() == []


async def test_the_first_plan_is_a_draft_that_lists_exactly_what_differs(world: LinkWorld) -> None:
    await put_on_both(world, 1)
    world.shopify.put("s2", build_product("s2", "SKU-2", "Lamp", price="10.00"))
    world.odoo.put("o2", build_product("o2", "SKU-2", "Lamp of oak", price="10.0"))
    world.shopify.put("shop", {"currency": "EUR"}, resource="account")
    world.odoo.put("company", {"currency": "EUR"}, resource="account")
    link = await world.draft_link()
    assert link.state == "draft"
    assert await world.list_pairs() == [("s1", "o1", "linked", None), ("s2", "o2", "conflict", "conflict")]
    assert await world.list_lines() == [("title", "conflict", "first_match", "shopify")]
    published = await world.pop_messages("link.changed")
    assert [event["state"] for event in published] == ["reading", "draft"]
    assert published[-1]["pairs"] == {"linked": 1, "conflict": 1}
    assert (published[-1]["planned_fields"], published[-1]["plan_number"]) == (1, 1)


async def test_what_is_missing_doubled_or_without_a_key_is_listed_and_stops_nothing(world: LinkWorld) -> None:
    await put_on_both(world, 1)
    world.shopify.put("s2", build_product("s2", "ONLY-SHOP"))
    world.odoo.put("o3", build_product("o3", "ONLY-ODOO"))
    for name in ("s4", "s5"):
        world.shopify.put(name, build_product(name, "DOUBLED"))
    world.odoo.put("o4", build_product("o4", "DOUBLED"))
    world.odoo.put("o6", build_product("o6", None))
    await world.draft_link()
    assert await world.list_pairs() == [
        ("s1", "o1", "linked", None),
        ("s2", None, "unlinked", "missing_in_odoo"),
        (None, "o3", "unlinked", "missing_in_shopify"),
    ]
    problems = {problem["reason"]: problem for problem in await world.list_problems()}
    assert set(problems) == {"ambiguous_match", "odoo_missing_sku"}
    assert problems["ambiguous_match"]["shopify_products"] == ["s4", "s5"]
    assert problems["odoo_missing_sku"]["odoo_products"] == ["o6"]


async def test_a_change_on_one_side_is_planned_for_the_other_one(world: LinkWorld) -> None:
    await put_on_both(world, 1)
    await world.draft_link()
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Lamp of oak"))
    assert await world.list_lines() == [("title", "write", "changed_on_odoo", "shopify")]
    await world.change(world.shopify, "s1", build_product("s1", "SKU-1", "Lamp of oak"))
    assert await world.list_lines() == []
    assert (await world.get_link()).plan_number == 2


async def test_a_change_of_both_sides_is_decided_by_the_authority(world: LinkWorld) -> None:
    await put_on_both(world, 1)
    await world.draft_link(groups={"content": {"authority": "shopify"}})
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Of Odoo"))
    await world.change(world.shopify, "s1", build_product("s1", "SKU-1", "Of the shop"))
    assert await world.list_lines() == [("title", "write", "authority", "odoo")]


async def test_a_change_of_what_is_not_linked_plans_nothing(world: LinkWorld) -> None:
    await put_on_both(world, 1)
    link = await world.draft_link()
    await world.change(world.shopify, "s1", build_product("s1", "SKU-1"))
    assert (await world.get_link()).plan_number == link.plan_number
    assert await world.count_rows("plans") == 0


async def test_a_corrected_key_links_what_was_not_matched(world: LinkWorld) -> None:
    world.shopify.put("s1", build_product("s1", "WRONG"))
    world.odoo.put("o1", build_product("o1", "SKU-1"))
    await world.draft_link()
    await world.change(world.shopify, "s1", build_product("s1", "SKU-1"))
    assert await world.list_pairs() == [("s1", "o1", "linked", None)]
    assert await world.list_pairs("variants") == [("vs1", "vo1", "linked", None)]


async def test_a_doubled_key_that_is_single_again_links_the_others(world: LinkWorld) -> None:
    for name in ("s1", "s2"):
        world.shopify.put(name, build_product(name, "SKU-1"))
    world.odoo.put("o1", build_product("o1", "SKU-1"))
    await world.draft_link()
    assert [problem["reason"] for problem in await world.list_problems()] == ["ambiguous_match"]
    await world.change(world.shopify, "s2", build_product("s2", "SKU-2"))
    assert await world.list_problems() == []
    assert ("s1", "o1", "linked", None) in await world.list_pairs()


async def test_a_product_that_is_gone_unlinks_its_pair_until_another_one_has_its_key(world: LinkWorld) -> None:
    await put_on_both(world, 1)
    await world.draft_link()
    await world.change(world.shopify, "s1", None)
    assert await world.list_pairs() == [("s1", "o1", "unlinked", "gone_in_shopify")]
    assert await world.list_lines() == []
    await world.change(world.shopify, "s9", build_product("s9", "SKU-1"))
    assert await world.list_pairs() == [("s9", "o1", "linked", None)]


async def test_a_product_that_is_gone_in_odoo_is_to_be_taken_off_sale(world: LinkWorld) -> None:
    await put_on_both(world, 1)
    await world.draft_link()
    await world.change(world.odoo, "o1", None)
    assert await world.list_lines() == [("record", "draft", "gone_on_odoo", "shopify")]


async def test_a_product_that_is_archived_in_odoo_is_to_be_taken_off_sale(world: LinkWorld) -> None:
    await put_on_both(world, 1)
    await put_on_both(world, 2, archived=True)
    await world.draft_link()
    assert await world.list_lines() == []
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", archived=True))
    assert await world.list_lines() == [("record", "draft", "archived_on_odoo", "shopify")]


async def test_amounts_are_compared_when_the_currencies_of_both_sides_are_known(world: LinkWorld) -> None:
    world.shopify.put("s1", build_product("s1", "SKU-1", price="10.00"))
    world.odoo.put("o1", build_product("o1", "SKU-1", price="12.00"))
    await world.draft_link()
    assert await world.list_lines() == [("price", "blocked", "currency", None)]
    for connection, feed in ((SHOP, world.shopify), (DATABASE, world.odoo)):
        entry = feed.put("account", {"currency": "EUR"}, resource="account")
        await world.changes(connection, [feed.build_page([entry], after=1)])
    await world.plan()
    assert await world.list_lines() == [("price", "conflict", "first_match", "shopify")]


async def test_an_archived_variant_without_a_sku_is_listed_nowhere(world: LinkWorld) -> None:
    await put_on_both(world, 1)
    body = build_product("o1", "SKU-1")
    body["variants"].append({"id": "old", "sku": None, "archived": True})
    world.odoo.put("o1", body)
    await world.draft_link()
    assert await world.list_problems() == []
    assert await world.list_pairs("variants") == [("vs1", "vo1", "linked", None)]
    body["variants"][-1]["archived"] = False
    await world.change(world.odoo, "o1", body)
    assert [problem["reason"] for problem in await world.list_problems()] == ["odoo_missing_sku"]
