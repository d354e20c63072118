"""A trip stops at the first step that does not hold."""

from io import StringIO

import pytest
from rich.console import Console

from merchant_sync.steps import Difference, Step, eventually, walk


def test_a_trip_ends_at_the_first_difference() -> None:
    taken: list[str] = []

    def holds(trip: list[str]) -> str:
        trip.append("holds")
        return "seen"

    def fails(_trip: list[str]) -> str:
        raise Difference("$.a: 1 in the object, 2 in truth")

    screen = StringIO()
    steps = [Step("first", holds), Step("second", fails), Step("third", holds)]

    assert not walk(steps, taken, Console(file=screen, width=200))
    assert taken == ["holds"]
    assert "$.a: 1 in the object" in screen.getvalue()


def test_a_trip_that_holds_says_so() -> None:
    screen = StringIO()

    assert walk([Step("only", lambda _trip: "42 bytes")], None, Console(file=screen, width=200))
    assert "42 bytes" in screen.getvalue()


def test_waiting_ends_with_the_answer_or_a_difference_that_names_it() -> None:
    answers = iter([None, "there"])

    assert eventually(lambda: next(answers), within=5, what="the object") == "there"
    with pytest.raises(Difference, match="the object: not within 0 s"):
        eventually(lambda: None, within=0, what="the object")
