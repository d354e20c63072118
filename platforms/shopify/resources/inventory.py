"""Inventory items with their levels. A full sync reads them, and a shop's document has them, inside their products."""

from platform_sdk.resources import ReadMethod
from platforms.shopify.resources.declaration import ShopifyResource

INVENTORY = ShopifyResource(
    name="inventory",
    scopes=("read_inventory",),
    webhook_topics=(
        *("INVENTORY_LEVELS_CONNECT", "INVENTORY_LEVELS_UPDATE", "INVENTORY_LEVELS_DISCONNECT"),
        "INVENTORY_ITEMS_UPDATE",
    ),
    read_methods=(ReadMethod.BY_ID, ReadMethod.WITH_PARENT),
    parent="products",
    document_path="data.products",
    gid_types=("InventoryItem",),
    payload_fields={"inventory_levels": "inventory_item_id", "inventory_items": "id"},
)
