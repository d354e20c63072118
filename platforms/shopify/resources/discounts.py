"""Discounts, both code discounts and automatic discounts. A shop's document has a separate key for each kind."""

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
    lookup_fields=("title", "code", "status"),
    sort_key="title",
    gid_types=("DiscountCodeNode", "DiscountAutomaticNode"),
    gid_family="Discount",
    # A payload's `id` is only a number, from which the type of the discount is not known.
    payload_fields={"discounts": "admin_graphql_api_id"},
)
