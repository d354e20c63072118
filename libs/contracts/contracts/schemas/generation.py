"""Generates the JSON Schema files of the events."""

import json

from contracts.events import EVENTS


def render_schemas() -> dict[str, str]:
    """Return the JSON Schema of every event as text, by the name of its file."""
    return {
        f"{event.__name__}.json": json.dumps(event.model_json_schema(), indent=2, sort_keys=True) + "\n"
        for event in EVENTS
    }
