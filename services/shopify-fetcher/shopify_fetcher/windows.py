"""Windows: ranges of ids small enough for the platform's counts and pagination, which end at 25,000.

A window is (low, high]; the last one of a resource has no upper bound, so that what is new is in it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shopify_fetcher import documents
from shopify_fetcher.conversation import Conversation
from shopify_fetcher.documents import Document
from shopify_fetcher.gids import number

LARGEST = 25_000
ENOUGH = 10_000
"""A window of at least this many ids is not made larger."""
PAGE = 250


@dataclass(frozen=True)
class Keyset:
    """A resource that is listed by id: its documents, their root fields, and what its searches hold besides ids."""

    listing: Document
    listed: str
    counting: Document
    counted: str
    filter: str = ""

    def search(self, low: int, high: int | None) -> str:
        """The search for the ids in (low, high]."""
        bound = f" id:<={high}" if high is not None else ""
        return f"id:>{low}{bound}{self.filter}"


KEYSETS = {
    "products": Keyset(
        documents.LIST_PRODUCTS,
        "products",
        documents.COUNT_PRODUCTS,
        "productsCount",
        " status:active,draft,archived,unlisted",
    ),
    "collections": Keyset(documents.LIST_COLLECTIONS, "collections", documents.COUNT_COLLECTIONS, "collectionsCount"),
    "discounts": Keyset(documents.LIST_DISCOUNTS, "discountNodes", documents.COUNT_DISCOUNTS, "discountNodesCount"),
}


@dataclass(frozen=True)
class Listed:
    """Ids of a page, the place after each (None: none), and whether more may follow."""

    ids: tuple[str, ...]
    places: tuple[str | None, ...]
    more: bool


async def list_ids(talk: Conversation, keyset: Keyset, after: int, high: int | None, *, newest: bool = False) -> Listed:
    """The next ids after `after` up to `high`; with `newest` the last one alone."""
    variables = {"query": keyset.search(after, high), "first": 1 if newest else PAGE, "reverse": newest}
    answer = await talk.ask_whole(keyset.listing, variables)
    connection = answer.data[keyset.listed]
    ids = tuple(edge["node"]["id"] for edge in connection["edges"])
    return Listed(ids, tuple(str(number(gid)) for gid in ids), connection["pageInfo"]["hasNextPage"])


async def list_locations(talk: Conversation, after: str | None) -> Listed:
    """The next locations; these are few, and searched by no id."""
    answer = await talk.ask_whole(documents.LIST_LOCATIONS, {"after": after})
    connection = answer.data["locations"]
    ids = tuple(edge["node"]["id"] for edge in connection["edges"])
    end: str | None = connection["pageInfo"]["endCursor"]
    return Listed(ids, (None,) * (len(ids) - 1) + (end,) if ids else (), connection["pageInfo"]["hasNextPage"])


async def count(talk: Conversation, keyset: Keyset, low: int, high: int | None) -> int | None:
    """How many ids the platform counts in (low, high]; None for more than it counts."""
    answer = await talk.ask_whole(keyset.counting, {"query": keyset.search(low, high)})
    counted = answer.data[keyset.counted]
    exact = counted["precision"] == "EXACT" and counted["count"] <= LARGEST
    return int(counted["count"]) if exact else None


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
