"""The resources of a shop, in the order in which a full sync reads them."""

from platform_sdk.resources import ResourceCatalog
from platforms.shopify.resources.collections import COLLECTIONS
from platforms.shopify.resources.declaration import ShopifyResource
from platforms.shopify.resources.discounts import DISCOUNTS
from platforms.shopify.resources.inventory import INVENTORY
from platforms.shopify.resources.locations import LOCATIONS
from platforms.shopify.resources.products import PRODUCTS
from platforms.shopify.resources.shop import SHOP

CATALOG = ResourceCatalog[ShopifyResource](
    resources=(SHOP, LOCATIONS, PRODUCTS, INVENTORY, COLLECTIONS, DISCOUNTS),
    topics=("APP_UNINSTALLED", "APP_SCOPES_UPDATE"),
)
