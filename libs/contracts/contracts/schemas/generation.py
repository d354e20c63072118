"""How an event becomes a JSON Schema file."""

import json

from contracts.events import EVENTS


def render_schemas() -> dict[str, str]:
    """File name to content for every event."""
    return {
        f"{event.__name__}.json": json.dumps(event.model_json_schema(), indent=2, sort_keys=True) + "\n"
        for event in EVENTS
    }
