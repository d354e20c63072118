"""Divides a resource's ids into id ranges.

New records get higher ids than all others. So an id range that ends at the newest id only loses records while it is
read, and its completeness can be proved by counts. Such a range has at most 25,000 ids, because Shopify neither counts
nor paginates further. The last id range of a resource has no upper bound.
"""

from collections.abc import Awaitable, Callable

from platforms.shopify.ids import parse_number
from shopify_fetcher.id_lists import PAGE_SIZE, CountedList, Keyset, count_ids
from shopify_fetcher.read_session import ReadSession

MIN_RANGE_IDS = 10_000
"""The search for an upper bound stops when the id range has at least this many ids."""


async def find_range_end(session: ReadSession, keyset: Keyset, first: CountedList) -> tuple[int, int] | None:
    """Return the upper bound of the next id range and the count of its ids; None for a range without upper bound.

    `first` is the first page of all ids above the range's lower bound, with their count and the newest of them. No
    bound is needed when one page may show all of them.
    """
    if first.newest is None or not first.page.ids or (first.count is not None and first.count <= PAGE_SIZE):
        return None
    newest = max(first.newest, first.page.last_number)
    if first.count is not None:
        return newest, first.count
    return await find_upper_bound(
        lambda high: count_ids(session, keyset, first.low, high), parse_number(first.page.ids[0]), newest
    )


async def find_upper_bound(
    count_up_to: Callable[[int], Awaitable[int | None]], first: int, last: int
) -> tuple[int, int]:
    """Find, by bisection, an upper bound for an id range of 10,000 to 25,000 ids. Return the bound and their number.

    `first` and `last` are the lowest and the highest id; all ids together are more than 25,000. `count_up_to` returns
    the count up to a bound, or None for more than 25,000. When no bound has 10,000 to 25,000 ids, return the bound with
    the most ids below 10,000.
    """
    low, high = first, last
    best = (first, 1)
    while high - low > 1:
        middle = (low + high) // 2
        count = await count_up_to(middle)
        if count is None:
            high = middle
        elif count < MIN_RANGE_IDS:
            low, best = middle, (middle, count)
        else:
            return middle, count
    return best
