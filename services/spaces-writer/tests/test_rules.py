"""The small pure rules: chains, verdicts, the brake, pacing, canonical bytes, merchants' documents."""

from uuid import uuid4

from contracts.events import Record, RecordChunk
from spaces_writer import merchants
from spaces_writer.canonical import canonical
from spaces_writer.chains import join
from spaces_writer.pacing import Pace
from spaces_writer.removal import braked
from spaces_writer.verdicts import WindowVerdict, judge_fetch, judge_walk, judge_window
from writer_builders import MERCHANT, window_end


def first(end: str | None) -> Record:
    part = RecordChunk(reading_id="c", cursor=None, next_cursor=end)
    return Record(resource="collections", id="1", read_at=5, body={"title": "All", "products": ["a"]}, chunk=part)


def further(start: str, end: str | None, *items: str) -> Record:
    part = RecordChunk(reading_id="c", cursor=start, next_cursor=end, path=("products",))
    return Record(resource="collections", id="1", read_at=9, items=items, chunk=part)


def test_a_gapless_chain_becomes_one_record_of_the_first_pieces_moment() -> None:
    whole = join({None: first("x"), "x": further("x", "y", "b"), "y": further("y", None, "c")})
    assert whole is not None
    assert whole.body == {"title": "All", "products": ["a", "b", "c"]}
    assert whole.read_at == 5
    assert whole.chunk is None


def test_a_chain_with_a_gap_is_not_joined() -> None:
    assert join({None: first("x"), "y": further("y", None, "c")}) is None
    assert join({"x": further("x", None, "b")}) is None
    assert join({None: first("x"), "x": further("x", "y", "b")}) is None


def test_a_step_that_ran_twice_with_another_cut_joins_by_its_cursors() -> None:
    pieces = {
        None: first("x"),
        "x": further("x", "z", "b", "c"),
        "y": further("y", None, "c", "d"),
        "z": further("z", None, "d"),
    }
    whole = join(pieces)
    assert whole is not None
    assert whole.body is not None
    assert whole.body["products"] == ["a", "b", "c", "d"]


def test_a_window_is_good_between_the_platforms_counts() -> None:
    end = window_end(uuid4(), sent=10).model_copy(update={"count_before": 9, "count_after": 11})
    assert judge_window(end, 10).good
    assert not judge_window(end.model_copy(update={"sent_count": 12}), 12).good
    assert not judge_window(end.model_copy(update={"sent_count": 8}), 8).good


def test_a_window_whose_pages_have_not_all_arrived_is_not_good() -> None:
    verdict = judge_window(window_end(uuid4(), sent=10, count=9), 9)
    assert not verdict.good
    assert verdict.reason == "products window 0: 10 records were sent, 9 have arrived"


def test_a_window_without_a_count_is_good_when_all_that_was_sent_is_here() -> None:
    end = window_end(uuid4(), sent=3).model_copy(update={"count_before": None, "count_after": None})
    assert judge_window(end, 3).good


def window(attempt: int, *, good: bool, number: int = 0) -> WindowVerdict:
    return WindowVerdict("products", number, attempt, good, None if good else "bad", f"again-{number}-{attempt}")


def test_a_walk_succeeds_only_by_all_of_its_windows() -> None:
    consists_of = (("products", 0), ("products", 1))
    assert judge_walk(consists_of, [window(1, good=True)]).outcome == "waiting"
    assert judge_walk(consists_of, [window(1, good=True), window(1, good=True, number=1)]).outcome == "success"


def test_a_bad_window_is_walked_again_from_its_own_cursor() -> None:
    verdict = judge_walk((("products", 0), ("products", 1)), [window(1, good=True), window(1, good=False, number=1)])
    assert (verdict.outcome, verdict.again) == ("incomplete", ("again-1-1",))


def test_a_window_good_at_its_second_attempt_is_good() -> None:
    assert judge_walk((("products", 0),), [window(1, good=False), window(2, good=True)]).outcome == "success"


def test_a_window_bad_three_times_fails_the_walk_and_says_so() -> None:
    verdict = judge_walk((("products", 0),), [window(n, good=False) for n in (1, 2, 3)])
    assert verdict.outcome == "failed"
    assert "after 3 attempts" in (verdict.reason or "")


def test_a_fetch_is_good_only_when_every_id_asked_for_is_here() -> None:
    asked = {"products": ("a", "b")}
    assert judge_fetch(asked, {("products", "a"), ("products", "b")}, {}) is None
    assert "b" in (judge_fetch(asked, {("products", "a")}, {}) or "")
    assert "denied" in (judge_fetch(asked, {("products", "a"), ("products", "b")}, {"b": "denied"}) or "")


def test_the_brake_holds_only_above_both_bounds() -> None:
    assert braked(51, 200, braked_before=False) is not None
    assert braked(50, 50, braked_before=False) is None
    assert braked(100, 1_000, braked_before=False) is None


def test_a_second_walk_that_nominates_as_many_is_believed() -> None:
    assert braked(150, 200, braked_before=True) is None


def test_three_composes_may_follow_at_once_then_they_are_paced_by_their_length() -> None:
    pace = Pace()
    for moment in (100.0, 100.5, 101.0):
        assert pace.wait(moment) == 0
        pace = pace.spent(moment, 0.5)
    assert 3.5 < pace.wait(101.0) < 5.0
    assert pace.wait(106.0) == 0


def test_equal_data_gives_equal_bytes_with_non_ascii_unescaped() -> None:
    assert canonical({"b": "é", "a": [1, None]}) == '{"a":[1,null],"b":"é"}'.encode()


def test_a_merchants_document_lists_its_connections_in_order() -> None:
    body = merchants.compose(MERCHANT, [("shopify:b", "b/k", "connected"), ("facebook:1", None, "uninstalled")])
    assert body == (
        b'{"connections":[{"connection":"facebook:1","key":null,"state":"uninstalled"},'
        b'{"connection":"shopify:b","key":"b/k","state":"connected"}],"merchant":"%s"}' % str(MERCHANT).encode()
    )
