"""Collections. Each record has the ids of the collection's products."""

from platform_sdk.resources import ReadMethod
from platforms.shopify.resources.declaration import ShopifyResource

COLLECTIONS = ShopifyResource(
    name="collections",
    scopes=("read_products",),
    webhook_topics=("COLLECTIONS_CREATE", "COLLECTIONS_UPDATE", "COLLECTIONS_DELETE"),
    read_methods=(ReadMethod.BY_ID, ReadMethod.BY_ID_RANGE),
    lookup_fields=("title", "handle"),
    sort_key="title",
    document_path="data.collections",
    gid_types=("Collection",),
    payload_fields={"collections": "id"},
)
