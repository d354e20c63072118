"""Show the log lines of all parts on one screen: the part, the event, and the fields that help a reader."""

import json
from collections.abc import Mapping
from datetime import datetime
from itertools import cycle

from rich.text import Text

from merchant_sync.parts import PLATFORM_SERVICES

_COLOURS = {
    "stack": "bold white",
    "kafka": "yellow",
    "postgres": "blue",
    "spaces": "green",
    "sandbox": "magenta",
    "gateway": "cyan",
    "scheduler": "bright_yellow",
    "spaces-writer": "bright_green",
    "data-api": "bright_white",
    "linker": "bright_black",
    **dict(zip(PLATFORM_SERVICES, cycle(("bright_blue", "bright_magenta", "bright_cyan")))),
}
_NAME_WIDTH = 16
_LEVEL_COLOURS = {"warning": "yellow", "error": "red", "critical": "bold red"}
# Shown in another way (the name is the prefix) or too long for a line on a screen; the log file has them.
_HIDDEN = {"event", "message", "level", "timestamp", "logger", "service", "trace_id", "exception", "stack_info"}


def _format_value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def summarise(fields: Mapping[str, object]) -> str:
    """Shorten a structured log line to the event, its other fields, and the last line of an exception."""
    event = _format_value(fields.get("event") or fields.get("message") or "")
    others = [
        f"{key}={_format_value(value)}" for key, value in fields.items() if key not in _HIDDEN and value is not None
    ]
    exception = str(fields.get("exception") or "").strip().splitlines()[-1:]
    return "  ".join([event, *others, *exception])


def _parse_structured(line: str) -> dict[str, object] | None:
    if not line.startswith("{"):
        return None
    try:
        fields = json.loads(line)
    except json.JSONDecodeError:
        return None
    return fields if isinstance(fields, dict) else None


def render(name: str, line: str) -> Text:
    """Return one line for the screen: the local time, the coloured name of the part that wrote it, and the text."""
    colour = _COLOURS.get(name) or next((c for n, c in _COLOURS.items() if name.startswith(f"{n}-")), "white")
    fields = _parse_structured(line)
    level = str(fields.get("level", "")).lower() if fields else ""
    text = summarise(fields) if fields else line
    prefix = (f"{_find_time(fields or {}):%H:%M:%S} ", "dim"), (f"{name:<{_NAME_WIDTH}}", colour), ("│ ", "dim")
    return Text.assemble(*prefix, (text, _LEVEL_COLOURS.get(level, "")))


def _find_time(fields: Mapping[str, object]) -> datetime:
    """Return the `timestamp` of a structured log line in local time; the present time if it has no valid one."""
    try:
        return datetime.fromisoformat(str(fields["timestamp"])).astimezone()
    except (KeyError, ValueError):
        return datetime.now().astimezone()
