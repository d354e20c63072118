from datetime import datetime

from spaces_writer.versions import Disposition, Version, VersionComparison, compare_versions
from writer_builders import EARLY, LATE


def make_version(content_hash: bytes | None, read_at: int, updated_at: datetime | None = EARLY) -> Version:
    return Version(updated_at, read_at, content_hash)


def get_disposition(incoming: Version, stored: Version | None) -> Disposition:
    return compare_versions(incoming, stored).disposition


def test_a_record_never_seen_is_stored() -> None:
    assert compare_versions(make_version(b"a", 1), None) == VersionComparison(Disposition.CHANGED, replaces_stored=True)


def test_a_stale_poll_never_undoes_a_fresh_webhook() -> None:
    fresh = make_version(b"new", 2_000, LATE)
    assert compare_versions(make_version(b"old", 9_000, EARLY), fresh) == VersionComparison(
        Disposition.STALE, replaces_stored=False
    )


def test_of_one_updated_at_the_earlier_reading_is_refused() -> None:
    assert get_disposition(make_version(b"old", 1_000), make_version(b"new", 2_000)) is Disposition.STALE


def test_an_earlier_reading_of_the_same_content_is_unchanged_and_moves_nothing() -> None:
    assert compare_versions(make_version(b"a", 1_000), make_version(b"a", 2_000)) == VersionComparison(
        Disposition.UNCHANGED, replaces_stored=False
    )


def test_a_touch_without_visible_change_moves_the_version_alone() -> None:
    assert compare_versions(make_version(b"a", 9_000, LATE), make_version(b"a", 1_000)) == VersionComparison(
        Disposition.UNCHANGED, replaces_stored=True
    )


def test_two_readings_of_one_moment_that_differ_are_read_once_more() -> None:
    assert compare_versions(make_version(b"b", 3_000), make_version(b"a", 1_000)).needs_verification


def test_two_readings_that_agree_are_not_needs_verification() -> None:
    assert not compare_versions(make_version(b"a", 3_000), make_version(b"a", 1_000)).needs_verification


def test_a_worker_whose_clock_runs_ahead_does_not_make_older_stock_win_for_good() -> None:
    assert compare_versions(make_version(b"fresh", 11_000), make_version(b"old", 11_500)) == VersionComparison(
        Disposition.STALE, replaces_stored=False, needs_verification=True
    )


def test_a_deletion_and_a_living_reading_of_one_moment_are_read_once_more() -> None:
    assert compare_versions(make_version(None, 2_000, None), make_version(b"a", 2_500)).needs_verification
    assert compare_versions(make_version(b"a", 2_500), make_version(None, 2_000, None)).needs_verification


def test_readings_far_apart_are_told_apart_by_the_clock() -> None:
    assert not compare_versions(make_version(b"b", 6_001), make_version(b"a", 1_000)).needs_verification


def test_a_tombstone_compares_by_the_moment_of_reading() -> None:
    assert get_disposition(make_version(None, 2_000, None), make_version(b"a", 1_000, LATE)) is Disposition.DELETED
    assert get_disposition(make_version(None, 500, None), make_version(b"a", 1_000, EARLY)) is Disposition.STALE


def test_an_update_read_before_the_deletion_does_not_bring_the_record_back() -> None:
    assert get_disposition(make_version(b"a", 1_000, LATE), make_version(None, 2_000, None)) is Disposition.STALE


def test_a_record_made_again_after_its_deletion_is_stored() -> None:
    assert get_disposition(make_version(b"a", 3_000, EARLY), make_version(None, 2_000, None)) is Disposition.CHANGED


def test_a_deletion_of_what_was_never_seen_is_no_change() -> None:
    assert get_disposition(make_version(None, 1_000, None), None) is Disposition.UNCHANGED


def test_records_without_a_time_of_their_own_compare_by_reading() -> None:
    assert get_disposition(make_version(b"b", 9_000, None), make_version(b"a", 1_000, None)) is Disposition.CHANGED
    assert get_disposition(make_version(b"b", 500, None), make_version(b"a", 1_000, None)) is Disposition.STALE
