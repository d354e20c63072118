"""The change feed against a real PostgreSQL: what is on it, its order, its relay, and reads of whole states."""

import asyncio
import random
from collections.abc import Iterable
from uuid import UUID, uuid4

import orjson
import pytest
from sqlalchemy import text

from contracts.events import ReadRequested, Record, RecordChanged, RecordsRead
from messaging.errors import UnavailableError, UnknownConnectionError
from spaces_writer.handlers import ReadRequestedHandler
from spaces_writer.store import feed as feed_store
from writer_builders import (
    LATE,
    PAGE,
    SHOP,
    make_connection,
    make_direct_read,
    make_full_read,
    make_gid,
    make_page,
    make_page_connection,
    make_page_record,
    make_product,
    make_redaction,
    make_tombstone,
)
from writer_harness import Feed, Writer

pytestmark = pytest.mark.integration


@pytest.fixture
def feed(writer: Writer) -> Feed:
    return Feed(writer.database)


def list_entries(pages: Iterable[RecordChanged]) -> list[tuple[str, str]]:
    return [(change.operation, change.id) for page in pages for change in page.changes]


class Copy:
    """A consumer's copy of a connection, which applies pages as the contract says."""

    def __init__(self) -> None:
        self.position = 0
        self.feed: UUID | None = None
        self.entries: dict[tuple[str, str], tuple[int, object]] = {}
        self._chunks: list[str] = []

    def apply(self, page: RecordChanged) -> None:
        assert page.feed == (self.feed or page.feed), "another feed"
        assert page.after <= self.position, "a gap"
        self.feed = page.feed
        if page.erased and page.through > self.position:
            self.entries.clear()
        for entry in page.changes:
            body: object = entry.body
            if page.chunk is not None:
                self._chunks = [*(self._chunks if page.chunk.number else []), page.chunk.text]
                if page.chunk.number + 1 < page.chunk.count:
                    continue
                body = orjson.loads("".join(self._chunks))
            if entry.sequence > self.entries.get((entry.resource, entry.id), (0, None))[0]:
                self.entries[entry.resource, entry.id] = (entry.sequence, body)
        self.position = max(self.position, page.through)

    @property
    def bodies(self) -> dict[str, object]:
        return {record_id: body for (_, record_id), (_, body) in self.entries.items() if body is not None}


async def load_bodies(writer: Writer) -> dict[str, object]:
    async with writer.database.transaction() as tx:
        rows = await tx.execute(text("SELECT id, body FROM bodies"))
        return {row.id: orjson.loads(row.body) for row in rows}


async def test_each_change_has_a_number_of_its_own_in_the_order_of_the_commits(writer: Writer, feed: Feed) -> None:
    await writer.ingest(make_page(*(make_product(n, read_at=1_000) for n in (1, 2, 3))))
    await writer.ingest(make_page(make_product(2, read_at=9_000, updated_at=LATE, title="Cup")))
    await writer.ingest(make_page(make_tombstone(1, read_at=20_000)))
    (page,) = await feed.publish_all()
    assert list_entries([page]) == [("create", make_gid(3)), ("create", make_gid(2)), ("delete", make_gid(1))]
    assert [change.sequence for change in page.changes] == [3, 4, 5]
    assert (page.after, page.through) == (0, 5)


async def test_an_entry_says_all_that_the_contract_has(writer: Writer, feed: Feed) -> None:
    page = make_page(make_product(1, read_at=1_000))
    await writer.ingest(page)
    (published,) = await feed.publish_all()
    (entry,) = published.changes
    assert entry.body is not None and entry.body["title"] == "Mug"
    assert (entry.changed_by, entry.read_at, entry.sequence) == (page.read_id, 1_000, 1)
    assert entry.sha256 == (await writer.query_scalar("SELECT encode(content_hash, 'hex') FROM records"))
    assert (published.connection, published.epoch) == (SHOP, 1)


async def test_what_is_unchanged_stale_or_volatile_is_no_change(writer: Writer, feed: Feed) -> None:
    await writer.update_connection(make_page_connection())
    day = 24 * 3600 * 1000
    await writer.ingest_full_read(*make_full_read(make_page_record(read_at=day, likes=1)))
    await feed.publish_all()
    before = await writer.query_scalar(f"SELECT sequence FROM connections WHERE connection = '{PAGE}'")
    await writer.ingest_full_read(*make_full_read(make_page_record(read_at=3 * day, likes=2)))
    await writer.ingest(make_direct_read(make_page_record(read_at=4 * day)))
    await writer.ingest(make_direct_read(make_page_record(read_at=2 * day, name="Old")))
    assert await writer.query_scalar(f"SELECT sequence FROM connections WHERE connection = '{PAGE}'") == before + 1
    assert list_entries(await feed.publish_all()) == []


async def test_a_second_delivery_takes_no_number(writer: Writer, feed: Feed) -> None:
    page = make_page(make_product(1, read_at=1_000), make_tombstone(2, read_at=1_000))
    await writer.ingest(page)
    await writer.ingest(page)
    assert list_entries(await feed.publish_all()) == [("create", make_gid(1))]
    assert await writer.query_scalar("SELECT sequence FROM connections") == 1


async def test_children_are_deleted_on_the_feed_with_their_parent(writer: Writer, feed: Feed) -> None:
    item = Record(resource="inventory", id="i1", read_at=10, body={"levels": []}, parent=make_gid(1))
    await writer.ingest(make_page(make_product(1, read_at=10), item))
    await feed.publish_all()
    await writer.ingest(make_page(make_tombstone(1, read_at=20_000)))
    assert list_entries(await feed.publish_all()) == [("delete", "i1"), ("delete", make_gid(1))]


async def test_a_record_that_comes_back_is_created_again(writer: Writer, feed: Feed) -> None:
    await writer.ingest(make_page(make_product(1, read_at=1_000)))
    await writer.ingest(make_page(make_tombstone(1, read_at=20_000)))
    await feed.publish_all()
    await writer.ingest(make_page(make_product(1, read_at=40_000, updated_at=LATE)))
    assert list_entries(await feed.publish_all()) == [("create", make_gid(1))]


async def test_pages_follow_each_other_without_a_gap(
    writer: Writer, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_store, "PAGE_RECORDS", 3)
    await writer.ingest(make_page(*(make_product(n, read_at=1_000) for n in range(10))))
    pages = await feed.publish_all()
    assert [(page.after, page.through) for page in pages] == [(0, 3), (3, 6), (6, 9), (9, 10)]


async def test_a_page_is_bounded_by_its_bytes(writer: Writer, feed: Feed) -> None:
    size = feed_store.PAGE_BYTES // 2 + 1
    await writer.ingest(make_page(*(make_product(n, read_at=1_000, title="x" * size) for n in range(5))))
    assert [len(page.changes) for page in await feed.publish_all()] == [2, 2, 1]


async def test_a_body_of_many_megabytes_arrives_in_chunks(writer: Writer, feed: Feed) -> None:
    title = 'é"\\' * 2_000_000
    await writer.ingest(
        make_page(make_product(1, read_at=1), make_product(2, read_at=1, title=title), make_product(3, read_at=1))
    )
    pages, copy = await feed.publish_all(), Copy()
    for page in pages:
        copy.apply(page)
    assert copy.bodies == await load_bodies(writer)
    assert sum(page.chunk is not None for page in pages) > 1
    assert [page.through for page in pages if page.chunk is not None][:-1] == [1] * (len(pages) - 3)
    assert len(set(feed.publisher.event_ids)) == len(pages)


async def test_a_relay_that_is_killed_after_publishing_publishes_again(writer: Writer, feed: Feed) -> None:
    copy = Copy()
    await writer.ingest(make_page(make_product(1, read_at=1_000)))
    for page in await feed.publish_all():
        copy.apply(page)
    await writer.execute("UPDATE feed_positions SET published = 0")
    await writer.ingest(make_page(make_product(1, read_at=9_000, updated_at=LATE, title="Cup")))
    (page,) = await feed.publish_all()
    assert (page.after, page.through) == (0, 2)
    copy.apply(page)
    assert copy.bodies == await load_bodies(writer)


async def test_while_kafka_is_away_nothing_is_lost(writer: Writer, feed: Feed) -> None:
    await writer.ingest(make_page(make_product(1, read_at=1_000)))
    feed.publisher.is_unavailable = True
    with pytest.raises(UnavailableError):
        await feed.publish_all()
    feed.publisher.is_unavailable = False
    assert list_entries(await feed.publish_all()) == [("create", make_gid(1))]


async def test_one_relay_at_a_time_publishes(writer: Writer, feed: Feed) -> None:
    await writer.ingest(make_page(make_product(1, read_at=1_000)))
    async with writer.database.transaction() as tx:
        assert await feed_store.lock_lease(tx)
        assert await feed.publish_all() == []
    assert len(await feed.publish_all()) == 1


async def test_every_connection_has_its_turn(writer: Writer, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spaces_writer.use_cases.feed_relay.BATCH_CONNECTIONS", 2)
    names = [f"shopify:s{number}.myshopify.com" for number in range(5)]
    for name in names:
        await writer.update_connection(make_connection(name))
        await writer.ingest(make_page(make_product(1, read_at=1)).model_copy(update={"connection": name}))
    assert {page.connection for page in await feed.publish_all()} == set(names)


async def test_pages_are_prompt_only_for_a_connection_that_readers_are_shown(writer: Writer, feed: Feed) -> None:
    await writer.update_connection(make_page_connection())
    await writer.ingest(make_page(make_product(1, read_at=1_000)))
    # After a second without a page the relay publishes a part of one, too: that second does not pass here.
    hold_time = "UPDATE feed_positions SET published_at = now() + interval '1 hour'"
    await writer.execute(hold_time)
    assert not await feed.relay.publish_pages() and feed.publisher.messages == []
    many = make_page(*(make_product(n, read_at=2_000) for n in range(2, 2 + feed_store.PAGE_RECORDS)))
    await writer.ingest(many)
    while await feed.relay.publish_pages():
        await writer.execute(hold_time)
    assert [len(RecordChanged.model_validate_json(body).changes) for _, body in feed.publisher.messages] == [500]
    feed.publisher.messages.clear()
    await writer.ingest_full_read(*make_full_read(make_page_record(read_at=10)))
    await writer.execute(hold_time)
    assert not await feed.relay.publish_pages()
    assert [orjson.loads(body)["connection"] for _, body in feed.publisher.messages] == [PAGE]


async def test_the_lag_is_the_age_of_what_is_not_published(writer: Writer, feed: Feed) -> None:
    await writer.ingest(make_page(make_product(1, read_at=1_000)))
    await writer.execute("UPDATE feed_positions SET behind_since = now() - interval '5 minutes'")
    await feed.publish_all()
    await feed.publish_all()
    assert feed.lags[0] >= 300 and feed.lags[-1] == 0
    await writer.ingest(make_page(make_product(2, read_at=1_000)))
    await feed.publish_all()
    assert 0 < feed.lags[-1] < 300


async def test_an_erasure_is_on_the_feed(writer: Writer, feed: Feed) -> None:
    copy = Copy()
    await writer.update_connection(make_page_connection())
    await writer.ingest_full_read(*make_full_read(make_page_record(read_at=10)))
    for page in await feed.publish_all():
        copy.apply(page)
    assert copy.bodies
    await writer.update_connection(make_redaction())
    (page,) = await feed.publish_all()
    assert page.erased and page.epoch == 2 and page.after == copy.position
    copy.apply(page)
    assert copy.bodies == {}
    await writer.update_connection(make_page_connection(revision=3, epoch=2))
    await writer.ingest_full_read(*make_full_read(make_page_record(read_at=20, name="Again"), epoch=2))
    for page in await feed.publish_all():
        copy.apply(page)
    assert [body["name"] for body in copy.bodies.values() if isinstance(body, dict)] == ["Again"]


async def test_a_restored_or_failed_over_database_has_another_feed(writer: Writer, feed: Feed) -> None:
    await writer.ingest(make_page(make_product(1, read_at=1_000)))
    (before,) = await feed.publish_all()
    await writer.ingest(make_page(make_product(2, read_at=1_000)))
    (same,) = await feed.publish_all()
    await writer.execute("UPDATE feed SET database = replace(database, '.00000001.', '.00000002.')")
    await writer.ingest(make_page(make_product(3, read_at=1_000)))
    (after,) = await feed.publish_all()
    assert before.feed == same.feed != after.feed


async def test_an_erasure_after_a_failover_is_on_another_feed(writer: Writer, feed: Feed) -> None:
    await writer.ingest(make_page(make_product(1, read_at=1_000)))
    (before,) = await feed.publish_all()
    await writer.execute("UPDATE feed SET database = replace(database, '.00000001.', '.00000002.')")
    await writer.update_connection(make_redaction(SHOP))
    (erasure,) = await feed.publish_all()
    assert erasure.erased and erasure.feed != before.feed


async def test_a_read_has_the_whole_state_and_says_from_where_changes_follow(
    writer: Writer, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_store, "PAGE_RECORDS", 3)
    await writer.ingest(make_page(*(make_product(n, read_at=1_000) for n in range(8)), make_tombstone(9, read_at=5)))
    await writer.ingest(make_page(make_tombstone(3, read_at=20_000)))
    handler, read_id = ReadRequestedHandler(writer.database.transaction, on_requested=lambda: None), uuid4()
    await handler(SHOP, [ReadRequested(read_id=read_id, connection=SHOP, requested_at=1)] * 2)
    pages: list[RecordsRead] = await feed.publish_reads()
    assert {page.read_id for page in pages} == {read_id}
    assert [page.page for page in pages] == [0, 1, 2]
    assert [page.changes_follow for page in pages] == [None, None, 9]
    assert {entry.id: entry.body for page in pages for entry in page.records} == await load_bodies(writer)
    assert await writer.query_scalar("SELECT count(*) FROM feed_reads") == 0
    assert len(set(feed.publisher.event_ids)) == len(feed.publisher.event_ids)


async def test_a_read_of_an_unknown_connection_waits_for_it(writer: Writer) -> None:
    handler = ReadRequestedHandler(writer.database.transaction, on_requested=lambda: None)
    with pytest.raises(UnknownConnectionError):
        await handler("shopify:x.y", [ReadRequested(read_id=uuid4(), connection="shopify:x.y", requested_at=1)])


async def test_a_copy_is_equal_to_the_truth_while_changes_come_in(writer: Writer, feed: Feed) -> None:
    """Ingestion and the relay run at the same time; the copy sees no gap, and ends with what is stored."""
    choose = random.Random(7)
    copy = Copy()

    async def change() -> None:
        for number in range(150):
            ids = choose.sample(range(20), choose.randint(1, 6))
            records = [
                make_tombstone(n, read_at=number * 10_000)
                if choose.random() < 0.3
                else make_product(n, read_at=number * 10_000, updated_at=None, title=str(number))
                for n in ids
            ]
            await writer.ingest(make_page(*records))

    async def relay() -> None:
        while not changing.done():
            for page in await feed.publish_all():
                copy.apply(page)

    changing = asyncio.create_task(change())
    await asyncio.gather(changing, relay())
    for page in await feed.publish_all():
        copy.apply(page)
    assert copy.bodies == await load_bodies(writer)
    assert copy.position == await writer.query_scalar("SELECT sequence FROM connections")
