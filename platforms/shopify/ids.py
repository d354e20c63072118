"""Shopify's global ids (gids) and shop domains: `gid://shopify/Product/1`, `acme.myshopify.com`."""

import re

TYPE_NAMES = {
    "shop": ("Shop",),
    "locations": ("Location",),
    "products": ("Product",),
    "variants": ("ProductVariant",),
    "inventory": ("InventoryItem",),
    "collections": ("Collection",),
    "discounts": ("DiscountCodeNode", "DiscountAutomaticNode"),
}
"""The types in the gids of each resource's records, and of variants, which are part of their product's record.

Discounts have two: for code and for automatic discounts."""
SHOP_DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]*\.myshopify\.com")
"""The form of a shop's domain. Tokens are sent to no other hosts."""
_GID = re.compile(r"gid://shopify/([A-Za-z]+)/(\d{1,18})")


def parse_number(gid: str) -> int:
    """Return the number at the end of a gid (Shopify's global id); 0 when there is no number."""
    digits = gid.rpartition("/")[2].partition("?")[0]
    return int(digits) if digits.isdigit() else 0


def is_id_of(resource: str, gid: str) -> bool:
    """Return whether `gid`, a global id of Shopify, has the form of the id of a record of `resource`."""
    match = _GID.fullmatch(gid)
    return match is not None and match[1] in TYPE_NAMES.get(resource, ())
