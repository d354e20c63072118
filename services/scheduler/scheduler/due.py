"""When things are due: poll slots and their spread, and the waits between attempts."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cronsim import CronSim

ATTEMPTS = 5
"""How often a request or a walk step that failed is tried before its sync fails."""

PATIENCE = 20
"""How often one that could not be served for now (the platform was down, said nothing, stumbled) is tried again;
with the waits between them, some hours. Being throttled is not counted."""


@dataclass(frozen=True)
class Turn:
    """A connection's next poll: the cron's slot, which names the poll, and the moment within the spread."""

    slot: datetime
    at: datetime


NextTurn = Callable[[str], Turn]
"""A connection's next turn from now."""


def next_turn(cron: str, connection: str, spread_seconds: int, now: datetime) -> Turn:
    """The connection's first turn after `now` (UTC). Slots missed in the past collapse into the next.

    Each connection keeps its own place within the spread, so that all are not due at one moment.
    """
    place = timedelta(seconds=place_in_spread(connection, spread_seconds))
    slot = next(CronSim(cron, now - place))
    return Turn(slot, slot + place)


def place_in_spread(connection: str, spread_seconds: int) -> int:
    """Seconds after a slot at which this connection's poll is due: always the same, from 0 to the spread."""
    if spread_seconds <= 0:
        return 0
    digest = hashlib.sha256(connection.encode()).digest()
    return int.from_bytes(digest[:8], "big") % spread_seconds


def backoff_seconds(attempt: int) -> float:
    """How long to wait after the failure of `attempt` (from 1): 5 s, 20 s, 80 s, then five minutes."""
    return float(min(300, 5 * 4 ** max(0, attempt - 1)))


def next_try(attempt: int) -> datetime:
    """When to try again after the failure of `attempt` just now."""
    return datetime.now(UTC) + timedelta(seconds=backoff_seconds(attempt))
