"""Writes times for people."""

from datetime import UTC, datetime


def format_time(ms: int | None) -> str:
    """Return a time in milliseconds since 1970 as text, such as `2026-11-29 20:10 UTC`; an empty text for None."""
    return "" if ms is None else datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def format_date(ms: int) -> str:
    """Return the day of a time in milliseconds since 1970, in UTC, such as `2026-11-29`."""
    return datetime.fromtimestamp(ms / 1000, UTC).date().isoformat()
