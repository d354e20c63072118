"""Links are made of connected accounts of one merchant, and pause when a side is detached, moved or redacted."""

from uuid import uuid4

import pytest

from contracts.events import ConnectionChanged
from linker.store.links import Link
from linker.use_cases import link_states
from linking.settings import LinkSettings
from links_fixture import DATABASE, MERCHANT, SHOP, LinkWorld, build_product
from messaging.errors import ForeignMessageError
from platform_sdk.errors import NotFoundError, RequestRejectedError

pytestmark = pytest.mark.integration


async def create(world: LinkWorld, shop: str = SHOP, database: str = DATABASE) -> None:
    async with world.database.transaction() as tx:
        await link_states.create_link(tx, shop, database, LinkSettings())


async def act(world: LinkWorld, action: str) -> Link:
    async with world.database.transaction() as tx:
        link = await link_states.lock_link(tx, SHOP)
        if action == "pause":
            await link_states.pause_link(tx, link, "a person paused it")
        else:
            await {"resume": link_states.resume_link, "end": link_states.end_link}[action](tx, link)
    return await world.get_link()


async def change_shop(world: LinkWorld, **fields: object) -> None:
    state = {"revision": 2, "epoch": 1, "state": "connected", "merchant": MERCHANT, **fields}
    await world.connections(SHOP, [ConnectionChanged.model_validate({"connection": SHOP, **state})])


async def draft_with_records(world: LinkWorld) -> None:
    world.shopify.put("s1", build_product("s1", "SKU-1", "Lamp"))
    world.odoo.put("o1", build_product("o1", "SKU-1", "Lamp of oak"))
    await world.draft_link()


@pytest.mark.parametrize(
    ("state", "merchant", "reason"),
    [
        ("reauthorise", MERCHANT, "not connected"),
        ("uninstalled", MERCHANT, "not connected"),
        ("connected", uuid4(), "different merchants"),
        ("connected", None, "different merchants"),
    ],
)
async def test_only_connected_accounts_of_one_merchant_are_linked(
    world: LinkWorld, state: str, merchant: object, reason: str
) -> None:
    await world.connect(SHOP)
    await world.connect(DATABASE, state=state, merchant=merchant)
    with pytest.raises(RequestRejectedError, match=reason):
        await create(world)
    assert await world.count_rows("links") == 0


async def test_an_unknown_connection_and_one_of_the_wrong_platform_are_refused(world: LinkWorld) -> None:
    await world.connect(SHOP)
    with pytest.raises(RequestRejectedError, match="no such connection"):
        await create(world)
    with pytest.raises(RequestRejectedError, match="not a connection of odoo"):
        await create(world, database=SHOP)


async def test_a_shop_has_one_link_and_may_have_another_one_when_it_has_ended(world: LinkWorld) -> None:
    await draft_with_records(world)
    with pytest.raises(RequestRejectedError, match="has a link already"):
        await create(world)
    await act(world, "end")
    for table in ("side_records", "record_keys", "pairs", "plan_lines", "match_problems"):
        assert await world.count_rows(table) == 0, table
    with pytest.raises(NotFoundError):
        await act(world, "pause")
    await create(world)
    assert (await world.get_link()).state == "reading"


async def test_a_paused_link_follows_nothing_and_a_resumed_one_reads_both_sides_again(world: LinkWorld) -> None:
    await draft_with_records(world)
    assert (await act(world, "pause")).state == "paused"
    await world.change(world.shopify, "s1", build_product("s1", "SKU-1", "Changed while paused"))
    assert await world.list_titles("shopify") == {"s1": "Lamp"}
    assert (await act(world, "resume")).state == "reading"
    await world.answer_reads()
    await world.plan()
    assert (await world.get_link()).state == "draft"
    assert await world.list_titles("shopify") == {"s1": "Changed while paused"}
    with pytest.raises(RequestRejectedError, match="the link is draft"):
        await act(world, "resume")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"state": "uninstalled", "epoch": 2}, "disconnected"),
        ({"epoch": 2}, "connected again"),
        ({"merchant": uuid4()}, "another merchant"),
    ],
)
async def test_a_side_that_is_detached_or_moved_pauses_the_link(
    world: LinkWorld, change: dict[str, object], reason: str
) -> None:
    await draft_with_records(world)
    await change_shop(world, **change)
    link = await world.get_link()
    assert link.state == "paused"
    assert reason in (link.reason or "")
    assert await world.count_rows("pairs") > 0
    assert (await world.pop_messages("link.changed"))[-1]["state"] == "paused"


async def test_an_account_that_must_sign_in_again_keeps_its_link(world: LinkWorld) -> None:
    await draft_with_records(world)
    await change_shop(world, state="reauthorise")
    assert (await world.get_link()).state == "draft"


async def test_a_link_is_resumed_with_the_epoch_of_an_account_that_is_connected_again(world: LinkWorld) -> None:
    await draft_with_records(world)
    await change_shop(world, state="uninstalled", epoch=2)
    with pytest.raises(RequestRejectedError, match="not connected"):
        await act(world, "resume")
    await change_shop(world, revision=3, epoch=2)
    assert f"waits for the first full sync of {SHOP}" in ((await act(world, "resume")).reason or "")
    await world.finish_full_sync(SHOP, epoch=2)
    world.shopify.epoch = 2
    await world.answer_reads()
    await world.plan()
    assert (await world.get_link()).state == "draft"


async def test_what_is_known_of_a_redacted_side_is_deleted_with_all_that_shows_it(world: LinkWorld) -> None:
    await draft_with_records(world)
    await change_shop(world, state="redacted", epoch=2, merchant=None)
    for table in ("side_records", "record_keys", "pairs", "plan_lines", "match_problems", "chunks"):
        assert await world.count_rows(table) == 0, table
    assert (await world.get_link()).state == "paused"


async def test_a_redaction_of_which_only_the_next_state_is_left_deletes_too(world: LinkWorld) -> None:
    await draft_with_records(world)
    await change_shop(world, revision=5, epoch=2, redacted_epoch=2)
    assert await world.count_rows("side_records") == 0
    assert (await world.get_link()).state == "paused"


async def test_an_erased_page_deletes_what_it_covers(world: LinkWorld) -> None:
    await draft_with_records(world)
    world.shopify.sequence += 1
    page = world.shopify.build_page([], after=1, through=2, epoch=2, erased=True)
    await world.changes(SHOP, [page])
    assert await world.list_titles("shopify") == {}


async def test_a_falling_epoch_is_refused(world: LinkWorld) -> None:
    await world.connect(SHOP, epoch=3)
    with pytest.raises(ForeignMessageError):
        await change_shop(world, epoch=2)
