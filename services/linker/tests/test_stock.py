"""Stock is merged by differences: each change counts once, and a sale is never written back."""

from typing import Any

import pytest
from sqlalchemy import text

from contracts.events import WriteCompleted
from linker.handlers import WritesHandler
from linker.use_cases.approvals import approve_draft, settle_conflicts
from linker.use_cases.bookings import book_sales
from linker.use_cases.link_states import lock_link, pause_link, resume_link
from linking.records import STOCK, Side
from links_fixture import DATABASE, SHOP, LinkWorld, build_product
from platform_sdk.errors import RequestRejectedError

pytestmark = pytest.mark.integration
SHELF, STORE = "gid://shopify/Location/1", "gid://shopify/Location/2"
LOCATIONS = {SHELF: 8}
SHOPIFY_TOPIC, ODOO_TOPIC = "write.requested.shopify.stock", "write.requested.odoo.stock"


class StockWorld:
    """A link of one product whose stock is in step at one location, and both platforms' writers."""

    def __init__(self, world: LinkWorld) -> None:
        self.world = world
        self.read_at = 10_000
        self.writers = WritesHandler(world.database.transaction, on_changed=lambda: None)

    async def link(self, shopify: int | None, odoo: int | None, **settings: Any) -> None:
        """Link the product with these numbers on both sides, and approve the draft."""
        self.world.shopify.put("s1", build_product("s1", "SKU-1"))
        self.world.odoo.put("o1", build_product("o1", "SKU-1"))
        if shopify is not None:
            self.world.shopify.put("i1", {"variant": "vs1", "units": {SHELF: shopify}}, STOCK)
        if odoo is not None:
            self.world.odoo.put("vo1-8", {"variant": "vo1", "units": {"8": odoo}}, STOCK)
        await self.world.draft_link(**{"locations": LOCATIONS, **settings})
        await self.approve()

    async def approve(self) -> None:
        async with self.world.database.transaction() as tx:
            await approve_draft(tx, await lock_link(tx, SHOP))
        await self.world.plan()

    async def book(self, record: str | None = None, quantity: int | None = None) -> int:
        async with self.world.database.transaction() as tx:
            booked = await book_sales(tx, await lock_link(tx, SHOP), record=record, quantity=quantity)
        await self.world.plan()
        return booked

    async def sell(self, number: int, *, read_at: int | None = None) -> None:
        """Let the shop's number be another one, in a reading that is newer than all writes unless `read_at` is."""
        self.read_at += 1_000
        body = {"variant": "vs1", "units": {SHELF: number}}
        await self.world.change(self.world.shopify, "i1", body, STOCK, read_at=read_at or self.read_at)

    async def count(self, number: int | None) -> None:
        """Let Odoo's number be another one; None where the last unit has gone, and the record with it."""
        body = None if number is None else {"variant": "vo1", "units": {"8": number}}
        await self.world.change(self.world.odoo, "vo1-8", body, STOCK)

    async def pop_one(self, topic: str = SHOPIFY_TOPIC) -> dict[str, Any]:
        (request,) = await self.world.pop_messages(topic)
        return request

    async def pop_all(self) -> list[dict[str, Any]]:
        topics = (SHOPIFY_TOPIC, ODOO_TOPIC, "write.requested.shopify", "write.requested.odoo")
        return [one for topic in topics for one in await self.world.pop_messages(topic)]

    async def answer(self, request: dict[str, Any], outcome: str = "applied", **fields: Any) -> None:
        """Say what came of a write, by default that it was made, and plan."""
        self.read_at += 1_000
        fields = {"values": request["fields"], "read_at": self.read_at, **fields}
        copied = {name: request[name] for name in ("write_id", "link_id", "connection", "epoch", "attempt", "record")}
        event = WriteCompleted(**copied, outcome=outcome, **fields)
        await self.writers(request["connection"], [event])
        await self.world.plan()

    async def get_pair(self) -> tuple[dict[str, int], dict[str, int], dict[str, int], str]:
        """Return both sides' bases, what is unbooked, and the state of the one pair of stock."""
        async with self.world.database.transaction() as tx:
            sql = text("SELECT shopify_base, odoo_base, unbooked, state FROM pairs WHERE resource = 'stock'")
            return tuple((await tx.execute(sql)).one())


@pytest.fixture
def stock(world: LinkWorld) -> StockWorld:
    return StockWorld(world)


async def test_equal_numbers_are_agreed_on_and_a_change_is_added_to_the_shops(stock: StockWorld) -> None:
    await stock.link(7, 7)
    assert await stock.get_pair() == ({SHELF: 7}, {SHELF: 7}, {}, "linked")
    await stock.count(12)
    request = await stock.pop_one()
    assert (request["connection"], request["resource"], request["operation"]) == (SHOP, "stock", "update")
    assert (request["record"], request["product"]) == ("vs1", "s1")
    assert (request["expected"], request["fields"]) == ({SHELF: 7}, {SHELF: 12})
    await stock.answer(request)
    assert await stock.get_pair() == ({SHELF: 12}, {SHELF: 12}, {}, "linked")
    await stock.sell(12)
    assert await stock.pop_all() == []


async def test_different_numbers_wait_in_the_draft_and_the_counting_side_has_its_way(stock: StockWorld) -> None:
    stock.world.shopify.put("i1", {"variant": "vs1", "units": {SHELF: 3}}, STOCK)
    stock.world.odoo.put("vo1-8", {"variant": "vo1", "units": {"8": 10}}, STOCK)
    stock.world.shopify.put("s1", build_product("s1", "SKU-1"))
    stock.world.odoo.put("o1", build_product("o1", "SKU-1"))
    await stock.world.draft_link(locations=LOCATIONS)
    assert await stock.world.list_lines() == [(SHELF, "conflict", "first_match", "shopify")]
    assert await stock.pop_all() == []
    await stock.approve()
    request = await stock.pop_one()
    assert (request["expected"], request["fields"]) == ({SHELF: 3}, {SHELF: 10})
    await stock.answer(request)
    assert await stock.get_pair() == ({SHELF: 10}, {SHELF: 10}, {}, "linked")


async def test_a_sale_is_not_written_back_and_lies_under_the_next_change(stock: StockWorld) -> None:
    await stock.link(7, 7)
    await stock.sell(5)
    assert await stock.pop_all() == []
    assert await stock.get_pair() == ({SHELF: 5}, {SHELF: 7}, {SHELF: 2}, "linked")
    await stock.count(10)
    request = await stock.pop_one()
    assert (request["expected"], request["fields"]) == ({SHELF: 5}, {SHELF: 8})
    await stock.answer(request)
    assert await stock.get_pair() == ({SHELF: 8}, {SHELF: 10}, {SHELF: 2}, "linked")
    await stock.sell(10)
    assert await stock.get_pair() == ({SHELF: 10}, {SHELF: 10}, {}, "linked")


async def test_a_sale_at_the_moment_of_a_write_and_the_write_both_count(stock: StockWorld) -> None:
    await stock.link(7, 7)
    await stock.count(12)
    request = await stock.pop_one()
    await stock.answer(request, "conflict", values={SHELF: 6})
    again = await stock.pop_one()
    assert again["write_id"] != request["write_id"]
    assert (again["expected"], again["fields"]) == ({SHELF: 6}, {SHELF: 11})
    await stock.answer(again)
    assert await stock.get_pair() == ({SHELF: 11}, {SHELF: 12}, {SHELF: 1}, "linked")
    await stock.sell(11)
    assert await stock.pop_all() == []


async def test_a_reading_of_a_writer_that_comes_late_replaces_no_newer_one(stock: StockWorld) -> None:
    await stock.link(7, 7)
    await stock.count(12)
    request = await stock.pop_one()
    await stock.sell(4, read_at=50_000)
    await stock.answer(request, "conflict", values={SHELF: 6}, read_at=40_000)
    again = await stock.pop_one()
    assert (again["expected"], again["fields"]) == ({SHELF: 4}, {SHELF: 9})


async def test_a_number_that_was_another_one_for_a_moment_is_written_by_another_write(stock: StockWorld) -> None:
    await stock.link(7, 7)
    await stock.count(12)
    request = await stock.pop_one()
    await stock.answer(request, "conflict", values={SHELF: 7})
    again = await stock.pop_one()
    assert again["write_id"] != request["write_id"]
    assert (again["expected"], again["fields"]) == ({SHELF: 7}, {SHELF: 12})


async def test_conflicts_that_follow_each_other_wait_longer_and_longer(stock: StockWorld) -> None:
    await stock.link(7, 7)
    await stock.count(12)
    for _ in range(2):
        await stock.answer(await stock.pop_one(), "conflict", values={SHELF: 7})
    assert await stock.pop_all() == []
    async with stock.world.database.transaction() as tx:
        sql = text("SELECT extract(epoch FROM due_at - now()) FROM writes WHERE state = 'open'")
        assert 0 < float((await tx.execute(sql)).scalar_one()) <= 1


async def test_what_is_sold_between_writing_and_reading_is_a_sale(stock: StockWorld) -> None:
    await stock.link(7, 7)
    await stock.count(12)
    await stock.answer(await stock.pop_one(), values={SHELF: 11})
    assert await stock.get_pair() == ({SHELF: 11}, {SHELF: 12}, {SHELF: 1}, "linked")


async def test_a_reading_from_before_the_write_is_no_sale(stock: StockWorld) -> None:
    await stock.link(7, 7)
    await stock.count(12)
    await stock.answer(await stock.pop_one())
    await stock.sell(7, read_at=9_000)
    assert await stock.get_pair() == ({SHELF: 12}, {SHELF: 12}, {}, "linked")


async def test_what_changes_while_a_write_is_open_is_planned_afterwards(stock: StockWorld) -> None:
    await stock.link(7, 7)
    await stock.count(12)
    request = await stock.pop_one()
    await stock.count(15)
    assert await stock.pop_all() == []
    await stock.answer(request)
    second = await stock.pop_one()
    assert (second["expected"], second["fields"]) == ({SHELF: 12}, {SHELF: 15})


async def test_the_last_unit_in_odoo_takes_its_record_with_it(stock: StockWorld) -> None:
    await stock.link(4, 4)
    await stock.count(None)
    request = await stock.pop_one()
    assert request["fields"] == {SHELF: 0}
    await stock.answer(request)
    await stock.count(3)
    assert (await stock.pop_one())["fields"] == {SHELF: 3}


async def test_a_number_may_be_negative(stock: StockWorld) -> None:
    await stock.link(2, 2)
    await stock.sell(-1)
    await stock.count(1)
    assert (await stock.pop_one())["fields"] == {SHELF: -2}


async def test_with_shopify_as_the_authority_the_sides_are_exchanged(stock: StockWorld) -> None:
    await stock.link(7, 7, groups={"stock": {"authority": "shopify"}})
    await stock.sell(4)
    request = await stock.pop_one(ODOO_TOPIC)
    assert (request["connection"], request["record"], request["product"]) == (DATABASE, "vo1", "o1")
    assert (request["expected"], request["fields"]) == ({"8": 7}, {"8": 4})
    await stock.answer(request)
    assert await stock.get_pair() == ({SHELF: 4}, {SHELF: 4}, {}, "linked")
    await stock.count(4)
    assert await stock.pop_all() == []


async def test_a_sale_that_was_booked_is_not_taken_from_the_shop_twice(stock: StockWorld) -> None:
    await stock.link(7, 7)
    await stock.sell(5)
    await stock.count(5)
    await stock.answer(await stock.pop_one())
    assert await stock.get_pair() == ({SHELF: 3}, {SHELF: 5}, {SHELF: 2}, "linked")
    assert await stock.book() == 2
    await stock.answer(await stock.pop_one())
    assert await stock.get_pair() == ({SHELF: 5}, {SHELF: 5}, {}, "linked")
    with pytest.raises(RequestRejectedError, match="nothing is unbooked"):
        await stock.book()


async def test_more_than_was_sold_cannot_be_booked(stock: StockWorld) -> None:
    await stock.link(7, 7)
    await stock.sell(5)
    with pytest.raises(RequestRejectedError, match="2 are unbooked"):
        await stock.book(record="vs1", quantity=3)
    assert await stock.book(record="vs1", quantity=1) == 1


@pytest.mark.parametrize(("shopify", "settings"), [(None, {}), (7, {"locations": {STORE: 8}}), (7, {"locations": {}})])
async def test_what_is_not_counted_or_not_mapped_is_left_alone(
    stock: StockWorld, shopify: int | None, settings: dict[str, Any]
) -> None:
    await stock.link(shopify, 7, **settings)
    await stock.count(12)
    assert await stock.pop_all() == []


async def test_a_product_without_stock_in_odoo_is_left_alone(stock: StockWorld) -> None:
    await stock.link(7, 7)
    product = build_product("o1", "SKU-1")
    product["variants"][0]["is_stocked"] = False
    await stock.world.change(stock.world.odoo, "o1", product)
    await stock.count(12)
    assert await stock.pop_all() == []


async def test_stock_does_not_wait_behind_other_writes(stock: StockWorld) -> None:
    for number in range(300):
        stock.world.shopify.put(f"s{number}", build_product(f"s{number}", f"SKU-{number}", "Lamp"))
        stock.world.odoo.put(f"o{number}", build_product(f"o{number}", f"SKU-{number}", "Lamp of oak"))
    await stock.link(7, 7)
    assert len(await stock.world.pop_messages("write.requested.shopify")) == 100
    await stock.count(12)
    assert (await stock.pop_one())["fields"] == {SHELF: 12}


async def test_the_stock_of_a_product_that_is_gone_is_forgotten(stock: StockWorld) -> None:
    await stock.link(7, 7)
    await stock.world.change(stock.world.odoo, "o1", None)
    await stock.count(12)
    assert [one for one in await stock.pop_all() if one["resource"] == "stock"] == []
    assert await stock.world.list_pairs("stock") == []


async def test_much_stock_at_once_waits_for_an_approval(stock: StockWorld) -> None:
    for number in range(1, 61):
        stock.world.shopify.put(f"s{number}", build_product(f"s{number}", f"SKU-{number}"))
        stock.world.odoo.put(f"o{number}", build_product(f"o{number}", f"SKU-{number}"))
        stock.world.shopify.put(f"i{number}", {"variant": f"vs{number}", "units": {SHELF: 5}}, STOCK)
        stock.world.odoo.put(f"vo{number}-8", {"variant": f"vo{number}", "units": {"8": 5}}, STOCK)
    await stock.link(5, 5)
    for number in range(1, 52):
        body = {"variant": f"vo{number}", "units": {"8": 6}}
        await stock.world.change(stock.world.odoo, f"vo{number}-8", body, STOCK)
    link = await stock.world.get_link()
    assert (link.state, "the stock of 51 of 60 products" in (link.reason or "")) == ("draft", True)
    assert len(await stock.world.pop_messages(SHOPIFY_TOPIC)) == 50


async def test_a_shop_that_does_not_let_its_stock_be_written_is_not_approved(stock: StockWorld) -> None:
    stock.world.shopify.put("s1", build_product("s1", "SKU-1"))
    stock.world.odoo.put("o1", build_product("o1", "SKU-1"))
    await stock.world.draft_link(locations=LOCATIONS)
    scopes = ("read_products", "read_inventory", "write_products")
    await stock.world.connect(SHOP, revision=2, scopes=scopes)
    with pytest.raises(RequestRejectedError, match=r"write_inventory, read_locations.*link=stock"):
        await stock.approve()


async def test_a_product_is_made_in_the_shop_with_its_stock(stock: StockWorld) -> None:
    await stock.link(7, 7)
    stock.world.odoo.put("vo2-8", {"variant": "vo2", "units": {"8": 4, "9": 30}}, STOCK)
    after = stock.world.odoo.sequence - 1
    page = stock.world.odoo.build_page([stock.world.odoo.entries[STOCK, "vo2-8"]], after=after)
    await stock.world.changes(DATABASE, [page])
    await stock.world.change(stock.world.odoo, "o2", build_product("o2", "SKU-2"))
    request = await stock.pop_one("write.requested.shopify")
    assert [variant["stock"] for variant in request["variants"]] == [{SHELF: 4}]


async def test_the_number_of_the_side_that_counts_is_corrected_there(stock: StockWorld) -> None:
    await stock.link(7, 7)
    product = {"title": "Chair", "variants": [{"id": "vs2", "sku": "SKU-2"}]}
    await stock.world.change(stock.world.shopify, "i2", {"variant": "vs2", "units": {SHELF: 3}}, STOCK)
    await stock.world.change(stock.world.shopify, "s2", product)
    await stock.world.change(stock.world.odoo, "o2", {**product, "variants": [{"id": "vo2", "sku": "SKU-2"}]})
    async with stock.world.database.transaction() as tx:
        link = await lock_link(tx, SHOP)
        with pytest.raises(RequestRejectedError, match="correct that by a count"):
            await settle_conflicts(tx, link, Side.SHOPIFY, record="vs2")
        assert await settle_conflicts(tx, link, Side.ODOO, record="vs2") == 1
    await stock.world.plan()
    assert (await stock.pop_one())["fields"] == {SHELF: 0}


async def test_a_write_that_was_made_while_the_link_was_paused_is_not_made_again(stock: StockWorld) -> None:
    await stock.link(7, 7)
    await stock.count(12)
    request = await stock.pop_one()
    async with stock.world.database.transaction() as tx:
        await pause_link(tx, await lock_link(tx, SHOP), "by a test")
    await stock.world.plan()
    await stock.answer(request)
    async with stock.world.database.transaction() as tx:
        await resume_link(tx, await lock_link(tx, SHOP))
    stock.world.shopify.put("i1", {"variant": "vs1", "units": {SHELF: 12}}, STOCK, read_at=stock.read_at + 1)
    await stock.world.answer_reads()
    await stock.world.plan()
    assert await stock.pop_all() == []
    assert await stock.get_pair() == ({SHELF: 12}, {SHELF: 12}, {}, "linked")


async def test_a_write_of_which_nothing_was_heard_when_the_link_was_paused_goes_on_under_its_id(
    stock: StockWorld,
) -> None:
    await stock.link(7, 7)
    await stock.count(12)
    request = await stock.pop_one()
    async with stock.world.database.transaction() as tx:
        await pause_link(tx, await lock_link(tx, SHOP), "by a test")
        await tx.execute(text("UPDATE writes SET due_at = now()"))
        await resume_link(tx, await lock_link(tx, SHOP))
    await stock.world.answer_reads()
    await stock.world.plan()
    again = await stock.pop_one()
    assert (again["write_id"], again["attempt"], again["fields"]) == (request["write_id"], 2, {SHELF: 12})
