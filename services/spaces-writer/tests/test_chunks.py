"""Chunked records are joined by their cursors."""

from contracts.events import Record, RecordChunk
from spaces_writer.chunks import join_chunks


def make_first(next_cursor: str | None) -> Record:
    chunk = RecordChunk(reading_id="c", cursor=None, next_cursor=next_cursor)
    return Record(resource="collections", id="1", read_at=5, body={"title": "All", "products": ["a"]}, chunk=chunk)


def make_further(cursor: str, next_cursor: str | None, *items: str) -> Record:
    chunk = RecordChunk(reading_id="c", cursor=cursor, next_cursor=next_cursor, path=("products",))
    return Record(resource="collections", id="1", read_at=9, items=items, lookup_values={"item": items}, chunk=chunk)


def test_chunks_without_a_gap_become_one_record_of_the_first_chunks_moment() -> None:
    whole = join_chunks({None: make_first("x"), "x": make_further("x", "y", "b"), "y": make_further("y", None, "c")})
    assert whole is not None
    assert whole.body == {"title": "All", "products": ["a", "b", "c"]}
    assert whole.lookup_values == {"item": ("b", "c")}
    assert whole.read_at == 5
    assert whole.chunk is None


def test_chunks_with_a_gap_are_not_joined() -> None:
    assert join_chunks({None: make_first("x"), "y": make_further("y", None, "c")}) is None
    assert join_chunks({"x": make_further("x", None, "b")}) is None
    assert join_chunks({None: make_first("x"), "x": make_further("x", "y", "b")}) is None


def test_chunks_of_a_step_that_ran_twice_with_another_cut_are_joined_by_their_cursors() -> None:
    chunks = {
        None: make_first("x"),
        "x": make_further("x", "z", "b", "c"),
        "y": make_further("y", None, "c", "d"),
        "z": make_further("z", None, "d"),
    }
    whole = join_chunks(chunks)
    assert whole is not None
    assert whole.body is not None
    assert whole.body["products"] == ["a", "b", "c", "d"]
