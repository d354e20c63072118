"""Say what data waits for that is stored, but not in the bucket yet."""

from datetime import UTC, datetime
from typing import Any


def describe_wait(wait: dict[str, Any], *, verb: str = "stored") -> str:
    """Say what stored data waits for until the bucket holds it. `wait` is an `upload_wait` of the scheduler's.

    `verb` says what happened at the time since which it waits.
    """
    since, next_attempt = f"{verb} at {_format_time(wait['since'])}", wait["next_attempt_at"]
    if wait["needs_full_sync"]:
        return f"{since}, is uploaded after the first complete full sync"
    if wait["reason"]:
        return f"{since}, the upload failed ({wait['reason']}), and is tried again at {_format_time(next_attempt)}"
    if next_attempt is not None and next_attempt > datetime.now(UTC).timestamp() * 1000:
        return f"{since}, the pace of uploads allows the next one at {_format_time(next_attempt)}"
    return f"{since}, its upload is due"


def describe_document_wait(wait: dict[str, Any]) -> str:
    """Say what a merchant's document waits for until it shows a connection as it is."""
    return describe_wait(wait, verb="changed")


def _format_time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%H:%M:%S UTC")
