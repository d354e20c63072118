"""Locations at which stock is kept. A shop's document shows their names in the inventory levels."""

from platform_sdk.resources import ReadMethod
from platforms.shopify.resources.declaration import ShopifyResource

LOCATIONS = ShopifyResource(
    name="locations",
    scopes=("read_locations",),
    webhook_topics=(
        *("LOCATIONS_CREATE", "LOCATIONS_UPDATE", "LOCATIONS_DELETE"),
        *("LOCATIONS_ACTIVATE", "LOCATIONS_DEACTIVATE"),
    ),
    read_methods=(ReadMethod.BY_ID, ReadMethod.LISTED),
    lookup_fields=("name",),
    document_path="data.products",
    gid_types=("Location",),
    payload_fields={"locations": "id"},
)
