"""The resources whose records are read by their ids, each with its GraphQL document and its mapper."""

from collections.abc import Callable
from dataclasses import dataclass

from platforms.shopify.graphql_documents import GraphqlDocument
from shopify_fetcher import graphql_documents
from shopify_fetcher.mappers.collections import map_collection
from shopify_fetcher.mappers.discounts import map_discount
from shopify_fetcher.mappers.inventory import map_inventory_item
from shopify_fetcher.mappers.locations import map_location
from shopify_fetcher.mappers.mapped_records import MappedRecords, Node, ResponseInfo
from shopify_fetcher.mappers.products import map_product


@dataclass(frozen=True)
class ReadableResource:
    """How the records of one resource are read.

    A request has at most `max_ids` ids: if the response has only a part of each record, all these records must fit into
    a cursor.
    """

    name: str
    document: GraphqlDocument
    map_record: Callable[[Node, ResponseInfo], MappedRecords]
    max_ids: int = 250


READABLE_RESOURCES = {
    resource.name: resource
    for resource in (
        ReadableResource("locations", graphql_documents.READ_LOCATIONS, map_location),
        ReadableResource("products", graphql_documents.READ_PRODUCTS, map_product),
        ReadableResource("inventory", graphql_documents.READ_INVENTORY, map_inventory_item),
        ReadableResource("collections", graphql_documents.READ_COLLECTIONS, map_collection, max_ids=100),
        ReadableResource("discounts", graphql_documents.READ_DISCOUNTS, map_discount, max_ids=100),
    )
}
