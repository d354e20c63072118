"""What a full read reads directly before its result is decided, against a real PostgreSQL."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from contracts.cursors import CursorState
from contracts.events import (
    DataStored,
    DirectReadCompleted,
    GuardedDeletions,
    IdsListed,
    Record,
    RecordIds,
    RecordsPage,
    SyncResult,
)
from writer_builders import (
    LATE,
    SHOP,
    make_connection,
    make_full_read_completed,
    make_gid,
    make_page,
    make_product,
    make_range_completed,
    make_tombstone,
)
from writer_harness import Writer

pytestmark = pytest.mark.integration
MINUTE = 60_000


def list_results(events: Sequence[DataStored]) -> list[SyncResult]:
    return [result for event in events for result in event.results]


def parse_requested(events: Sequence[DataStored]) -> RecordIds:
    """The records that the writer asks the full read to read directly."""
    (result,) = list_results(events)
    assert result.status == "incomplete", result
    (cursor,) = result.retry_cursors
    return CursorState.decode(cursor).records or {}


async def read(writer: Writer, *numbers: int, started_at: int) -> tuple[UUID, list[DataStored]]:
    """Ingest a full read that lists these products; return its id and what the writer publishes."""
    read_id = uuid4()
    events = await writer.ingest_full_read(
        make_page(*[make_product(n, read_at=started_at + 10) for n in numbers], read_id=read_id),
        make_range_completed(read_id, len(numbers)),
        make_full_read_completed(read_id, started_at),
    )
    return read_id, events


async def read_directly(writer: Writer, read_id: UUID, *records: Record) -> list[DataStored]:
    """Ingest the direct read of these records; return what the writer publishes."""
    page = make_page(*records, read_id=read_id, step=9).model_copy(update={"attempt": 0})
    return await writer.ingest_full_read(page, make_direct_read_completed(read_id, *records))


def make_direct_read_completed(read_id: UUID, *records: Record) -> DirectReadCompleted:
    requested = {"products": tuple(record.id for record in records)}
    return DirectReadCompleted(connection=SHOP, epoch=1, read_id=read_id, requested=requested)


async def store(writer: Writer, *numbers: int) -> None:
    _, events = await read(writer, *numbers, started_at=1_000)
    assert [result.status for result in list_results(events)] == ["success"]


async def test_an_unlisted_record_is_read_directly_before_the_result_and_deleted_only_if_it_is_gone(
    writer: Writer,
) -> None:
    await store(writer, 1, 2)
    read_id, events = await read(writer, 1, started_at=9 * MINUTE)
    assert parse_requested(events) == {"products": (make_gid(2),)}
    assert set(await writer.load_titles()) == {make_gid(1), make_gid(2)}
    events = await read_directly(writer, read_id, make_tombstone(2, read_at=9 * MINUTE + 20))
    assert [(result.status, result.reason) for result in list_results(events)] == [("success", None)]
    assert set(await writer.load_titles()) == {make_gid(1)}


async def test_an_unlisted_record_that_exists_fails_the_full_sync_and_the_next_one_names_it(writer: Writer) -> None:
    await store(writer, 1, 2)
    reason = f"1 records exist although the platform neither lists nor counts them: {make_gid(2)}"
    for minutes, status in ((9, "failed"), (19, "success"), (29, "success")):
        read_id, events = await read(writer, 1, started_at=minutes * MINUTE)
        assert parse_requested(events) == {"products": (make_gid(2),)}
        events = await read_directly(writer, read_id, make_product(2, read_at=minutes * MINUTE + 20))
        assert [(result.status, result.reason) for result in list_results(events)] == [(status, reason)]
    assert set(await writer.load_titles()) == {make_gid(1), make_gid(2)}


async def test_another_unlisted_record_that_exists_fails_the_next_full_sync_too(writer: Writer) -> None:
    await store(writer, 1, 2, 3)
    for minutes, listed, missing in ((9, 3, 2), (19, 2, 3)):
        read_id, events = await read(writer, 1, listed, started_at=minutes * MINUTE)
        assert parse_requested(events) == {"products": (make_gid(missing),)}
        events = await read_directly(writer, read_id, make_product(missing, read_at=minutes * MINUTE + 20))
        assert [result.status for result in list_results(events)] == ["failed"]


async def test_a_record_that_was_only_asked_for_is_not_known_to_be_unlisted(writer: Writer) -> None:
    await store(writer, 1, 2)
    await read(writer, 1, started_at=9 * MINUTE)  # never ends
    read_id, _ = await read(writer, 1, started_at=19 * MINUTE)
    events = await read_directly(writer, read_id, make_product(2, read_at=19 * MINUTE + 20))
    assert [result.status for result in list_results(events)] == ["failed"]


async def test_a_record_stored_within_the_minute_before_the_start_proves_nothing(writer: Writer) -> None:
    await store(writer, 1, 2)
    read_id, events = await read(writer, 1, started_at=1_010 + MINUTE)
    assert parse_requested(events) == {"products": (make_gid(2),)}
    events = await read_directly(writer, read_id, make_product(2, read_at=2 * MINUTE))
    assert [result.status for result in list_results(events)] == ["success"]


async def test_a_listed_record_that_was_refused_as_older_is_not_unlisted(writer: Writer) -> None:
    await writer.ingest(make_page(make_product(1, read_at=1_000, updated_at=LATE)))
    _, events = await read(writer, 1, started_at=9 * MINUTE)
    assert [(result.status, result.reason) for result in list_results(events)] == [("success", None)]


def make_list(read_id: UUID, *numbers: int, count: int) -> IdsListed:
    return IdsListed(
        connection=SHOP,
        epoch=1,
        read_id=read_id,
        resource="products",
        id_range=0,
        attempt=1,
        after="",
        up_to=None,
        ids=tuple(map(make_gid, numbers)),
        count=count,
    )


async def read_with_list(writer: Writer, listed: IdsListed, *stored: int) -> list[DataStored]:
    read_id = listed.read_id
    page = make_page(*[make_product(n, read_at=20) for n in stored], read_id=read_id)
    ended = make_range_completed(read_id, len(stored), count=99).model_copy(update={"has_lists": True})
    return await writer.ingest_full_read(page, listed, ended, make_full_read_completed(read_id, 10))


async def test_a_listed_record_that_was_not_stored_is_read_directly_before_the_success(writer: Writer) -> None:
    read_id = uuid4()
    events = await read_with_list(writer, make_list(read_id, 1, 2, 3, count=3), 1)
    assert parse_requested(events) == {"products": (make_gid(2), make_gid(3))}
    found = [make_product(2, read_at=40), make_tombstone(3, read_at=40)]
    events = await read_directly(writer, read_id, *found)
    assert [result.status for result in list_results(events)] == ["success"]
    assert set(await writer.load_titles()) == {make_gid(1), make_gid(2)}


async def test_a_listed_record_that_never_arrives_fails_the_full_sync_and_is_named(writer: Writer) -> None:
    read_id = uuid4()
    await read_with_list(writer, make_list(read_id, 1, 2, count=2), 1)
    events = await writer.ingest_full_read(make_direct_read_completed(read_id, make_product(2, read_at=40)))
    (result,) = list_results(events)
    assert (result.status, result.reason) == ("failed", f"1 listed records could not be read: {make_gid(2)}")
    assert not await writer.query_scalar("SELECT fully_read FROM connections")


async def test_a_list_that_differs_from_its_count_is_never_a_success(writer: Writer) -> None:
    events = await read_with_list(writer, make_list(uuid4(), 1, count=2), 1)
    (result,) = list_results(events)
    assert (result.status, result.reason) == ("failed", "products: the platform lists 1 and counts 2")
    assert not await writer.query_scalar("SELECT fully_read FROM connections")


async def test_direct_reads_come_in_groups_and_a_repeated_event_ends_none_of_them_early(writer: Writer) -> None:
    read_id, numbers = uuid4(), range(1, 302)
    events = await read_with_list(writer, make_list(read_id, *numbers, count=301), 1)
    (first,) = parse_requested(events).values()
    assert len(first) == 250
    events = await read_directly(writer, read_id, *[make_product(_parse_number(gid), read_at=40) for gid in first])
    (second,) = parse_requested(events).values()
    assert set(first) | set(second) == {make_gid(n) for n in numbers[1:]}
    again = await writer.ingest_full_read(
        make_direct_read_completed(read_id, *[make_product(_parse_number(gid), read_at=40) for gid in first])
    )
    assert parse_requested(again) == {"products": second}
    events = await read_directly(writer, read_id, *[make_product(_parse_number(gid), read_at=50) for gid in second])
    assert [result.status for result in list_results(events)] == ["success"]


def _parse_number(gid: str) -> int:
    return int(gid.rpartition("/")[2])


async def age_guard(writer: Writer) -> None:
    await writer.execute("UPDATE connections SET guarded_since = guarded_since - interval '12 hours'")


async def allow_deletions(writer: Writer, guarded_sync: UUID) -> None:
    event = make_connection(revision=2).model_copy(update={"allowed_deletions": guarded_sync})
    await writer.update_connection(event)


async def test_the_deletion_guard_fails_a_full_read_that_lists_only_half(writer: Writer) -> None:
    await store(writer, *range(1, 201))
    read_id, events = await read(writer, *range(1, 101), started_at=9 * MINUTE)
    (result,) = list_results(events)
    reason = "100 of 200 records were not listed by this full read; none is deleted"
    guarded = GuardedDeletions(sync_id=read_id, records=100, stored=200)
    assert (result.status, result.reason, result.guarded_deletions) == ("failed", reason, guarded)
    assert len(await writer.load_titles()) == 200


async def test_a_full_read_at_once_after_a_guarded_one_is_not_believed(writer: Writer) -> None:
    await store(writer, *range(1, 201))
    _, events = await read(writer, *range(1, 101), started_at=9 * MINUTE)
    _, again = await read(writer, *range(1, 101), started_at=19 * MINUTE)
    (first,), (second,) = list_results(events), list_results(again)
    assert (second.status, second.guarded_deletions) == ("failed", first.guarded_deletions)


async def test_a_clean_up_without_webhooks_is_carried_out_by_a_full_read_half_a_day_later(writer: Writer) -> None:
    await store(writer, *range(1, 401))
    await read(writer, *range(1, 101), started_at=9 * MINUTE)
    await age_guard(writer)
    read_id, events = await read(writer, *range(1, 101), started_at=19 * MINUTE)
    for _ in range(2):
        (ids,) = parse_requested(events).values()
        gone = [make_tombstone(_parse_number(gid), read_at=20 * MINUTE) for gid in ids]
        events = await read_directly(writer, read_id, *gone)
    assert [(result.status, result.guarded_deletions) for result in list_results(events)] == [("success", None)]
    assert len(await writer.load_titles()) == 100


async def test_deletions_that_an_operator_allows_are_made_by_the_next_full_read_and_once(writer: Writer) -> None:
    await store(writer, *range(1, 601))
    first, _ = await read(writer, *range(1, 301), started_at=9 * MINUTE)
    await allow_deletions(writer, first)
    read_id, events = await read(writer, *range(1, 301), started_at=19 * MINUTE)
    for _ in range(2):
        (ids,) = parse_requested(events).values()
        gone = [make_tombstone(_parse_number(gid), read_at=20 * MINUTE) for gid in ids]
        events = await read_directly(writer, read_id, *gone)
    assert [result.status for result in list_results(events)] == ["success"]
    assert len(await writer.load_titles()) == 300
    last, events = await read(writer, *range(1, 101), started_at=29 * MINUTE)
    guarded = GuardedDeletions(sync_id=last, records=200, stored=300)
    assert [result.guarded_deletions for result in list_results(events)] == [guarded]


async def test_a_permission_for_other_or_far_fewer_deletions_allows_none(writer: Writer) -> None:
    await store(writer, *range(1, 201))
    first, _ = await read(writer, *range(1, 101), started_at=9 * MINUTE)
    await allow_deletions(writer, uuid4())
    _, events = await read(writer, *range(1, 101), started_at=19 * MINUTE)
    guarded = GuardedDeletions(sync_id=first, records=100, stored=200)
    assert [result.guarded_deletions for result in list_results(events)] == [guarded]
    event = make_connection(revision=3).model_copy(update={"allowed_deletions": first})
    await writer.update_connection(event)
    last, events = await read(writer, *range(1, 41), started_at=29 * MINUTE)
    guarded = GuardedDeletions(sync_id=last, records=160, stored=200)
    assert [result.guarded_deletions for result in list_results(events)] == [guarded]


async def test_a_half_list_that_a_full_read_half_a_day_later_repeats_deletes_nothing(writer: Writer) -> None:
    await store(writer, *range(1, 201))
    await read(writer, *range(1, 101), started_at=9 * MINUTE)
    await age_guard(writer)
    read_id, events = await read(writer, *range(1, 101), started_at=19 * MINUTE)
    (ids,) = parse_requested(events).values()
    alive = [make_product(_parse_number(gid), read_at=20 * MINUTE) for gid in ids]
    events = await read_directly(writer, read_id, *alive)
    assert [result.status for result in list_results(events)] == ["failed"]
    assert len(await writer.load_titles()) == 200


async def test_the_result_of_direct_reads_is_published_again_when_their_end_is_delivered_twice(writer: Writer) -> None:
    await store(writer, 1, 2)
    read_id, _ = await read(writer, 1, started_at=9 * MINUTE)
    gone = make_tombstone(2, read_at=9 * MINUTE + 20)
    first = await read_directly(writer, read_id, gone)
    second = await read_directly(writer, read_id, gone)
    assert list_results(first) == list_results(second)


async def test_a_record_that_a_direct_read_could_not_read_fails_the_sync_however_often(writer: Writer) -> None:
    await store(writer, 1, 2)
    for started_at in (9 * MINUTE, 19 * MINUTE):
        read_id, _ = await read(writer, 1, started_at=started_at)
        end = make_direct_read_completed(read_id, make_product(2, read_at=started_at))
        end = end.model_copy(update={"unreadable": {make_gid(2): "HTTP 500"}})
        (result,) = list_results(await writer.ingest_full_read(end))
        assert (result.status, "HTTP 500" in (result.reason or "")) == ("failed", True)
    assert len(await writer.load_titles()) == 2


async def test_the_first_full_sync_after_a_disconnect_is_not_guarded(writer: Writer) -> None:
    await store(writer, *range(1, 201))
    await writer.execute("UPDATE connections SET full_read_epoch = NULL")
    _, events = await read(writer, *range(1, 101), started_at=9 * MINUTE)
    assert len(parse_requested(events)["products"]) == 100


async def test_pages_of_direct_reads_belong_to_no_id_range(writer: Writer) -> None:
    await store(writer, 1, 2)
    read_id, _ = await read(writer, 1, started_at=9 * MINUTE)
    page = make_page(make_product(2, read_at=9 * MINUTE + 20), read_id=read_id, step=9)
    assert isinstance(page, RecordsPage)
    await writer.ingest_full_read(page.model_copy(update={"attempt": 0}))
    assert await writer.query_scalar("SELECT count(*) FROM pages WHERE attempt = 1") == 1
