"""Full reads that continue an earlier one: what they prove, and when they are not believed."""

import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.cursors import CursorState
from contracts.events import (
    DataStored,
    DirectReadCompleted,
    FullReadCompleted,
    GuardedDeletions,
    RangeCompleted,
    Record,
    RecordsPage,
    SyncResult,
)
from writer_builders import (
    LATE,
    SHOP,
    make_connection,
    make_gid,
    make_page,
    make_product,
    make_range_completed,
    make_redaction,
    make_tombstone,
)
from writer_harness import Writer

pytestmark = pytest.mark.integration
MINUTE = 60_000
EVERYTHING = CursorState(0, "everything").encode()


def get_now() -> int:
    """Return the current time (ms): changes are stored with the database's clock, which must agree with readings."""
    return round(time.time() * 1000)


def get_result(events: Sequence[DataStored]) -> SyncResult:
    (result,) = [result for event in events for result in event.results]
    return result


def make_end(read_id: UUID, started_at: int, **fields: Any) -> FullReadCompleted:
    body: dict[str, Any] = {"id_ranges": (("products", 0),), "state": "seen", **fields}
    return FullReadCompleted(connection=SHOP, epoch=1, read_id=read_id, started_at=started_at, **body)


def make_continuing_end(
    read_id: UUID, continues: UUID, *, id_ranges: tuple[tuple[str, int], ...] = (), **fields: Any
) -> FullReadCompleted:
    started_at = fields.pop("started_at", None) or get_now()
    return make_end(read_id, started_at, continues=continues, retry_cursor=EVERYTHING, id_ranges=id_ranges, **fields)


def make_whole_read(
    *records: Record, read_id: UUID | None = None, started_at: int | None = None, **fields: Any
) -> list[RecordsPage | RangeCompleted | FullReadCompleted]:
    """The events of a read of everything, which leaves a state. It begins when the first record was read."""
    read_id = read_id or uuid4()
    first = min((record.read_at for record in records), default=get_now())
    ended = make_end(read_id, started_at or first, **fields)
    return [make_page(*records, read_id=read_id), make_range_completed(read_id, len(records)), ended]


async def store(writer: Writer, *numbers: int, read_at: int | None = None, **more: Any) -> UUID:
    """Ingest a read of everything with these products; return its id."""
    read_id, read_at = uuid4(), read_at or get_now() - 10 * MINUTE
    events = make_whole_read(*[make_product(n, read_at=read_at, **more) for n in numbers], read_id=read_id)
    assert get_result(await writer.ingest_full_read(*events)).status == "success"
    return read_id


async def settle(writer: Writer) -> None:
    """Let all changes so far be half an hour old."""
    await writer.execute("UPDATE records SET changed_at = now() - interval '30 minutes'")


async def test_an_unchanged_full_sync_succeeds_with_what_is_stored_and_looks_at_the_object(writer: Writer) -> None:
    first = await store(writer, 1, 2)
    await writer.build(SHOP)
    puts, before = writer.bucket.puts, await writer.query_scalar("SELECT sequence FROM connections")
    rows = await writer.query_scalar("SELECT string_agg(CAST(r AS text), ',' ORDER BY id) FROM records r")
    second = uuid4()
    result = get_result(await writer.ingest_full_read(make_continuing_end(second, first, state="seen again")))
    assert (result.status, result.reason, result.sync_ids) == ("success", None, (second,))
    assert (result.state, result.sequence, result.object_check) == ("seen again", before, 2)
    assert result.totals is not None and result.totals.records == 0
    assert await writer.query_scalar("SELECT string_agg(CAST(r AS text), ',' ORDER BY id) FROM records r") == rows
    upload = await writer.build(SHOP)
    assert upload is not None and (upload.outcome, upload.object_check) == ("unchanged", 2)
    assert writer.bucket.puts == puts


async def test_an_unchanged_full_sync_restores_an_object_that_is_gone(writer: Writer) -> None:
    first = await store(writer, 1)
    await writer.build(SHOP)
    writer.bucket.objects.clear()
    await writer.ingest_full_read(make_continuing_end(uuid4(), first))
    upload = await writer.build(SHOP)
    assert upload is not None and upload.outcome == "restored"


async def test_a_delta_stores_its_records_and_deletes_nothing(writer: Writer) -> None:
    first = await store(writer, 1, 2, 3)
    await writer.ingest(make_page(make_inventory(1, parent=1), make_inventory(2, parent=2)))
    await settle(writer)
    now, second = get_now(), uuid4()
    changed = [make_product(2, read_at=now, updated_at=LATE, title="Cup"), make_product(4, read_at=now)]
    events = await writer.ingest_full_read(
        make_page(*changed, read_id=second),
        make_range_completed(second, 2),
        make_continuing_end(second, first, id_ranges=(("products", 0),), child_resources=("inventory",)),
    )
    assert (get_result(events).status, get_result(events).state) == ("success", "seen")
    titles = await writer.load_titles()
    assert titles == {make_gid(1): "Mug", make_gid(2): "Cup", make_gid(3): "Mug", make_gid(4): "Mug"}
    assert await writer.query_scalar("SELECT count(*) FROM records WHERE content_hash IS NULL") == 0


def make_inventory(number: int, *, parent: int) -> Record:
    gid = make_gid(number, "InventoryItem")
    return Record(resource="inventory", id=gid, read_at=get_now() - MINUTE, body={"id": gid}, parent=make_gid(parent))


async def test_an_unchanged_full_sync_deletes_no_child_record(writer: Writer) -> None:
    first = await store(writer, 1)
    await writer.ingest(make_page(make_inventory(1, parent=1)))
    end = make_continuing_end(uuid4(), first, child_resources=("inventory",))
    assert get_result(await writer.ingest_full_read(end)).status == "success"
    assert await writer.query_scalar("SELECT count(*) FROM records WHERE content_hash IS NULL") == 0


async def test_a_tombstone_in_a_delta_deletes_its_record_alone(writer: Writer) -> None:
    first, second = await store(writer, 1, 2), uuid4()
    events = await writer.ingest_full_read(
        make_page(make_tombstone(2, read_at=get_now()), read_id=second),
        make_range_completed(second, 1),
        make_continuing_end(second, first, id_ranges=(("products", 0),)),
    )
    assert get_result(events).status == "success"
    assert set(await writer.load_titles()) == {make_gid(1)}


async def test_a_lost_page_of_a_delta_is_noticed_and_read_again(writer: Writer) -> None:
    first, second, now = await store(writer, 1, 2), uuid4(), get_now()
    end = make_continuing_end(second, first, id_ranges=(("products", 0),), started_at=now)
    events = await writer.ingest_full_read(
        make_page(make_product(1, read_at=now, updated_at=LATE), read_id=second), make_range_completed(second, 2), end
    )
    result = get_result(events)
    assert (result.status, result.retry_cursors) == ("incomplete", ("retry-2",))
    both = [make_product(n, read_at=now, updated_at=LATE) for n in (1, 2)]
    page = make_page(*both, read_id=second, step=2).model_copy(update={"attempt": 2})
    events = await writer.ingest_full_read(page, make_range_completed(second, 2, attempt=2))
    assert get_result(events).status == "success"


async def assert_everything_is_read(writer: Writer, end: FullReadCompleted, *pages: RecordsPage) -> None:
    events = await writer.ingest_full_read(*pages, end)
    result = get_result(events)
    assert (result.status, result.retry_cursors) == ("incomplete", (EVERYTHING,))
    assert result.reason and result.reason.startswith("everything is read")
    assert await writer.query_scalar(f"SELECT count(*) FROM pages WHERE read_id = '{end.read_id}'") == 0


async def test_a_first_full_sync_cannot_continue_anything(writer: Writer) -> None:
    await assert_everything_is_read(writer, make_continuing_end(uuid4(), uuid4()))
    assert not await writer.query_scalar("SELECT fully_read FROM connections")


async def test_only_the_latest_full_sync_is_continued_as_after_a_restore_of_the_schedulers_database(
    writer: Writer,
) -> None:
    first = await store(writer, 1)
    await store(writer, 1, 2)
    await assert_everything_is_read(writer, make_continuing_end(uuid4(), first))


async def test_what_this_database_does_not_hold_is_not_continued_as_after_a_restore_of_it(writer: Writer) -> None:
    await store(writer, 1)
    await assert_everything_is_read(writer, make_continuing_end(uuid4(), uuid4()))


async def test_each_full_sync_is_continued_by_the_next_one(writer: Writer) -> None:
    latest = await store(writer, 1)
    for _ in range(3):
        previous, latest = latest, uuid4()
        assert get_result(await writer.ingest_full_read(make_continuing_end(latest, previous))).status == "success"
    await assert_everything_is_read(writer, make_continuing_end(uuid4(), previous))


async def test_a_full_sync_whose_source_left_no_state_is_not_continued(writer: Writer) -> None:
    first = uuid4()
    await writer.ingest_full_read(*make_whole_read(make_product(1, read_at=get_now()), read_id=first, state=None))
    await assert_everything_is_read(writer, make_continuing_end(uuid4(), first))


async def test_a_read_of_everything_in_place_of_one_that_was_not_believed_is_complete_by_itself(
    writer: Writer,
) -> None:
    await store(writer, 1, 2, 3)
    read_id, now = uuid4(), get_now()
    delta = make_page(make_product(2, read_at=now, updated_at=LATE), read_id=read_id)
    await assert_everything_is_read(writer, make_continuing_end(read_id, uuid4()), delta)
    # Product 2, which the delta had listed, is deleted now: the read of everything does not list it.
    found = [make_product(n, read_at=now + 10) for n in (1, 3)]
    events = await writer.ingest_full_read(*make_whole_read(*found, read_id=read_id, started_at=now + 5))
    result = get_result(events)
    assert CursorState.decode(result.retry_cursors[0]).records == {"products": (make_gid(2),)}
    events = await read_directly(writer, read_id, make_tombstone(2, read_at=now + 20))
    assert (get_result(events).status, get_result(events).state) == ("success", "seen")
    assert set(await writer.load_titles()) == {make_gid(1), make_gid(3)}
    assert get_result(await writer.ingest_full_read(make_continuing_end(uuid4(), read_id))).status == "success"


async def read_directly(writer: Writer, read_id: UUID, *records: Record) -> list[DataStored]:
    page = make_page(*records, read_id=read_id, step=9).model_copy(update={"attempt": 0})
    requested = {"products": tuple(record.id for record in records)}
    ended = DirectReadCompleted(connection=SHOP, epoch=1, read_id=read_id, requested=requested)
    return await writer.ingest_full_read(page, ended)


async def test_an_end_that_is_delivered_twice_changes_nothing(writer: Writer) -> None:
    first, second = await store(writer, 1), uuid4()
    end = make_continuing_end(second, first, state="seen again")
    result = get_result(await writer.ingest_full_read(end))
    row = await writer.query_scalar("SELECT CAST(c AS text) FROM connections c")
    assert get_result(await writer.ingest_full_read(end)) == result
    assert result.state == "seen again"
    assert await writer.query_scalar("SELECT CAST(c AS text) FROM connections c") == row


async def test_an_end_that_is_not_believed_twice_asks_for_the_same_read(writer: Writer) -> None:
    await store(writer, 1)
    end = make_continuing_end(uuid4(), uuid4())
    first, second = [get_result(await writer.ingest_full_read(end)) for _ in range(2)]
    assert first == second


async def test_nothing_is_continued_across_a_disconnect(writer: Writer) -> None:
    first = await store(writer, 1)
    await writer.update_connection(make_connection(revision=2, epoch=2, state="uninstalled"))
    end = make_continuing_end(uuid4(), first).model_copy(update={"epoch": 2})
    await assert_everything_is_read(writer, end)
    await writer.update_connection(make_connection(revision=3, epoch=2))
    await assert_everything_is_read(writer, end)
    late = make_continuing_end(uuid4(), first)
    assert get_result(await writer.ingest_full_read(late)).status == "cancelled"


async def test_nothing_is_continued_across_a_redaction(writer: Writer) -> None:
    first = await store(writer, 1)
    await writer.update_connection(make_redaction(SHOP))
    assert await writer.query_scalar("SELECT last_full_read IS NULL AND settled_sequence IS NULL FROM connections")
    await writer.update_connection(make_connection(revision=3, epoch=2))
    end = make_continuing_end(uuid4(), first).model_copy(update={"epoch": 2})
    await assert_everything_is_read(writer, end)
    assert not await writer.load_titles()


async def test_after_a_failed_full_sync_nothing_is_continued_so_that_guarded_deletions_are_reached(
    writer: Writer,
) -> None:
    first = await store(writer, *range(1, 201))
    half, now = uuid4(), get_now()
    events = make_whole_read(*[make_product(n, read_at=now) for n in range(1, 101)], read_id=half)
    result = get_result(await writer.ingest_full_read(*events))
    assert (result.status, result.state) == ("failed", None)
    assert result.guarded_deletions == GuardedDeletions(sync_id=half, records=100, stored=200)
    await assert_everything_is_read(writer, make_continuing_end(uuid4(), first))
    await assert_everything_is_read(writer, make_continuing_end(uuid4(), half))
    assert await writer.query_scalar("SELECT guarded_sync FROM connections") == half


async def test_a_record_that_another_read_has_changed_since_is_read_directly(writer: Writer) -> None:
    first = await store(writer, 1, 2, 3)
    await writer.ingest(
        make_page(
            make_product(1, read_at=get_now(), updated_at=LATE, title="Cup"), make_tombstone(3, read_at=get_now())
        )
    )
    # The platform has both as they were before: a checksum of its records is the same again.
    second = uuid4()
    result = get_result(await writer.ingest_full_read(make_continuing_end(second, first)))
    assert CursorState.decode(result.retry_cursors[0]).records == {"products": (make_gid(1), make_gid(3))}
    later = get_now() + MINUTE
    records = [make_product(n, read_at=later, updated_at=LATE) for n in (1, 3)]
    assert get_result(await read_directly(writer, second, *records)).status == "success"
    assert await writer.load_titles() == {make_gid(n): "Mug" for n in (1, 2, 3)}


async def test_a_change_during_the_full_sync_that_is_continued_is_read_directly_too(writer: Writer) -> None:
    first, now = uuid4(), get_now()
    await writer.ingest(make_page(make_product(1, read_at=now + 1, updated_at=LATE, title="Cup")))
    await writer.ingest_full_read(*make_whole_read(*[make_product(n, read_at=now) for n in (1, 2)], read_id=first))
    result = get_result(await writer.ingest_full_read(make_continuing_end(uuid4(), first)))
    assert CursorState.decode(result.retry_cursors[0]).records == {"products": (make_gid(1),)}


async def test_a_record_that_the_delta_lists_or_that_a_full_sync_has_read_since_is_not_read_directly(
    writer: Writer,
) -> None:
    await writer.ingest(make_page(make_product(1, read_at=get_now() - 20 * MINUTE, updated_at=LATE, title="Cup")))
    await settle(writer)
    first, second = await store(writer, 1, 2), uuid4()
    assert get_result(await writer.ingest_full_read(make_continuing_end(second, first))).status == "success"
    changed = make_product(2, read_at=get_now(), updated_at=LATE, title="Cup")
    await writer.ingest(make_page(changed))
    third = uuid4()
    events = await writer.ingest_full_read(
        make_page(changed, read_id=third),
        make_range_completed(third, 1),
        make_continuing_end(third, second, id_ranges=(("products", 0),)),
    )
    assert get_result(events).status == "success"


async def test_a_full_sync_that_follows_others_at_once_has_nothing_to_read_directly(writer: Writer) -> None:
    await store(writer, 1, 2, read_at=get_now())
    await store(writer, 1, 2, read_at=get_now())
    latest = await store(writer, 1, 2, read_at=get_now())
    assert get_result(await writer.ingest_full_read(make_continuing_end(uuid4(), latest))).status == "success"


async def test_a_record_that_could_not_be_read_is_read_by_each_full_sync_and_named(writer: Writer) -> None:
    first = await store(writer, 1, 2)
    broken = make_product(1, read_at=get_now()).model_copy(update={"body": None, "unreadable": "too large"})
    await writer.ingest(make_page(broken))
    for _ in range(2):
        previous, first = first, uuid4()
        result = get_result(await writer.ingest_full_read(make_continuing_end(first, previous)))
        assert CursorState.decode(result.retry_cursors[0]).records == {"products": (make_gid(1),)}
        again = broken.model_copy(update={"read_at": get_now() + MINUTE})
        result = get_result(await read_directly(writer, first, again))
        assert (result.status, list(result.left_out)) == ("success", [make_gid(1)])


async def test_a_record_that_the_platform_lists_nowhere_stays_known(writer: Writer) -> None:
    await store(writer, 1, 2)
    await settle(writer)
    latest, reason = uuid4(), f"1 records exist although the platform neither lists nor counts them: {make_gid(2)}"
    for minutes, status in ((8, "failed"), (6, "success"), (2, "success")):
        whole, started_at = uuid4(), get_now() - minutes * MINUTE
        await writer.ingest_full_read(*make_whole_read(make_product(1, read_at=started_at), read_id=whole))
        result = get_result(await read_directly(writer, whole, make_product(2, read_at=started_at + 1)))
        assert (result.status, result.reason) == (status, reason)
        if minutes == 6:
            end = make_continuing_end(latest, whole, started_at=started_at + 2 * MINUTE)
            result = get_result(await writer.ingest_full_read(end))
            assert (result.status, result.reason) == ("success", reason)


async def test_a_state_that_does_not_cover_what_a_killed_step_has_listed_is_not_kept(writer: Writer) -> None:
    read_id, now = uuid4(), get_now()
    earlier = [make_product(n, read_at=now - MINUTE) for n in (1, 2)]
    await writer.ingest_full_read(make_page(*earlier, read_id=read_id))
    # The fetcher was killed, product 2 is deleted, and the step runs again.
    events = make_whole_read(make_product(1, read_at=now), read_id=read_id)
    result = get_result(await writer.ingest_full_read(*events))
    assert (result.status, result.state) == ("success", None)
    await assert_everything_is_read(writer, make_continuing_end(uuid4(), read_id))


async def test_a_full_sync_whose_killed_step_has_listed_more_reads_everything(writer: Writer) -> None:
    first, second, now = await store(writer, 1, 2), uuid4(), get_now()
    changed = make_page(make_product(2, read_at=now, updated_at=LATE, title="Cup"), read_id=second)
    # The fetcher was killed, product 2 changes back, and the step runs again: nothing has changed.
    await assert_everything_is_read(writer, make_continuing_end(second, first), changed)


async def test_a_change_that_a_direct_read_has_brought_is_read_directly_by_the_next_full_sync(writer: Writer) -> None:
    first, second, third = await store(writer, 1, 2), uuid4(), uuid4()
    await writer.ingest(make_page(make_product(1, read_at=get_now(), updated_at=LATE, title="Cup")))
    await writer.ingest_full_read(make_continuing_end(second, first))
    later = make_product(1, read_at=get_now() + MINUTE, updated_at=LATE, title="Jug")
    assert get_result(await read_directly(writer, second, later)).status == "success"
    # It has changed back since: the checksum that the second full sync has compared is the same again.
    result = get_result(await writer.ingest_full_read(make_continuing_end(third, second)))
    assert CursorState.decode(result.retry_cursors[0]).records == {"products": (make_gid(1),)}
