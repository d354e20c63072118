"""The deletion guard holds back many deletion candidates, once."""

from spaces_writer.deletion_guard import apply_deletion_guard


def test_the_guard_stops_only_above_both_bounds() -> None:
    assert apply_deletion_guard(51, 200, was_guarded=False) is not None
    assert apply_deletion_guard(50, 50, was_guarded=False) is None
    assert apply_deletion_guard(100, 1_000, was_guarded=False) is None


def test_a_second_full_read_with_as_many_candidates_is_trusted() -> None:
    assert apply_deletion_guard(150, 200, was_guarded=True) is None
