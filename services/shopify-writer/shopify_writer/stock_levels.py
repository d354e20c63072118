"""Reads the stock of variants at the locations at which it is about to be written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from contracts.events import WriteRequested
from platforms.shopify.errors import FieldError
from platforms.shopify.session import parse_model
from shopify_writer.generated.read_stock import ReadStockNodesProductVariant
from shopify_writer.graphql_documents import READ_STOCK
from shopify_writer.targets import MAX_TARGETS, Node, collect_errors, read_currency
from shopify_writer.write_session import WriteSession

T = TypeVar("T")
MAX_LOCATIONS = 4
"""At how many locations one call asks for stock. Each location costs 2 points, however many the variants are. A page of
the levels of each variant would cost 26 points for 50 levels, and need not have the wanted ones."""
Quantities = Mapping[str, int]
"""Units by the ids of locations."""


@dataclass(frozen=True)
class Stock:
    """The stock of a variant as a shop has it.

    `item` is the id of its inventory item, `is_tracked` whether the shop counts it. `available` are the units that are
    free to be sold; the locations at which the item is not stocked are missing. `read_at` is when the first answer
    about it arrived (ms).
    """

    item: str
    is_tracked: bool
    available: Quantities
    read_at: int


@dataclass(frozen=True)
class StockReading:
    """The stock of variants by their ids. Those in neither table are gone."""

    found: Mapping[str, Stock]
    unreadable: Mapping[str, FieldError]


async def read_stock(session: WriteSession, requests: Sequence[WriteRequested]) -> StockReading:
    """Read the stock that `requests` are about, whose ids are valid. Each variant must be in one of them at most.

    It takes one call for MAX_TARGETS variants at MAX_LOCATIONS locations. Raises the exceptions of
    `WriteSession.fetch_response`, AccessDeniedError for a missing scope, and PermanentError when the token belongs to
    another shop.
    """
    found: dict[str, Stock] = {}
    unreadable: dict[str, FieldError] = {}
    for batch in _split(requests, MAX_TARGETS):
        for locations in _split(sorted({one for request in batch for one in request.fields}), MAX_LOCATIONS):
            gids = [str(request.record) for request in batch if not request.fields.keys().isdisjoint(locations)]
            response, read_at = await session.fetch_response(READ_STOCK, _build_variables(gids, locations))
            # It checks that the answer is from the right shop. Stock has no currency.
            read_currency(session, response)
            unreadable |= collect_errors(response.errors, gids)
            for gid, node in zip(gids, response.data["nodes"], strict=True):
                if node is not None and gid not in unreadable:
                    found[gid] = _add_levels(found.get(gid), node, locations, read_at)
    return StockReading(found, unreadable)


def _split(entries: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield `entries` in parts of at most `size`."""
    for first in range(0, len(entries), size):
        yield entries[first : first + size]


def _build_variables(gids: Sequence[str], locations: Sequence[str]) -> dict[str, object]:
    # The shop checks all ids before it runs a query, also those of levels that are not asked for.
    padded = [*locations, *[locations[0]] * (MAX_LOCATIONS - len(locations))]
    variables: dict[str, object] = {f"location{number}": gid for number, gid in enumerate(padded, 1)}
    wanted = {f"has{number}": number <= len(locations) for number in range(2, MAX_LOCATIONS + 1)}
    return {"ids": list(gids), **variables, **wanted}


def _add_levels(before: Stock | None, node: Node, locations: Sequence[str], read_at: int) -> Stock:
    item = parse_model(ReadStockNodesProductVariant, node).inventoryItem
    levels = zip(locations, (item.level1, item.level2, item.level3, item.level4), strict=False)
    available = {gid: level.quantities[0].quantity for gid, level in levels if level is not None and level.quantities}
    if before is None:
        return Stock(item.id, item.tracked, available, read_at)
    return Stock(item.id, item.tracked, {**before.available, **available}, before.read_at)
