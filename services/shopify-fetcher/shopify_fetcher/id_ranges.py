"""Divides a resource's ids into id ranges and lists the ids in them.

An id range has at most 25,000 ids, because Shopify neither counts nor paginates further. It contains the ids above
`low`, up to and including `high`. The last id range of a resource has no upper bound (None), so that it includes
records that are created during the read.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise

from pydantic import BaseModel

from platform_sdk.errors import PermanentError, RetryLaterError
from platforms.shopify.ids import parse_number
from shopify_fetcher import graphql_documents
from shopify_fetcher.generated.count_collections import CountCollections
from shopify_fetcher.generated.count_discounts import CountDiscounts
from shopify_fetcher.generated.count_products import CountProducts
from shopify_fetcher.generated.list_collections import ListCollections
from shopify_fetcher.generated.list_discounts import ListDiscounts
from shopify_fetcher.generated.list_locations import ListLocations
from shopify_fetcher.generated.list_products import ListProducts
from shopify_fetcher.graphql_documents import GraphqlDocument
from shopify_fetcher.read_session import ReadSession

MAX_RANGE_IDS = 25_000
MIN_RANGE_IDS = 10_000
"""The search for an upper bound stops when the id range has at least this many ids."""
PAGE_SIZE = 250


@dataclass(frozen=True)
class Keyset:
    """How a resource is listed and counted in the order of its ids.

    `list_field` is the root field of the GraphQL query `list_document`, `count_field` that of `count_document`.
    `filter` is added to the search text of both queries.
    """

    list_document: GraphqlDocument
    list_model: type[BaseModel]
    list_field: str
    count_document: GraphqlDocument
    count_model: type[BaseModel]
    count_field: str
    filter: str = ""

    def build_search(self, low: int, high: int | None) -> str:
        """Return the search text for the ids above `low`, up to and including `high` (None: no upper bound)."""
        bound = f" id:<={high}" if high is not None else ""
        return f"id:>{low}{bound}{self.filter}"


KEYSETS = {
    "products": Keyset(
        graphql_documents.LIST_PRODUCTS,
        ListProducts,
        "products",
        graphql_documents.COUNT_PRODUCTS,
        CountProducts,
        "productsCount",
        " status:active,draft,archived,unlisted",
    ),
    "collections": Keyset(
        graphql_documents.LIST_COLLECTIONS,
        ListCollections,
        "collections",
        graphql_documents.COUNT_COLLECTIONS,
        CountCollections,
        "collectionsCount",
    ),
    "discounts": Keyset(
        graphql_documents.LIST_DISCOUNTS,
        ListDiscounts,
        "discountNodes",
        graphql_documents.COUNT_DISCOUNTS,
        CountDiscounts,
        "discountNodesCount",
    ),
}


@dataclass(frozen=True)
class IdPage:
    """A page of ids, the position after each id, and whether more pages may follow.

    A position is None where the list cannot continue after that id: locations continue after a whole page only.
    """

    ids: tuple[str, ...]
    positions: tuple[str | None, ...]
    has_more: bool


async def list_ids(
    session: ReadSession, keyset: Keyset, after: int, high: int | None, *, last_only: bool = False
) -> IdPage:
    """Return the first page of a resource's ids above `after`, up to and including `high` (None: no upper bound).

    With `last_only`, return the last of these ids alone. Raises PermanentError when Shopify lists the ids in another
    order, because a full read would then miss some of them or never end.
    """
    variables = {
        "query": keyset.build_search(after, high),
        "first": 1 if last_only else PAGE_SIZE,
        "reverse": last_only,
    }
    response, _ = await session.fetch_model(keyset.list_model, keyset.list_document, variables)
    page = getattr(response, keyset.list_field)
    ids = tuple(edge.node.id for edge in page.edges)
    numbers = [parse_number(gid) for gid in ids]
    if any(number >= next_number for number, next_number in pairwise([after, *numbers])):
        raise PermanentError(f"{keyset.list_field} are not listed in the order of their ids")
    return IdPage(ids, tuple(map(str, numbers)), page.pageInfo.hasNextPage and bool(ids))


async def list_locations(session: ReadSession, after: str | None) -> IdPage:
    """Return the next page of locations after Shopify's cursor `after`.

    Locations cannot be searched by id. A shop has few of them, so that no id ranges are needed.
    """
    response, _ = await session.fetch_model(ListLocations, graphql_documents.LIST_LOCATIONS, {"after": after})
    page = response.locations
    ids = tuple(edge.node.id for edge in page.edges)
    end = page.pageInfo.endCursor
    positions = (None,) * (len(ids) - 1) + (end,) if ids else ()
    return IdPage(ids, positions, page.pageInfo.hasNextPage and bool(ids) and end != after)


async def count_ids(session: ReadSession, keyset: Keyset, low: int, high: int | None) -> int | None:
    """Return how many of a resource's ids Shopify counts above `low`, up to and including `high`.

    Returns None for more than 25,000. Raises RetryLaterError when Shopify returns no count.
    """
    variables = {"query": keyset.build_search(low, high)}
    response, _ = await session.fetch_model(keyset.count_model, keyset.count_document, variables)
    count = getattr(response, keyset.count_field)
    if count is None:
        raise RetryLaterError(f"the platform does not count {keyset.list_field}")
    is_exact = count.precision == "EXACT" and count.count <= MAX_RANGE_IDS
    return int(count.count) if is_exact else None


async def plan_range(session: ReadSession, keyset: Keyset, low: int) -> tuple[int | None, int]:
    """Return the upper bound of the id range above `low` (None: no bound is needed), and how many ids are in it."""
    remaining = await count_ids(session, keyset, low, None)
    if remaining is not None:
        return None, remaining
    first = await list_ids(session, keyset, low, None)
    last = await list_ids(session, keyset, low, None, last_only=True)
    return await find_upper_bound(
        lambda high: count_ids(session, keyset, low, high), parse_number(first.ids[0]), parse_number(last.ids[0])
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
