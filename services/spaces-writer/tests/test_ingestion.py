"""Ingestion against a real PostgreSQL: versions, results, deletions, epochs, redelivery."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from contracts.events import DataStored, Record, RecordChunk
from messaging.errors import UnknownConnectionError
from spaces_writer.store.records_view import open_records_view
from writer_builders import (
    LATE,
    SHOP,
    make_connection,
    make_full_read_completed,
    make_gid,
    make_incremental_read_completed,
    make_page,
    make_product,
    make_range_completed,
    make_tombstone,
)
from writer_harness import Writer, assert_second_delivery_changes_nothing

pytestmark = pytest.mark.integration


def list_statuses(events: Sequence[DataStored]) -> list[str]:
    return [result.status for event in events for result in event.results]


async def complete_read(writer: Writer, *numbers: int, started_at: int = 1_000) -> UUID:
    read_id = uuid4()
    records = [make_product(n, read_at=started_at + 10) for n in numbers]
    events = await writer.ingest(
        make_page(*records, read_id=read_id),
        make_range_completed(read_id, len(numbers)),
        make_full_read_completed(read_id, started_at),
    )
    assert list_statuses(events) == ["success"]
    return read_id


async def test_pages_of_an_unknown_connection_or_epoch_are_held(writer: Writer) -> None:
    other = make_page(make_product(1, read_at=1)).model_copy(update={"connection": "shopify:other.myshopify.com"})
    with pytest.raises(UnknownConnectionError):
        await writer.incremental_handler("shopify:other.myshopify.com", [other])
    with pytest.raises(UnknownConnectionError):
        await writer.incremental_handler(SHOP, [make_page(make_product(1, read_at=1), epoch=2)])


async def test_a_stale_full_read_never_undoes_a_fresh_webhook(writer: Writer) -> None:
    await writer.ingest(make_page(make_product(1, read_at=5_000, updated_at=LATE, title="Fresh")))
    await writer.ingest(make_page(make_product(1, read_at=9_000, title="Stale")))
    assert await writer.load_titles() == {make_gid(1): "Fresh"}


async def test_an_unchanged_record_moves_its_version_and_writes_no_body(writer: Writer) -> None:
    await writer.ingest(make_page(make_product(1, read_at=1_000)))
    before = await writer.query_scalar("SELECT xmin::text || ctid::text FROM bodies")
    sequence = await writer.query_scalar("SELECT sequence FROM connections")
    await writer.ingest(make_page(make_product(1, read_at=99_000, updated_at=LATE)))
    assert await writer.query_scalar("SELECT xmin::text || ctid::text FROM bodies") == before
    assert await writer.query_scalar("SELECT read_at FROM records") == 99_000
    assert await writer.query_scalar("SELECT sequence FROM connections") == sequence


async def test_a_batch_delivered_twice_changes_nothing_and_publishes_the_same_result(writer: Writer) -> None:
    read_id = uuid4()
    await assert_second_delivery_changes_nothing(
        writer,
        make_page(make_product(1, read_at=10), read_id=read_id),
        make_range_completed(read_id, 1),
        make_full_read_completed(read_id, 5),
    )


async def test_only_a_complete_full_read_allows_the_first_snapshot(writer: Writer) -> None:
    read_id = uuid4()
    await writer.ingest(make_page(make_product(1, read_at=10), read_id=read_id))
    assert not await writer.query_scalar("SELECT fully_read FROM connections")
    events = await writer.ingest(make_range_completed(read_id, 1, count=2), make_full_read_completed(read_id, 5))
    assert list_statuses(events) == ["incomplete"]
    assert events[0].results[0].retry_cursors == ("retry-2",)
    assert not await writer.query_scalar("SELECT fully_read FROM connections")
    second_attempt = make_page(make_product(1, read_at=20), make_product(2, read_at=20), read_id=read_id, step=2)
    second_attempt = second_attempt.model_copy(update={"attempt": 2})
    events = await writer.ingest(second_attempt, make_range_completed(read_id, 2, attempt=2))
    assert list_statuses(events) == ["success"]
    assert await writer.query_scalar("SELECT fully_read FROM connections")


async def test_only_a_direct_read_that_finds_nothing_makes_a_tombstone(writer: Writer) -> None:
    await complete_read(writer, 1, 2)
    read_id = uuid4()
    events = await writer.ingest(
        make_page(make_tombstone(2, read_at=20_000), read_id=read_id), make_incremental_read_completed(read_id, 2)
    )
    assert list_statuses(events) == ["success"]
    assert set(await writer.load_titles()) == {make_gid(1)}
    assert events[-1].results[0].totals is not None
    assert events[-1].results[0].totals.deleted == 1


async def test_a_page_in_flight_does_not_restore_a_deleted_product(writer: Writer) -> None:
    await complete_read(writer, 1)
    await writer.ingest(make_page(make_tombstone(1, read_at=20_000)))
    await writer.ingest(make_page(make_product(1, read_at=15_000, updated_at=LATE)))
    assert await writer.load_titles() == {}


async def test_a_page_in_flight_does_not_store_what_was_deleted_before_it_was_ever_stored(writer: Writer) -> None:
    await writer.ingest(make_page(make_tombstone(1, read_at=20_000)))
    await writer.ingest(make_page(make_product(1, read_at=10_000, updated_at=LATE)))
    assert await writer.load_titles() == {}


async def test_pages_of_an_ended_epoch_are_refused_and_their_sync_is_cancelled(writer: Writer) -> None:
    await writer.connection_handler(SHOP, [make_connection(revision=2, epoch=2, state="uninstalled")])
    read_id = uuid4()
    events = await writer.ingest(make_page(make_product(1, read_at=10), read_id=read_id))
    assert list_statuses(events) == ["cancelled"]
    assert await writer.load_titles() == {}


async def test_a_new_epoch_needs_a_full_sync_before_a_snapshot_is_built(writer: Writer) -> None:
    await complete_read(writer, 1)
    await writer.connection_handler(SHOP, [make_connection(revision=2, epoch=2)])
    assert not await writer.query_scalar("SELECT fully_read FROM connections")


async def test_a_disconnect_that_hides_a_sign_in_needs_a_new_full_sync_too(writer: Writer) -> None:
    await complete_read(writer, 1)
    await writer.connection_handler(SHOP, [make_connection(revision=2, epoch=2, state="uninstalled")])
    assert await writer.query_scalar("SELECT fully_read FROM connections"), "what was stored is still uploaded"
    hidden = make_connection(revision=3, epoch=2), make_connection(revision=4, epoch=3, state="uninstalled")
    await writer.connection_handler(SHOP, hidden)
    assert not await writer.query_scalar("SELECT fully_read FROM connections")


async def test_an_older_revision_changes_nothing(writer: Writer) -> None:
    await writer.connection_handler(SHOP, [make_connection(revision=5, epoch=3)])
    await writer.connection_handler(SHOP, [make_connection(revision=4, epoch=1)])
    assert await writer.query_scalar("SELECT epoch FROM connections") == 3


async def test_a_record_with_two_different_readings_of_one_moment_is_read_again(writer: Writer) -> None:
    await writer.ingest(make_page(make_product(1, read_at=1_000, title="A")))
    events = await writer.ingest(make_page(make_product(1, read_at=1_500, title="B")))
    assert [event.records_to_verify for event in events if event.records_to_verify] == [{"products": (make_gid(1),)}]


async def test_a_chunked_record_is_stored_with_its_last_chunk(writer: Writer) -> None:
    first = make_product(1, read_at=10).model_copy(
        update={"chunk": RecordChunk(reading_id="c", cursor=None, next_cursor="p2")}
    )
    last = Record(
        resource="products", id=make_gid(1), read_at=10, sort_key=1, items=({"node": {"id": "v"}},),
        chunk=RecordChunk(reading_id="c", cursor="p2", next_cursor=None, path=("variants", "edges")),
    )  # fmt: skip
    read_id = uuid4()
    await writer.ingest(make_page(first, read_id=read_id))
    assert await writer.load_titles() == {}
    events = await writer.ingest(
        make_page(last, read_id=read_id, number=1), make_incremental_read_completed(read_id, 1)
    )
    assert list_statuses(events) == ["success"]
    assert await writer.load_titles() == {make_gid(1): "Mug"}
    assert await writer.query_scalar("SELECT count(*) FROM chunks") == 0


async def test_an_incremental_read_whose_record_never_arrived_fails_and_names_it(writer: Writer) -> None:
    read_id = uuid4()
    events = await writer.ingest(
        make_page(make_product(1, read_at=10), read_id=read_id), make_incremental_read_completed(read_id, 1, 2)
    )
    assert list_statuses(events) == ["failed"]
    assert make_gid(2) in (events[-1].results[0].reason or "")


async def test_child_records_are_deleted_with_their_product(writer: Writer) -> None:
    item = Record(resource="inventory", id="i1", read_at=10, body={"levels": []}, parent=make_gid(1))
    await writer.ingest(make_page(make_product(1, read_at=10), item))
    await writer.ingest(make_page(make_tombstone(1, read_at=20)))
    assert await writer.query_scalar("SELECT content_hash FROM records WHERE resource = 'inventory'") is None
    assert await writer.query_scalar("SELECT count(*) FROM bodies WHERE resource = 'inventory'") == 0
    assert await writer.query_scalar("SELECT count(*) FROM bodies") == 0


async def test_a_view_shows_one_moment_while_ingestion_continues(writer: Writer) -> None:
    await complete_read(writer, 1)
    async with open_records_view(writer.database, SHOP) as view:
        assert list(await view.list_ids("products")) == [make_gid(1)]
        await writer.ingest(make_page(make_product(2, read_at=50_000)))
        assert list(await view.list_ids("products")) == [make_gid(1)]
    assert await writer.query_scalar("SELECT sequence FROM connections") > view.sequence
