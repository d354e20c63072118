"""Collection records: the products are a plain list of gids, which the document shows with their own titles."""

from contracts.events import Record
from shopify_fetcher.building import Built, Moment, Node, by_number, rest
from shopify_fetcher.chains import Rest
from shopify_fetcher.generated.fragments import CollectionBody, ProductIdPage
from shopify_fetcher.gids import number

IN_OWN_ORDER, BY_ID = "products-in-own-order", "products-by-id"
MANUAL = "MANUAL"


def built_collection(raw: Node, moment: Moment) -> Built:
    """A collection. One that is longer than the answer goes on in its own order when that is the merchant's; any
    other order may change under the reading, so such a collection is read by id, from the beginning."""
    node = CollectionBody.model_validate(raw)
    gids, rests = _products(node)
    record = Record(
        resource="collections",
        id=node.id,
        read_at=moment.read_at,
        updated_at=node.updatedAt,
        body={**node.model_dump(by_alias=True, exclude={"updatedAt", "products"}), "products": gids},
        sort_key=number(node.id),
        lookup_fields={"title": node.title},
    )
    built = Built()
    built.add(record, moment.chain("collections", node.id, rests))
    return built


def _products(node: CollectionBody) -> tuple[list[str], tuple[Rest, ...]]:
    gids = product_ids(node.products)
    if node.sortOrder == MANUAL:
        return gids, rest(IN_OWN_ORDER, node.products.pageInfo)
    if node.products.pageInfo.hasNextPage:
        return [], (Rest(BY_ID, None),)
    return by_number(gids), ()


def product_ids(page: ProductIdPage) -> list[str]:
    """The gids of a page."""
    return [edge.node.id for edge in page.edges]
