"""The GraphQL documents that are sent, each with its price, and how much of nested lists each asks for at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import DocumentNode, OperationDefinitionNode, parse

from shopify_fetcher.costs import requested
from shopify_fetcher.generated import operations

Variables = Mapping[str, Any]


@dataclass(frozen=True)
class Document:
    """A document of `queries/`: its operation's name and the text that is sent."""

    name: str
    text: str
    parsed: DocumentNode = field(repr=False, compare=False)
    declared: frozenset[str] = frozenset()
    """The names of its variables."""

    def cost(self, variables: Variables) -> int:
        """The points that the platform asks for before it starts, `nodes(ids:)` charged once."""
        return requested(self.parsed, variables)


def _document(text: str) -> Document:
    parsed = parse(text)
    operation = next(d for d in parsed.definitions if isinstance(d, OperationDefinitionNode))
    declared = frozenset(v.variable.name.value for v in operation.variable_definitions or ())
    return Document(operation.name.value if operation.name else "", text.strip(), parsed, declared)


READ_SHOP = _document(operations.READ_SHOP_GQL)
READ_LOCATIONS = _document(operations.READ_LOCATIONS_GQL)
READ_PRODUCTS = _document(operations.READ_PRODUCTS_GQL)
READ_INVENTORY = _document(operations.READ_INVENTORY_GQL)
READ_COLLECTIONS = _document(operations.READ_COLLECTIONS_GQL)
READ_DISCOUNTS = _document(operations.READ_DISCOUNTS_GQL)
LIST_LOCATIONS = _document(operations.LIST_LOCATIONS_GQL)
LIST_PRODUCTS = _document(operations.LIST_PRODUCTS_GQL)
LIST_COLLECTIONS = _document(operations.LIST_COLLECTIONS_GQL)
LIST_DISCOUNTS = _document(operations.LIST_DISCOUNTS_GQL)
COUNT_PRODUCTS = _document(operations.COUNT_PRODUCTS_GQL)
COUNT_COLLECTIONS = _document(operations.COUNT_COLLECTIONS_GQL)
COUNT_DISCOUNTS = _document(operations.COUNT_DISCOUNTS_GQL)
CONTINUE_VARIANTS = _document(operations.CONTINUE_VARIANTS_GQL)
CONTINUE_MEDIA = _document(operations.CONTINUE_MEDIA_GQL)
CONTINUE_METAFIELDS = _document(operations.CONTINUE_METAFIELDS_GQL)
CONTINUE_LEVELS = _document(operations.CONTINUE_LEVELS_GQL)
CONTINUE_COLLECTION = _document(operations.CONTINUE_COLLECTION_GQL)
CONTINUE_CODES = _document(operations.CONTINUE_CODES_GQL)
CONTINUE_ITEMS = _document(operations.CONTINUE_ITEMS_GQL)

SIZES: dict[str, tuple[dict[str, int], dict[str, int]]] = {
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
"""Pages of nested lists: large where `nodes(ids:)` costs the same for any number of ids, compact where each costs."""


RIGHTS = {"stock": "inventory", "places": "locations", "named": "products"}
"""Variables that leave out of a document what the granted scopes do not allow: each with the resource that it is of."""


def sizes(document: Document, *, compact: bool) -> dict[str, int]:
    """The variables that say how much of each nested list is asked for in the first answer."""
    return SIZES.get(document.name, ({}, {}))[compact]
