from datetime import datetime

from spaces_writer.versions import Judgement, Outcome, Version, judge
from writer_builders import EARLY, LATE


def version(content: bytes | None, read_at: int, updated_at: datetime | None = EARLY) -> Version:
    return Version(updated_at, read_at, content)


def outcome(incoming: Version, stored: Version | None) -> Outcome:
    return judge(incoming, stored).outcome


def test_a_record_never_seen_is_stored() -> None:
    assert judge(version(b"a", 1), None) == Judgement(Outcome.CHANGED, moves=True)


def test_a_stale_poll_never_undoes_a_fresh_webhook() -> None:
    fresh = version(b"new", 2_000, LATE)
    assert judge(version(b"old", 9_000, EARLY), fresh) == Judgement(Outcome.STALE, moves=False)


def test_of_one_updated_at_the_earlier_reading_is_refused() -> None:
    assert outcome(version(b"old", 1_000), version(b"new", 2_000)) is Outcome.STALE


def test_an_earlier_reading_of_the_same_content_is_unchanged_and_moves_nothing() -> None:
    assert judge(version(b"a", 1_000), version(b"a", 2_000)) == Judgement(Outcome.UNCHANGED, moves=False)


def test_a_touch_without_visible_change_moves_the_version_alone() -> None:
    assert judge(version(b"a", 9_000, LATE), version(b"a", 1_000)) == Judgement(Outcome.UNCHANGED, moves=True)


def test_two_readings_of_one_moment_that_differ_are_read_once_more() -> None:
    assert judge(version(b"b", 3_000), version(b"a", 1_000)).read_again


def test_two_readings_that_agree_are_not_read_again() -> None:
    assert not judge(version(b"a", 3_000), version(b"a", 1_000)).read_again


def test_a_worker_whose_clock_runs_ahead_does_not_make_older_stock_win_for_good() -> None:
    assert judge(version(b"fresh", 11_000), version(b"old", 11_500)) == Judgement(
        Outcome.STALE, moves=False, read_again=True
    )


def test_a_deletion_and_a_living_reading_of_one_moment_are_read_once_more() -> None:
    assert judge(version(None, 2_000, None), version(b"a", 2_500)).read_again
    assert judge(version(b"a", 2_500), version(None, 2_000, None)).read_again


def test_readings_far_apart_are_told_apart_by_the_clock() -> None:
    assert not judge(version(b"b", 6_001), version(b"a", 1_000)).read_again


def test_a_tombstone_compares_by_the_moment_of_reading() -> None:
    assert outcome(version(None, 2_000, None), version(b"a", 1_000, LATE)) is Outcome.REMOVED
    assert outcome(version(None, 500, None), version(b"a", 1_000, EARLY)) is Outcome.STALE


def test_an_update_read_before_the_deletion_does_not_bring_the_record_back() -> None:
    assert outcome(version(b"a", 1_000, LATE), version(None, 2_000, None)) is Outcome.STALE


def test_a_record_made_again_after_its_deletion_is_stored() -> None:
    assert outcome(version(b"a", 3_000, EARLY), version(None, 2_000, None)) is Outcome.CHANGED


def test_a_deletion_of_what_was_never_seen_is_no_change() -> None:
    assert outcome(version(None, 1_000, None), None) is Outcome.UNCHANGED


def test_records_without_a_time_of_their_own_compare_by_reading() -> None:
    assert outcome(version(b"b", 9_000, None), version(b"a", 1_000, None)) is Outcome.CHANGED
    assert outcome(version(b"b", 500, None), version(b"a", 1_000, None)) is Outcome.STALE
