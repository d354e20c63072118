"""Lists and counts the ids of a resource.

Shopify lists and counts the ids above `low`, up to and including `high`; a `high` of None is no upper bound.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from platform_sdk.errors import PermanentError, RetryLaterError
from platforms.shopify.graphql_documents import GraphqlDocument
from platforms.shopify.ids import parse_number
from shopify_fetcher import graphql_documents
from shopify_fetcher.generated.count_collections import CountCollections
from shopify_fetcher.generated.count_discounts import CountDiscounts
from shopify_fetcher.generated.count_products import CountProducts
from shopify_fetcher.generated.list_and_count_collections import ListAndCountCollections
from shopify_fetcher.generated.list_and_count_discounts import ListAndCountDiscounts
from shopify_fetcher.generated.list_and_count_products import ListAndCountProducts
from shopify_fetcher.generated.list_collections import ListCollections
from shopify_fetcher.generated.list_discounts import ListDiscounts
from shopify_fetcher.generated.list_locations import ListLocations
from shopify_fetcher.generated.list_products import ListProducts
from shopify_fetcher.read_session import ReadSession

MAX_COUNT = 25_000
"""Shopify neither counts nor paginates further."""
PAGE_SIZE = 250


@dataclass(frozen=True)
class Keyset:
    """How a resource is listed and counted in the order of its ids.

    `list_field` and `count_field` are the root fields of the GraphQL queries: `list_document` has the first,
    `count_document` the second, and `list_and_count_document` both. `filter` is added to the search text.
    """

    list_field: str
    count_field: str
    list_document: GraphqlDocument
    list_model: type[BaseModel]
    count_document: GraphqlDocument
    count_model: type[BaseModel]
    list_and_count_document: GraphqlDocument
    list_and_count_model: type[BaseModel]
    filter: str = ""

    def build_search(self, low: int, high: int | None) -> str:
        """Return the search text for the ids above `low`, up to and including `high` (None: no upper bound)."""
        bound = f" id:<={high}" if high is not None else ""
        return f"id:>{low}{bound}{self.filter}"


KEYSETS = {
    "products": Keyset(
        "products",
        "productsCount",
        graphql_documents.LIST_PRODUCTS,
        ListProducts,
        graphql_documents.COUNT_PRODUCTS,
        CountProducts,
        graphql_documents.LIST_AND_COUNT_PRODUCTS,
        ListAndCountProducts,
        " status:active,draft,archived,unlisted",
    ),
    "collections": Keyset(
        "collections",
        "collectionsCount",
        graphql_documents.LIST_COLLECTIONS,
        ListCollections,
        graphql_documents.COUNT_COLLECTIONS,
        CountCollections,
        graphql_documents.LIST_AND_COUNT_COLLECTIONS,
        ListAndCountCollections,
    ),
    "discounts": Keyset(
        "discountNodes",
        "discountNodesCount",
        graphql_documents.LIST_DISCOUNTS,
        ListDiscounts,
        graphql_documents.COUNT_DISCOUNTS,
        CountDiscounts,
        graphql_documents.LIST_AND_COUNT_DISCOUNTS,
        ListAndCountDiscounts,
    ),
}


@dataclass(frozen=True)
class IdPage:
    """A page of ids in the order of their numbers, and whether more pages may follow."""

    ids: tuple[str, ...]
    has_more: bool

    @property
    def last_number(self) -> int:
        """The number of the last id. The page must not be empty."""
        return parse_number(self.ids[-1])

    def drop_up_to(self, number: int) -> "IdPage":
        """Return the page without the ids up to and including `number`."""
        return IdPage(tuple(gid for gid in self.ids if parse_number(gid) > number), self.has_more)


@dataclass(frozen=True)
class CountedList:
    """The ids above `low`, up to and including `high`, and their number, as Shopify gives both in one response.

    `count` is None for more than 25,000. `newest` is the highest of these ids as a number; None when it was not
    requested, or when there is none.
    """

    low: int
    high: int | None
    page: IdPage
    count: int | None
    newest: int | None = None

    @property
    def is_consistent(self) -> bool:
        """Whether the page is the whole list, and has as many ids as Shopify counts."""
        return not self.page.has_more and self.count == len(self.page.ids)


async def list_ids(session: ReadSession, keyset: Keyset, low: int, high: int | None) -> IdPage:
    """Return the first page of a resource's ids above `low`, up to and including `high`.

    Raises PermanentError when Shopify lists the ids in another order, because a full read would then miss some of them
    or never end.
    """
    variables = {"query": keyset.build_search(low, high)}
    response, _ = await session.fetch_model(keyset.list_model, keyset.list_document, variables)
    return _build_page(getattr(response, keyset.list_field), keyset.list_field, low)


async def list_and_count(
    session: ReadSession, keyset: Keyset, low: int, high: int | None, *, include_newest: bool = False
) -> CountedList:
    """Return the first page of a resource's ids above `low`, up to and including `high`, and how many there are.

    Both are of one response. Raises the exceptions of `list_ids` and `count_ids`.
    """
    variables = {"query": keyset.build_search(low, high), "includeNewest": include_newest}
    response, _ = await session.fetch_model(keyset.list_and_count_model, keyset.list_and_count_document, variables)
    page = _build_page(getattr(response, keyset.list_field), keyset.list_field, low)
    newest = getattr(response, "newest", None)
    return CountedList(
        low,
        high,
        page,
        _parse_count(getattr(response, keyset.count_field), keyset),
        parse_number(newest.edges[0].node.id) if newest and newest.edges else None,
    )


async def count_ids(session: ReadSession, keyset: Keyset, low: int, high: int | None) -> int | None:
    """Return how many of a resource's ids Shopify counts above `low`, up to and including `high`.

    Returns None for more than 25,000. Raises RetryLaterError when Shopify returns no count.
    """
    variables = {"query": keyset.build_search(low, high)}
    response, _ = await session.fetch_model(keyset.count_model, keyset.count_document, variables)
    return _parse_count(getattr(response, keyset.count_field), keyset)


async def list_locations(session: ReadSession) -> IdPage:
    """Return the ids of all locations. A shop has few of them. They cannot be searched by id.

    Raises PermanentError when Shopify lists them in another order than that of their ids.
    """
    ids: tuple[str, ...] = ()
    after, has_more = None, True
    while has_more:
        response, _ = await session.fetch_model(ListLocations, graphql_documents.LIST_LOCATIONS, {"after": after})
        page = _build_page(response.locations, "locations", parse_number(ids[-1]) if ids else 0)
        ids, after, has_more = ids + page.ids, response.locations.pageInfo.endCursor, page.has_more
    return IdPage(ids, has_more=False)


def _build_page(connection: Any, field: str, low: int) -> IdPage:
    ids = tuple(edge.node.id for edge in connection.edges)
    numbers = [parse_number(gid) for gid in ids]
    if any(number >= next_number for number, next_number in pairwise([low, *numbers])):
        raise PermanentError(f"{field} are not listed in the order of their ids")
    return IdPage(ids, connection.pageInfo.hasNextPage and bool(ids))


def _parse_count(count: Any, keyset: Keyset) -> int | None:
    if count is None:
        raise RetryLaterError(f"the platform does not count {keyset.list_field}")
    is_exact = count.precision == "EXACT" and count.count <= MAX_COUNT
    return int(count.count) if is_exact else None
