"""Records whose `updated_at` goes back at the platform, because they were restored there."""

from uuid import UUID, uuid4

import pytest

from contracts.events import DataStored, Record
from writer_builders import (
    EARLY,
    LATE,
    make_connection,
    make_full_read_completed,
    make_gid,
    make_incremental_read_completed,
    make_page,
    make_product,
    make_range_completed,
)
from writer_harness import Writer, assert_second_delivery_changes_nothing

pytestmark = pytest.mark.integration
MINUTE = 60_000
SOON = 10_000
"""When the first reading with an earlier `updated_at` is taken."""


def restore(read_at: int, title: str = "Restored") -> Record:
    return make_product(1, read_at=read_at, updated_at=EARLY, title=title)


async def store_edited(writer: Writer, read_at: int = 5_000) -> None:
    await writer.ingest(make_page(make_product(1, read_at=read_at, updated_at=LATE, title="Edited")))


async def load_title(writer: Writer) -> str:
    return (await writer.load_titles())[make_gid(1)]


def list_verifications(events: list[DataStored]) -> list[tuple[UUID | None, object, int | None]]:
    return [(e.verification_id, e.records_to_verify, e.verify_not_before) for e in events if e.records_to_verify]


async def read_alone(writer: Writer, record: Record) -> list[DataStored]:
    read_id = uuid4()
    return await writer.ingest(make_page(record, read_id=read_id), make_incremental_read_completed(read_id, 1))


async def test_a_full_sync_that_finds_an_earlier_updated_at_has_the_record_read_again_a_minute_later(
    writer: Writer,
) -> None:
    await store_edited(writer)
    read_id = uuid4()
    batch = (
        make_page(restore(SOON), read_id=read_id),
        make_range_completed(read_id, 1),
        make_full_read_completed(read_id, SOON - 10),
    )
    events = await writer.ingest_full_read(*batch)
    assert await load_title(writer) == "Edited"
    ((verification_id, records, not_before),) = list_verifications(events)
    assert (records, not_before) == ({"products": (make_gid(1),)}, SOON + MINUTE + 5_000)
    again = await writer.ingest_full_read(*batch)
    assert list_verifications(again) == [(verification_id, records, not_before)]


async def test_two_equal_readings_a_minute_apart_replace_what_is_stored_and_the_result_says_so(writer: Writer) -> None:
    await store_edited(writer)
    first = await read_alone(writer, restore(SOON))
    assert [(r.status, r.reason) for e in first for r in e.results] == [("success", None)]
    second = await read_alone(writer, restore(SOON + MINUTE))
    assert await load_title(writer) == "Restored"
    ((status, reason),) = [(r.status, r.reason) for e in second for r in e.results]
    assert status == "success"
    assert reason is not None and "restored at the platform" in reason and make_gid(1) in reason
    assert list_verifications(second) == []


async def test_two_full_syncs_are_enough(writer: Writer) -> None:
    await store_edited(writer)
    for moment in (SOON, 24 * 60 * MINUTE):
        read_id = uuid4()
        events = await writer.ingest_full_read(
            make_page(restore(moment), read_id=read_id),
            make_range_completed(read_id, 1),
            make_full_read_completed(read_id, moment - 10),
        )
    assert await load_title(writer) == "Restored"
    (result,) = [result for event in events for result in event.results]
    assert result.reason is not None and "restored at the platform" in result.reason


async def test_readings_that_differ_or_are_less_than_a_minute_apart_prove_nothing(writer: Writer) -> None:
    await store_edited(writer)
    await read_alone(writer, restore(SOON))
    await read_alone(writer, restore(SOON + MINUTE - 1))
    await read_alone(writer, restore(SOON + MINUTE, title="Something else"))
    assert await load_title(writer) == "Edited"


async def test_a_reading_of_what_is_stored_in_between_disproves_the_first_one(writer: Writer) -> None:
    await store_edited(writer)
    await read_alone(writer, restore(SOON))
    await store_edited(writer, read_at=SOON + 1_000)
    events = await read_alone(writer, restore(SOON + MINUTE))
    assert await load_title(writer) == "Edited"
    assert len(list_verifications(events)) == 1


async def test_what_was_read_before_the_restore_never_comes_back_and_a_later_edit_wins(writer: Writer) -> None:
    await store_edited(writer)
    await read_alone(writer, restore(SOON))
    await read_alone(writer, restore(SOON + MINUTE))
    await store_edited(writer, read_at=SOON + 30_000)
    assert await load_title(writer) == "Restored"
    await writer.ingest(
        make_page(make_product(1, read_at=SOON + 2 * MINUTE, updated_at=LATE, title="Edited after the restore"))
    )
    assert await load_title(writer) == "Edited after the restore"


async def test_a_confirmation_that_is_delivered_twice_changes_nothing_more(writer: Writer) -> None:
    await store_edited(writer)
    await read_alone(writer, restore(SOON))
    read_id = uuid4()
    await assert_second_delivery_changes_nothing(
        writer,
        make_page(restore(SOON + MINUTE), read_id=read_id),
        make_incremental_read_completed(read_id, 1),
    )


async def test_a_redaction_deletes_what_is_known_of_restored_records(writer: Writer) -> None:
    await store_edited(writer)
    await read_alone(writer, restore(SOON))
    assert await writer.query_scalar("SELECT count(*) FROM rollbacks") == 1
    await writer.update_connection(make_connection(revision=2, epoch=2, state="redacted"))
    assert await writer.query_scalar("SELECT count(*) FROM rollbacks") == 0
