"""Maps collections to records.

A record's body has its products as a list of gids (Shopify's global ids) only. The snapshot document shows each with
the title of the product's own record.
"""

from contracts.events import Record
from platforms.shopify.ids import parse_number
from shopify_fetcher.chunked_records import Continuation
from shopify_fetcher.generated.fragments import CollectionBody, ProductIdPage
from shopify_fetcher.mappers.mapped_records import (
    MappedRecords,
    Node,
    ResponseInfo,
    build_continuations,
    sort_by_number,
)

PRODUCTS_IN_OWN_ORDER, PRODUCTS_BY_ID = "products-in-own-order", "products-by-id"
MANUAL = "MANUAL"


def map_collection(raw: Node, info: ResponseInfo) -> MappedRecords:
    """Map a collection to its record.

    When the response has only some of the products, the rest is read next. A list that the merchant sorts by hand
    continues in that order. Any other order may change during the read, so the products of such a collection are read
    again from the beginning, in the order of their ids.
    """
    node = CollectionBody.model_validate(raw)
    gids, continuations = _map_products(node)
    record = Record(
        resource="collections",
        id=node.id,
        read_at=info.read_at,
        updated_at=node.updatedAt,
        body={**node.model_dump(by_alias=True, exclude={"updatedAt", "products"}), "products": gids},
        sort_key=parse_number(node.id),
        lookup_fields={"title": node.title},
        lookup_values={"handle": (node.handle,)},
    )
    mapped = MappedRecords()
    mapped.add_record(record, info.build_unfinished_record("collections", node.id, continuations))
    return mapped


def _map_products(node: CollectionBody) -> tuple[list[str], tuple[Continuation, ...]]:
    gids = list_product_ids(node.products)
    if node.sortOrder == MANUAL:
        return gids, build_continuations(PRODUCTS_IN_OWN_ORDER, node.products.pageInfo)
    if node.products.pageInfo.hasNextPage:
        return [], (Continuation(PRODUCTS_BY_ID, None),)
    return sort_by_number(gids), ()


def list_product_ids(page: ProductIdPage) -> list[str]:
    """Return the gids of a page of products, in the order of the page."""
    return [edge.node.id for edge in page.edges]
