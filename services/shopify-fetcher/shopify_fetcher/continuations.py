"""Reads the rest of nested lists that were longer than the first response.

`NESTED_LISTS` says of each list how it is requested, and where its items belong in the record.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from contracts.events import Record
from platform_sdk.errors import PermanentError
from platforms.shopify.graphql_documents import GraphqlDocument
from platforms.shopify.session import parse_model
from shopify_fetcher import graphql_documents
from shopify_fetcher.chunked_records import UnfinishedRecord
from shopify_fetcher.generated.fragments import (
    CodePage,
    CollectionIdPage,
    LevelPage,
    MediaPage,
    MetafieldPage,
    ProductIdPage,
    VariantPage,
    VariantTitlePage,
)
from shopify_fetcher.mappers.collections import PRODUCTS_BY_ID, PRODUCTS_IN_OWN_ORDER, list_product_ids
from shopify_fetcher.mappers.discounts import (
    CODES,
    FAMILIES,
    ITEM_LISTS,
    SIDES,
    build_list_name,
    list_codes,
    map_codes,
    map_gids,
    map_variant_titles,
)
from shopify_fetcher.mappers.inventory import LEVELS, map_levels, map_variants
from shopify_fetcher.mappers.mapped_records import MappedRecords, Node, ResponseInfo, build_tombstone
from shopify_fetcher.mappers.products import MEDIA, METAFIELDS, VARIANTS, list_skus, map_media, map_metafields
from shopify_fetcher.read_session import ReadSession


@dataclass(frozen=True)
class ItemPage:
    """One page of a nested list: its items as they stand in the record, and the child records that came with them.

    `after` is Shopify's cursor at the end of the page; None when the list is complete. `lookup_values` are the values
    of these items by which the record is found.
    """

    items: list[Any]
    after: str | None
    children: MappedRecords = field(default_factory=MappedRecords)
    lookup_values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


M = TypeVar("M", bound=BaseModel)
MapPage = Callable[[Node, UnfinishedRecord, ResponseInfo], ItemPage]


@dataclass(frozen=True)
class NestedList:
    """How the rest of one nested list is read.

    `response_path` leads from the response's data to the list's GraphQL connection, and `record_path` from the record's
    body to the same list. `map_page` maps the GraphQL connection to items of the record. `variables` are sent besides
    the record's id and the list's cursor.
    """

    document: GraphqlDocument
    response_path: tuple[str, ...]
    record_path: tuple[str, ...]
    map_page: MapPage
    variables: Mapping[str, Any] = field(default_factory=dict)


def _build_page_mapper(model: type[M], map_items: Callable[[M], list[Any]]) -> MapPage:
    def map_page(raw: Node, _chunked: UnfinishedRecord, _info: ResponseInfo) -> ItemPage:
        page = parse_model(model, raw)
        return ItemPage(map_items(page), _find_next_cursor(page))

    return map_page


def _find_next_cursor(page: Any) -> str | None:
    after: str | None = page.pageInfo.endCursor if page.pageInfo.hasNextPage else None
    return after


def _map_variant_page(raw: Node, chunked: UnfinishedRecord, info: ResponseInfo) -> ItemPage:
    page = parse_model(VariantPage, raw)
    edges, children = map_variants(page, chunked.id, info)
    return ItemPage(edges, _find_next_cursor(page), children, {"sku": list_skus(page)})


def _map_code_page(raw: Node, _chunked: UnfinishedRecord, _info: ResponseInfo) -> ItemPage:
    page = parse_model(CodePage, raw)
    return ItemPage(map_codes(page), _find_next_cursor(page), lookup_values={"code": list_codes(page)})


_DISCOUNT_ITEMS = {
    "products": ("products", _build_page_mapper(ProductIdPage, map_gids)),
    "productVariants": ("variants", _build_page_mapper(VariantTitlePage, map_variant_titles)),
    "collections": ("collections", _build_page_mapper(CollectionIdPage, map_gids)),
}
"""For each list of what a discount applies to: the variable that includes it in the query, and its pages' mapper."""


def _build_discount_list(family: str, side: str, item_list: str) -> NestedList:
    flag, map_page = _DISCOUNT_ITEMS[item_list]
    variables = {name: name == flag for name in ("products", "variants", "collections")}
    variables |= {"gets": side == "customerGets", "buys": side == "customerBuys"}
    path = (family, side, "items", item_list)
    return NestedList(graphql_documents.CONTINUE_ITEMS, ("node", *path), path, map_page, variables)


_COLLECTION_PRODUCTS = ("collection", "products")
NESTED_LISTS: dict[str, NestedList] = {
    VARIANTS: NestedList(
        graphql_documents.CONTINUE_VARIANTS, ("product", "variants"), ("variants", "edges"), _map_variant_page
    ),
    MEDIA: NestedList(
        graphql_documents.CONTINUE_MEDIA,
        ("product", "media"),
        ("media", "edges"),
        _build_page_mapper(MediaPage, map_media),
    ),
    METAFIELDS: NestedList(
        graphql_documents.CONTINUE_METAFIELDS,
        ("product", "metafields"),
        ("metafields", "edges"),
        _build_page_mapper(MetafieldPage, map_metafields),
    ),
    LEVELS: NestedList(
        graphql_documents.CONTINUE_LEVELS,
        ("inventoryItem", "inventoryLevels"),
        ("levels",),
        _build_page_mapper(LevelPage, map_levels),
    ),
    PRODUCTS_IN_OWN_ORDER: NestedList(
        graphql_documents.CONTINUE_COLLECTION,
        _COLLECTION_PRODUCTS,
        ("products",),
        _build_page_mapper(ProductIdPage, list_product_ids),
        {"sortKey": "COLLECTION_DEFAULT"},
    ),
    PRODUCTS_BY_ID: NestedList(
        graphql_documents.CONTINUE_COLLECTION,
        _COLLECTION_PRODUCTS,
        ("products",),
        _build_page_mapper(ProductIdPage, list_product_ids),
        {"sortKey": "ID"},
    ),
    CODES: NestedList(
        graphql_documents.CONTINUE_CODES,
        ("node", "codeDiscount", "codes"),
        ("codeDiscount", "codes", "edges"),
        _map_code_page,
    ),
    **{
        build_list_name(family, side, item_list): _build_discount_list(family, side, item_list)
        for family in FAMILIES.values()
        for side in SIDES
        for item_list in ITEM_LISTS
    },
}


@dataclass(frozen=True)
class NextChunk:
    """The next chunk of a record, with the child records in it.

    `remaining` says which chunks are still to be read; None when the record is complete.
    """

    mapped: MappedRecords
    remaining: UnfinishedRecord | None


async def read_next_chunk(session: ReadSession, chunked: UnfinishedRecord) -> NextChunk:
    """Read the next chunk of `chunked`, a record that is longer than one response.

    When the record has been deleted since its first chunk, return a tombstone (the note that it does not exist). When
    only the list no longer exists, return an empty last chunk of that list: the change that removed the list also
    causes a new read of the record, and that read replaces this record.

    Raises PermanentError when Shopify refuses the query or returns the same cursor again, RecordError when the response
    has a transient error, and RetryLaterError when the query must wait.
    """
    continuation = chunked.continuations[0]
    nested_list = NESTED_LISTS[continuation.nested_list]
    variables = {
        "id": chunked.id,
        "after": continuation.after,
        **nested_list.variables,
        **session.build_variables(nested_list.document),
    }
    response = await session.fetch_without_errors(nested_list.document, variables)
    if response.data[nested_list.response_path[0]] is None:
        tombstone = build_tombstone(chunked.resource, chunked.id, response.read_at)
        return NextChunk(MappedRecords(records=[tombstone]), None)
    raw = _find_nested_page(response.data, nested_list.response_path)
    info = ResponseInfo(session.context.read_id, response.read_at, session.can_read("inventory"))
    page = nested_list.map_page(raw, chunked, info) if raw is not None else ItemPage([], None)
    if page.after is not None and page.after == continuation.after:
        raise PermanentError(f"{continuation.nested_list} of {chunked.id} does not go on")
    remaining = chunked.advance(page.after)
    chunk = Record(
        resource=chunked.resource,
        id=chunked.id,
        read_at=chunked.read_at,
        lookup_values=dict(page.lookup_values),
        items=tuple(page.items),
        chunk=chunked.build_chunk_info(nested_list.record_path, remaining),
    )
    children = page.children
    mapped = MappedRecords(records=[chunk, *children.records], incomplete_items=children.incomplete_items)
    return NextChunk(mapped, remaining)


def _find_nested_page(data: Node, path: tuple[str, ...]) -> Node | None:
    value: Any = data
    for key in path:
        value = value.get(key) if value is not None else None
    node: Node | None = value
    return node
