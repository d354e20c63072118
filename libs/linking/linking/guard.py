"""Decides whether what would be written waits as a draft for a person's approval."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

MAX_SHARE = 0.2
MAX_PAIRS = 50
"""What writes more than this share of a resource's pairs, and more than this number of them, waits."""
MAX_ARCHIVED = 20
"""What archives more pairs of a resource waits."""
HOUR_MS = 3_600_000


class DraftReason(StrEnum):
    """Why a plan waits as a draft."""

    FIRST_SYNC = "first_sync"
    MANY_PAIRS = "many_pairs"
    MANY_ARCHIVED = "many_archived"


@dataclass(frozen=True)
class PlannedWrite:
    """A pair that is written, or that would be, and when (ms). `is_archiving` says whether this archives a record."""

    pair: str
    at: int
    is_archiving: bool = False


def check_guard(total: int, writes: Iterable[PlannedWrite], *, is_first: bool = False) -> DraftReason | None:
    """Return why the writes to pairs of one resource wait as a draft; None if they may be sent.

    `total` is the number of the resource's pairs in the link. Each pair counts once. The caller passes the writes of
    one sync, or those of an hour (`list_recent`) together with the ones that are planned.
    """
    if is_first:
        return DraftReason.FIRST_SYNC
    listed = list(writes)
    pairs = {write.pair for write in listed}
    if len(pairs) > MAX_PAIRS and len(pairs) > MAX_SHARE * total:
        return DraftReason.MANY_PAIRS
    if len({write.pair for write in listed if write.is_archiving}) > MAX_ARCHIVED:
        return DraftReason.MANY_ARCHIVED
    return None


def list_recent(writes: Iterable[PlannedWrite], now: int) -> list[PlannedWrite]:
    """Return the writes of the hour before `now` (ms)."""
    return [one for one in writes if now - HOUR_MS < one.at <= now]
