"""Writes names and values into statements, so that none of them can be taken for anything else."""

import re
from typing import NewType

Statement = NewType("Statement", str)
"""A statement that `platforms.phpmyadmin.statements` has built. Nothing else is sent to a database."""

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?)?")
_SAFE_TEXT = re.compile(r"[A-Za-z0-9_ .$-]*")


_LITERAL = re.compile(r"(`(?:[^`]|``)*`)|x'[0-9A-F]*'|'[^']*'|(?<![A-Za-z0-9_`])\d+(?:\.\d+)?")


def mask_values(statement: Statement) -> str:
    """Return a statement without its values, for logs: names stay, every text and number is `?`."""
    return _LITERAL.sub(lambda match: match[1] or "?", statement)


def quote_name(name: str) -> str:
    """Return a name of a database, table, column or index in backticks. Raises ValueError for one with a NUL."""
    if not name or "\0" in name:
        raise ValueError("not a name of a database")
    return "`" + name.replace("`", "``") + "`"


def quote_column(name: str) -> str:
    """Return a name of a column of the table that a statement reads, which has the name `r` there.

    Without that, a column `c1` would be taken for the value of another one that the statement calls `c1`.
    """
    return f"`r`.{quote_name(name)}"


def write_number(text: str) -> str:
    """Return a number as it is. Raises ValueError for a text that is none."""
    if not _NUMBER.fullmatch(text):
        raise ValueError("not a number")
    return text


def write_date(text: str) -> str:
    """Return a date, with or without a time, as a literal. Raises ValueError for a text that is none."""
    if not _DATE.fullmatch(text):
        raise ValueError("not a date")
    return f"'{text}'"


def write_bytes(value: bytes) -> str:
    """Return bytes as a literal."""
    return f"x'{value.hex().upper()}'"


def write_text(text: str) -> str:
    """Return a text as a literal.

    One with a character that needs an escape is written as bytes: what a backslash means depends on the server's mode.
    They stay a literal, which takes the collation of the column that it is compared with; a result of CONVERT does not.
    """
    return f"'{text}'" if _SAFE_TEXT.fullmatch(text) else f"_utf8mb4 {write_bytes(text.encode())}"
