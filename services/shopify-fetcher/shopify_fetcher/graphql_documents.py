"""The GraphQL documents that this service sends, with their costs and the sizes of the nested lists in them."""

from platforms.shopify.graphql_documents import GraphqlDocument, parse_document
from shopify_fetcher.generated import operations

READ_SHOP = parse_document(operations.READ_SHOP_GQL)
READ_LOCATIONS = parse_document(operations.READ_LOCATIONS_GQL)
READ_PRODUCTS = parse_document(operations.READ_PRODUCTS_GQL)
READ_INVENTORY = parse_document(operations.READ_INVENTORY_GQL)
READ_COLLECTIONS = parse_document(operations.READ_COLLECTIONS_GQL)
READ_DISCOUNTS = parse_document(operations.READ_DISCOUNTS_GQL)
LIST_LOCATIONS = parse_document(operations.LIST_LOCATIONS_GQL)
LIST_PRODUCTS = parse_document(operations.LIST_PRODUCTS_GQL)
LIST_COLLECTIONS = parse_document(operations.LIST_COLLECTIONS_GQL)
LIST_DISCOUNTS = parse_document(operations.LIST_DISCOUNTS_GQL)
LIST_AND_COUNT_PRODUCTS = parse_document(operations.LIST_AND_COUNT_PRODUCTS_GQL)
LIST_AND_COUNT_COLLECTIONS = parse_document(operations.LIST_AND_COUNT_COLLECTIONS_GQL)
LIST_AND_COUNT_DISCOUNTS = parse_document(operations.LIST_AND_COUNT_DISCOUNTS_GQL)
COUNT_PRODUCTS = parse_document(operations.COUNT_PRODUCTS_GQL)
COUNT_COLLECTIONS = parse_document(operations.COUNT_COLLECTIONS_GQL)
COUNT_DISCOUNTS = parse_document(operations.COUNT_DISCOUNTS_GQL)
CONTINUE_VARIANTS = parse_document(operations.CONTINUE_VARIANTS_GQL)
CONTINUE_MEDIA = parse_document(operations.CONTINUE_MEDIA_GQL)
CONTINUE_METAFIELDS = parse_document(operations.CONTINUE_METAFIELDS_GQL)
CONTINUE_LEVELS = parse_document(operations.CONTINUE_LEVELS_GQL)
CONTINUE_COLLECTION = parse_document(operations.CONTINUE_COLLECTION_GQL)
CONTINUE_CODES = parse_document(operations.CONTINUE_CODES_GQL)
CONTINUE_ITEMS = parse_document(operations.CONTINUE_ITEMS_GQL)

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
