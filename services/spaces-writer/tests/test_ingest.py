"""Ingestion against a real PostgreSQL: versions, verdicts, removal, epochs, redelivery."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from contracts.events import DataStored, Record, RecordChunk
from messaging.errors import UnknownConnectionError
from spaces_writer.store import snapshots
from writer_builders import LATE, SHOP, connected, gid, gone, page, product, settled, walk_end, window_end
from writer_stand import Writer

pytestmark = pytest.mark.integration


def verdict_outcomes(said: Sequence[DataStored]) -> list[str]:
    return [verdict.status for event in said for verdict in event.results]


async def good_walk(writer: Writer, *numbers: int, started_at: int = 1_000) -> UUID:
    source = uuid4()
    records = [product(n, read_at=started_at + 10) for n in numbers]
    said = await writer.take(
        page(*records, source=source), window_end(source, len(numbers)), walk_end(source, started_at)
    )
    assert verdict_outcomes(said) == ["success"]
    return source


async def test_pages_of_a_connection_that_is_not_known_yet_are_held(writer: Writer) -> None:
    other = page(product(1, read_at=1)).model_copy(update={"connection": "shopify:other.myshopify.com"})
    with pytest.raises(UnknownConnectionError):
        await writer.pages("shopify:other.myshopify.com", [other])
    with pytest.raises(UnknownConnectionError):
        await writer.pages(SHOP, [page(product(1, read_at=1), epoch=2)])


async def test_a_stale_walk_never_undoes_a_fresh_webhook(writer: Writer) -> None:
    await writer.take(page(product(1, read_at=5_000, updated_at=LATE, title="Fresh")))
    await writer.take(page(product(1, read_at=9_000, title="Stale")))
    assert await writer.titles() == {gid(1): "Fresh"}


async def test_an_unchanged_record_moves_its_version_and_writes_no_body(writer: Writer) -> None:
    await writer.take(page(product(1, read_at=1_000)))
    before = await writer.scalar("SELECT xmin::text || ctid::text FROM bodies")
    change = await writer.scalar("SELECT change FROM connections")
    await writer.take(page(product(1, read_at=99_000, updated_at=LATE)))
    assert await writer.scalar("SELECT xmin::text || ctid::text FROM bodies") == before
    assert await writer.scalar("SELECT read_at FROM records") == 99_000
    assert await writer.scalar("SELECT change FROM connections") == change


async def test_a_batch_that_comes_twice_changes_nothing_and_says_the_same_verdict(writer: Writer) -> None:
    source = uuid4()
    batch = [page(product(1, read_at=10), source=source), window_end(source, 1), walk_end(source, 5)]
    first = await writer.take(*batch)
    second = await writer.take(*batch)
    assert [v for e in first for v in e.results] == [v for e in second for v in e.results]
    assert await writer.scalar("SELECT change FROM connections") == first[-1].sequence


async def test_only_a_good_walk_allows_the_first_snapshot(writer: Writer) -> None:
    source = uuid4()
    await writer.take(page(product(1, read_at=10), source=source))
    assert not await writer.scalar("SELECT complete FROM connections")
    said = await writer.take(window_end(source, 1, count=2), walk_end(source, 5))
    assert verdict_outcomes(said) == ["incomplete"]
    assert said[0].results[0].retry_cursors == ("again-2",)
    assert not await writer.scalar("SELECT complete FROM connections")
    again = page(product(1, read_at=20), product(2, read_at=20), source=source, step=2)
    again = again.model_copy(update={"attempt": 2})
    said = await writer.take(again, window_end(source, 2, attempt=2))
    assert verdict_outcomes(said) == ["success"]
    assert await writer.scalar("SELECT complete FROM connections")


async def test_a_walk_never_removes_it_nominates(writer: Writer) -> None:
    await good_walk(writer, 1, 2, started_at=1_000)
    source = uuid4()
    said = await writer.take(
        page(product(1, read_at=9_010), source=source), window_end(source, 1), walk_end(source, 9_000)
    )
    wished = [event.records_to_verify for event in said if event.records_to_verify]
    assert wished == [{"products": (gid(2),)}]
    assert set(await writer.titles()) == {gid(1), gid(2)}


async def test_only_a_direct_read_that_finds_nothing_makes_a_tombstone(writer: Writer) -> None:
    await good_walk(writer, 1, 2)
    source = uuid4()
    said = await writer.take(page(gone(2, read_at=20_000), source=source), settled(source, 2))
    assert verdict_outcomes(said) == ["success"]
    assert set(await writer.titles()) == {gid(1)}
    assert said[-1].results[0].totals is not None
    assert said[-1].results[0].totals.deleted == 1


async def test_a_page_in_flight_does_not_bring_a_deleted_product_back(writer: Writer) -> None:
    await good_walk(writer, 1)
    await writer.take(page(gone(1, read_at=20_000)))
    await writer.take(page(product(1, read_at=15_000, updated_at=LATE)))
    assert await writer.titles() == {}


async def test_a_page_in_flight_does_not_bring_back_what_was_deleted_before_it_was_ever_stored(writer: Writer) -> None:
    await writer.take(page(gone(1, read_at=20_000)))
    await writer.take(page(product(1, read_at=10_000, updated_at=LATE)))
    assert await writer.titles() == {}


async def test_a_clean_up_that_no_webhook_told_is_carried_out_by_the_second_walk(writer: Writer) -> None:
    await good_walk(writer, *range(1, 201), started_at=1_000)
    for started_at in (9_000, 19_000):
        source = uuid4()
        listed = [product(n, read_at=started_at + 10) for n in range(1, 101)]
        said = await writer.take(page(*listed, source=source), window_end(source, 100), walk_end(source, started_at))
    assert sum(len(event.records_to_verify["products"]) for event in said if event.records_to_verify) == 100


async def test_the_brake_holds_when_a_full_list_comes_back_half(writer: Writer) -> None:
    await good_walk(writer, *range(1, 201), started_at=1_000)
    source = uuid4()
    listed = [product(n, read_at=9_010) for n in range(1, 101)]
    said = await writer.take(page(*listed, source=source), window_end(source, 100), walk_end(source, 9_000))
    assert not [event for event in said if event.records_to_verify]
    assert said[-1].guard_reason == "100 of 200 records were not listed by this walk; none is removed"
    assert len(await writer.titles()) == 200


async def test_pages_of_an_ended_epoch_are_refused_and_their_sync_is_cancelled(writer: Writer) -> None:
    await writer.connections(SHOP, [connected(revision=2, epoch=2, state="uninstalled")])
    source = uuid4()
    said = await writer.take(page(product(1, read_at=10), source=source))
    assert verdict_outcomes(said) == ["cancelled"]
    assert await writer.titles() == {}


async def test_a_rise_of_epoch_asks_for_a_new_full_sync_before_anything_is_composed(writer: Writer) -> None:
    await good_walk(writer, 1)
    await writer.connections(SHOP, [connected(revision=2, epoch=2)])
    assert not await writer.scalar("SELECT complete FROM connections")


async def test_a_revision_that_was_passed_changes_nothing(writer: Writer) -> None:
    await writer.connections(SHOP, [connected(revision=5, epoch=3)])
    await writer.connections(SHOP, [connected(revision=4, epoch=1)])
    assert await writer.scalar("SELECT epoch FROM connections") == 3


async def test_two_different_readings_of_one_moment_are_wanted_once_more(writer: Writer) -> None:
    await writer.take(page(product(1, read_at=1_000, title="A")))
    said = await writer.take(page(product(1, read_at=1_500, title="B")))
    assert [event.records_to_verify for event in said if event.records_to_verify] == [{"products": (gid(1),)}]


async def test_a_record_in_parts_is_stored_when_its_chain_is_whole(writer: Writer) -> None:
    start = product(1, read_at=10).model_copy(
        update={"chunk": RecordChunk(reading_id="c", cursor=None, next_cursor="p2")}
    )
    rest = Record(
        resource="products", id=gid(1), read_at=10, sort_key=1, items=({"node": {"id": "v"}},),
        chunk=RecordChunk(reading_id="c", cursor="p2", next_cursor=None, path=("variants", "edges")),
    )  # fmt: skip
    source = uuid4()
    await writer.take(page(start, source=source))
    assert await writer.titles() == {}
    said = await writer.take(page(rest, source=source, number=1), settled(source, 1))
    assert verdict_outcomes(said) == ["success"]
    assert await writer.titles() == {gid(1): "Mug"}
    assert await writer.scalar("SELECT count(*) FROM parts") == 0


async def test_a_fetch_whose_record_never_arrived_fails_and_says_which(writer: Writer) -> None:
    source = uuid4()
    said = await writer.take(page(product(1, read_at=10), source=source), settled(source, 1, 2))
    assert verdict_outcomes(said) == ["failed"]
    assert gid(2) in (said[-1].results[0].reason or "")


async def test_what_belonged_to_a_removed_product_goes_with_it(writer: Writer) -> None:
    item = Record(resource="inventory", id="i1", read_at=10, body={"levels": []}, parent=gid(1))
    await writer.take(page(product(1, read_at=10), item))
    await writer.take(page(gone(1, read_at=20)))
    assert await writer.scalar("SELECT count(*) FROM records WHERE resource = 'inventory'") == 0
    assert await writer.scalar("SELECT count(*) FROM bodies") == 0


async def test_a_view_holds_one_moment_while_ingestion_goes_on(writer: Writer) -> None:
    await good_walk(writer, 1)
    async with snapshots.view(writer.database, SHOP) as view:
        assert list(await view.ids("products")) == [gid(1)]
        await writer.take(page(product(2, read_at=50_000)))
        assert list(await view.ids("products")) == [gid(1)]
    assert await writer.scalar("SELECT change FROM connections") > view.change
