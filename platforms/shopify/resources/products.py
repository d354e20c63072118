"""Products with their variants."""

from platform_sdk.resources import ReadMethod
from platforms.shopify.resources.declaration import ShopifyResource

PRODUCTS = ShopifyResource(
    name="products",
    scopes=("read_products",),
    webhook_topics=("PRODUCTS_CREATE", "PRODUCTS_UPDATE", "PRODUCTS_DELETE"),
    read_methods=(ReadMethod.BY_ID, ReadMethod.BY_ID_RANGE),
    lookup_fields=("title", "handle", "sku", "status", "vendor", "product_type"),
    document_path="data.products",
    gid_types=("Product",),
    payload_fields={"products": "id"},
)
