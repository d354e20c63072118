"""What writes or archives very much at once waits for a person."""

import pytest

from linking.guard import HOUR_MS, DraftReason, PlannedWrite, check_guard, list_recent


def build_writes(count: int, *, is_archiving: bool = False) -> list[PlannedWrite]:
    return [PlannedWrite(f"pair-{number}", number, is_archiving) for number in range(count)]


def test_the_first_sync_is_always_a_draft() -> None:
    assert check_guard(0, [], is_first=True) is DraftReason.FIRST_SYNC


@pytest.mark.parametrize(
    ("total", "count", "reason"),
    [
        (100, 50, None),
        (100, 51, DraftReason.MANY_PAIRS),
        (255, 51, None),
        (254, 51, DraftReason.MANY_PAIRS),
        (10_000, 2000, None),
        (10_000, 2001, DraftReason.MANY_PAIRS),
    ],
)
def test_many_pairs_are_a_draft_if_they_are_a_large_share(total: int, count: int, reason: DraftReason | None) -> None:
    assert check_guard(total, build_writes(count)) is reason


def test_many_archivings_are_a_draft_whatever_their_share() -> None:
    assert check_guard(10_000, build_writes(20, is_archiving=True)) is None
    assert check_guard(10_000, build_writes(21, is_archiving=True)) is DraftReason.MANY_ARCHIVED


def test_a_pair_that_is_written_often_counts_once() -> None:
    assert check_guard(60, build_writes(50) * 3) is None


def test_single_changes_are_counted_over_an_hour() -> None:
    writes = [PlannedWrite("old", 1), PlannedWrite("new", HOUR_MS), PlannedWrite("later", HOUR_MS + 2)]
    assert [one.pair for one in list_recent(writes, HOUR_MS + 1)] == ["new"]
