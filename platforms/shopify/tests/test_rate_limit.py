"""The bucket is planned for, not run into."""

import pytest

from shopify_fetcher.budget import QUICK_SHARE, WALK_SHARE, Budget, Status


def test_what_is_left_is_a_part_of_the_bucket_and_comes_back() -> None:
    budget = Budget(0, maximum=2_000, restore_rate=100)
    budget.reserve(500, 0)
    assert budget.left(0) == 0.75
    assert budget.left(5) == 1
    budget.reserve(2_500, 5)
    assert budget.left(5) == 0


def test_a_full_bucket_lets_a_document_go_at_once() -> None:
    assert Budget(0).wait(1000, QUICK_SHARE, 0) == 0


def test_walks_leave_half_of_the_bucket_free() -> None:
    budget = Budget(0)
    budget.reserve(600, 0)
    assert budget.wait(500, WALK_SHARE, 0) == pytest.approx(1.0)
    assert budget.wait(500, QUICK_SHARE, 0) == 0


def test_what_was_not_paid_is_given_back() -> None:
    budget = Budget(0)
    budget.reserve(1000, 0)
    assert budget.wait(1500, QUICK_SHARE, 0) == pytest.approx(5.0)
    budget.settle(1000, 50, 0)
    assert budget.wait(1500, QUICK_SHARE, 0) == 0


def test_points_come_back_with_time_and_not_above_the_bucket() -> None:
    budget = Budget(0)
    budget.reserve(2000, 0)
    budget.settle(2000, 2000, 0)
    assert budget.wait(100, QUICK_SHARE, 0) == pytest.approx(1.0)
    assert budget.wait(100, QUICK_SHARE, 1) == 0
    assert budget.wait(2000, QUICK_SHARE, 1000) == 0


def test_the_platform_is_believed_when_it_says_less() -> None:
    budget = Budget(0)
    budget.learn(Status(2000, 100, 50), 0)
    assert budget.wait(200, QUICK_SHARE, 0) == pytest.approx(2.0)


def test_a_late_answer_that_says_more_is_not_believed() -> None:
    budget = Budget(0)
    budget.reserve(1500, 0)
    budget.learn(Status(2000, 1990, 100), 0)
    assert budget.wait(1000, QUICK_SHARE, 0) > 0


def test_a_larger_bucket_is_learned_at_once() -> None:
    budget = Budget(0)
    budget.reserve(1000, 0)
    budget.learn(Status(20_000, 19_900, 1000), 0)
    assert budget.wait(5000, WALK_SHARE, 0) == 0


def test_what_is_larger_than_the_free_half_waits_for_a_full_bucket_and_no_longer() -> None:
    budget = Budget(0)
    assert budget.wait(1900, WALK_SHARE, 0) == 0
    budget.reserve(100, 0)
    assert budget.wait(1900, WALK_SHARE, 0) == pytest.approx(1.0)
