"""What is approved is requested once, what comes of it moves what both sides agree on, and nothing is written back."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from linker.store.overview import load_counts
from linker.use_cases.approvals import retry_failed, settle_conflicts
from linker.use_cases.link_states import lock_link, pause_link, resume_link
from linker.use_cases.old_writes import OldWrites
from linking.records import Side
from links_fixture import DATABASE, SHOP, LinkWorld, build_product
from links_writers import WRITTEN_AT, Writers, approve, link_pair
from platform_sdk.errors import RequestRejectedError

pytestmark = pytest.mark.integration


async def make_due(world: LinkWorld) -> None:
    """Let the time pass after which writes are requested again."""
    async with world.database.transaction() as tx:
        await tx.execute(text("UPDATE writes SET due_at = now()"))
    await world.plan()


async def list_states(world: LinkWorld) -> list[str]:
    async with world.database.transaction() as tx:
        return list((await tx.execute(text("SELECT state FROM writes ORDER BY created_at, id"))).scalars().all())


async def test_a_draft_is_not_written_before_it_is_approved(world: LinkWorld, writers: Writers) -> None:
    world.shopify.put("s1", build_product("s1", "SKU-1", "Lamp"))
    world.odoo.put("o1", build_product("o1", "SKU-1", "Lamp of oak"))
    await world.draft_link()
    assert await writers.pop() == []
    await approve(world)
    (request,) = await writers.pop()
    assert (request["connection"], request["resource"], request["operation"]) == (SHOP, "products", "update")
    assert (request["record"], request["expected"], request["fields"]) == (
        "s1",
        {"title": "Lamp"},
        {"title": "Lamp of oak"},
    )
    await writers.answer(request)
    assert await world.list_lines() == []
    assert await world.list_pairs() == [("s1", "o1", "linked", None)]
    assert (await world.list_titles("shopify"))["s1"] == "Lamp of oak"
    assert await writers.pop() == []


async def test_only_the_plan_that_a_person_has_seen_is_approved(world: LinkWorld) -> None:
    world.shopify.put("s1", build_product("s1", "SKU-1", "Lamp"))
    world.odoo.put("o1", build_product("o1", "SKU-1", "Lamp of oak"))
    await world.draft_link()
    with pytest.raises(RequestRejectedError, match="look at plan 1"):
        await approve(world, plan=7)
    await approve(world, plan=1)
    with pytest.raises(RequestRejectedError, match="there is no draft"):
        await approve(world)


async def test_a_draft_whose_domain_no_product_can_meet_says_so(world: LinkWorld) -> None:
    world.odoo.put("o1", build_product("o1", "SKU-1", lacking=["is_ready_for_sale"]))
    link = await world.draft_link()
    assert link.reason is not None and link.reason.startswith("the database has no field is_ready_for_sale")
    with pytest.raises(RequestRejectedError, match="no field is_ready_for_sale"):
        await approve(world)
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1"))
    await approve(world)


async def test_an_edit_causes_one_write_and_its_echo_none(world: LinkWorld, writers: Writers) -> None:
    await link_pair(world)
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Lamp of oak"))
    (request,) = await writers.pop()
    await writers.answer(request)
    await world.change(world.shopify, "s1", build_product("s1", "SKU-1", "Lamp of oak"))
    assert await writers.pop() == []
    assert await list_states(world) == ["applied"]


async def test_an_edit_between_a_write_and_its_reading_is_written_back(world: LinkWorld, writers: Writers) -> None:
    await link_pair(world)
    await world.change(world.shopify, "s1", build_product("s1", "SKU-1", "Lamp of ash"))
    (request,) = await writers.pop()
    await writers.answer(request, values={"title": "Lamp of elm"}, written={"title": "Lamp of ash"})
    (back,) = await writers.pop()
    assert (back["connection"], back["expected"], back["fields"]) == (
        SHOP,
        {"title": "Lamp of ash"},
        {"title": "Lamp of elm"},
    )
    await writers.answer(back)
    assert (await writers.pop(), await world.list_lines()) == ([], [])


async def test_an_echo_that_comes_before_the_answer_writes_nothing_back(world: LinkWorld, writers: Writers) -> None:
    await link_pair(world, groups={"content": {"authority": "shopify"}})
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Lamp of oak"))
    (request,) = await writers.pop()
    await world.change(world.shopify, "s1", build_product("s1", "SKU-1", "Lamp of oak"))
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Lamp of ash"))
    assert await writers.pop() == []
    await writers.answer(request)
    (second,) = await writers.pop()
    assert (second["connection"], second["expected"]["title"], second["fields"]["title"]) == (
        SHOP,
        "Lamp of oak",
        "Lamp of ash",
    )


@pytest.mark.parametrize(("seconds", "is_newer"), [(-1, False), (0, False), (1, True)])
async def test_a_reading_from_before_the_write_is_no_change(
    world: LinkWorld, writers: Writers, seconds: int, is_newer: bool
) -> None:
    await link_pair(world)
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Lamp of oak"))
    (request,) = await writers.pop()
    await writers.answer(request)
    entry = world.shopify.put("s1", build_product("s1", "SKU-1", "Lamp", vendor="Acme"))
    stale = entry.model_copy(update={"updated_at": WRITTEN_AT + timedelta(seconds=seconds), "read_at": 4_999})
    await world.changes(SHOP, [world.shopify.build_page([stale], after=entry.sequence - 1)])
    await world.plan()
    requests = await writers.pop()
    assert [one["fields"] for one in requests] == ([{"title": "Lamp"}] if is_newer else [])
    assert (await world.list_titles("shopify"))["s1"] == ("Lamp" if is_newer else "Lamp of oak")


async def test_a_conflict_is_planned_anew_with_what_was_found(world: LinkWorld, writers: Writers) -> None:
    await link_pair(world, groups={"content": {"authority": "shopify"}})
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Of Odoo"))
    (request,) = await writers.pop()
    await writers.answer(request, "conflict", values={"title": "Of the shop"}, version=WRITTEN_AT, read_at=5_000)
    (second,) = await writers.pop()
    assert (second["connection"], second["fields"], second["expected"]) == (
        DATABASE,
        {"title": "Of the shop"},
        {"title": "Of Odoo"},
    )


async def test_what_a_platform_refuses_is_an_error_of_its_pair_and_is_sent_once(
    world: LinkWorld, writers: Writers
) -> None:
    await link_pair(world)
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Lamp of oak"))
    (request,) = await writers.pop()
    await writers.answer(request, "refused", reason_code="shopify_data", message="Title is too long")
    assert await world.list_pairs() == [("s1", "o1", "error", "shopify_data")]
    await make_due(world)
    assert await writers.pop() == []
    async with world.database.transaction() as tx:
        assert await retry_failed(tx, await lock_link(tx, SHOP), "odoo_data") == 0
        assert await retry_failed(tx, await lock_link(tx, SHOP), "shopify_data") == 1
    await world.plan()
    (again,) = await writers.pop()
    assert again["write_id"] != request["write_id"] and again["fields"] == request["fields"]
    await writers.answer(again)
    assert await world.list_pairs() == [("s1", "o1", "linked", None)]


async def test_another_decision_takes_the_place_of_a_refused_one(world: LinkWorld, writers: Writers) -> None:
    await link_pair(world)
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Too long"))
    await writers.answer((await writers.pop())[0], "refused", reason_code="shopify_data")
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Short"))
    (request,) = await writers.pop()
    assert request["fields"] == {"title": "Short"}
    assert await world.list_pairs() == [("s1", "o1", "linked", None)]


async def test_back_and_forth_is_four_writes(world: LinkWorld, writers: Writers) -> None:
    await link_pair(world)
    ids = set()
    for title in ("10", "9", "10", "9"):
        await world.change(world.odoo, "o1", build_product("o1", "SKU-1", title))
        (request,) = await writers.pop()
        assert request["fields"] == {"title": title}
        ids.add(request["write_id"])
        await writers.answer(request)
    assert len(ids) == 4


async def test_a_silent_write_is_requested_again_under_its_id_until_it_is_given_up(
    world: LinkWorld, writers: Writers
) -> None:
    await link_pair(world)
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Lamp of oak"))
    requests = await writers.pop()
    for _ in range(12):
        await make_due(world)
        requests += await writers.pop()
    assert len({request["write_id"] for request in requests}) == 1
    assert [request["attempt"] for request in requests] == list(range(1, 12))
    assert await world.list_pairs() == [("s1", "o1", "error", "run_failed")]


async def test_a_failed_write_waits_longer_after_each_failure(world: LinkWorld, writers: Writers) -> None:
    await link_pair(world)
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Lamp of oak"))
    for seconds in (1, 2, 4, 8, 16, 32, 60, 60, 60):
        (request,) = await writers.pop()
        await writers.answer(request, "failed")
        assert await writers.pop() == []
        async with world.database.transaction() as tx:
            waits = text("SELECT extract(epoch FROM due_at - now()) FROM writes")
            assert seconds - 1 < float((await tx.execute(waits)).scalar_one()) <= seconds
        await make_due(world)
    (request,) = await writers.pop()
    await writers.answer(request, "failed")
    await make_due(world)
    assert await list_states(world) == ["failed"]


async def test_a_throttled_write_is_never_given_up(world: LinkWorld, writers: Writers) -> None:
    await link_pair(world)
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Lamp of oak"))
    for _ in range(15):
        (request,) = await writers.pop()
        await writers.answer(request, "postponed", reason_code="throttled", not_before=0)
    assert await list_states(world) == ["open"]


async def test_writes_wait_for_a_merchant_who_must_sign_in_again(world: LinkWorld, writers: Writers) -> None:
    await link_pair(world)
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Lamp of oak"))
    for _ in range(15):
        (request,) = await writers.pop()
        await writers.answer(request, "postponed", reason_code="access_denied", not_before=0)
        assert await list_states(world) == ["open"]
    (request,) = await writers.pop()
    await writers.answer(request, "postponed", reason_code="access_denied", not_before=4_000_000_000_000)
    assert await writers.pop() == []
    await world.connect(SHOP, revision=2)
    await world.plan()
    (again,) = await writers.pop()
    assert again["write_id"] == request["write_id"]


async def test_an_old_answer_changes_nothing(world: LinkWorld, writers: Writers) -> None:
    await link_pair(world)
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Lamp of oak"))
    (request,) = await writers.pop()
    await writers.answer(request)
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Lamp of ash"))
    await writers.answer(request)
    (second,) = await writers.pop()
    assert second["fields"] == {"title": "Lamp of ash"}


async def test_edits_of_different_fields_on_both_sides_are_two_writes(world: LinkWorld, writers: Writers) -> None:
    world.shopify.put("s1", build_product("s1", "SKU-1", vendor="Acme"))
    world.odoo.put("o1", build_product("o1", "SKU-1", vendor="Acme"))
    await world.draft_link()
    await approve(world)
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Lamp of oak", vendor="Acme"))
    await world.change(world.shopify, "s1", build_product("s1", "SKU-1", vendor="Oak & Co"))
    requests = {request["connection"]: request["fields"] for request in await writers.pop()}
    assert requests == {SHOP: {"title": "Lamp of oak"}, DATABASE: {"vendor": "Oak & Co"}}


async def test_a_held_conflict_waits_for_a_person(world: LinkWorld, writers: Writers) -> None:
    await link_pair(world, groups={"content": {"authority": "hold"}})
    for feed, record, title in ((world.odoo, "o1", "Of Odoo"), (world.shopify, "s1", "Of the shop")):
        after = feed.sequence
        page = feed.build_page([feed.put(record, build_product(record, "SKU-1", title))], after=after)
        await world.changes(feed.connection, [page])
    await world.plan()
    assert await writers.pop() == []
    assert await world.list_pairs() == [("s1", "o1", "conflict", "conflict")]
    async with world.database.transaction() as tx:
        link = await lock_link(tx, SHOP)
        with pytest.raises(RequestRejectedError, match="nothing is in conflict"):
            await settle_conflicts(tx, link, Side.ODOO, record="s1", field="vendor")
        assert await settle_conflicts(tx, link, Side.SHOPIFY, record="s1", field="title") == 1
    await world.plan()
    (request,) = await writers.pop()
    assert (request["connection"], request["fields"]) == (DATABASE, {"title": "Of the shop"})


async def test_records_of_one_id_are_told_apart_by_their_resource(world: LinkWorld, writers: Writers) -> None:
    groups = {"content": {"authority": "hold"}, "price": {"authority": "hold"}}
    product = {"title": "Lamp", "variants": [{"id": "7", "sku": "SKU-1", "price": "9"}]}
    world.shopify.put("s1", {**product, "variants": [{"id": "v1", "sku": "SKU-1", "price": "8"}], "title": "Lampe"})
    world.odoo.put("7", product)
    for feed in (world.shopify, world.odoo):
        feed.put("account", {"currency": "EUR"}, "account")
    await world.draft_link(groups=groups)
    await approve(world)
    async with world.database.transaction() as tx:
        link = await lock_link(tx, SHOP)
        with pytest.raises(RequestRejectedError, match=r"several records \(products, variants\)"):
            await settle_conflicts(tx, link, Side.ODOO, record="7")
        assert await settle_conflicts(tx, link, Side.ODOO, record="7", resource="variants") == 1
    await world.plan()
    (request,) = await writers.pop()
    assert (request["resource"], request["fields"]) == ("variants", {"price": "9"})


async def test_many_writes_within_an_hour_wait_for_an_approval(world: LinkWorld, writers: Writers) -> None:
    for number in range(60):
        world.shopify.put(f"s{number}", build_product(f"s{number}", f"SKU-{number}"))
        world.odoo.put(f"o{number}", build_product(f"o{number}", f"SKU-{number}"))
    await world.draft_link()
    await approve(world)
    for number in range(60):
        body = build_product(f"o{number}", f"SKU-{number}", "Lamp of oak")
        await world.change(world.odoo, f"o{number}", body)
        if number == 49:
            assert len(await writers.pop()) == 50
    link = await world.get_link()
    assert link.state == "draft"
    assert link.reason == "it would write 51 of 60 products within an hour: approve the plan, or correct the data"
    assert await writers.pop() == []
    await approve(world)
    assert len(await writers.pop()) == 10


async def test_a_removal_is_acted_on_once(world: LinkWorld, writers: Writers) -> None:
    await link_pair(world)
    await world.change(world.odoo, "o1", None)
    (request,) = await writers.pop()
    assert (request["operation"], request["record"], request["fields"]) == ("draft", "s1", {})
    await writers.answer(request)
    assert await world.list_lines() == []
    assert await world.list_pairs() == [("s1", "o1", "unlinked", "gone_in_odoo")]
    await world.change(world.shopify, "s1", build_product("s1", "SKU-1", "Sold again"))
    assert await writers.pop() == []


async def test_a_paused_link_writes_nothing_and_goes_on_under_new_ids(world: LinkWorld, writers: Writers) -> None:
    await link_pair(world)
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Lamp of oak"))
    (request,) = await writers.pop()
    async with world.database.transaction() as tx:
        await pause_link(tx, await lock_link(tx, SHOP), "paused by an operator")
    await make_due(world)
    assert await writers.pop() == []
    async with world.database.transaction() as tx:
        await resume_link(tx, await lock_link(tx, SHOP))
    await world.answer_reads()
    await world.plan()
    assert (await world.get_link()).state == "active"
    (again,) = await writers.pop()
    assert again["fields"] == request["fields"] and again["write_id"] != request["write_id"]
    await writers.answer(request)
    await writers.answer(again)
    assert await list_states(world) == ["cancelled", "applied"]


async def test_a_product_that_a_side_lacks_is_made_once_and_found_by_its_sku(
    world: LinkWorld, writers: Writers
) -> None:
    world.shopify.put("s1", build_product("s1", "SKU-1", "Lamp", options=[], price="9.90"))
    for feed in (world.shopify, world.odoo):
        feed.put("account", {"currency": "EUR"}, resource="account")
    await world.draft_link()
    await approve(world)
    (request,) = await writers.pop()
    assert (request["connection"], request["operation"], request["record"]) == (DATABASE, "create", None)
    assert request["fields"] == {"title": "Lamp", "options": []}
    assert request["variants"] == [{"sku": "SKU-1", "price": "9.90", "option_values": {}}]
    link = await world.get_link()
    assert request["external_id"] == f"{link.id.hex}_products_s1"
    await writers.answer(request, record="77", variants={"SKU-1": "78"}, values={})
    await make_due(world)
    assert await writers.pop() == []
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Lamp", options=[], price="9.90"))
    assert await world.list_pairs() == [("s1", "o1", "linked", None)]
    assert await world.list_lines() == []


async def test_products_that_were_made_are_remembered_and_wait_for_an_approval_when_they_are_many(
    world: LinkWorld, writers: Writers
) -> None:
    for number in range(60):
        world.shopify.put(f"s{number}", build_product(f"s{number}", f"SKU-{number}"))
        world.odoo.put(f"o{number}", build_product(f"o{number}", f"SKU-{number}"))
    await world.draft_link()
    await approve(world)
    for number in range(100, 150):
        await world.change(world.shopify, f"s{number}", build_product(f"s{number}", f"SKU-{number}"))
        (request,) = await writers.pop()
        await writers.answer(request, record=f"o{number}", values={})
        await world.change(world.odoo, f"o{number}", build_product(f"o{number}", f"SKU-{number}"))
    assert await list_states(world) == ["applied"] * 50
    await world.change(world.shopify, "s200", build_product("s200", "SKU-200"))
    assert await writers.pop() == []
    assert "51 of 111 products within an hour" in ((await world.get_link()).reason or "")


async def test_a_product_that_is_there_before_its_writer_has_answered_is_not_made_again(
    world: LinkWorld, writers: Writers
) -> None:
    await link_pair(world)
    await world.change(world.shopify, "s2", build_product("s2", "SKU-2"))
    (request,) = await writers.pop()
    assert request["operation"] == "create"
    await world.change(world.odoo, "o2", build_product("o2", "SKU-2", "Lamp of oak"))
    await make_due(world)
    assert await writers.pop() == []
    assert await list_states(world) == ["unchanged"]
    await world.plan()
    assert await world.list_lines() == [("title", "conflict", "first_match", "shopify")]


@pytest.mark.parametrize("settings", [{"create_in": ["shopify"]}, {"create_in": []}])
async def test_a_link_makes_products_only_where_it_says(
    world: LinkWorld, writers: Writers, settings: dict[str, Any]
) -> None:
    world.shopify.put("s1", build_product("s1", "SKU-1", "Lamp"))
    await world.draft_link(**settings)
    await approve(world)
    assert await writers.pop() == []


async def test_options_that_differ_are_listed_and_everything_else_is_written(
    world: LinkWorld, writers: Writers
) -> None:
    sizes = [{"name": "Size", "values": ["S"]}]
    world.shopify.put("s1", build_product("s1", "SKU-1", "Lamp", options=sizes))
    world.odoo.put("o1", build_product("o1", "SKU-1", "Lamp of oak", options=[]))
    await world.draft_link()
    await approve(world)
    (request,) = await writers.pop()
    assert request["fields"] == {"title": "Lamp of oak"}
    assert await world.list_lines() == [
        ("options", "blocked", "options", None),
        ("title", "write", "changed_on_odoo", "shopify"),
    ]


async def test_a_product_is_made_without_amounts_of_another_currency(world: LinkWorld, writers: Writers) -> None:
    world.shopify.put("s1", build_product("s1", "SKU-1", "Lamp", options=[], price="9.90"))
    world.shopify.put("account", {"currency": "EUR"}, resource="account")
    world.odoo.put("account", {"currency": "USD"}, resource="account")
    await world.draft_link()
    await approve(world)
    (request,) = await writers.pop()
    assert (request["variants"], request["currency"]) == ([{"sku": "SKU-1", "option_values": {}}], None)


async def test_a_shop_that_has_not_granted_to_be_written_to_is_named_with_what_to_do(world: LinkWorld) -> None:
    await world.connect(SHOP, scopes=("read_products", "read_inventory"))
    await world.connect(DATABASE)
    await world.create_link_of_connected()
    await world.answer_reads()
    await world.plan()
    wanted = r"has not granted write_products: the merchant opens /shopify/acme.myshopify.com/login\?link=1"
    with pytest.raises(RequestRejectedError, match=wanted):
        await approve(world)


async def test_what_is_not_written_yet_is_shown_with_its_age_and_forgotten_after_a_week(
    world: LinkWorld, writers: Writers
) -> None:
    await link_pair(world)
    await world.change(world.odoo, "o1", build_product("o1", "SKU-1", "Lamp of oak"))
    async with world.database.transaction() as tx:
        assert (await load_counts(tx)).oldest_unwritten_seconds > 0
    await writers.answer((await writers.pop())[0])
    async with world.database.transaction() as tx:
        assert (await load_counts(tx)).oldest_unwritten_seconds == 0
    for days, left in ((6, 1), (8, 0)):
        async with world.database.transaction() as tx:
            await tx.execute(text(f"UPDATE writes SET ended_at = now() - interval '{days} days'"))
        await OldWrites(world.database.transaction).run_once()
        assert await world.count_rows("writes") == left
