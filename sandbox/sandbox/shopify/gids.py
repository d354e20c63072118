"""Shopify's global ids (gids), such as gid://shopify/Product/123."""

import re

_GID = re.compile(r"gid://shopify/([A-Za-z0-9]+)/(\d+)(?:\?inventory_item_id=(\d+))?")


def build_gid(kind: str, number: int) -> str:
    """Build the gid of a record of the GraphQL type `kind`."""
    return f"gid://shopify/{kind}/{number}"


def build_level_gid(location: int, item: int) -> str:
    """Build the gid of an inventory level. It contains the numbers of the location and of the inventory item."""
    return f"gid://shopify/InventoryLevel/{location}?inventory_item_id={item}"


def parse_gid(text: str) -> tuple[str, int, int | None]:
    """Return three parts of a gid: the GraphQL type, the number, and the number of the inventory item.

    Only the gid of an inventory level contains the last part; it is None for other types. Raises ValueError if `text`
    is not a gid.
    """
    match = _GID.fullmatch(text)
    if match is None:
        raise ValueError(f"Invalid global id '{text}'")
    return match[1], int(match[2]), int(match[3]) if match[3] else None


def parse_number(text: str, kind: str | None = None) -> int:
    """Return the number in `text`, which is a number or a gid such as gid://shopify/Product/123.

    Raises ValueError if `text` is neither, or if it is a gid of another type than `kind`. None allows every type.
    """
    if text.isdigit():
        return int(text)
    actual_kind, number, _ = parse_gid(text)
    if kind is not None and actual_kind != kind:
        raise ValueError(f"Invalid global id '{text}'")
    return number
