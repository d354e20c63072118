"""When work is due: the polls of connections (regular full syncs, spread over time), and the waits between attempts."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

from cronsim import CronSim

MAX_ATTEMPTS = 5
"""Maximum number of attempts at a request or at a step of a full sync. After the last failure its sync fails."""

MAX_POSTPONED_ATTEMPTS = 20
"""Maximum number of attempts at work that is postponed because the platform does not answer or answers with a temporary
error. With the waits between the attempts this takes some hours. Attempts that were throttled are not counted."""


_COMPARED_TIMES = 50


@dataclass(frozen=True)
class ScheduledRun:
    """The next poll (regular full sync) of a connection.

    `slot` is the time that the cron expression gives; it identifies the poll. `at` is the time at which the poll
    starts: the slot plus the connection's own offset.
    """

    slot: datetime
    at: datetime
    changes_at: datetime | None = None
    """When what has changed is read next; None where polls at the times of the cron expression are the only ones."""


ComputeNextPoll = Callable[[str], ScheduledRun]
"""Takes the name of a connection, and returns its next poll after the current time."""


def compute_next_run(
    cron: str, connection: str, spread_seconds: int, now: datetime, *, changes_seconds: int = 0
) -> ScheduledRun:
    """Return the connection's first poll (regular full sync) after `now` (UTC). Missed polls are skipped.

    Each time that `cron` gives is a slot. The polls of one slot are spread over `spread_seconds`: each connection keeps
    its own offset from the slot, so that not all connections are due at one moment. What has changed is read every
    `changes_seconds` besides, unless these are 0; the connections are spread over them in the same way.
    """
    offset = timedelta(seconds=compute_spread_offset(connection, spread_seconds))
    slot = next(CronSim(cron, now - offset))
    changes_at = compute_next_changes(connection, changes_seconds, now) if changes_seconds else None
    return ScheduledRun(slot, slot + offset, changes_at)


def compute_next_changes(connection: str, seconds: int, now: datetime) -> datetime:
    """Return the connection's first time after `now` in a series whose times are `seconds` apart."""
    offset = compute_spread_offset(connection, seconds)
    passed = int((now.timestamp() - offset) // seconds)
    return datetime.fromtimestamp((passed + 1) * seconds + offset, UTC)


def compute_longest_pause(cron: str, now: datetime) -> int:
    """Return the longest pause in seconds between two times that `cron` gives, among those that follow `now` (UTC)."""
    times = list(islice(CronSim(cron, now), _COMPARED_TIMES))
    return max((int((b - a).total_seconds()) for a, b in pairwise(times)), default=0)


def compute_spread_offset(connection: str, spread_seconds: int) -> int:
    """Return how many seconds after the times of the cron expression the connection's polls (full syncs) start.

    The offset is derived from the connection's name, so it never changes. It lies between 0 and `spread_seconds` - 1.
    """
    if spread_seconds <= 0:
        return 0
    digest = hashlib.sha256(connection.encode()).digest()
    return int.from_bytes(digest[:8], "big") % spread_seconds


def compute_backoff_seconds(failed_attempt: int) -> float:
    """Return the wait in seconds after attempt number `failed_attempt` (from 1): 5, 20, 80, then always 300."""
    return float(min(300, 5 * 4 ** max(0, failed_attempt - 1)))


def compute_webhook_retry_time(failed_attempt: int) -> datetime:
    """Return when to try again to create a connection's missing webhook subscriptions.

    `failed_attempt` is the number (from 1) of the attempt that has just failed. The waits are 5, 10, 20 and 40 minutes,
    then always an hour.
    """
    return datetime.now(UTC) + timedelta(minutes=min(60, 5 * 2 ** min(failed_attempt - 1, 10)))


def compute_probe_time(refused: int) -> datetime:
    """Return when a blocked account is asked again, after `refused` calls (from 1) in a row were refused.

    The waits are 1, 2, 4 minutes and so on, up to 24 hours.
    """
    return datetime.now(UTC) + timedelta(minutes=min(1440, 2 ** min(refused - 1, 11)))


def compute_owed_time(recent: int) -> datetime:
    """Return when a full sync begins that reads what incremental syncs could not.

    `recent` is how many such full syncs the connection had within the last day. The waits are 1, 2, 4 minutes and so
    on, up to 24 hours.
    """
    return compute_probe_time(recent + 1)


def compute_retry_time(failed_attempt: int) -> datetime:
    """Return when a sync's request or step is tried again, if attempt number `failed_attempt` (from 1) has failed."""
    return datetime.now(UTC) + timedelta(seconds=compute_backoff_seconds(failed_attempt))
