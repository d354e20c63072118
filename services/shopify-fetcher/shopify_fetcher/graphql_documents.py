"""The GraphQL documents that this service sends, with their costs and the sizes of the nested lists in them."""

from dataclasses import dataclass
from functools import partial

from graphql import OperationDefinitionNode, parse

from platforms.shopify.rate_limit import Query
from shopify_fetcher.costs import compute_query_cost
from shopify_fetcher.generated import operations


@dataclass(frozen=True)
class GraphqlDocument(Query):
    """A GraphQL query from the folder `queries`, with the names of its variables."""

    variables: frozenset[str] = frozenset()


def _parse_document(text: str) -> GraphqlDocument:
    parsed = parse(text)
    operation = next(d for d in parsed.definitions if isinstance(d, OperationDefinitionNode))
    variables = frozenset(v.variable.name.value for v in operation.variable_definitions or ())
    name = operation.name.value if operation.name else ""
    return GraphqlDocument(name, text.strip(), partial(compute_query_cost, parsed), variables)


READ_SHOP = _parse_document(operations.READ_SHOP_GQL)
READ_LOCATIONS = _parse_document(operations.READ_LOCATIONS_GQL)
READ_PRODUCTS = _parse_document(operations.READ_PRODUCTS_GQL)
READ_INVENTORY = _parse_document(operations.READ_INVENTORY_GQL)
READ_COLLECTIONS = _parse_document(operations.READ_COLLECTIONS_GQL)
READ_DISCOUNTS = _parse_document(operations.READ_DISCOUNTS_GQL)
LIST_LOCATIONS = _parse_document(operations.LIST_LOCATIONS_GQL)
LIST_PRODUCTS = _parse_document(operations.LIST_PRODUCTS_GQL)
LIST_COLLECTIONS = _parse_document(operations.LIST_COLLECTIONS_GQL)
LIST_DISCOUNTS = _parse_document(operations.LIST_DISCOUNTS_GQL)
LIST_AND_COUNT_PRODUCTS = _parse_document(operations.LIST_AND_COUNT_PRODUCTS_GQL)
LIST_AND_COUNT_COLLECTIONS = _parse_document(operations.LIST_AND_COUNT_COLLECTIONS_GQL)
LIST_AND_COUNT_DISCOUNTS = _parse_document(operations.LIST_AND_COUNT_DISCOUNTS_GQL)
COUNT_PRODUCTS = _parse_document(operations.COUNT_PRODUCTS_GQL)
COUNT_COLLECTIONS = _parse_document(operations.COUNT_COLLECTIONS_GQL)
COUNT_DISCOUNTS = _parse_document(operations.COUNT_DISCOUNTS_GQL)
CONTINUE_VARIANTS = _parse_document(operations.CONTINUE_VARIANTS_GQL)
CONTINUE_MEDIA = _parse_document(operations.CONTINUE_MEDIA_GQL)
CONTINUE_METAFIELDS = _parse_document(operations.CONTINUE_METAFIELDS_GQL)
CONTINUE_LEVELS = _parse_document(operations.CONTINUE_LEVELS_GQL)
CONTINUE_COLLECTION = _parse_document(operations.CONTINUE_COLLECTION_GQL)
CONTINUE_CODES = _parse_document(operations.CONTINUE_CODES_GQL)
CONTINUE_ITEMS = _parse_document(operations.CONTINUE_ITEMS_GQL)

PAGE_SIZES: dict[str, tuple[dict[str, int], dict[str, int]]] = {
    READ_PRODUCTS.name: (
        {"variants": 250, "levels": 50, "media": 50, "metafields": 250},
        {"variants": 10, "levels": 3, "media": 5, "metafields": 10},
    ),
    READ_INVENTORY.name: ({"levels": 250}, {"levels": 10}),
    READ_COLLECTIONS.name: ({"products": 250}, {"products": 50}),
    READ_DISCOUNTS.name: ({"codes": 250, "items": 250}, {"codes": 20, "items": 20}),
    READ_LOCATIONS.name: ({}, {}),
    CONTINUE_VARIANTS.name: ({"variants": 100, "levels": 50}, {"variants": 100, "levels": 10}),
}
"""For each document, how many items of each nested list are requested: the large sizes, then the compact ones.

The large ones are for shops where `nodes(ids:)` costs the same for any number of ids, the compact ones for shops where
every id is charged.
"""

SCOPE_VARIABLES = {"includeInventory": "inventory", "includeLocations": "locations", "includeProducts": "products"}
"""The variables that include a part of a document, each with the resource that the scopes must allow for that part."""


def get_page_sizes(document: GraphqlDocument, *, compact: bool) -> dict[str, int]:
    """Return the variables that say how many items of each nested list the first response contains.

    `compact` selects the small sizes, for shops where Shopify charges rate-limit points for every requested id.
    """
    return PAGE_SIZES.get(document.name, ({}, {}))[compact]
