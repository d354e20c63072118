"""The document that merchant-sync must store for a table, computed from the sandbox's own rows.

Statements of clients do not influence it, so tests can compare it with what merchant-sync stored.
"""

import base64
from collections.abc import Callable, Collection, Iterable
from typing import Any

import orjson

from sandbox.phpmyadmin.definitions import ColumnDefinition, Kind, TableDefinition
from sandbox.phpmyadmin.functions import UTC_OFFSET
from sandbox.phpmyadmin.store import Row

_LARGEST_NUMBER = 2**53
"""Larger integers are text, because not every reader of JSON keeps their digits."""
_OFFSET = f"+{UTC_OFFSET.seconds // 3600:02d}:00"


def build_document(table: TableDefinition, rows: Iterable[Row], exclude: Collection[str] = ()) -> bytes:
    """Build the exact bytes of the document of a table, without the columns `exclude`.

    Rows are in the order of the key. Those of a table without a key may be in any order, because nothing orders them.
    """
    converters = {column.name: choose_converter(column) for column in table.columns if column.name not in exclude}
    document = bytearray(b'{"data":[')
    for row in rows if _is_ordered(table) else sorted(rows, key=lambda row: build_order(table, row)):
        values = {name: None if row[name] is None else convert(row[name]) for name, convert in converters.items()}
        document += orjson.dumps(values, option=orjson.OPT_SORT_KEYS) + b","
    return bytes(document).removesuffix(b",") + b"]}"


def _is_ordered(table: TableDefinition) -> bool:
    """Return whether SQLite returns the rows in their order already: whether they have no key, or one of integers."""
    columns = [table.find_column(name) for name in table.key.columns] if table.key else []
    return all(
        column is not None and column.kind is Kind.INTEGER and not column.needs_big_numbers for column in columns
    )


def build_order(table: TableDefinition, row: Row) -> tuple[Any, ...]:
    """Return what a row is ordered by: numbers, numbers of choices, and the bytes of text."""
    order: list[Any] = []
    for name in table.key.columns if table.key else ():
        column, value = table.find_column(name), row[name]
        assert column is not None
        if column.kind is Kind.CHOICE:
            chosen = str(value).split(",")
            order.append(sum(2**number for number, choice in enumerate(column.choices) if choice in chosen))
        elif column.kind in (Kind.INTEGER, Kind.BIT, Kind.DECIMAL, Kind.FLOAT):
            order.append(float(str(value)) if column.kind is not Kind.INTEGER else int(str(value)))
        else:
            order.append(value if isinstance(value, bytes) else str(value).encode())
    return tuple(order)


def choose_converter(column: ColumnDefinition) -> Callable[[Any], Any]:
    """Return the function that makes JSON of a value of the column that is not NULL.

    Integers are numbers up to 2^53, decimals text, dates ISO 8601 or null where they have a zero, bytes base64.
    """
    if column.holds_json or column.data_type == "json":
        return orjson.loads
    match column.kind:
        case Kind.INTEGER | Kind.BIT:
            return _convert_integer
        case Kind.FLOAT:
            return float
        case Kind.BINARY:
            return lambda value: base64.b64encode(value).decode()
        case Kind.DATE | Kind.DATETIME:
            return _convert_time
        case Kind.TIMESTAMP:
            return lambda value: local + _OFFSET if (local := _convert_time(value)) else None
        case _:
            return str


def _convert_integer(value: int | str) -> int | str:
    number = int(value)
    return number if abs(number) <= _LARGEST_NUMBER else str(number)


def _convert_time(text: str) -> str | None:
    return None if text.startswith("0000") or "00" in (text[5:7], text[8:10]) else text.replace(" ", "T")
