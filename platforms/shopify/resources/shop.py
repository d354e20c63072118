"""The shop itself."""

from platform_sdk.resources import ReadMethod
from platforms.shopify.resources.declaration import ShopifyResource

SHOP = ShopifyResource(
    name="shop",
    webhook_topics=("SHOP_UPDATE",),
    read_methods=(ReadMethod.BY_ID,),
    document_path="data.shop",
    gid_types=("Shop",),
    payload_fields={"shop": "id"},
)
