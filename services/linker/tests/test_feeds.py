"""Links follow both sides' change feeds without a gap, and read the whole state where there is one."""

from uuid import UUID, uuid4

import orjson
import pytest

from contracts.events import BodyChunk
from linker.use_cases.reads import StalledReads
from links_fixture import DATABASE, OTHER_FEED, SHOP, LinkWorld, build_product

pytestmark = pytest.mark.integration


async def test_a_new_link_requests_a_read_of_each_side(world: LinkWorld) -> None:
    link = await world.create_link()
    requests = await world.pop_messages("read.requested")
    assert link.state == "reading"
    assert [request["connection"] for request in requests] == [SHOP, DATABASE]


async def test_a_side_that_was_never_read_fully_is_waited_for(world: LinkWorld) -> None:
    await world.connect(SHOP)
    await world.connect(DATABASE, is_fully_read=False)
    link = await world.create_link_of_connected()
    assert link.reason == f"waits for the first full sync of {DATABASE}"
    assert [request["connection"] for request in await world.pop_messages("read.requested")] == [SHOP]
    for _ in range(2):
        await world.finish_full_sync(DATABASE)
    assert [request["connection"] for request in await world.pop_messages("read.requested")] == [DATABASE]
    assert (await world.get_link()).reason is None


async def test_the_pages_of_a_read_are_known_and_the_feed_goes_on_behind_them(world: LinkWorld) -> None:
    for number in range(5):
        world.shopify.put(str(number), build_product(str(number), f"S-{number}", f"Lamp {number}"))
    await world.create_link()
    await world.answer_reads(page_size=2)
    assert await world.list_titles("shopify") == {str(number): f"Lamp {number}" for number in range(5)}
    side = await world.get_side("shopify")
    assert (side.position.is_whole, side.position.sequence) == (True, 5)


async def test_changes_are_applied_in_order_and_pages_that_come_again_change_nothing(world: LinkWorld) -> None:
    await world.draft_link()
    first = world.shopify.build_page([world.shopify.put("1", build_product("1", "A", "Old"))], after=0)
    second = world.shopify.build_page([world.shopify.put("1", build_product("1", "A", "New"))], after=1)
    await world.changes(SHOP, [first, second])
    await world.changes(SHOP, [first])
    assert await world.list_titles("shopify") == {"1": "New"}
    assert (await world.get_side("shopify")).position.sequence == 2
    assert await world.pop_messages("read.requested") == []


async def test_a_gap_leads_to_a_read_that_mends_it(world: LinkWorld) -> None:
    world.shopify.put("gone", build_product("gone", "G"))
    await world.draft_link()
    world.shopify.put("gone", None)
    world.shopify.put("2", build_product("2", "B", "Unseen"))
    after = world.shopify.sequence
    seen = world.shopify.put("3", build_product("3", "C", "Seen"))
    await world.changes(SHOP, [world.shopify.build_page([seen], after=after)])
    assert not (await world.get_side("shopify")).position.is_whole
    await world.answer_reads()
    assert await world.list_titles("shopify") == {"2": "Unseen", "3": "Seen"}
    assert (await world.get_side("shopify")).position.is_whole


async def test_changes_during_a_read_are_counted_at_its_end(world: LinkWorld) -> None:
    world.shopify.put("1", build_product("1", "A", "Old"))
    await world.create_link()
    (request, _) = await world.pop_messages("read.requested")
    read = world.shopify.build_read(UUID(request["read_id"]))
    newer = world.shopify.put("1", build_product("1", "A", "New"))
    await world.changes(SHOP, [world.shopify.build_page([newer], after=1)])
    await world.reads(SHOP, read)
    assert await world.list_titles("shopify") == {"1": "New"}
    assert (await world.get_side("shopify")).position.sequence == 2


async def test_a_read_is_requested_again_if_changes_behind_it_are_missing(world: LinkWorld) -> None:
    await world.create_link()
    (request, _) = await world.pop_messages("read.requested")
    read = world.shopify.build_read(UUID(request["read_id"]))
    world.shopify.put("1", build_product("1", "A", "Missed"))
    late = world.shopify.put("2", build_product("2", "B", "Late"))
    await world.changes(SHOP, [world.shopify.build_page([late], after=1)])
    await world.reads(SHOP, read)
    assert not (await world.get_side("shopify")).position.is_whole
    await world.answer_reads()
    assert await world.list_titles("shopify") == {"1": "Missed", "2": "Late"}


async def test_another_feed_replaces_what_is_known_whatever_its_numbers(world: LinkWorld) -> None:
    for name in ("1", "2", "3"):
        world.shopify.put(name, build_product(name, name, "Of the former feed"))
    await world.draft_link()
    world.shopify.feed, world.shopify.sequence, world.shopify.entries = OTHER_FEED, 0, {}
    restored = world.shopify.put("1", build_product("1", "1", "Restored"))
    await world.changes(SHOP, [world.shopify.build_page([restored], after=0)])
    await world.answer_reads()
    assert await world.list_titles("shopify") == {"1": "Restored"}
    side = await world.get_side("shopify")
    assert (side.position.feed, side.position.sequence, side.position.is_whole) == (OTHER_FEED, 1, True)


async def test_pages_of_a_former_feed_during_a_read_of_the_next_one_lead_to_another_read(world: LinkWorld) -> None:
    await world.draft_link()
    former = world.shopify.build_page([world.shopify.put("1", build_product("1", "A", "Former"))], after=0)
    world.shopify.feed, world.shopify.sequence, world.shopify.entries = OTHER_FEED, 0, {}
    world.shopify.put("2", build_product("2", "B", "Next"))
    await world.changes(SHOP, [world.shopify.build_page([], after=0)])
    (request,) = await world.pop_messages("read.requested")
    first, *_ = world.shopify.build_read(UUID(request["read_id"]), page_size=1)
    await world.changes(SHOP, [former])
    await world.reads(SHOP, [first])
    await world.answer_reads()
    assert await world.list_titles("shopify") == {"2": "Next"}


async def test_a_body_in_chunks_is_known_when_the_last_one_is_there(world: LinkWorld) -> None:
    await world.draft_link()
    entry = world.shopify.put("1", build_product("1", "A", "Large"))
    body = orjson.dumps(entry.body).decode()
    cut = len(body) // 2
    for number, part in enumerate((body[:cut], body[cut:])):
        chunk = BodyChunk(number=number, count=2, text=part)
        page = world.shopify.build_page([entry.model_copy(update={"body": None})], after=0, through=number, chunk=chunk)
        await world.changes(SHOP, [page])
        assert await world.list_titles("shopify") == ({"1": "Large"} if number else {})
    assert (await world.get_side("shopify")).position.sequence == 1


async def test_a_missing_chunk_is_a_gap(world: LinkWorld) -> None:
    await world.draft_link()
    entry = world.shopify.put("1", build_product("1", "A", "Large"))
    chunk = BodyChunk(number=1, count=2, text="}")
    bare = entry.model_copy(update={"body": None})
    await world.changes(SHOP, [world.shopify.build_page([bare], after=0, chunk=chunk)])
    await world.answer_reads()
    assert await world.list_titles("shopify") == {"1": "Large"}


async def test_a_record_whose_form_is_not_known_stops_no_other(world: LinkWorld) -> None:
    world.shopify.put("1", build_product("1", "A", "Before"))
    await world.draft_link()
    broken, good = world.shopify.put("1", {"variants": []}), world.shopify.put("2", build_product("2", "B", "Good"))
    await world.changes(SHOP, [world.shopify.build_page([broken, good], after=1)])
    assert await world.list_titles("shopify") == {"1": "Before", "2": "Good"}


async def test_a_read_of_somebody_else_and_an_unlinked_connection_are_left_alone(world: LinkWorld) -> None:
    await world.draft_link()
    world.shopify.put("1", build_product("1", "A", "Of another read"))
    await world.reads(SHOP, world.shopify.build_read(uuid4()))
    await world.changes("shopify:other.example", [b"never parsed"])
    assert await world.list_titles("shopify") == {}


async def test_a_read_of_which_nothing_comes_is_requested_again(world: LinkWorld) -> None:
    await world.create_link()
    await world.pop_messages("read.requested")
    assert not await StalledReads(world.database.transaction).run_once()
    stalled = StalledReads(world.database.transaction, seconds=-1)
    assert await stalled.run_once() and await stalled.run_once()
    assert len(await world.pop_messages("read.requested")) == 2
