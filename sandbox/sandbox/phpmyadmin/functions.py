"""MySQL's functions, as functions of SQLite. Values are None, int, float, str and bytes, as SQLite has them."""

import hashlib
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

UTC_OFFSET = timedelta(hours=2)
"""The offset of the server's time zone. It has no summer time, so that no local time comes twice."""
_EPOCH = datetime(1970, 1, 1)
_SMALLEST_PLAIN, _LARGEST_PLAIN = 1e-15, 1e15
Value = None | int | float | str | bytes


def format_float(number: float) -> str:
    """Return a float as MySQL writes it: without a point where it is whole, `1e300` where it is long."""
    if number == int(number) and abs(number) < _LARGEST_PLAIN:
        return str(int(number))
    mantissa, _, exponent = repr(number).partition("e")
    if exponent and _SMALLEST_PLAIN <= abs(number) < _LARGEST_PLAIN:
        return format(Decimal(repr(number)), "f")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}" if exponent else _shorten(mantissa, number)


def _shorten(text: str, number: float) -> str:
    if abs(number) < _LARGEST_PLAIN:
        return text
    digits = text.removesuffix(".0").lstrip("-").rstrip("0")
    point = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{'-' if number < 0 else ''}{digits[0]}{point}e{len(text.removesuffix('.0').lstrip('-')) - 1}"


def convert_to_text(value: Value) -> str | None:
    """Return a value as text."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return format_float(value) if isinstance(value, float) else str(value)


def format_now(digits: int = 0) -> str:
    """Return the time now, in the server's zone, with this many digits of a second."""
    now = datetime.now(UTC).replace(tzinfo=None) + UTC_OFFSET
    return now.strftime("%Y-%m-%d %H:%M:%S") + (f".{now.microsecond:06d}"[: digits + 1] if digits else "")


def parse_time(text: str) -> datetime | None:
    """Return a local time; None for a text that is none, e.g. a zero date."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def compute_unix_time(value: Value = None) -> int | float | None:
    """Return the instant (s) of a local time; 0 for a zero date."""
    if value is None:
        return None
    local = parse_time(str(value))
    if local is None:
        return 0
    since = local - UTC_OFFSET - _EPOCH
    whole = since // timedelta(seconds=1)
    return whole if "." not in str(value) else whole + since.microseconds / 1_000_000


def compute_earlier_time(value: Value, seconds: int) -> str | None:
    """Return a local time some seconds before, with as many digits of a second."""
    local = parse_time(str(value)) if value is not None else None
    if local is None:
        return None
    earlier, digits = local - timedelta(seconds=seconds), len(str(value).partition(".")[2])
    return earlier.strftime("%Y-%m-%d %H:%M:%S") + (f".{earlier.microsecond:06d}"[: digits + 1] if digits else "")


def _hash_md5(value: Value) -> str | None:
    if value is None:
        return None
    raw = value if isinstance(value, bytes) else str(convert_to_text(value)).encode()
    return hashlib.md5(raw, usedforsecurity=False).hexdigest()


def _write_hex(value: Value) -> str | None:
    if value is None:
        return None
    if isinstance(value, int):
        return f"{value % 2**64:X}"
    return (value if isinstance(value, bytes) else str(convert_to_text(value)).encode()).hex().upper()


def _change_base(value: Value, source: int, target: int) -> str | None:
    if value is None:
        return None
    number = int(str(value), source) % 2**64
    return str(number) if target == 10 else f"{number:X}" if target == 16 else f"{number:b}"


def _wait(seconds: float) -> int:
    time.sleep(min(seconds, 30.0))
    return 0


def compare_numbers(one: str, other: str) -> int:
    """Compare two numbers that are stored as text, because SQLite's are too small for them."""
    first, second = Decimal(one or 0), Decimal(other or 0)
    return (first > second) - (first < second)


class _Sum:
    """Adds numbers up without a limit, as MySQL does. The result is text where SQLite's integers are too small."""

    def __init__(self) -> None:
        self._total: int | Decimal | float = 0
        self._is_empty = True

    def step(self, value: Value) -> None:
        """Add a value."""
        if value is None:
            return
        self._is_empty = False
        if isinstance(value, str):
            self._total = Decimal(self._total) + Decimal(value)
        else:
            self._total += value  # type: ignore[operator]

    def finalize(self) -> Value:
        """Return the sum; NULL where there was no value."""
        if self._is_empty:
            return None
        if isinstance(self._total, int) and abs(self._total) < 2**63:
            return self._total
        return self._total if isinstance(self._total, float) else str(self._total)


FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "md5": (1, _hash_md5),
    "hex": (1, _write_hex),
    "conv": (3, _change_base),
    "my_text": (1, convert_to_text),
    "my_seconds_before": (2, compute_earlier_time),
    "unix_timestamp": (1, compute_unix_time),
    "st_astext": (1, convert_to_text),
}
"""The functions by name, each with the number of its arguments. Their results follow from their arguments."""


def install_functions(connection: sqlite3.Connection, version: str) -> None:
    """Install MySQL's functions in a connection. `version` is the database's."""
    for name, (count, function) in FUNCTIONS.items():
        connection.create_function(name, count, function, deterministic=True)
    connection.create_function("now", -1, format_now)
    connection.create_function("sleep", 1, _wait)
    connection.create_function("version", 0, lambda: version)
    connection.create_aggregate("sum", 1, _Sum)  # type: ignore[arg-type]
    connection.create_collation("my_number", compare_numbers)
