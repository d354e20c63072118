"""Shopify's pagination: opaque cursors that hold a sort value and an id, pages of at most 250, 25,000 objects deep."""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from sandbox.shopify.errors import FieldFailure

DEPTH = 25_000
PAGE_SIZE = 250
Key = Callable[[Any], tuple[Any, int]]


@dataclass(slots=True)
class Page:
    """A connection as a client sees it."""

    nodes: Sequence[Any]
    has_next_page: bool
    has_previous_page: bool
    key: Key

    @property
    def edges(self) -> list["Edge"]:
        """The nodes, each with its cursor."""
        return [Edge(node, self) for node in self.nodes]

    @property
    def start_cursor(self) -> str | None:
        """The cursor of the first node, None on an empty page."""
        return encode(self.key(self.nodes[0])) if self.nodes else None

    @property
    def end_cursor(self) -> str | None:
        """The cursor of the last node, None on an empty page."""
        return encode(self.key(self.nodes[-1])) if self.nodes else None


@dataclass(slots=True)
class Edge:
    """One node of a page."""

    node: Any
    page: Page = field(repr=False)

    @property
    def cursor(self) -> str:
        """Where in its list the node is."""
        return encode(self.page.key(self.node))


def encode(key: tuple[Any, int]) -> str:
    """The opaque cursor of a key (sort value, id)."""
    return b64encode(orjson.dumps({"last_id": key[1], "last_value": key[0]})).decode()


def decode(cursor: str) -> tuple[Any, int]:
    """The key in a cursor. Raises FieldFailure for what is not one of ours."""
    try:
        body = orjson.loads(b64decode(cursor, validate=True))
        return body["last_value"], int(body["last_id"])
    except (Base64Error, ValueError, KeyError, TypeError) as error:
        raise FieldFailure(f"Invalid cursor '{cursor}'.", "BAD_REQUEST") from error


def page(items: Sequence[Any], key: Key, args: Mapping[str, Any], maximum: int = PAGE_SIZE) -> Page:
    """The page of `items`, which are sorted by `key`, that `first`, `after`, `last`, `before` and `reverse` ask for."""
    size, backwards = _size(args, maximum)
    reverse = bool(args.get("reverse"))
    low, high = _bounds(items, key, args, reverse)
    offset = len(items) - high if reverse else low
    low, high = _within_depth(low, high, len(items), reverse)
    from_start = backwards == reverse
    start, stop = (low, min(low + size, high)) if from_start else (max(high - size, low), high)
    nodes = items[start:stop]
    before, beyond = start > low or (low > 0 and not reverse), stop < high
    if reverse:
        nodes = nodes[::-1]
        before, beyond = stop < high or offset > 0, start > low
    return Page(nodes, beyond, before, key)


def _size(args: Mapping[str, Any], maximum: int) -> tuple[int, bool]:
    first, last = args.get("first"), args.get("last")
    if first is None and last is None:
        raise FieldFailure("you must provide one of first or last", "BAD_REQUEST")
    if first is not None and last is not None:
        raise FieldFailure("providing both first and last is not supported", "BAD_REQUEST")
    size = first if first is not None else last
    if not isinstance(size, int) or size < 0:
        raise FieldFailure(f"{'first' if last is None else 'last'} cannot be negative", "BAD_REQUEST")
    if size > maximum:
        raise FieldFailure(f"A page of {size} is larger than the maximum of {maximum}.", "BAD_REQUEST")
    return size, last is not None


def _bounds(items: Sequence[Any], key: Key, args: Mapping[str, Any], reverse: bool) -> tuple[int, int]:
    low, high = 0, len(items)
    after, before = (args.get("before"), args.get("after")) if reverse else (args.get("after"), args.get("before"))
    if after is not None:
        low = bisect_right(items, decode(after), key=key)
    if before is not None:
        high = bisect_left(items, decode(before), key=key)
    return low, max(low, high)


def _within_depth(low: int, high: int, total: int, reverse: bool) -> tuple[int, int]:
    if reverse:
        return min(max(low, total - DEPTH), high), high
    return low, max(low, min(high, DEPTH))


def count(total: int, limit: int | None) -> dict[str, Any]:
    """Shopify's Count of `total` objects: exact up to `limit`, and never beyond 25,000."""
    if limit is not None and total > limit:
        return {"count": limit, "precision": "AT_LEAST"}
    if total > DEPTH:
        return {"count": DEPTH + 1, "precision": "AT_LEAST"}
    return {"count": total, "precision": "EXACT"}
