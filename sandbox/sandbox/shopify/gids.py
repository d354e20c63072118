"""Global ids: gid://shopify/Product/123."""

import re

_GID = re.compile(r"gid://shopify/([A-Za-z0-9]+)/(\d+)(?:\?inventory_item_id=(\d+))?")


def gid(kind: str, number: int) -> str:
    """The global id of a record."""
    return f"gid://shopify/{kind}/{number}"


def level_gid(location: int, item: int) -> str:
    """The composite global id of an inventory level."""
    return f"gid://shopify/InventoryLevel/{location}?inventory_item_id={item}"


def parse(text: str) -> tuple[str, int, int | None]:
    """The kind, the number and, for an inventory level, the item's number. Raises ValueError for anything else."""
    match = _GID.fullmatch(text)
    if match is None:
        raise ValueError(f"Invalid global id '{text}'")
    return match[1], int(match[2]), int(match[3]) if match[3] else None


def number(text: str, kind: str | None = None) -> int:
    """The numeric part of a gid or of a bare number. Raises ValueError if the gid is not of `kind`."""
    if text.isdigit():
        return int(text)
    found, value, _ = parse(text)
    if kind is not None and found != kind:
        raise ValueError(f"Invalid global id '{text}'")
    return value
