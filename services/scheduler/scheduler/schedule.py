"""When work is due: the polls of connections and their spread, and the waits between attempts."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cronsim import CronSim

MAX_ATTEMPTS = 5
"""How often a request or a step of a full sync that failed is tried before its sync fails."""

MAX_POSTPONED_ATTEMPTS = 20
"""How often work is tried that could not be done for now, because the platform was down, answered nothing or answered
with an error that looked temporary. With the waits between the attempts this takes some hours. Attempts that were
throttled are not counted."""


@dataclass(frozen=True)
class ScheduledRun:
    """The next poll of a connection: the slot of the cron, which identifies the poll, and the moment within the spread
    at which it starts."""

    slot: datetime
    at: datetime


ScheduleNextRun = Callable[[str], ScheduledRun]
"""Computes the next run of a connection, by its name, from now."""


def compute_next_run(cron: str, connection: str, spread_seconds: int, now: datetime) -> ScheduledRun:
    """Compute the connection's first run after `now` (UTC). Slots that were missed in the past are skipped.

    Each connection keeps its own offset within the spread, so that not all connections are due at one moment.
    """
    offset = timedelta(seconds=compute_spread_offset(connection, spread_seconds))
    slot = next(CronSim(cron, now - offset))
    return ScheduledRun(slot, slot + offset)


def compute_spread_offset(connection: str, spread_seconds: int) -> int:
    """Compute how many seconds after a slot this connection is polled: always the same, from 0 to below the spread."""
    if spread_seconds <= 0:
        return 0
    digest = hashlib.sha256(connection.encode()).digest()
    return int.from_bytes(digest[:8], "big") % spread_seconds


def compute_backoff_seconds(attempt: int) -> float:
    """Compute the wait after the failure of `attempt` (from 1): 5 s, 20 s, 80 s, then five minutes."""
    return float(min(300, 5 * 4 ** max(0, attempt - 1)))


def compute_retry_time(attempt: int) -> datetime:
    """Compute when to try again after `attempt` has failed just now."""
    return datetime.now(UTC) + timedelta(seconds=compute_backoff_seconds(attempt))
