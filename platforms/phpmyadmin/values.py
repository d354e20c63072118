"""Turns the values of rows, which are read as text, into JSON.

| type | JSON |
|-|-|
| integers, `YEAR`, `BIT`, `BOOL` | a number up to 2^53, beyond it a string |
| `DECIMAL` | a string, with all its digits |
| `FLOAT`, `DOUBLE` | a number |
| `DATE`, `DATETIME` | ISO 8601 without a zone |
| `TIMESTAMP` | ISO 8601 with the offset that the server's zone had then |
| `TIME` | a string, e.g. `-12:30:00` |
| JSON columns | what they hold |
| `BINARY`, `VARBINARY`, `BLOB` | base64 |
| shapes | well-known text, e.g. `POINT(1 2)` |
| everything else | a string |

A date with a zero in it (`0000-00-00`, `2026-00-00`), which is no date, is null.
"""

import base64
import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson

from platform_sdk.documents import canonicalize
from platforms.phpmyadmin.columns import BINARIES, CHOICES, FLOATS, INTEGERS, Column, ColumnOrder, TableDescription
from platforms.phpmyadmin.names import join_id
from platforms.phpmyadmin.statements import KeyPosition, write_key

MAX_SAFE_INTEGER = 2**53
"""The largest integer that every reader of JSON keeps as it is."""
MAX_ID_CHARACTERS = 1_000
DATES_WITH_ZEROS = frozenset({"date", "datetime", "timestamp"})
_SIGNED_BITS = 63
_PART_BITS = 66
"""The bits of a part of a sort key: enough for every integer of 64 bits, signed or not."""
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?")

TextRow = Mapping[str, str | None]
"""A row as it is read: the text of each value by the name that the statement has given it."""


class MalformedRowError(Exception):
    """Raised for a row that lacks a column, or whose key does not have the form of its type."""


@dataclass(frozen=True)
class Row:
    """A row of a table: its id, its values by column, the number by which it is ordered, and its key.

    `body` is None for a row of which a value does not have the form of its type; `fault` says which one. `position` is
    None for a table without a key.
    """

    id: str
    body: dict[str, Any] | None
    sort_key: int = 0
    position: KeyPosition | None = None
    fault: str = ""


class RowReader:
    """Turns the rows of one table into records.

    `zero_dates` counts the dates with a zero in them. Equal rows of a table without a key get ids by their number, so
    that one reader must see all of them.
    """

    def __init__(self, table: TableDescription) -> None:
        self._table = table
        self._converters = [_choose_converter(column) for column in table.columns]
        self._seen: dict[int, int] = {}
        self.zero_dates = 0

    def read_row(self, texts: TextRow) -> Row:
        """Return the row with these texts. Raises MalformedRowError for one that cannot be read.

        The id of a row without a key is the hash of its values and the number of equal rows before it, from 1.
        """
        try:
            body, fault = self._convert(texts)
            if self._table.key is None:
                return Row(self._build_hash_id(texts if body is None else body), body, fault=fault)
            columns = self._table.key.columns
            values = [texts[f"k{number}"] or "" for number in range(len(columns))]
            for column, value in zip(columns, values, strict=True):
                write_key(column, value)
            parts = [self._build_id_part(column, value, texts) for column, value in zip(columns, values, strict=True)]
            sort_key = compute_sort_key(columns, values)
        except (KeyError, ValueError, ArithmeticError):
            raise MalformedRowError("a row, or its key, has another form") from None
        record_id = join_id(parts)
        if len(record_id) > MAX_ID_CHARACTERS:
            fault = f"its key has more than {MAX_ID_CHARACTERS} characters"
            # No id of a row has two tildes side by side: nobody looks for such a row, and takes it for deleted.
            record_id = f"{record_id[:100]}~~{hashlib.sha256(record_id.encode()).hexdigest()}"
        return Row(record_id, None if fault else body, sort_key, KeyPosition(tuple(values)), fault)

    def _convert(self, texts: TextRow) -> tuple[dict[str, Any] | None, str]:
        """Return the values by column, and no fault; or None, and what does not have the form of its type."""
        body: dict[str, Any] = {}
        for number, (column, convert) in enumerate(zip(self._table.columns, self._converters, strict=True)):
            text = texts[f"c{number}"]
            try:
                value = None if text is None else convert(text, texts.get(f"t{number}"))
            except (ValueError, ArithmeticError):
                # Without the value, because it may be personal.
                return None, f"its value of {column.name} has not the form of {column.column_type}"
            if value is None and text is not None and column.data_type in DATES_WITH_ZEROS:
                self.zero_dates += 1
            body[column.name] = value
        return body, ""

    def _build_id_part(self, column: Column, text: str, texts: TextRow) -> str:
        """Return a part of the id of a row: the value of a column of the key as a person would write it."""
        if column.data_type in CHOICES:
            return texts[f"c{self._table.columns.index(column)}"] or ""
        return bytes.fromhex(text).decode() if column.key_order is ColumnOrder.TEXT else text

    def _build_hash_id(self, values: Mapping[str, Any]) -> str:
        digest = hashlib.sha256(canonicalize(values)).digest()
        short = int.from_bytes(digest[:8])
        self._seen[short] = self._seen.get(short, 0) + 1
        return f"{digest[:16].hex()}-{self._seen[short]}"


def compute_sort_key(columns: Sequence[Column], values: Sequence[str]) -> int:
    """Return a number by which rows are ordered as by their keys; equal where it cannot tell them apart.

    A key of one integer is that number. Further integers are in lower bits. Of a column of another type the beginning
    counts, a whole number or eight bytes, and nothing behind it.
    """
    key = 0
    for place, (column, value) in enumerate(zip(columns, values, strict=True)):
        part = _compute_part(column, value)
        key = (key << _PART_BITS) + part + (1 << _PART_BITS - 1 if place else 0)
        if column.data_type not in INTEGERS | CHOICES | {"bit"}:
            break
    return key


def _compute_part(column: Column, value: str) -> int:
    if column.data_type in INTEGERS | CHOICES | {"bit"}:
        return int(value)
    if column.key_order is ColumnOrder.NUMBER:
        return _limit(int(Decimal(value)), _SIGNED_BITS)
    text = value.replace("-", "").encode() if column.key_order is ColumnOrder.DATE else bytes.fromhex(value)
    return int.from_bytes(text[:8].ljust(8, b"\0")) - (1 << _SIGNED_BITS)


def _limit(number: int, bits: int) -> int:
    return min(max(number, -(1 << bits)), (1 << bits) - 1)


def _choose_converter(column: Column) -> Callable[[str, str | None], Any]:
    """Return the function that makes JSON of a text, and of the instant of a value that has one."""
    if column.has_json:
        return _parse_json
    if column.data_type in INTEGERS or column.data_type == "bit":
        return _parse_integer
    if column.data_type in FLOATS:
        return _parse_float
    if column.data_type in BINARIES:
        return _encode_bytes
    match column.data_type:
        case "date":
            return _parse_date
        case "datetime":
            return _parse_time
        case "timestamp":
            return _parse_instant
        case _:
            return _keep_text


def _keep_text(text: str, _instant: str | None) -> str:
    return text


def _parse_json(text: str, _instant: str | None) -> Any:
    return orjson.loads(text)


def _parse_integer(text: str, _instant: str | None) -> int | str:
    number = int(text)
    return number if abs(number) <= MAX_SAFE_INTEGER else str(number)


def _parse_float(text: str, _instant: str | None) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not a number of JSON")
    return number


def _encode_bytes(text: str, _instant: str | None) -> str:
    return base64.b64encode(bytes.fromhex(text)).decode()


def _parse_date(text: str, _instant: str | None) -> str | None:
    if not _DATE.fullmatch(text):
        raise ValueError("not a date")
    year, month, day = (int(part) for part in text.split("-"))
    return text if year and month and day else None


def _parse_time(text: str, _instant: str | None) -> str | None:
    date, _, time = text.partition(" ")
    if not _TIME.fullmatch(time):
        raise ValueError("not a time")
    return f"{date}T{time}" if _parse_date(date, None) else None


def _parse_instant(text: str, instant: str | None) -> str | None:
    local = _parse_time(text, None)
    if local is None:
        return None
    if instant is None:
        raise ValueError("a time without its instant")
    shown = datetime.fromisoformat(local).replace(tzinfo=UTC).timestamp()
    minutes = round((shown - float(instant)) / 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"{local}{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"
