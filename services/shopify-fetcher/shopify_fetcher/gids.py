"""Global ids: which resource a gid names, and the number in it."""

import re

KINDS = {
    "shop": ("Shop",),
    "locations": ("Location",),
    "products": ("Product",),
    "inventory": ("InventoryItem",),
    "collections": ("Collection",),
    "discounts": ("DiscountCodeNode", "DiscountAutomaticNode"),
}
"""The types of the records of each resource. A discount goes by the gid of its family."""
_GID = re.compile(r"gid://shopify/([A-Za-z]+)/(\d{1,18})")


def number(gid: str) -> int:
    """The number at the end of a gid, 0 where it has none."""
    digits = gid.rpartition("/")[2].partition("?")[0]
    return int(digits) if digits.isdigit() else 0


def names(resource: str, gid: str) -> bool:
    """Whether `gid` is the id of a record of `resource`."""
    match = _GID.fullmatch(gid)
    return match is not None and match[1] in KINDS.get(resource, ())
