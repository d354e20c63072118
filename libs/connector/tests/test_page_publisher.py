"""Pages are cut by bytes."""

from typing import Any

from connector.handlers.full_sync import FullSyncHandler
from connector.handlers.incremental import IncrementalHandler
from connector.handlers.page_publisher import MAX_RECORD_BYTES, PageBuilder, measure_record
from contracts.events import IncrementalReadCompleted, Record, RecordsPage


def build_record(name: str, size: int) -> Record:
    return Record(resource="things", id=name, read_at=1, body={"text": "x" * size})


def build_pages(*records: Record, target: int) -> list[list[str]]:
    builder = PageBuilder(target)
    pages = [*(builder.add(record, measure_record(record)) for record in records), builder.flush()]
    return [[r.id for r in page] for page in pages if page]


def test_a_page_is_full_at_its_target() -> None:
    assert build_pages(*(build_record(str(n), 700) for n in range(5)), target=2_200) == [["0", "1"], ["2", "3"], ["4"]]


def test_a_record_larger_than_the_target_has_a_page_to_itself() -> None:
    assert build_pages(build_record("a", 10), build_record("b", 9_000), build_record("c", 10), target=1_000) == [
        ["a"],
        ["b"],
        ["c"],
    ]


def test_a_piece_weighs_what_its_items_do() -> None:
    chunk = Record(resource="things", id="a", read_at=1, items=("x" * 1_000,))
    assert measure_record(chunk) > 1_000


async def test_a_record_that_no_message_can_carry_is_left_out_by_name_and_stops_no_sync(bench: Any) -> None:
    class LargeThings(bench.ThingSource):  # type: ignore[name-defined, misc] # the fake comes from the fixture
        def _build_records(self, gid: str) -> list[Record]:
            text = "x" * MAX_RECORD_BYTES if gid == "b" else "x"
            return [Record(resource="things", id=gid, read_at=1, body={"text": text})]

    source, publisher = LargeThings(existing={"a", "b", "c"}), bench.FakePublisher()
    dependencies = bench.build_dependencies(source, publisher)
    await FullSyncHandler(dependencies, seconds=5)(bench.CONNECTION, [bench.build_step(1)])
    assert publisher.progress[-1].outcome == "completed"
    await IncrementalHandler(dependencies, seconds=5)(bench.CONNECTION, [bench.build_request("1", "a", "b")])
    (completed,) = publisher.select(IncrementalReadCompleted)
    assert completed.unreadable == {}
    records = [record for page in publisher.select(RecordsPage) for record in page.records]
    assert [(record.id, record.unreadable is not None) for record in records] == [
        ("a", False),
        ("b", True),
        ("c", False),
        ("a", False),
        ("b", True),
    ]
    assert all(record.body is None for record in records if record.unreadable)
