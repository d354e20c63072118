"""Data are cut to fields and rows, wherever the blocks that are read begin and end."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_api.data_cuts import DataCut, split_rows
from data_api.field_selection import parse_fields

texts = st.text(alphabet='ab"\\{}[],\n\u00e9')
values = st.recursive(texts | st.integers(0, 9), lambda inner: st.lists(inner) | st.dictionaries(texts, inner))
rows_of_anything = st.lists(st.dictionaries(texts, values, max_size=4), max_size=5)


def cut_into_blocks(document: bytes, size: int) -> Iterator[bytes]:
    yield from (document[at : at + size] for at in range(0, len(document), size))


@given(rows_of_anything, st.integers(1, 40))
def test_rows_are_found_whatever_they_hold_and_wherever_blocks_end(rows: list[Any], size: int) -> None:
    found = list(split_rows(cut_into_blocks(orjson.dumps(rows), size)))
    assert found == [orjson.dumps(row) for row in rows]


@given(rows_of_anything, st.integers(1, 40), st.integers(1, 6))
def test_a_limit_keeps_the_first_rows_untouched(rows: list[Any], size: int, limit: int) -> None:
    blocks = cut_into_blocks(orjson.dumps(rows), size)
    assert b"".join(DataCut(None, limit).select_rows(blocks)) == orjson.dumps(rows[:limit])


def test_no_more_is_read_than_the_rows_that_are_wanted() -> None:
    blocks = iter([b'[{"id":1},{"id"', b":2},", b'{"id":3}]'])
    assert b"".join(DataCut(None, 2).select_rows(blocks)) == b'[{"id":1},{"id":2}]'
    assert list(blocks) == [b'{"id":3}]']


def test_many_rows_come_in_pieces() -> None:
    rows = [{"id": number, "text": "x" * 1000} for number in range(1000)]
    pieces = list(DataCut(parse_fields("text"), None).select_rows(cut_into_blocks(orjson.dumps(rows), 1000)))
    assert len(pieces) > 10 and max(map(len, pieces)) < 80_000
    assert orjson.loads(b"".join(pieces)) == [{"text": row["text"]} for row in rows]


@pytest.mark.parametrize("fields", ["data.shop.name", "data.shop.name,missing", "data.shop.name,data.none.at.all"])
def test_a_document_keeps_the_fields_that_it_has(fields: str) -> None:
    blocks = [b'{"data":{"shop":{"name":"A","id":1},', b'"products":[]}}']
    assert b"".join(DataCut(parse_fields(fields), None).select_parts(blocks)) == b'{"data":{"shop":{"name":"A"}}}'
