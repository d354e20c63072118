"""The lines of many processes on one screen: who, what, and from structured lines only what a person reads."""

import json
from collections.abc import Mapping

from rich.text import Text

_COLOURS = {
    "stack": "bold white",
    "kafka": "yellow",
    "postgres": "blue",
    "spaces": "green",
    "sandbox": "magenta",
    "gateway": "cyan",
    "scheduler": "bright_yellow",
    "spaces-writer": "bright_green",
    "shopify-fetcher": "bright_blue",
}
_NAME_WIDTH = 16
_LEVEL_COLOURS = {"warning": "yellow", "error": "red", "critical": "bold red"}
# Known by heart (the name is the prefix) or too long for a line on a screen; the log file has them.
_LEFT_OUT = {"event", "message", "level", "timestamp", "logger", "service", "trace_id", "exception", "stack_info"}


def _words(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def summary(fields: Mapping[str, object]) -> str:
    """A structured line in short: the event, then `key=value` of the rest, and the last line of an exception."""
    event = _words(fields.get("event") or fields.get("message") or "")
    rest = [f"{key}={_words(value)}" for key, value in fields.items() if key not in _LEFT_OUT and value is not None]
    exception = str(fields.get("exception") or "").strip().splitlines()[-1:]
    return "  ".join([event, *rest, *exception])


def _structured(line: str) -> dict[str, object] | None:
    if not line.startswith("{"):
        return None
    try:
        fields = json.loads(line)
    except json.JSONDecodeError:
        return None
    return fields if isinstance(fields, dict) else None


def render(name: str, line: str) -> Text:
    """One line for the screen, under the coloured name of who said it."""
    colour = _COLOURS.get(name) or next((c for n, c in _COLOURS.items() if name.startswith(f"{n}-")), "white")
    fields = _structured(line)
    level = str(fields.get("level", "")).lower() if fields else ""
    said = summary(fields) if fields else line
    return Text.assemble((f"{name:<{_NAME_WIDTH}}", colour), ("│ ", "dim"), (said, _LEVEL_COLOURS.get(level, "")))
