"""Windows: ranges of ids small enough for the platform's counts and pagination, which end at 25,000.

A window is (low, high]; the last one of a resource has no upper bound, so that what is new is in it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise

from pydantic import BaseModel

from platform_sdk.errors import PermanentError, RetryLaterError
from shopify_fetcher import documents
from shopify_fetcher.conversation import Conversation
from shopify_fetcher.documents import Document
from shopify_fetcher.generated.count_collections import CountCollections
from shopify_fetcher.generated.count_discounts import CountDiscounts
from shopify_fetcher.generated.count_products import CountProducts
from shopify_fetcher.generated.list_collections import ListCollections
from shopify_fetcher.generated.list_discounts import ListDiscounts
from shopify_fetcher.generated.list_locations import ListLocations
from shopify_fetcher.generated.list_products import ListProducts
from shopify_fetcher.gids import number

LARGEST = 25_000
ENOUGH = 10_000
"""A window of at least this many ids is not made larger."""
PAGE = 250


@dataclass(frozen=True)
class Keyset:
    """A resource that is listed by id: its documents, their root fields, and what its searches hold besides ids."""

    listing: Document
    list_form: type[BaseModel]
    listed: str
    counting: Document
    count_form: type[BaseModel]
    counted: str
    filter: str = ""

    def search(self, low: int, high: int | None) -> str:
        """The search for the ids in (low, high]."""
        bound = f" id:<={high}" if high is not None else ""
        return f"id:>{low}{bound}{self.filter}"


KEYSETS = {
    "products": Keyset(
        documents.LIST_PRODUCTS,
        ListProducts,
        "products",
        documents.COUNT_PRODUCTS,
        CountProducts,
        "productsCount",
        " status:active,draft,archived,unlisted",
    ),
    "collections": Keyset(
        documents.LIST_COLLECTIONS,
        ListCollections,
        "collections",
        documents.COUNT_COLLECTIONS,
        CountCollections,
        "collectionsCount",
    ),
    "discounts": Keyset(
        documents.LIST_DISCOUNTS,
        ListDiscounts,
        "discountNodes",
        documents.COUNT_DISCOUNTS,
        CountDiscounts,
        "discountNodesCount",
    ),
}


@dataclass(frozen=True)
class Listed:
    """Ids of a page, the place after each (None: none), and whether more may follow."""

    ids: tuple[str, ...]
    places: tuple[str | None, ...]
    more: bool


async def list_ids(talk: Conversation, keyset: Keyset, after: int, high: int | None, *, newest: bool = False) -> Listed:
    """The next ids after `after` up to `high`; with `newest` the last one alone.

    Raises `Refused` for a list that is not in the order of its ids: its walk would miss some, or never end.
    """
    variables = {"query": keyset.search(after, high), "first": 1 if newest else PAGE, "reverse": newest}
    answer, _ = await talk.ask_for(keyset.list_form, keyset.listing, variables)
    page = getattr(answer, keyset.listed)
    ids = tuple(edge.node.id for edge in page.edges)
    numbers = [number(gid) for gid in ids]
    if any(one >= other for one, other in pairwise([after, *numbers])):
        raise PermanentError(f"{keyset.listed} are not listed in the order of their ids")
    return Listed(ids, tuple(map(str, numbers)), page.pageInfo.hasNextPage and bool(ids))


async def list_locations(talk: Conversation, after: str | None) -> Listed:
    """The next locations; these are few, and searched by no id."""
    answer, _ = await talk.ask_for(ListLocations, documents.LIST_LOCATIONS, {"after": after})
    page = answer.locations
    ids = tuple(edge.node.id for edge in page.edges)
    end = page.pageInfo.endCursor
    places = (None,) * (len(ids) - 1) + (end,) if ids else ()
    return Listed(ids, places, page.pageInfo.hasNextPage and bool(ids) and end != after)


async def count(talk: Conversation, keyset: Keyset, low: int, high: int | None) -> int | None:
    """How many ids the platform counts in (low, high]; None for more than it counts."""
    answer, _ = await talk.ask_for(keyset.count_form, keyset.counting, {"query": keyset.search(low, high)})
    counted = getattr(answer, keyset.counted)
    if counted is None:
        raise RetryLaterError(f"the platform does not count {keyset.listed}")
    exact = counted.precision == "EXACT" and counted.count <= LARGEST
    return int(counted.count) if exact else None


async def open_window(talk: Conversation, keyset: Keyset, low: int) -> tuple[int | None, int]:
    """The upper bound (None: open) and the count of the window that begins above `low`."""
    whole = await count(talk, keyset, low, None)
    if whole is not None:
        return None, whole
    first = await list_ids(talk, keyset, low, None)
    last = await list_ids(talk, keyset, low, None, newest=True)
    return await upper_bound(lambda high: count(talk, keyset, low, high), number(first.ids[0]), number(last.ids[0]))


async def upper_bound(counted: Callable[[int], Awaitable[int | None]], first: int, last: int) -> tuple[int, int]:
    """A bound with between 10,000 and 25,000 ids up to it, where ids lie from `first` to `last` and are too many.

    Bisects; where so many ids are at no bound, the most that fit.
    """
    low, high = first, last
    best = (first, 1)
    while high - low > 1:
        middle = (low + high) // 2
        ids = await counted(middle)
        if ids is None:
            high = middle
        elif ids < ENOUGH:
            low, best = middle, (middle, ids)
        else:
            return middle, ids
    return best
