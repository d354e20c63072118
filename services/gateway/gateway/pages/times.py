"""Writes times for people."""

from datetime import UTC, datetime


def format_time(ms: int | None) -> str:
    """Return a time in milliseconds since 1970 as text, such as `2026-11-29 20:10 UTC`; an empty text for None."""
    return "" if ms is None else datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def format_date(ms: int) -> str:
    """Return the day of a time in milliseconds since 1970, in UTC, such as `2026-11-29`."""
    return datetime.fromtimestamp(ms / 1000, UTC).date().isoformat()


_UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


def format_pause(seconds: int | None) -> str:
    """Return how often something happens with pauses of so many seconds at most, such as `at least once an hour`.

    It is `at regular times` for None.
    """
    for unit, length in _UNITS:
        if seconds is not None and seconds >= length:
            count = -(-seconds // length)
            article = "an" if unit == "hour" else "a"
            return f"at least once {article} {unit}" if count == 1 else f"at least every {count} {unit}s"
    return "at regular times"
