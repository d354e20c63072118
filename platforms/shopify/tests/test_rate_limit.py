"""Queries wait for the bucket instead of being throttled."""

import pytest

from platform_sdk.session import FULL, INCREMENTAL
from platforms.shopify.rate_limit import (
    CLAIM_SECONDS,
    MAX_IDS,
    MIN_SLOW_IDS,
    PointBucket,
    Query,
    RateLimitState,
    ThrottleStatus,
)

QUERY = Query("ReadProducts", "", lambda _variables: 10)


def test_what_remains_is_a_share_of_the_bucket_and_is_restored() -> None:
    bucket = PointBucket(0, maximum=2_000, restore_rate=100)
    bucket.reserve(500, INCREMENTAL, 0)
    assert bucket.compute_remaining(0) == 0.75
    assert bucket.compute_remaining(5) == 1
    bucket.reserve(2_500, INCREMENTAL, 5)
    assert bucket.compute_remaining(5) == 0


def test_a_full_bucket_allows_a_query_at_once() -> None:
    assert PointBucket(0).compute_wait(1000, INCREMENTAL, 0) == 0


def test_full_syncs_leave_half_of_the_bucket_free() -> None:
    bucket = PointBucket(0)
    bucket.reserve(600, INCREMENTAL, 0)
    assert bucket.compute_wait(500, FULL, 0) == pytest.approx(1.0)
    assert bucket.compute_wait(500, INCREMENTAL, 0) == 0


def test_points_that_were_not_charged_are_returned() -> None:
    bucket = PointBucket(0)
    reservation = bucket.reserve(1000, INCREMENTAL, 0)
    assert bucket.compute_wait(1500, INCREMENTAL, 0) == pytest.approx(5.0)
    bucket.settle(reservation, 50, 0)
    assert bucket.compute_wait(1500, INCREMENTAL, 0) == 0


def test_points_are_restored_with_time_and_not_above_the_bucket() -> None:
    bucket = PointBucket(0)
    bucket.settle(bucket.reserve(2000, INCREMENTAL, 0), 2000, 0)
    assert bucket.compute_wait(100, INCREMENTAL, 0) == pytest.approx(1.0)
    assert bucket.compute_wait(100, INCREMENTAL, 1) == 0
    assert bucket.compute_wait(2000, INCREMENTAL, 1000) == 0


def test_the_platforms_lower_level_is_adopted() -> None:
    bucket = PointBucket(0)
    bucket.update(ThrottleStatus(2000, 100, 50), 0)
    assert bucket.compute_wait(200, INCREMENTAL, 0) == pytest.approx(2.0)


def test_a_late_response_never_raises_the_level() -> None:
    bucket = PointBucket(0)
    bucket.reserve(1500, INCREMENTAL, 0)
    bucket.update(ThrottleStatus(2000, 1990, 100), 0)
    assert bucket.compute_wait(1000, INCREMENTAL, 0) > 0


def test_a_larger_bucket_is_learned_at_once() -> None:
    bucket = PointBucket(0)
    bucket.reserve(1000, INCREMENTAL, 0)
    bucket.update(ThrottleStatus(20_000, 19_900, 1000), 0)
    assert bucket.compute_wait(5000, FULL, 0) == 0


def test_what_is_larger_than_the_free_half_waits_for_a_full_bucket_and_no_longer() -> None:
    bucket = PointBucket(0)
    assert bucket.compute_wait(1900, FULL, 0) == 0
    bucket.reserve(100, INCREMENTAL, 0)
    assert bucket.compute_wait(1900, FULL, 0) == pytest.approx(1.0)


def test_points_are_kept_for_a_full_sync_for_a_while_after_its_last_query() -> None:
    bucket = PointBucket(0)
    bucket.claim_full_sync_share(0)
    bucket.settle(bucket.reserve(800, INCREMENTAL, 20), 800, 20)
    assert bucket.compute_wait(300, INCREMENTAL, 20) == pytest.approx(1.0), "half of the bucket is kept"
    assert bucket.compute_wait(300, FULL, 20) == 0
    bucket.settle(bucket.reserve(1000, INCREMENTAL, CLAIM_SECONDS), 1000, CLAIM_SECONDS)
    assert bucket.compute_wait(1000, INCREMENTAL, CLAIM_SECONDS) == 0


def test_a_full_sync_takes_what_is_kept_for_it_and_returns_what_it_was_not_charged() -> None:
    bucket = PointBucket(0)
    bucket.claim_full_sync_share(0)
    bucket.reserve(1000, INCREMENTAL, 0)
    bucket.update(ThrottleStatus(2000, 500, 100), 10)
    assert bucket.compute_wait(500, FULL, 10) == 0
    reservation = bucket.reserve(500, FULL, 10)
    assert bucket.compute_wait(50, INCREMENTAL, 10) == pytest.approx(1.0), "an incremental sync gets half of what comes"
    bucket.settle(reservation, 20, 10)
    assert bucket.compute_wait(480, FULL, 10) == 0
    assert bucket.compute_wait(500, FULL, 10) == pytest.approx(0.4)


def build_ids(count: int) -> dict[str, list[str]]:
    return {"ids": [str(number) for number in range(count)]}


def test_slow_answers_halve_batches_to_25_and_no_further() -> None:
    state = RateLimitState(PointBucket(0))
    sizes = []
    for _ in range(6):
        sizes.append(state.compute_batch_size(QUERY, {}))
        state.record_slow_answer(QUERY, sizes[-1])
        state.record_success(QUERY, MIN_SLOW_IDS)
    assert sizes == [250, 125, 62, 31, 25, 25]


def test_the_attempts_of_one_slow_query_count_once() -> None:
    state = RateLimitState(PointBucket(0))
    for _ in range(4):
        state.record_slow_answer(QUERY, MAX_IDS)
    assert state.compute_batch_size(QUERY, {}) == 125


def test_a_small_query_that_hangs_makes_no_batch_smaller() -> None:
    state = RateLimitState(PointBucket(0))
    state.record_slow_answer(QUERY, 1)
    state.record_slow_answer(QUERY, MIN_SLOW_IDS)
    assert state.compute_batch_size(QUERY, {}) == MAX_IDS


def test_five_full_batches_double_what_slowness_has_halved() -> None:
    state = RateLimitState(PointBucket(0))
    state.record_slow_answer(QUERY, 100)
    for _ in range(4):
        state.record_success(QUERY, 50)
        state.record_success(QUERY, 3)
    assert state.compute_batch_size(QUERY, {}) == 50
    state.record_success(QUERY, 50)
    assert state.compute_batch_size(QUERY, {}) == 100
    for size in [100] * 5 + [200] * 5 + [MAX_IDS] * 5:
        state.record_success(QUERY, size)
    assert state.compute_batch_size(QUERY, {}) == MAX_IDS
    assert not state.slow_limits


def test_what_a_query_costs_is_learned_from_its_responses() -> None:
    state = RateLimitState(PointBucket(0))
    state.learn_cost(QUERY, {}, 12)
    assert state.estimate_cost(QUERY, {}) == 12
    state.learn_cost(QUERY, {}, 10)
    assert state.estimate_cost(QUERY, {}) == 10
    state.learn_cost(QUERY, build_ids(10), 91)
    assert state.charges_per_id
    assert state.estimate_cost(QUERY, build_ids(20)) == 181


def test_a_shop_too_slow_for_25_ids_is_read_in_smaller_batches() -> None:
    state = RateLimitState(PointBucket(0))
    attempts = 0
    while (size := state.compute_batch_size(QUERY, {})) > 3:
        state.record_slow_answer(QUERY, size)
        attempts += 1
    assert (size, attempts) == (3, 10)


def test_a_size_that_fails_after_doubling_is_tried_again_later_and_later() -> None:
    state = RateLimitState(PointBucket(0))
    failures = ids_read = 0
    while ids_read < 10_000:
        size = state.compute_batch_size(QUERY, {})
        if size > 31:
            state.record_slow_answer(QUERY, size)
            failures += 1
        else:
            state.record_success(QUERY, size)
            ids_read += size
    assert failures <= 12


def test_a_late_slow_answer_does_not_raise_the_limit() -> None:
    state = RateLimitState(PointBucket(0))
    for ids in (250, 125, 250):
        state.record_slow_answer(QUERY, ids)
    assert state.compute_batch_size(QUERY, {}) == 62


def test_what_was_learned_of_a_cost_is_bounded_and_makes_batches_smaller() -> None:
    state = RateLimitState(PointBucket(0), charges_per_id=True)
    state.learn_cost(QUERY, build_ids(50), 80_000)
    assert state.estimate_cost(QUERY, build_ids(50)) == 1_000
    state.learn_cost(QUERY, build_ids(50), 902)
    assert state.compute_batch_size(QUERY, {}) == 27
