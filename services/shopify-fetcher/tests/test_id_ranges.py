"""Id ranges contain no more than the platform counts."""

from bisect import bisect_right

import pytest

from shopify_fetcher.id_lists import KEYSETS, MAX_COUNT
from shopify_fetcher.id_ranges import MIN_RANGE_IDS, find_upper_bound


@pytest.mark.parametrize(
    "ids",
    [
        list(range(1, 60_001)),
        [7_000_000_000_000 + n for n in range(60_000)],
        [1, *range(10**12, 10**12 + 30_000)],
        [*range(1, 9_000), *range(10**9, 10**9 + 40_000)],
        sorted({n * n * n for n in range(30_000)}),
    ],
    ids=["dense", "late", "one-early", "a-gap", "sparse"],
)
async def test_a_bound_is_found_with_enough_and_not_too_many_below_it(ids: list[int]) -> None:
    calls = 0

    async def count_up_to(high: int) -> int | None:
        nonlocal calls
        calls += 1
        count = bisect_right(ids, high)
        return count if count <= MAX_COUNT else None

    high, count = await find_upper_bound(count_up_to, ids[0], ids[-1])
    assert bisect_right(ids, high) == count
    assert MIN_RANGE_IDS <= count <= MAX_COUNT
    assert calls < 45


async def test_where_no_bound_has_enough_the_most_that_fit_are_used() -> None:
    async def count_up_to(high: int) -> int | None:
        return 5 if high < 500 else None

    assert await find_upper_bound(count_up_to, 1, 1000) == (499, 5)


def test_searches_name_all_statuses_and_the_bounds() -> None:
    assert KEYSETS["products"].build_search(5, None) == "id:>5 status:active,draft,archived,unlisted"
    assert KEYSETS["collections"].build_search(5, 9) == "id:>5 id:<=9"
