"""Shopify's cursor pagination: a page has at most 250 nodes, and pages end after the first 25,000 nodes of a list."""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from sandbox.shopify.errors import build_field_error

MAXIMUM_DEPTH = 25_000
MAXIMUM_PAGE_SIZE = 250
SortKey = Callable[[Any], tuple[Any, int]]
"""Returns the position of a node in its list: the value by which the list is sorted, and the id of the node."""


@dataclass(slots=True)
class NodePage:
    """One page of a list, with the attributes of a GraphQL connection and of the connection's `pageInfo`."""

    nodes: Sequence[Any]
    has_next_page: bool
    has_previous_page: bool
    key: SortKey

    @property
    def edges(self) -> list["Edge"]:
        """The nodes of the page, each with its cursor."""
        return [Edge(node, self) for node in self.nodes]

    @property
    def start_cursor(self) -> str | None:
        """The cursor of the first node, None on an empty page."""
        return encode_cursor(self.key(self.nodes[0])) if self.nodes else None

    @property
    def end_cursor(self) -> str | None:
        """The cursor of the last node, None on an empty page."""
        return encode_cursor(self.key(self.nodes[-1])) if self.nodes else None


@dataclass(slots=True)
class Edge:
    """One node of a page, with its cursor."""

    node: Any
    page: NodePage = field(repr=False)

    @property
    def cursor(self) -> str:
        """The cursor of the node."""
        return encode_cursor(self.page.key(self.node))


def encode_cursor(key: tuple[Any, int]) -> str:
    """Encode the position of a node in its list (sort value, id) as an opaque cursor."""
    return b64encode(orjson.dumps({"last_id": key[1], "last_value": key[0]})).decode()


def decode_cursor(cursor: str) -> tuple[Any, int]:
    """Return the position of a node (sort value, id) that a cursor encodes.

    Raises GraphQLError for an invalid cursor.
    """
    try:
        body = orjson.loads(b64decode(cursor, validate=True))
        return body["last_value"], int(body["last_id"])
    except (Base64Error, ValueError, KeyError, TypeError) as error:
        raise build_field_error(f"Invalid cursor '{cursor}'.", "BAD_REQUEST") from error


def build_page(
    items: Sequence[Any], key: SortKey, args: Mapping[str, Any], maximum: int = MAXIMUM_PAGE_SIZE
) -> NodePage:
    """Build the page of `items` that the arguments `first`, `after`, `last`, `before` and `reverse` select.

    `items` are sorted by `key`, in ascending order. Raises GraphQLError for arguments that Shopify refuses, such as a
    page size above `maximum`.
    """
    size, is_backwards = _parse_size(args, maximum)
    reverse = bool(args.get("reverse"))
    low, high = _find_bounds(items, key, args, reverse)
    offset = len(items) - high if reverse else low
    low, high = _limit_depth(low, high, len(items), reverse)
    starts_at_low = is_backwards == reverse
    start, stop = (low, min(low + size, high)) if starts_at_low else (max(high - size, low), high)
    nodes = items[start:stop]
    has_previous, has_next = start > low or (low > 0 and not reverse), stop < high
    if reverse:
        nodes = nodes[::-1]
        has_previous, has_next = stop < high or offset > 0, start > low
    return NodePage(nodes, has_next, has_previous, key)


def _parse_size(args: Mapping[str, Any], maximum: int) -> tuple[int, bool]:
    """Return the requested number of nodes, and whether the argument `last` (not `first`) requests them.

    Raises GraphQLError if the arguments are invalid or the number is above `maximum`.
    """
    first, last = args.get("first"), args.get("last")
    if first is None and last is None:
        raise build_field_error("you must provide one of first or last", "BAD_REQUEST")
    if first is not None and last is not None:
        raise build_field_error("providing both first and last is not supported", "BAD_REQUEST")
    size = first if first is not None else last
    if not isinstance(size, int) or size < 0:
        raise build_field_error(f"{'first' if last is None else 'last'} cannot be negative", "BAD_REQUEST")
    if size > maximum:
        raise build_field_error(f"A page of {size} is larger than the maximum of {maximum}.", "BAD_REQUEST")
    return size, last is not None


def _find_bounds(items: Sequence[Any], key: SortKey, args: Mapping[str, Any], reverse: bool) -> tuple[int, int]:
    """Return the range of indexes between the cursors `after` and `before`. The second index is not included.

    `items` are in ascending order. With `reverse`, the client reads them in descending order, so the cursors swap
    roles.
    """
    low, high = 0, len(items)
    after, before = (args.get("before"), args.get("after")) if reverse else (args.get("after"), args.get("before"))
    if after is not None:
        low = bisect_right(items, decode_cursor(after), key=key)
    if before is not None:
        high = bisect_left(items, decode_cursor(before), key=key)
    return low, max(low, high)


def _limit_depth(low: int, high: int, total: int, reverse: bool) -> tuple[int, int]:
    if reverse:
        return min(max(low, total - MAXIMUM_DEPTH), high), high
    return low, max(low, min(high, MAXIMUM_DEPTH))


def build_count(total: int, limit: int | None) -> dict[str, Any]:
    """Build Shopify's Count of `total` objects: a number, and whether it is exact or a lower bound.

    It is exact if `total` is neither above `limit` nor above 25,000.
    """
    if limit is not None and total > limit:
        return {"count": limit, "precision": "AT_LEAST"}
    if total > MAXIMUM_DEPTH:
        return {"count": MAXIMUM_DEPTH + 1, "precision": "AT_LEAST"}
    return {"count": total, "precision": "EXACT"}
