"""The GraphQL documents that this service sends."""

from platforms.shopify.graphql_documents import parse_document
from shopify_writer.generated import operations

READ_TARGETS = parse_document(operations.READ_TARGETS_GQL)
UPDATE_PRODUCT = parse_document(operations.UPDATE_PRODUCT_GQL)
UPDATE_VARIANTS = parse_document(operations.UPDATE_VARIANTS_GQL)
DELETE_PRODUCT = parse_document(operations.DELETE_PRODUCT_GQL)
FIND_PRODUCT = parse_document(operations.FIND_PRODUCT_GQL)
LIST_VARIANTS = parse_document(operations.LIST_VARIANTS_GQL)
CREATE_PRODUCT = parse_document(operations.CREATE_PRODUCT_GQL)
DEFINE_ID = parse_document(operations.DEFINE_ID_GQL)
READ_STOCK = parse_document(operations.READ_STOCK_GQL)
SET_STOCK = parse_document(operations.SET_STOCK_GQL)
