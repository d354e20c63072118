"""The deletion guard holds back many deletion candidates, once."""

from spaces_writer.deletion_guard import check_deletions


def test_the_guard_stops_only_above_both_bounds() -> None:
    assert check_deletions(51, 200, was_guarded=False) is not None
    assert check_deletions(50, 50, was_guarded=False) is None
    assert check_deletions(100, 1_000, was_guarded=False) is None


def test_a_second_full_read_with_as_many_candidates_is_trusted() -> None:
    assert check_deletions(150, 200, was_guarded=True) is None
