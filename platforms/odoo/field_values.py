"""Values as Odoo gives them, read for what they mean: `False` stands for every empty value that is no boolean."""

from datetime import UTC, datetime
from typing import Any


class MalformedRecordError(ValueError):
    """Raised for a record without what every record of its model has."""


def read_value(value: Any) -> Any:
    """Return a value that is no boolean; None where it is empty."""
    return None if value is False else value


def read_reference(value: Any) -> int | None:
    """Return the id that a many2one field holds; None where it is empty. Raises MalformedRecordError."""
    if value is False or value is None:
        return None
    number = value[0] if isinstance(value, list | tuple) and value else value
    if isinstance(number, bool) or not isinstance(number, int):
        raise MalformedRecordError("a reference is no id")
    return number


def read_named_reference(value: Any) -> dict[str, Any] | None:
    """Return the id and the name that a many2one field holds; None where it is empty."""
    number = read_reference(value)
    if number is None:
        return None
    return {"id": number, "name": value[1] if isinstance(value, list | tuple) and len(value) > 1 else None}


def read_name(value: Any) -> str | None:
    """Return the name that a many2one field holds; None where it is empty."""
    reference = read_named_reference(value)
    return None if reference is None else reference["name"]


def parse_time(written: Any) -> datetime | None:
    """Return a time of Odoo, which is in UTC and has no zone; None where it is empty. Raises MalformedRecordError."""
    if written is False or written is None:
        return None
    try:
        return datetime.fromisoformat(written).replace(tzinfo=UTC)
    except (TypeError, ValueError) as error:
        raise MalformedRecordError("a time is none of Odoo") from error


def list_texts(*values: Any) -> tuple[str, ...]:
    """Return the values that are not empty, each once."""
    return tuple(dict.fromkeys(str(value) for value in values if value not in (None, False, "")))
