"""Values of columns: checks what people and tests write into them, and gives the form in which SQLite keeps them."""

import re
import struct
from decimal import Context, Decimal, InvalidOperation
from typing import Any

import orjson

from sandbox.phpmyadmin.definitions import ColumnDefinition, Kind
from sandbox.phpmyadmin.functions import Value, convert_to_text

_DECIMALS = Context(prec=65)
"""The digits of the longest DECIMAL."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATETIME = re.compile(r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,6}))?")
_TIME = re.compile(r"-?\d{2,3}:\d{2}:\d{2}(\.\d{1,6})?")


def encode_value(column: ColumnDefinition, given: Any) -> Value:
    """Return the form in which SQLite keeps a value. Raises ValueError for one that the column cannot have.

    `given` is None, a number, a boolean, or text as a person writes it; of a binary column it is `0x` and hexadecimal
    digits, and of one that holds JSON it may also be a list or a dictionary.
    """
    if given is None:
        if not column.nullable:
            raise ValueError(f"{column.name} cannot be NULL")
        return None
    try:
        return _encode(column, given)
    except (ValueError, InvalidOperation, orjson.JSONDecodeError):
        raise ValueError(f"{column.name} ({column.type}) cannot be {given!r}") from None


def _encode(column: ColumnDefinition, given: Any) -> Value:
    if column.holds_json or column.data_type == "json":
        text = given if isinstance(given, str) else orjson.dumps(given).decode()
        orjson.loads(text)
        return text
    match column.kind:
        case Kind.INTEGER | Kind.BIT:
            return _encode_integer(column, int(given))
        case Kind.DECIMAL:
            return format(Decimal(str(given)).quantize(Decimal(1).scaleb(-column.digits), context=_DECIMALS), "f")
        case Kind.FLOAT:
            number = float(given)
            return number if column.data_type == "double" else _round_to_single(number)
        case Kind.BINARY:
            return _encode_bytes(column, str(given))
        case Kind.CHOICE:
            return _encode_choice(column, str(given))
        case _:
            return _encode_text(column, str(given))


def _encode_integer(column: ColumnDefinition, number: int) -> int | str:
    bits = column.size
    is_signed = not column.is_unsigned and column.kind is Kind.INTEGER
    lowest, highest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if is_signed else (0, 2**bits - 1)
    if not lowest <= number <= highest:
        raise ValueError
    return str(number) if column.needs_big_numbers else number


def _round_to_single(number: float) -> float:
    """Return the number that a FLOAT keeps, as it is shown: with six digits."""
    return float(f"{struct.unpack('f', struct.pack('f', number))[0]:.6g}")


def _encode_bytes(column: ColumnDefinition, text: str) -> bytes:
    if not text.startswith("0x"):
        raise ValueError
    raw = bytes.fromhex(text[2:])
    return raw.ljust(column.size, b"\0") if column.data_type == "binary" else raw


def _encode_choice(column: ColumnDefinition, text: str) -> str:
    chosen = text.split(",") if column.data_type == "set" and text else [text] if column.data_type == "enum" else []
    if not set(chosen) <= set(column.choices):
        raise ValueError
    return ",".join(choice for choice in column.choices if choice in chosen)


def _encode_text(column: ColumnDefinition, text: str) -> str:
    match column.kind:
        case Kind.DATE:
            if not _DATE.fullmatch(text):
                raise ValueError
        case Kind.DATETIME | Kind.TIMESTAMP:
            return _encode_time(column, text)
        case Kind.TIME:
            if not _TIME.fullmatch(text):
                raise ValueError
        case Kind.TEXT:
            if column.size and len(text) > column.size:
                raise ValueError
            return text.rstrip(" ") if column.data_type == "char" else text
    return text


def _encode_time(column: ColumnDefinition, text: str) -> str:
    match = _DATETIME.fullmatch(text)
    if match is None:
        raise ValueError
    date, time, fraction = match.groups()
    seconds = time if len(time) > len("10:00") else f"{time}:00"
    return f"{date} {seconds}" + (f".{(fraction or '').ljust(6, '0')}"[: column.digits + 1] if column.digits else "")


def show_value(value: Value) -> str | None:
    """Return a value as a person would write it; `encode_value` takes it back."""
    return f"0x{value.hex()}" if isinstance(value, bytes) else convert_to_text(value)
