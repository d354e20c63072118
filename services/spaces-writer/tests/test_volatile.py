"""What moves by itself: shown in the object, no change of the record, at most one upload a day of its own."""

import orjson
import pytest

from contracts.events import DataStored, Record
from spaces_writer.volatile import DAY_MS, Volatile, renews
from writer_builders import PAGE, PAGE_KEY, connected_page, facebook_page, read_directly, whole_walk
from writer_stand import Writer

pytestmark = pytest.mark.integration
NOON = 20_000 * DAY_MS + DAY_MS // 2


def shown(writer: Writer) -> list[dict[str, object]]:
    body, _ = writer.bucket.objects[PAGE_KEY]
    listed = orjson.loads(body)["data"]
    assert isinstance(listed, list)
    return listed


async def composed(writer: Writer, record: Record) -> None:
    await writer.hear(connected_page())
    await writer.walk(*whole_walk(record))
    await writer.compose(PAGE)


def totals(said: list[DataStored]) -> tuple[int, int]:
    (total,) = [v.totals for event in said for v in event.results if v.totals]
    return total.changed, total.unchanged


async def test_a_pages_document_shows_body_and_volatile_values_as_one_canonical_object(writer: Writer) -> None:
    await composed(writer, facebook_page(read_at=NOON, fan_count=7, picture={"data": {"url": "u"}}))
    body, _ = writer.bucket.objects[PAGE_KEY]
    assert body == b'{"data":[{"fan_count":7,"id":"1029384756","name":"Acme","picture":{"data":{"url":"u"}}}]}'


async def test_a_walk_renews_what_moved_by_itself_once_a_day(writer: Writer) -> None:
    await composed(writer, facebook_page(read_at=NOON, fan_count=7))
    for later, count in ((DAY_MS, 8), (DAY_MS + 1, 9), (DAY_MS + DAY_MS // 2 - 1, 10), (DAY_MS + DAY_MS // 2, 11)):
        said = await writer.walk(*whole_walk(facebook_page(read_at=NOON + later, fan_count=count)))
        assert totals(said) == (0, 1)
        await writer.compose(PAGE)
    assert shown(writer)[0]["fan_count"] == 11
    assert writer.bucket.puts == 3


async def test_a_verdict_names_the_change_that_holds_the_renewed_values(writer: Writer) -> None:
    await composed(writer, facebook_page(read_at=NOON, fan_count=7))
    (said,) = await writer.walk(*whole_walk(facebook_page(read_at=NOON + DAY_MS, fan_count=8)))
    upload = await writer.compose(PAGE)
    assert upload is not None
    assert (upload.outcome, upload.sequence) == ("uploaded", said.results[0].sequence)


async def test_what_moved_by_itself_costs_nothing_when_read_directly(writer: Writer) -> None:
    await composed(writer, facebook_page(read_at=NOON, fan_count=7))
    change = "SELECT change FROM connections WHERE connection LIKE 'facebook:%'"
    before = await writer.scalar(change)
    await writer.take(read_directly(facebook_page(read_at=NOON + 3 * DAY_MS, fan_count=8)))
    assert await writer.scalar(change) == before
    assert await writer.scalar("SELECT volatile FROM records") == '{"fan_count":7}'


async def test_a_change_of_the_record_takes_its_volatile_values_along_at_once(writer: Writer) -> None:
    await composed(writer, facebook_page(read_at=NOON, fan_count=7))
    await writer.take(read_directly(facebook_page(read_at=NOON + 10_000, name="Acme & Co", fan_count=8)))
    await writer.compose(PAGE)
    assert shown(writer) == [{"id": "1029384756", "name": "Acme & Co", "fan_count": 8}]


async def test_volatile_values_of_a_stale_walk_are_not_taken(writer: Writer) -> None:
    await composed(writer, facebook_page(read_at=NOON + 2 * DAY_MS, fan_count=9))
    await writer.walk(*whole_walk(facebook_page(read_at=NOON, fan_count=7)))
    assert await writer.scalar("SELECT volatile FROM records") == '{"fan_count":9}'


async def test_unchanged_values_of_a_later_day_cost_no_upload(writer: Writer) -> None:
    await composed(writer, facebook_page(read_at=NOON, fan_count=7))
    await writer.walk(*whole_walk(facebook_page(read_at=NOON + DAY_MS, fan_count=7)))
    upload = await writer.compose(PAGE)
    assert upload is not None
    assert (upload.outcome, writer.bucket.puts) == ("unchanged", 1)


async def test_the_document_of_a_page_that_is_gone_is_empty(writer: Writer) -> None:
    await composed(writer, facebook_page(read_at=NOON, fan_count=7))
    gone = Record(resource="page", id="1029384756", read_at=NOON + 60_000)
    await writer.take(read_directly(gone))
    await writer.compose(PAGE)
    assert writer.bucket.objects[PAGE_KEY][0] == b'{"data":[]}'


def test_a_day_ends_at_midnight_utc() -> None:
    midnight = 20_001 * DAY_MS
    stored = Volatile("a", midnight - 1)
    assert renews(Volatile("b", midnight), stored)
    assert not renews(Volatile("b", midnight - 1), stored)
    assert not renews(Volatile("a", midnight), stored)
