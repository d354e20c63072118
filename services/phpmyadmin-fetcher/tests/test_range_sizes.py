"""Ranges grow while answers are quick and small, and shrink when they are not."""

import pytest

from phpmyadmin_fetcher.range_sizes import FIRST_ROWS, LARGE_BYTES, MAX_ROWS, SLOW_SECONDS, RangeSizes


def adjust(seconds: float, size: int, times: int = 1) -> int:
    sizes = RangeSizes()
    for _ in range(times):
        sizes.adjust("a", seconds=seconds, size=size)
    return sizes.get("a")


def test_ranges_begin_small() -> None:
    assert RangeSizes().get("a") == FIRST_ROWS
    assert RangeSizes(max_rows=15).get("a") == 15


@pytest.mark.parametrize(
    ("seconds", "size", "rows"),
    [
        (0.0, 0, 2 * FIRST_ROWS),
        (SLOW_SECONDS, 0, FIRST_ROWS),
        (SLOW_SECONDS / 2, 0, FIRST_ROWS),
        (SLOW_SECONDS + 0.1, 0, FIRST_ROWS // 2),
        (0.0, LARGE_BYTES, FIRST_ROWS),
        (0.0, LARGE_BYTES // 2, FIRST_ROWS),
        (0.0, LARGE_BYTES + 1, FIRST_ROWS // 2),
    ],
)
def test_a_range_follows_the_answer_before(seconds: float, size: int, rows: int) -> None:
    assert adjust(seconds, size) == rows


def test_ranges_stay_between_one_row_and_the_most() -> None:
    assert adjust(0, 0, times=50) == MAX_ROWS
    assert adjust(100, 0, times=50) == 1


def test_an_answer_that_is_not_whole_shrinks_ranges_down_to_one_row() -> None:
    sizes = RangeSizes()
    rows = []
    while sizes.shrink("a"):
        rows.append(sizes.get("a"))
    assert rows == [125, 31, 7, 1]
    assert sizes.get("a") == 1


def test_tables_have_sizes_of_their_own() -> None:
    sizes = RangeSizes()
    sizes.shrink("a")
    assert sizes.get("b") == FIRST_ROWS
