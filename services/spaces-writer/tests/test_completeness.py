"""When an id range, a full read and an incremental read are complete."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import IdsListed
from spaces_writer.completeness_checks import (
    RangeStatus,
    check_full_read_completeness,
    check_incremental_completeness,
    check_range_completeness,
)
from writer_builders import SHOP, make_range_completed


def make_list(count: int | None, *ids: str, after: str = "", up_to: str | None = None) -> IdsListed:
    return IdsListed(
        connection=SHOP,
        epoch=1,
        read_id=UUID(int=1),
        resource="products",
        id_range=0,
        attempt=1,
        after=after,
        up_to=up_to,
        ids=ids,
        count=count,
    )


@pytest.mark.parametrize("counts", [(9, 10), (10, 11), (9, 11), (11, 11), (None, 10)])
def test_an_id_range_between_two_counts_is_complete_only_when_both_equal_what_was_listed(
    counts: tuple[int | None, int],
) -> None:
    event = make_range_completed(uuid4(), sent_count=10)
    assert check_range_completeness(event, 10).is_complete
    differing = event.model_copy(update={"count_before": counts[0], "count_after": counts[1]})
    status = check_range_completeness(differing, 10)
    assert (status.is_complete, status.is_final) == (False, False)


def test_lists_that_agree_with_their_counts_and_leave_no_gap_prove_an_id_range() -> None:
    event = make_range_completed(uuid4(), sent_count=3, count=9).model_copy(update={"has_lists": True, "up_to": "7"})
    first, second = make_list(2, "a", "b", up_to="5"), make_list(1, "c", after="5", up_to="7")
    assert check_range_completeness(event, 3, [second, first]).is_complete
    status = check_range_completeness(event, 3, [first])
    assert (status.is_complete, status.is_final) == (False, False)
    assert status.reason == "products with ids up to 7: the list of the ids above 5 has not arrived"
    assert not check_range_completeness(event, 2, [first, second]).is_complete


def test_a_list_and_a_count_that_go_on_disagreeing_fail_the_full_read_and_name_the_ids_in_words() -> None:
    event = make_range_completed(uuid4(), sent_count=3).model_copy(update={"has_lists": True})
    lists = [make_list(2, "a", "b", up_to="5"), make_list(4, "c", after="5", up_to="7")]
    status = check_range_completeness(event, 3, lists)
    assert status.reason == "products with ids above 5 up to 7: the platform lists 1 and counts 4"
    result = check_full_read_completeness((("products", 0),), [status])
    assert (result.outcome, result.reason) == ("failed", status.reason)


@st.composite
def build_cover(draw: st.DrawFn) -> list[IdsListed]:
    """Lists that cover a range without a gap, each with as many ids as were counted."""
    bounds = ["", *map(str, sorted(draw(st.sets(st.integers(1, 50), max_size=6))))]
    sizes = draw(st.lists(st.integers(0, 3), min_size=len(bounds), max_size=len(bounds)))
    return [
        make_list(size, *(f"{after}-{number}" for number in range(size)), after=after, up_to=up_to)
        for after, up_to, size in zip(bounds, [*bounds[1:], None], sizes, strict=True)
    ]


@given(build_cover(), st.data())
def test_only_lists_that_cover_the_range_and_equal_their_counts_prove_it(
    cover: list[IdsListed], data: st.DataObject
) -> None:
    event = make_range_completed(uuid4(), sent_count=0).model_copy(update={"has_lists": True})
    other_run = [make_list(1, "x", after="other", up_to="bound")]
    shuffled = data.draw(st.permutations([*cover, *other_run]))
    assert check_range_completeness(event, 0, shuffled).is_complete
    chosen = data.draw(st.sampled_from(cover))
    others = [listed for listed in shuffled if listed is not chosen]
    assert not check_range_completeness(event, 0, others).is_complete
    wrong = data.draw(st.integers(-3, 3).filter(bool))
    lie = chosen.model_copy(update={"count": (chosen.count or 0) + wrong})
    status = check_range_completeness(event, 0, [*others, lie])
    assert (status.is_complete, status.is_final) == (False, True)


def test_without_counts_the_same_list_twice_in_succession_is_the_proof() -> None:
    event = make_range_completed(uuid4(), sent_count=1).model_copy(update={"has_lists": True})
    once = make_list(None, "a")
    assert check_range_completeness(event, 1, [once.model_copy(update={"is_repeated": True})]).is_complete
    assert check_range_completeness(event, 1, [once]).is_final


def test_an_id_range_whose_pages_have_not_all_arrived_is_incomplete() -> None:
    status = check_range_completeness(make_range_completed(uuid4(), sent_count=10, count=9), 9)
    assert not status.is_complete
    assert status.reason == "products: 10 records were sent, 9 have arrived"


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
