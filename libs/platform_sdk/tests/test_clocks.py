"""The moment of reading."""

import pytest

from platform_sdk.clocks import estimate_read_at

DATE = "Tue, 24 Nov 2026 12:00:00 GMT"
NOON = 1_795_521_600_000


@pytest.mark.parametrize("late", [-1_900, 0, 900, 1_900])
def test_small_differences_leave_the_workers_clock_alone(late: int) -> None:
    assert estimate_read_at(NOON + late, NOON + late + 50, DATE) == NOON + late


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_wrong_by_an_hour_is_corrected(hours: int) -> None:
    sent = NOON + hours * 3_600_000
    assert estimate_read_at(sent, sent + 100, DATE) == NOON - 100


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_without_a_date_nothing_is_corrected(date: str | None) -> None:
    assert estimate_read_at(5, 6, date) == 5
