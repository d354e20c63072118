"""The kinds of records that are read by their ids: one document and one builder each."""

from collections.abc import Callable
from dataclasses import dataclass

from shopify_fetcher import documents
from shopify_fetcher.building import Built, Moment, Node
from shopify_fetcher.collections import built_collection
from shopify_fetcher.discounts import built_discount
from shopify_fetcher.documents import Document
from shopify_fetcher.places import built_location
from shopify_fetcher.products import built_product
from shopify_fetcher.stock import built_item


@dataclass(frozen=True)
class Kind:
    """How one resource's records are read: at most `most` ids at once, so that a cursor stays small."""

    resource: str
    document: Document
    build: Callable[[Node, Moment], Built]
    most: int = 250


KINDS = {
    kind.resource: kind
    for kind in (
        Kind("locations", documents.READ_LOCATIONS, built_location),
        Kind("products", documents.READ_PRODUCTS, built_product),
        Kind("inventory", documents.READ_INVENTORY, built_item),
        Kind("collections", documents.READ_COLLECTIONS, built_collection, most=100),
        Kind("discounts", documents.READ_DISCOUNTS, built_discount, most=100),
    )
}
