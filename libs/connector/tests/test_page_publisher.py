"""Pages are cut by bytes."""

from connector.handlers.page_publisher import PageBuilder, measure_record
from contracts.events import Record


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
