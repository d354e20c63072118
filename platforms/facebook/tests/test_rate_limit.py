"""Calls wait for the rate limit, and under any load less than all of it is used."""

from collections import deque

import pytest

from platform_sdk.session import FULL, INCREMENTAL
from platforms.facebook.rate_limit import CALL_PERCENT, HOUR, MAX_PERCENT, UsageLimit
from platforms.facebook.usage import RateLimitUsage

MAX_INCREMENTAL, MAX_FULL = MAX_PERCENT[INCREMENTAL], MAX_PERCENT[FULL]


def build_limit(percent: float, regain: float = 0.0) -> UsageLimit:
    limit = UsageLimit(HOUR)
    limit.update(RateLimitUsage(percent, regain), 0, 0)
    return limit


def test_an_unused_limit_allows_calls_at_once() -> None:
    assert UsageLimit(HOUR).compute_wait(MAX_FULL, 0) == 0


def test_full_syncs_stop_at_half_and_incremental_syncs_near_the_top() -> None:
    assert build_limit(49).compute_wait(MAX_FULL, 0) == 0
    assert build_limit(50).compute_wait(MAX_FULL, 0) > 60
    assert build_limit(50).compute_wait(MAX_INCREMENTAL, 0) == 0
    assert build_limit(85).compute_wait(MAX_INCREMENTAL, 0) > 60


def test_the_remaining_share_grows_as_the_usage_fades_and_is_0_while_calls_are_refused() -> None:
    assert build_limit(80).compute_remaining(0) == pytest.approx(0.2)
    assert build_limit(80).compute_remaining(HOUR / 2) == pytest.approx(0.6)
    assert build_limit(80, regain=60).compute_remaining(59) == 0
    assert UsageLimit(HOUR).compute_remaining(0) == 1


def test_calls_on_their_way_are_counted() -> None:
    limit = build_limit(80)
    for _ in range(9):
        limit.reserve()
    assert limit.compute_wait(MAX_INCREMENTAL, 0) == 0
    limit.reserve()
    assert 0 < limit.compute_wait(MAX_INCREMENTAL, 0) <= 0.1, "a response frees a call, and it arrives soon"
    limit.settle()
    assert limit.compute_wait(MAX_INCREMENTAL, 0) == 0


def test_usage_fades_over_the_window_and_then_one_call_probes() -> None:
    limit = build_limit(60)
    rest = limit.compute_wait(MAX_FULL, 0)
    assert rest == pytest.approx(HOUR * (1 - 45 / 60))
    assert limit.compute_wait(MAX_FULL, rest) == 0
    limit.reserve()
    assert 0 < limit.compute_wait(MAX_FULL, rest) <= 0.1, "other calls wait until the probe has its response"


def test_a_probe_that_finds_calls_left_opens_the_limit_and_one_that_does_not_closes_it_again() -> None:
    limit = build_limit(60)
    limit.update(RateLimitUsage(10), 900, 900)
    assert limit.compute_wait(MAX_FULL, 900) == 0
    limit.update(RateLimitUsage(60), 901, 901)
    assert limit.compute_wait(MAX_FULL, 902) > 800


def test_a_response_to_an_earlier_call_only_raises_the_usage() -> None:
    limit = UsageLimit(HOUR)
    limit.update(RateLimitUsage(60), 10, 20)
    limit.update(RateLimitUsage(40), 15, 21)
    assert limit.compute_wait(MAX_FULL, 21) > 0
    limit.update(RateLimitUsage(90), 15, 22)
    assert limit.compute_wait(MAX_INCREMENTAL, 22) > 0


def test_until_access_is_regained_nothing_is_sent_and_then_one_call_probes() -> None:
    limit = build_limit(100, 300)
    assert limit.compute_wait(MAX_INCREMENTAL, 0) == limit.compute_wait(MAX_FULL, 0) == 300
    assert limit.compute_wait(MAX_INCREMENTAL, 299) == 1
    assert limit.compute_wait(MAX_INCREMENTAL, 300) == 0
    limit.reserve()
    assert limit.compute_wait(MAX_INCREMENTAL, 300) > 0


def test_refused_calls_exhaust_a_limit_whatever_its_usage_was() -> None:
    limit = build_limit(3)
    limit.suspend(0)
    assert 60 < limit.compute_wait(MAX_INCREMENTAL, 0) <= HOUR
    limit.suspend(10, 120)
    assert limit.compute_wait(MAX_INCREMENTAL, 10) == 120


def test_in_a_window_of_a_day_a_call_probes_every_hour() -> None:
    limit = UsageLimit(24 * HOUR)
    limit.suspend(0)
    assert limit.compute_wait(MAX_INCREMENTAL, 0) == HOUR


@pytest.mark.parametrize("calls", [200, 1_000])
@pytest.mark.parametrize("max_percent", [MAX_INCREMENTAL, MAX_FULL])
def test_under_load_for_a_day_no_more_is_used_than_a_little_above_the_maximum(calls: int, max_percent: float) -> None:
    """The platform counts the calls of the last hour; up to 16 calls are sent at once."""
    limit, window, now, peak = UsageLimit(HOUR), deque[float](), 0.0, 0.0
    while now < 24 * HOUR:
        started = 0
        while started < 16 and limit.compute_wait(max_percent, now) == 0:
            limit.reserve()
            started += 1
        for _ in range(started):
            window.append(now)
            while window[0] <= now - HOUR:
                window.popleft()
            peak = max(peak, 100 * len(window) / calls)
            limit.settle()
            limit.update(RateLimitUsage(100 * len(window) // calls), now, now + 0.2)
        now += max(0.2, limit.compute_wait(max_percent, now + 0.2))
    assert max_percent - 5 < peak < max_percent + 11 * CALL_PERCENT
