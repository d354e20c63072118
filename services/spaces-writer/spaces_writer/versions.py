"""Which of two readings of a record is the newer, and what follows for the index.

A version is (`updated_at`, `read_at`): the record's own time of change where the platform has one, then the moment
of reading. Tombstones, and whatever has no time of its own, compare by the moment of reading alone.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

NEAR_MS = 5_000
"""Two different readings of one `updated_at` this close together are not told apart by workers' clocks, whichever seems
the later: read once more, until two readings agree. So are a living reading and one that found nothing."""


class Outcome(Enum):
    """What becomes of an incoming reading."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    STALE = "stale"
    REMOVED = "removed"


@dataclass(frozen=True)
class Version:
    """A reading of one record; `content` is the hash of its canonical body, None where it is gone."""

    updated_at: datetime | None
    read_at: int
    content: bytes | None


@dataclass(frozen=True)
class Judgement:
    """The outcome of a reading, whether its version replaces the stored one, and whether to read once more."""

    outcome: Outcome
    moves: bool
    read_again: bool = False


def judge(incoming: Version, stored: Version | None) -> Judgement:
    """Judge `incoming` against what is `stored` (None: the record was never seen)."""
    if stored is None:
        return Judgement(_outcome(incoming, None), moves=True)
    again = _undecided(incoming, stored)
    if _older(incoming, stored):
        same = incoming.content == stored.content
        return Judgement(Outcome.UNCHANGED if same else Outcome.STALE, moves=False, read_again=again)
    return Judgement(_outcome(incoming, stored), moves=True, read_again=again)


def _outcome(incoming: Version, stored: Version | None) -> Outcome:
    if stored is not None and incoming.content == stored.content:
        return Outcome.UNCHANGED
    if incoming.content is None:
        return Outcome.REMOVED if stored is not None else Outcome.UNCHANGED
    return Outcome.CHANGED


def _older(incoming: Version, stored: Version) -> bool:
    alive = incoming.content is not None and stored.content is not None
    if alive and incoming.updated_at and stored.updated_at and incoming.updated_at != stored.updated_at:
        return incoming.updated_at < stored.updated_at
    return incoming.read_at < stored.read_at


def _undecided(incoming: Version, stored: Version) -> bool:
    if incoming.content == stored.content:
        return False
    alive = incoming.content is not None and stored.content is not None
    if alive and incoming.updated_at != stored.updated_at:
        return False
    return abs(incoming.read_at - stored.read_at) < NEAR_MS
