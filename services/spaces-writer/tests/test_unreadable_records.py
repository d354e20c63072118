"""A record that exists and cannot be read withholds nothing: it is left out by name, and its last version stays."""

from typing import Any
from uuid import uuid4

import pytest

from contracts.events import Record, SyncResult
from writer_builders import (
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
from writer_harness import Writer

pytestmark = pytest.mark.integration

REASON = "its form is not known: media: Input should be a valid list"


def make_unreadable(number: int, *, read_at: int) -> Record:
    return Record(resource="products", id=make_gid(number), read_at=read_at, sort_key=number, unreadable=REASON)


async def read_all(writer: Writer, *records: Record, started_at: int) -> tuple[SyncResult, dict[str, Any]]:
    """Ingest a full read of these records; return its result, and the records to verify."""
    read_id = uuid4()
    events = await writer.ingest_full_read(
        make_page(*records, read_id=read_id),
        make_range_completed(read_id, len(records)),
        make_full_read_completed(read_id, started_at),
    )
    (result,) = [result for event in events for result in event.results]
    return result, {resource: ids for event in events for resource, ids in event.records_to_verify.items()}


async def read(writer: Writer, record: Record, number: int = 1) -> SyncResult:
    """Ingest an incremental read of one record; return its result."""
    read_id = uuid4()
    events = await writer.ingest(make_page(record, read_id=read_id), make_incremental_read_completed(read_id, number))
    (result,) = [result for event in events for result in event.results]
    return result


async def is_outdated(writer: Writer, number: int = 1) -> bool:
    return bool(
        await writer.query_scalar(f"SELECT unreadable IS NOT NULL FROM records WHERE id = '{make_gid(number)}'")
    )


async def test_a_first_object_is_stored_without_the_record_that_cannot_be_read(writer: Writer) -> None:
    await writer.update_connection(make_connection())
    records = make_unreadable(1, read_at=1_010), make_product(2, read_at=1_010)
    result, to_verify = await read_all(writer, *records, started_at=1_000)
    assert (result.status, to_verify) == ("success", {})
    assert result.left_out == {make_gid(1): f"{REASON}; it could not be read before either, and is not shown"}
    upload = await writer.build(SHOP)
    assert upload is not None and (upload.outcome, upload.records) == ("uploaded", 1)


async def test_the_last_readable_version_stays_marked_as_outdated_until_the_record_is_readable(writer: Writer) -> None:
    await writer.update_connection(make_connection())
    await read_all(writer, make_product(1, read_at=1_010, title="Readable"), started_at=1_000)
    result, to_verify = await read_all(writer, make_unreadable(1, read_at=9_010), started_at=9_000)
    assert (result.status, to_verify) == ("success", {})
    assert result.left_out == {make_gid(1): f"{REASON}; its version of 1970-01-01 00:00 UTC is shown"}
    assert await writer.load_titles() == {make_gid(1): "Readable"}
    assert await is_outdated(writer)
    result, _ = await read_all(writer, make_product(1, read_at=20_010, title="Again"), started_at=20_000)
    assert (result.left_out, await is_outdated(writer)) == ({}, False)
    assert await writer.load_titles() == {make_gid(1): "Again"}


async def test_a_webhook_of_such_a_record_is_a_success_that_names_it(writer: Writer) -> None:
    await writer.update_connection(make_connection())
    await read_all(writer, make_product(1, read_at=1_010), make_product(2, read_at=1_010), started_at=1_000)
    result = await read(writer, make_unreadable(1, read_at=9_000))
    assert (result.status, list(result.left_out)) == ("success", [make_gid(1)])
    assert (await read(writer, make_product(2, read_at=9_000), 2)).left_out == {}


async def test_an_older_reading_neither_marks_nor_clears(writer: Writer) -> None:
    await writer.update_connection(make_connection())
    await read_all(writer, make_product(1, read_at=9_010), started_at=9_000)
    await read(writer, make_unreadable(1, read_at=2_000))
    assert not await is_outdated(writer)
    await read(writer, make_unreadable(1, read_at=30_000))
    await read(writer, make_product(1, read_at=20_000, title="Older than the reading that failed"))
    assert await is_outdated(writer)


async def test_a_first_reading_that_fails_refuses_no_version_that_is_older_than_it(writer: Writer) -> None:
    await read(writer, make_unreadable(1, read_at=90_000))
    result = await read(writer, make_product(1, read_at=20_000, title="Delayed"))
    assert await writer.load_titles() == {make_gid(1): "Delayed"}
    assert result.left_out == {make_gid(1): f"{REASON}; its version of 1970-01-01 00:00 UTC is shown"}
    assert await is_outdated(writer)


async def test_a_reading_that_fails_after_a_deletion_refuses_only_what_the_deletion_refuses(writer: Writer) -> None:
    await read(writer, make_tombstone(1, read_at=20_000))
    await read(writer, make_unreadable(1, read_at=90_000))
    await read(writer, make_product(1, read_at=10_000, title="From before the deletion"))
    assert await writer.load_titles() == {}
    await read(writer, make_product(1, read_at=50_000, title="From after the deletion"))
    assert (await writer.load_titles(), await is_outdated(writer)) == ({make_gid(1): "From after the deletion"}, True)


@pytest.mark.parametrize(("deleted_at", "is_outdated_after"), [(20_000, True), (95_000, False)])
async def test_a_deletion_counts_from_its_own_time_when_the_first_reading_failed(
    writer: Writer, deleted_at: int, is_outdated_after: bool
) -> None:
    await read(writer, make_unreadable(1, read_at=90_000))
    await read(writer, make_tombstone(1, read_at=deleted_at))
    assert await is_outdated(writer) is is_outdated_after
    await read(writer, make_product(1, read_at=deleted_at - 10_000, title="From before the deletion"))
    assert await writer.load_titles() == {}
    await read(writer, make_product(1, read_at=deleted_at + 10_000, title="From after the deletion"))
    assert await writer.load_titles() == {make_gid(1): "From after the deletion"}


async def test_a_record_that_is_gone_is_not_outdated(writer: Writer) -> None:
    await writer.update_connection(make_connection())
    await read_all(writer, make_product(1, read_at=1_010), started_at=1_000)
    await read(writer, make_unreadable(1, read_at=9_000))
    await read(writer, make_tombstone(1, read_at=19_000))
    assert (await is_outdated(writer), await writer.load_titles()) == (False, {})


async def test_the_same_page_again_changes_nothing(writer: Writer) -> None:
    await writer.update_connection(make_connection())
    page = make_page(make_unreadable(1, read_at=1_000), make_product(2, read_at=1_000))
    await writer.ingest(page)
    before = await writer.query_scalar("SELECT string_agg(r::text, ';' ORDER BY id) FROM records r")
    await writer.ingest(page)
    assert await writer.query_scalar("SELECT string_agg(r::text, ';' ORDER BY id) FROM records r") == before
