"""Writes values of records for people."""

from typing import Any

import orjson

MAX_LENGTH = 300
"""How many characters of a value are shown."""


def format_value(value: Any) -> str:
    """Return a value of a record, which is JSON, as text: `none` where there is none, and the first part of a long one.

    A list is written with commas. Its objects have a name and values, as the options of a product.
    """
    text = _format(value)
    return text if len(text) <= MAX_LENGTH else text[:MAX_LENGTH] + "…"


def _format(value: Any) -> str:
    match value:
        case None | "" | []:
            return "none"
        case bool():
            return "yes" if value else "no"
        case str() | int() | float():
            return str(value)
        case {"name": name, "values": list(values)}:
            return f"{name}: {', '.join(map(_format, values))}"
        case list():
            return ", ".join(map(_format, value))
        case _:
            return orjson.dumps(value).decode()
