"""The pacing of uploads."""

from spaces_writer.pacing import UploadPace


def test_three_builds_may_follow_at_once_then_they_are_paced_by_their_duration() -> None:
    pace = UploadPace()
    for now in (100.0, 100.5, 101.0):
        assert pace.compute_wait(now) == 0
        pace = pace.spend_token(now, 0.5)
    assert 3.5 < pace.compute_wait(101.0) < 5.0
    assert pace.compute_wait(106.0) == 0
