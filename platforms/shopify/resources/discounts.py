"""Discounts, by code and automatic. The document shows each of the two families under a key of its own."""

from platform_sdk.resources import ReadMethod
from platforms.shopify.resources.declaration import ShopifyResource

DISCOUNTS = ShopifyResource(
    name="discounts",
    scopes=("read_discounts",),
    webhook_topics=(
        *("DISCOUNTS_CREATE", "DISCOUNTS_UPDATE", "DISCOUNTS_DELETE"),
        *("DISCOUNTS_REDEEMCODE_ADDED", "DISCOUNTS_REDEEMCODE_REMOVED"),
    ),
    read_methods=(ReadMethod.BY_ID, ReadMethod.BY_ID_RANGE),
    lookup_fields=("title",),
    sort_key="title",
    gid_types=("DiscountCodeNode", "DiscountAutomaticNode"),
    gid_family="Discount",
    # A payload's `id` is a number, which does not tell the family.
    payload_fields={"discounts": "admin_graphql_api_id"},
)
