"""Show the body of a dead letter, without the merchant's data in it unless it is asked for."""

from typing import Any

import orjson

HIDDEN = "[left out: --body shows it]"
_DATA_FIELDS = ("body", "items", "lookup_fields", "lookup_values", "volatile_fields")
"""The fields of a record in a message that contain a merchant's data."""


def decode_event(body: bytes | None, *, with_data: bool) -> Any:
    """Return the parsed JSON of a message's body, or the text of a body that is not JSON.

    Unless `with_data`, a placeholder replaces the data of records and a body that is not JSON.
    """
    try:
        event = orjson.loads(body or b"null")
    except orjson.JSONDecodeError:
        text = (body or b"").decode(errors="replace")
        return text if with_data else f"[no JSON, {len(body or b'')} bytes: --body shows them]"
    return event if with_data else hide_data(event)


def hide_data(event: Any) -> Any:
    """Return the event with a placeholder for the data in its records."""
    if not isinstance(event, dict) or not isinstance(event.get("records"), list):
        return event
    records = [
        {name: HIDDEN if name in _DATA_FIELDS and value else value for name, value in record.items()}
        if isinstance(record, dict)
        else HIDDEN
        for record in event["records"]
    ]
    return {**event, "records": records}
