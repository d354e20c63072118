"""The deletion guard stops deletions when a full read misses suspiciously many records.

Records that a full read did not list are deletion candidates. Many candidates at once are more likely caused by a fault
than by a merchant who deletes records. Without the guard's objection each candidate is read directly by its id, and is
deleted if that read does not find it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

GUARD_SHARE = 0.20
GUARD_COUNT = 50
MAX_GUARDED_TIME = timedelta(hours=12)
"""After this time a full read that misses no more than the guarded one is believed: a fault of a platform's lists does
not last so long, and a clean-up whose webhooks were lost must come to an end. A sync that somebody starts at once after
the guarded one proves nothing."""


@dataclass(frozen=True)
class DeletionGuard:
    """The full sync `sync_id` whose deletions the guard stopped at the time `since`: `candidates` records."""

    sync_id: UUID
    candidates: int
    since: datetime


def apply_deletion_guard(
    sync_id: UUID,
    candidates: int,
    stored: int,
    *,
    before: DeletionGuard | None,
    allowed_sync_id: UUID | None,
    now: datetime,
) -> DeletionGuard | None:
    """Return the guard that stops the deletions of the full sync `sync_id`, or None if its candidates may be read.

    `candidates` is the number of deletion candidates: stored records that the full read did not list. `stored` is the
    number of stored records of the resources that were read. The guard stops a full read with more than 50 candidates
    that are more than 20 % of the stored records. `before` is the guard that stopped an earlier full sync. Its
    candidates count as expected once an operator has allowed them (`allowed_sync_id` is its sync), or after
    `MAX_GUARDED_TIME`. The guard is the same one as long as no more are missing than when it began.
    """
    if before is None:
        return DeletionGuard(sync_id, candidates, now) if _is_suspicious(candidates, stored) else None
    is_expected = before.sync_id == allowed_sync_id or now - before.since >= MAX_GUARDED_TIME
    if _is_suspicious(candidates - before.candidates, stored):
        return DeletionGuard(sync_id, candidates, now)
    return before if not is_expected and _is_suspicious(candidates, stored) else None


def _is_suspicious(candidates: int, stored: int) -> bool:
    return candidates > GUARD_COUNT and candidates > GUARD_SHARE * stored
