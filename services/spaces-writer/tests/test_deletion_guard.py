"""The deletion guard holds back many deletion candidates, until they are allowed or stay away for half a day."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from spaces_writer.deletion_guard import MAX_GUARDED_TIME, DeletionGuard, apply_deletion_guard

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SYNC = uuid4()


def guard(
    candidates: int,
    stored: int,
    before: DeletionGuard | None = None,
    allowed: UUID | None = None,
    *,
    later: timedelta = timedelta(0),
) -> DeletionGuard | None:
    return apply_deletion_guard(SYNC, candidates, stored, before=before, allowed_sync_id=allowed, now=NOW + later)


def test_the_guard_stops_only_above_both_bounds() -> None:
    assert guard(51, 200) == DeletionGuard(SYNC, 51, NOW)
    assert guard(50, 50) is None
    assert guard(100, 1_000) is None


def test_a_guard_stays_the_same_until_its_candidates_are_allowed_or_old_enough() -> None:
    before = DeletionGuard(uuid4(), 150, NOW)
    assert guard(150, 200, before, later=MAX_GUARDED_TIME - timedelta(seconds=1)) == before
    assert guard(150, 200, before, allowed=uuid4()) == before
    assert guard(150, 200, before, allowed=before.sync_id) is None
    assert guard(150, 200, before, later=MAX_GUARDED_TIME) is None


def test_a_full_read_that_lists_them_again_ends_the_guard() -> None:
    assert guard(3, 200, DeletionGuard(uuid4(), 150, NOW)) is None


def test_far_more_candidates_than_were_guarded_are_a_guard_of_their_own() -> None:
    before = DeletionGuard(uuid4(), 100, NOW)
    again = DeletionGuard(SYNC, 190, NOW + MAX_GUARDED_TIME)
    assert guard(190, 200, before, allowed=before.sync_id, later=MAX_GUARDED_TIME) == again
    assert guard(150, 200, before, allowed=before.sync_id) is None
