"""When an id range, a full read and an incremental read are complete."""

from uuid import uuid4

from spaces_writer.completeness_checks import (
    RangeStatus,
    check_full_read_completeness,
    check_incremental_completeness,
    check_range_completeness,
)
from writer_builders import make_range_completed


def test_an_id_range_is_complete_between_the_platforms_counts() -> None:
    event = make_range_completed(uuid4(), sent_count=10).model_copy(update={"count_before": 9, "count_after": 11})
    assert check_range_completeness(event, 10).is_complete
    assert not check_range_completeness(event.model_copy(update={"sent_count": 12}), 12).is_complete
    assert not check_range_completeness(event.model_copy(update={"sent_count": 8}), 8).is_complete


def test_an_id_range_whose_pages_have_not_all_arrived_is_incomplete() -> None:
    status = check_range_completeness(make_range_completed(uuid4(), sent_count=10, count=9), 9)
    assert not status.is_complete
    assert status.reason == "products id range 0: 10 records were sent, 9 have arrived"


def test_an_id_range_without_a_count_is_complete_when_all_that_was_sent_has_arrived() -> None:
    event = make_range_completed(uuid4(), sent_count=3).model_copy(update={"count_before": None, "count_after": None})
    assert check_range_completeness(event, 3).is_complete


def make_status(attempt: int, *, is_complete: bool, number: int = 0) -> RangeStatus:
    reason = None if is_complete else "bad"
    return RangeStatus("products", number, attempt, is_complete, reason, f"retry-{number}-{attempt}")


def test_a_full_read_succeeds_only_with_all_of_its_id_ranges() -> None:
    id_ranges = (("products", 0), ("products", 1))
    first, second = make_status(1, is_complete=True), make_status(1, is_complete=True, number=1)
    assert check_full_read_completeness(id_ranges, [first]).outcome == "waiting"
    assert check_full_read_completeness(id_ranges, [first, second]).outcome == "success"


def test_an_incomplete_id_range_is_read_again_from_its_own_cursor() -> None:
    statuses = [make_status(1, is_complete=True), make_status(1, is_complete=False, number=1)]
    status = check_full_read_completeness((("products", 0), ("products", 1)), statuses)
    assert (status.outcome, status.retry_cursors) == ("incomplete", ("retry-1-1",))


def test_an_id_range_complete_at_its_second_attempt_is_complete() -> None:
    statuses = [make_status(1, is_complete=False), make_status(2, is_complete=True)]
    assert check_full_read_completeness((("products", 0),), statuses).outcome == "success"


def test_an_id_range_incomplete_three_times_fails_the_full_read_and_names_the_attempts() -> None:
    status = check_full_read_completeness((("products", 0),), [make_status(n, is_complete=False) for n in (1, 2, 3)])
    assert status.outcome == "failed"
    assert "after 3 attempts" in (status.reason or "")


def test_an_incremental_read_is_complete_only_when_every_requested_id_has_arrived() -> None:
    requested = {"products": ("a", "b")}
    both = {("products", "a"), ("products", "b")}
    assert check_incremental_completeness(requested, both, {}) is None
    assert "b" in (check_incremental_completeness(requested, {("products", "a")}, {}) or "")
    assert "denied" in (check_incremental_completeness(requested, both, {"b": "denied"}) or "")
