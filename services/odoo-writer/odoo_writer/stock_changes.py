"""Decides what is counted in Odoo so that the stock of a variant changes by what a link has decided."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.events import WriteRequested
from destination.destination import APPLIED, CONFLICT, REFUSED, UNCHANGED, Outcome, WriteResult
from linking.conditional import ChangedMeanwhileError
from odoo_writer.refusals import GONE, RefusedWriteError
from odoo_writer.stock_levels import DIGITS, StockKey, StockLevel, StockLevels, StockPlaces
from odoo_writer.updates import UPDATE, parse_id
from platforms.odoo.calls import Row
from platforms.odoo.field_values import read_reference

INTERNAL, UNTRACKED, STORABLE = "internal", "none", "product"


@dataclass(frozen=True)
class StockChange:
    """A request, the variant that it is about, and by location the units that are expected and that are added."""

    request: WriteRequested
    product: int
    expected: Mapping[int, int]
    added: Mapping[int, int]

    @property
    def keys(self) -> list[StockKey]:
        """The product and each location."""
        return [(self.product, location) for location in self.added]


@dataclass(frozen=True)
class StockCount:
    """A count to be applied: `on_hand` units in a quant become `added` more. `quant` is None where there is none."""

    location: int
    quant: int | None
    on_hand: float
    added: int


@dataclass(frozen=True)
class StockStep:
    """What is done for a change before the stock is read again: `counts` are applied, or others are `withdrawn`.

    With neither, the change was made by a former attempt.
    """

    change: StockChange
    counts: tuple[StockCount, ...] = ()
    withdrawn: tuple[int, ...] = ()


def parse_change(request: WriteRequested) -> StockChange:
    """Return what a request wants. Raises RefusedWriteError for a request of another form."""
    if request.operation != UPDATE:
        raise RefusedWriteError("nothing can be done with stock but to change it")
    product = parse_id(request.record)
    if product is None:
        raise RefusedWriteError(GONE)
    if not request.fields:
        raise RefusedWriteError("the request names no location")
    wanted = {_parse_location(text): _check_units(number) for text, number in request.fields.items()}
    expected = {_parse_location(text): _check_units(request.expected.get(text)) for text in request.fields}
    return StockChange(request, product, expected, {one: wanted[one] - expected[one] for one in wanted})


def decide_change(change: StockChange, places: StockPlaces, levels: StockLevels, user: int) -> StockStep | WriteResult:
    """Return what is done for a change, or its result where that is nothing. `user` counts, and has counted before.

    Only the move that a write has made tells that it was made: numbers may have become the wanted ones by themselves.
    Raises RefusedWriteError for what cannot be counted.
    """
    open_locations = _list_open(change, levels)
    if not open_locations and any(change.added.values()):
        return StockStep(change)
    _check_product(places.products.get(change.product))
    for location in change.added:
        _check_location(location, places.locations.get(location))
    if not open_locations:
        return build_stock_result(change, levels, UNCHANGED)
    found = {location: levels.get(change.product, location) for location in open_locations}
    if any(level.free != change.expected[location] for location, level in found.items()):
        own = tuple(quant["id"] for level in found.values() for quant in level.plain if _is_counted_by(quant, user))
        # Such a count is left of an attempt that was cut off, and Odoo may be about to apply it.
        return StockStep(change, withdrawn=own) if own else build_conflict(change, levels)
    return StockStep(
        change,
        tuple(
            _build_count(location, level, change.added[location], places.locations[location], user)
            for location, level in found.items()
        ),
    )


def build_ended(change: StockChange, levels: StockLevels) -> WriteResult:
    """Return the result of a change for which everything was done, from the stock as it was read after that."""
    if _list_open(change, levels):
        return build_conflict(change, levels)
    return build_stock_result(change, levels, APPLIED)


def build_conflict(change: StockChange, levels: StockLevels) -> WriteResult:
    """Return the result of a change that was not made because the stock is not as expected any more."""
    changed = ChangedMeanwhileError(tuple(str(location) for location in _list_open(change, levels)))
    return build_stock_result(change, levels, CONFLICT, message=str(changed))


def build_stock_result(
    change: StockChange, levels: StockLevels, outcome: Outcome, *, message: str | None = None
) -> WriteResult:
    """Return a result with the free units at the requested locations."""
    return WriteResult(
        change.request.write_id,
        outcome,
        record=change.request.record,
        values={text: levels.get(change.product, int(text)).free for text in change.request.fields},
        read_at=levels.read_at,
        message=message,
    )


def build_stock_refusal(request: WriteRequested, refusal: RefusedWriteError) -> WriteResult:
    """Return the result of a request that is refused."""
    return WriteResult(
        request.write_id, REFUSED, record=request.record, reason_code=refusal.code, message=refusal.reason
    )


def _list_open(change: StockChange, levels: StockLevels) -> list[int]:
    """Return the locations at which the change has still to be made."""
    write = change.request.write_id
    return [location for location, added in change.added.items() if added and (write, location) not in levels.made]


def _build_count(location: int, level: StockLevel, added: int, place: Row, user: int) -> StockCount:
    name = place["complete_name"]
    if any(quant["inventory_quantity_set"] and not _is_counted_by(quant, user) for quant in level.plain):
        raise RefusedWriteError(f"somebody has counted the product at {name} in Odoo, and the count is not applied yet")
    on_hand = sum(quant["quantity"] or 0.0 for quant in level.plain)
    is_elsewhere = any(quant["quantity"] for quant in level.others)
    if is_elsewhere and (not level.plain or (added < 0 and on_hand + added < 0)):
        raise RefusedWriteError(f"at {name} the product is in packages or lots, or belongs to somebody else")
    if not level.plain:
        return StockCount(location, None, 0.0, added)
    quant = level.plain[0]
    return StockCount(location, quant["id"], round(quant["quantity"] or 0.0, DIGITS), added)


def _is_counted_by(quant: Row, user: int) -> bool:
    return bool(quant["inventory_quantity_set"]) and read_reference(quant["user_id"]) == user


def _check_product(product: Row | None) -> None:
    if product is None:
        raise RefusedWriteError(GONE)
    # Up to Odoo 17, products whose stock is kept have a type of their own.
    kind = product.get("detailed_type", product.get("type"))
    if not product.get("is_storable", kind == STORABLE):
        raise RefusedWriteError("Odoo does not keep the stock of this product")
    if product.get("tracking", UNTRACKED) != UNTRACKED:
        raise RefusedWriteError("Odoo counts this product by lots or serial numbers, which a link does not know")


def _check_location(location: int, place: Row | None) -> None:
    if place is None:
        raise RefusedWriteError(f"the location {location} is not there any more")
    if place["usage"] != INTERNAL:
        raise RefusedWriteError(f"{place['complete_name']} is no location of the company's own goods")


def _parse_location(text: str) -> int:
    location = parse_id(text)
    if location is None:
        raise RefusedWriteError(f"{text[:40]!r} is no location of Odoo")
    return location


def _check_units(number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        raise RefusedWriteError("a quantity is no number of whole units")
    return number
