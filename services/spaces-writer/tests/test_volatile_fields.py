"""Volatile fields are shown in the object, are no change of the record, and cost at most one upload a day."""

import orjson
import pytest

from contracts.events import DataStored, Record
from spaces_writer.volatile_fields import DAY_MS, VolatileFields, should_renew
from writer_builders import (
    PAGE,
    PAGE_KEY,
    make_direct_read,
    make_full_read,
    make_page_connection,
    make_page_record,
)
from writer_harness import Writer

pytestmark = pytest.mark.integration
NOON = 20_000 * DAY_MS + DAY_MS // 2


def load_shown_records(writer: Writer) -> list[dict[str, object]]:
    body, _ = writer.bucket.objects[PAGE_KEY]
    records = orjson.loads(body)["data"]
    assert isinstance(records, list)
    return records


async def store_first_record(writer: Writer, record: Record) -> None:
    await writer.update_connection(make_page_connection())
    await writer.ingest_full_read(*make_full_read(record))
    await writer.build(PAGE)


def get_totals(events: list[DataStored]) -> tuple[int, int]:
    (totals,) = [result.totals for event in events for result in event.results if result.totals]
    return totals.changed, totals.unchanged


async def test_a_pages_document_shows_body_and_volatile_fields_as_one_canonical_object(writer: Writer) -> None:
    await store_first_record(writer, make_page_record(read_at=NOON, fan_count=7, picture={"data": {"url": "u"}}))
    body, _ = writer.bucket.objects[PAGE_KEY]
    assert body == b'{"data":[{"fan_count":7,"id":"1029384756","name":"Acme","picture":{"data":{"url":"u"}}}]}'


async def test_a_full_read_renews_volatile_fields_once_a_day(writer: Writer) -> None:
    await store_first_record(writer, make_page_record(read_at=NOON, fan_count=7))
    for later, count in ((DAY_MS, 8), (DAY_MS + 1, 9), (DAY_MS + DAY_MS // 2 - 1, 10), (DAY_MS + DAY_MS // 2, 11)):
        events = await writer.ingest_full_read(*make_full_read(make_page_record(read_at=NOON + later, fan_count=count)))
        assert get_totals(events) == (0, 1)
        await writer.build(PAGE)
    assert load_shown_records(writer)[0]["fan_count"] == 11
    assert writer.bucket.puts == 3


async def test_a_result_names_the_sequence_that_includes_the_renewed_fields(writer: Writer) -> None:
    await store_first_record(writer, make_page_record(read_at=NOON, fan_count=7))
    (event,) = await writer.ingest_full_read(*make_full_read(make_page_record(read_at=NOON + DAY_MS, fan_count=8)))
    upload = await writer.build(PAGE)
    assert upload is not None
    assert (upload.outcome, upload.sequence) == ("uploaded", event.results[0].sequence)


async def test_volatile_fields_cost_nothing_when_read_directly(writer: Writer) -> None:
    await store_first_record(writer, make_page_record(read_at=NOON, fan_count=7))
    change = "SELECT sequence FROM connections WHERE connection LIKE 'facebook:%'"
    before = await writer.query_scalar(change)
    await writer.ingest(make_direct_read(make_page_record(read_at=NOON + 3 * DAY_MS, fan_count=8)))
    assert await writer.query_scalar(change) == before
    assert await writer.query_scalar("SELECT volatile_fields FROM records") == '{"fan_count":7}'


async def test_a_change_of_the_record_stores_its_volatile_fields_at_once(writer: Writer) -> None:
    await store_first_record(writer, make_page_record(read_at=NOON, fan_count=7))
    await writer.ingest(make_direct_read(make_page_record(read_at=NOON + 10_000, name="Acme & Co", fan_count=8)))
    await writer.build(PAGE)
    assert load_shown_records(writer) == [{"id": "1029384756", "name": "Acme & Co", "fan_count": 8}]


async def test_volatile_fields_of_a_stale_full_read_are_not_stored(writer: Writer) -> None:
    await store_first_record(writer, make_page_record(read_at=NOON + 2 * DAY_MS, fan_count=9))
    await writer.ingest_full_read(*make_full_read(make_page_record(read_at=NOON, fan_count=7)))
    assert await writer.query_scalar("SELECT volatile_fields FROM records") == '{"fan_count":9}'


async def test_unchanged_values_of_a_later_day_cost_no_upload(writer: Writer) -> None:
    await store_first_record(writer, make_page_record(read_at=NOON, fan_count=7))
    await writer.ingest_full_read(*make_full_read(make_page_record(read_at=NOON + DAY_MS, fan_count=7)))
    upload = await writer.build(PAGE)
    assert upload is not None
    assert (upload.outcome, writer.bucket.puts) == ("unchanged", 1)


async def test_the_document_of_a_page_that_is_gone_is_empty(writer: Writer) -> None:
    await store_first_record(writer, make_page_record(read_at=NOON, fan_count=7))
    tombstone = Record(resource="page", id="1029384756", read_at=NOON + 60_000)
    await writer.ingest(make_direct_read(tombstone))
    await writer.build(PAGE)
    assert writer.bucket.objects[PAGE_KEY][0] == b'{"data":[]}'


def test_a_day_ends_at_midnight_utc() -> None:
    midnight = 20_001 * DAY_MS
    stored = VolatileFields("a", midnight - 1)
    assert should_renew(VolatileFields("b", midnight), stored)
    assert not should_renew(VolatileFields("b", midnight - 1), stored)
    assert not should_renew(VolatileFields("a", midnight), stored)
