"""Reads of the published views in a real PostgreSQL."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.feed_cursors import FeedCursor
from contracts.lookup_keys import build_lookup_key
from data_api.store.changes import find_position, read_changes
from data_api.store.databases import POOL_SIZE, ReadDatabases
from data_api.store.heads import load_head
from data_api.store.records import RecordFilter, RowPage, list_by_id, list_by_sequence, load_record
from messaging.errors import UnavailableError
from published_feed import SHOP, PublishedFeed, encode

MIB = 1024 * 1024
SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'data_api' AND wait_event = 'PgSleep'"


def list_ids(page: RowPage | None) -> list[str]:
    assert page is not None
    return [row["id"] for row in page.rows]


async def test_a_record_has_its_body_and_its_last_change(feed: PublishedFeed, databases: ReadDatabases) -> None:
    await feed.write("1", {"title": "Old"})
    sequence = await feed.write("1", {"title": "New"})
    found = await load_record(databases, SHOP, "products", "1")
    assert found is not None
    head, row = found
    assert row is not None and (row["body"], row["sequence"], head.sequence) == (
        encode({"title": "New"}),
        sequence,
        sequence,
    )
    nothing = await load_record(databases, SHOP, "products", "2")
    assert nothing is not None and nothing[1] is None
    assert await load_record(databases, "shop-platform:other.example", "products", "1") is None


async def test_pages_by_id_end_with_the_last_record(feed: PublishedFeed, databases: ReadDatabases) -> None:
    for record_id in ("b", "d", "a", "c"):
        await feed.write(record_id, {})
    await feed.write("c", None)
    filters = RecordFilter()
    first = await list_by_id(databases, SHOP, "products", filters, after=None, limit=2, max_bytes=MIB)
    assert first is not None and (list_ids(first), first.has_more) == (["a", "b"], True)
    second = await list_by_id(databases, SHOP, "products", filters, after="b", limit=2, max_bytes=MIB)
    assert second is not None and (list_ids(second), second.has_more) == (["d"], False)
    third = await list_by_id(databases, SHOP, "products", filters, after="d", limit=2, max_bytes=MIB)
    assert third is not None and (list_ids(third), third.has_more) == ([], False)
    everything = RecordFilter(with_deleted=True)
    page = await list_by_id(databases, SHOP, "products", everything, after=None, limit=9, max_bytes=MIB)
    assert list_ids(page) == ["a", "b", "c", "d"]


async def test_a_page_is_cut_by_bytes_but_never_empty(feed: PublishedFeed, databases: ReadDatabases) -> None:
    for number in range(3):
        await feed.write(str(number), {"text": "x" * 1000})
    cut = await list_by_id(databases, SHOP, "products", RecordFilter(), after=None, limit=9, max_bytes=2100)
    assert cut is not None and (list_ids(cut), cut.has_more) == (["0", "1"], True)
    large = await list_by_id(databases, SHOP, "products", RecordFilter(), after=None, limit=9, max_bytes=1)
    assert large is not None and (list_ids(large), large.has_more) == (["0"], True)
    head = await load_head(databases, SHOP)
    assert head is not None
    start = FeedCursor(head.feed, head.epoch, 0)
    changes = await read_changes(databases, SHOP, start, limit=9, max_bytes=1)
    assert changes is not None and (list_ids(changes), changes.has_more) == (["0"], True)
    assert find_position(changes).sequence == changes.rows[0]["sequence"]


async def test_records_are_found_by_ids_and_fields(feed: PublishedFeed, databases: ReadDatabases) -> None:
    late = datetime(2026, 11, 2, tzinfo=UTC)
    await feed.write("2", {}, lookups=[("sku", "S"), ("sku", "M"), ("title", "Shirt")], updated_at=late)
    await feed.write("1", {}, lookups=[("sku", "M"), ("title", "Shirt")])
    await feed.write("3", {}, resource="orders", lookups=[("title", "Shirt")])
    await feed.connect("shop-platform:other.example")
    await feed.write("4", {}, connection="shop-platform:other.example", lookups=[("title", "Shirt")])

    async def find(field: str | None = None, value: str = "", **filters: Any) -> list[str]:
        key = build_lookup_key("products", field, value) if field else None
        wanted = RecordFilter(lookup_key=key, **filters)
        return list_ids(await list_by_id(databases, SHOP, "products", wanted, after=None, limit=9, max_bytes=MIB))

    assert await find("title", "Shirt") == ["1", "2"]
    assert (await find("title", "shirt"), await find("sku", "Shirt")) == ([], [])
    assert (await find("sku", "M"), await find("sku", "S")) == (["1", "2"], ["2"])
    assert await find("sku", "M", updated_after=datetime(2026, 11, 1, 12, tzinfo=UTC)) == ["2"]
    assert await find(ids=["2", "9", "1", "3", "1"]) == ["1", "2"]
    assert await find("sku", "M", ids=["2", "9", "3", "2"]) == ["2"]
    await feed.write("2", {}, lookups=[("sku", "S")])
    assert (await find("sku", "M"), await find("sku", "S")) == (["1"], ["2"])
    await feed.write("2", None)
    assert await find("sku", "S", with_deleted=True) == []


@pytest.mark.parametrize("order", ["id", "sequence"])
async def test_what_is_found_comes_in_pages(feed: PublishedFeed, databases: ReadDatabases, order: str) -> None:
    for record_id in "dbeac":
        await feed.write(record_id, {}, lookups=[("status", "ACTIVE" if record_id != "a" else "DRAFT")])
    filters, after, seen = RecordFilter(lookup_key=build_lookup_key("products", "status", "ACTIVE")), None, []
    has_more = True
    while has_more:
        page = (
            await list_by_id(databases, SHOP, "products", filters, after=after, limit=3, max_bytes=MIB)
            if order == "id"
            else await list_by_sequence(databases, SHOP, "products", filters, after=after or 0, limit=3, max_bytes=MIB)
        )
        assert page is not None
        seen += list_ids(page)
        after, has_more = page.rows[-1][order], page.has_more
    assert seen == list("bcde" if order == "id" else "dbec")


async def test_changes_have_each_record_once_and_go_on_from_the_head(
    feed: PublishedFeed, databases: ReadDatabases
) -> None:
    await feed.write("1", {"n": 1})
    await feed.write("2", {"n": 1})
    await feed.write("1", {"n": 2})
    last = await feed.write("2", None)
    skipped = await feed.skip_numbers(5)
    head = await load_head(databases, SHOP)
    assert head is not None and head.sequence == skipped
    page = await read_changes(databases, SHOP, FeedCursor(head.feed, 1, 0), limit=9, max_bytes=MIB)
    assert page is not None
    assert [(row["id"], row["is_deleted"], row["body"]) for row in page.rows] == [
        ("1", False, encode({"n": 2})),
        ("2", True, None),
    ]
    assert page.rows[-1]["sequence"] == last and find_position(page) == head.cursor
    thin = await read_changes(
        databases, SHOP, FeedCursor(head.feed, 1, 0), limit=9, max_bytes=MIB, resources=["orders"], with_bodies=False
    )
    assert thin is not None and (thin.rows, find_position(thin)) == ((), head.cursor)


@pytest.mark.parametrize("order", ["id", "sequence"])
async def test_a_page_costs_no_more_in_a_connection_without_statistics(
    feed: PublishedFeed, databases: ReadDatabases, order: str
) -> None:
    await feed.db.execute("ANALYZE records; ANALYZE bodies")
    await feed.fill(5000)

    async def count_reads() -> int:
        await feed.db.execute("SELECT pg_stat_force_next_flush()")
        statistics = "SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE schemaname = $1"
        return int(await feed.db.fetchval(statistics, feed.schema))

    # Another session's counts are shown when it is idle, so all of them are closed before they are read.
    before = await count_reads()
    page = (
        await list_by_id(databases, SHOP, "products", RecordFilter(), after="0002000", limit=5, max_bytes=MIB)
        if order == "id"
        else await list_by_sequence(databases, SHOP, "products", RecordFilter(), after=2001, limit=5, max_bytes=MIB)
    )
    assert list_ids(page) == [f"000200{number}" for number in range(1, 6)]
    await databases.close()
    assert await count_reads() - before < 100


async def test_statements_are_answered_after_others_were_broken_off_and_connections_closed(
    feed: PublishedFeed, databases: ReadDatabases
) -> None:
    await feed.write("1", {"n": 1})

    async def read() -> int:
        rows = await databases.fetch_latest("SELECT count(*) AS found FROM records WHERE connection = $1", SHOP)
        return int(rows[0]["found"])

    assert await asyncio.gather(*(read() for _ in range(5 * POOL_SIZE))) == [1] * 5 * POOL_SIZE
    broken = [asyncio.create_task(databases.fetch_latest("SELECT pg_sleep(60)")) for _ in range(2 * POOL_SIZE)]
    while await feed.db.fetchval(SLEEPING) < POOL_SIZE:
        await asyncio.sleep(0.01)
    for task in broken:
        task.cancel()
    await asyncio.gather(*broken, return_exceptions=True)
    assert await asyncio.gather(*(read() for _ in range(2 * POOL_SIZE))) == [1] * 2 * POOL_SIZE
    await feed.db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'data_api'")

    async def read_once_the_end_is_noticed() -> int:
        while True:
            try:
                return await read()
            except UnavailableError:
                await asyncio.sleep(0.01)

    found = await asyncio.gather(*(read_once_the_end_is_noticed() for _ in range(2 * POOL_SIZE)))
    assert found == [1] * 2 * POOL_SIZE
