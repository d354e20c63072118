"""Paging by the key visits each row once: the conditions of `select_rows`, run by SQLite."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.phpmyadmin.columns import Column
from platforms.phpmyadmin.statements import KeyPosition, select_rows
from platforms.phpmyadmin.tests.tables import build_column, build_table

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(-3, 3) | st.integers(-(2**40), 2**40),
    "varchar": st.text(alphabet="aAäß'\\\0 😀", max_size=3),
    "binary": st.binary(max_size=3),
    "date": st.dates().map(str),
}


def translate(statement: str) -> str:
    """Return the SELECT of rows in the SQL of SQLite, whose texts are stored as bytes."""
    select = statement[1 : statement.index(") UNION ALL ")]
    select = select.replace("`shop`.`orders`", "`orders`")
    column = r"CONVERT\((`r`\.`\w+`) USING utf8mb4\)"
    return re.sub(rf"CAST\({column} AS BINARY\)|{column}", r"\1\2", select)


def read_pages(database: sqlite3.Connection, columns: Sequence[Column], limit: int) -> Iterator[list[KeyPosition]]:
    table, after = build_table(*columns, key=[column.name for column in columns]), None
    while True:
        rows = database.execute(translate(select_rows(table, after=after, limit=limit))).fetchall()
        page = [KeyPosition(tuple(str(value) for value in row[1 : 1 + len(columns)])) for row in rows]
        yield page
        if len(page) < limit:
            return
        after = page[-1]


def to_key_text(value: Any) -> str:
    return value.hex().upper() if isinstance(value, bytes) else str(value)


def to_stored(value: Any) -> Any:
    return value.encode() if isinstance(value, str) and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) else value


KEYS = [
    *(["int"], ["varchar"], ["binary"], ["date"], ["int", "int"], ["varchar", "int"], ["int", "varchar", "date"]),
    *(["int", "int", "int"], ["date", "binary", "varchar", "int"]),
]


@pytest.mark.parametrize("types", KEYS, ids=" ".join)
@settings(max_examples=40)
@given(data=st.data(), limit=st.integers(1, 6))
def test_pages_of_any_size_have_each_row_once_in_the_order_of_the_key(types: list[str], data: Any, limit: int) -> None:
    columns = [build_column(f"a{number}", data_type) for number, data_type in enumerate(types)]
    # Few values for each column, so that keys have the same beginnings.
    values = [data.draw(st.lists(VALUES[data_type], min_size=1, max_size=3)) for data_type in types]
    keys = data.draw(st.sets(st.tuples(*(st.sampled_from(choices) for choices in values)), max_size=20))
    stored = [tuple(to_stored(value) for value in key) for key in keys]
    with sqlite3.connect(":memory:") as database:
        names = ", ".join(column.name for column in columns)
        database.execute(f"CREATE TABLE orders ({names}, PRIMARY KEY ({names}))")
        database.executemany(f"INSERT INTO orders VALUES ({', '.join('?' * len(columns))})", stored)
        pages = list(read_pages(database, columns, limit))
    assert all(len(page) == limit for page in pages[:-1])
    expected = [KeyPosition(tuple(map(to_key_text, key))) for key in sorted(stored)]
    assert [position for page in pages for position in page] == expected
