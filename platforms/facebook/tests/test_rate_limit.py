"""A budget is planned for: of every model of it, however it is leaned on, less than all is used."""

from collections import deque

import pytest

from facebook_fetcher.budget import CALL, HOUR, QUICK_MOST, WALK_MOST, Budget
from facebook_fetcher.usage import Reading


def at(percent: float, regain: float = 0.0) -> Budget:
    budget = Budget(HOUR)
    budget.learn(Reading(percent, regain), 0, 0)
    return budget


def test_an_unused_budget_lets_calls_go_at_once() -> None:
    assert Budget(HOUR).wait(WALK_MOST, 0) == 0


def test_walks_stop_at_half_and_the_quick_lane_near_the_top() -> None:
    assert at(49).wait(WALK_MOST, 0) == 0
    assert at(50).wait(WALK_MOST, 0) > 60
    assert at(50).wait(QUICK_MOST, 0) == 0
    assert at(85).wait(QUICK_MOST, 0) > 60


def test_what_is_left_grows_as_what_was_read_fades_and_is_nothing_while_calls_are_refused() -> None:
    assert at(80).left(0) == pytest.approx(0.2)
    assert at(80).left(HOUR / 2) == pytest.approx(0.6)
    assert at(80, regain=60).left(59) == 0
    assert Budget(HOUR).left(0) == 1


def test_calls_on_their_way_are_counted() -> None:
    budget = at(80)
    for _ in range(9):
        budget.reserve()
    assert budget.wait(QUICK_MOST, 0) == 0
    budget.reserve()
    assert 0 < budget.wait(QUICK_MOST, 0) <= 0.1, "an answer makes room, and it comes in a moment"
    budget.settle()
    assert budget.wait(QUICK_MOST, 0) == 0


def test_what_was_read_fades_over_the_window_and_then_one_call_tries() -> None:
    budget = at(60)
    rest = budget.wait(WALK_MOST, 0)
    assert rest == pytest.approx(HOUR * (1 - 45 / 60))
    assert budget.wait(WALK_MOST, rest) == 0
    budget.reserve()
    assert 0 < budget.wait(WALK_MOST, rest) <= 0.1, "until the one is answered the others wait"


def test_a_try_that_finds_room_opens_the_budget_and_one_that_does_not_closes_it_again() -> None:
    budget = at(60)
    budget.learn(Reading(10), 900, 900)
    assert budget.wait(WALK_MOST, 900) == 0
    budget.learn(Reading(60), 901, 901)
    assert budget.wait(WALK_MOST, 902) > 800


def test_an_answer_to_an_earlier_call_only_raises() -> None:
    budget = Budget(HOUR)
    budget.learn(Reading(60), 10, 20)
    budget.learn(Reading(40), 15, 21)
    assert budget.wait(WALK_MOST, 21) > 0
    budget.learn(Reading(90), 15, 22)
    assert budget.wait(QUICK_MOST, 22) > 0


def test_until_access_is_regained_nothing_is_sent_and_then_one_call_tries() -> None:
    budget = at(100, 300)
    assert budget.wait(QUICK_MOST, 0) == budget.wait(WALK_MOST, 0) == 300
    assert budget.wait(QUICK_MOST, 299) == 1
    assert budget.wait(QUICK_MOST, 300) == 0
    budget.reserve()
    assert budget.wait(QUICK_MOST, 300) > 0


def test_refused_calls_exhaust_a_budget_whatever_was_read_of_it() -> None:
    budget = at(3)
    budget.exhaust(0)
    assert 60 < budget.wait(QUICK_MOST, 0) <= HOUR
    budget.exhaust(10, 120)
    assert budget.wait(QUICK_MOST, 10) == 120


def test_of_a_days_window_a_call_tries_every_hour() -> None:
    budget = Budget(24 * HOUR)
    budget.exhaust(0)
    assert budget.wait(QUICK_MOST, 0) == HOUR


@pytest.mark.parametrize("calls", [200, 1_000])
@pytest.mark.parametrize("most", [QUICK_MOST, WALK_MOST])
def test_leaned_on_for_a_day_no_more_is_used_than_a_little_above_its_most(calls: int, most: float) -> None:
    """The platform counts the calls of the last hour; whoever is let through has a call, 16 at once."""
    budget, window, now, peak = Budget(HOUR), deque[float](), 0.0, 0.0
    while now < 24 * HOUR:
        let = 0
        while let < 16 and budget.wait(most, now) == 0:
            budget.reserve()
            let += 1
        for _ in range(let):
            window.append(now)
            while window[0] <= now - HOUR:
                window.popleft()
            peak = max(peak, 100 * len(window) / calls)
            budget.settle()
            budget.learn(Reading(100 * len(window) // calls), now, now + 0.2)
        now += max(0.2, budget.wait(most, now + 0.2))
    assert most - 5 < peak < most + 11 * CALL
