"""Generates the JSON Schema files of the events."""

import json

from contracts.events import EVENTS


def render_schemas() -> dict[str, str]:
    """Return the content of the file of every event by file name."""
    return {
        f"{event.__name__}.json": json.dumps(event.model_json_schema(), indent=2, sort_keys=True) + "\n"
        for event in EVENTS
    }
