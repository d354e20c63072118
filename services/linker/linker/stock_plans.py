"""Plans the stock of pairs: what each mapped location of a variant would get, from the numbers of both sides.

The fields of such a pair are Shopify's ids of locations; a link's setting `locations` has Odoo's location for each.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from linker.pair_plans import CONFLICT, KnownRecord, Pair, PlanLine, PlannedPair, find_name, find_variant
from linker.pairing import LINKED
from linking.fields import Group
from linking.planning import Action
from linking.records import LinkedRecord
from linking.settings import LinkSettings
from linking.stock import StockDecision, StockState, plan_stock

Units = Mapping[str, int]
"""Whole units by a side's ids of locations."""


@dataclass(frozen=True)
class StockOfProduct:
    """A product of one side, None where it is gone, and the units that are known of its variants, by variant."""

    product: KnownRecord | None
    units: Mapping[str, Units]

    def find_variant(self, variant: str | None) -> LinkedRecord | None:
        """Return a variant, if it is there."""
        return None if variant is None else find_variant(self.product, variant)


def plan_stock_pair(
    pair: Pair,
    shopify: StockOfProduct,
    odoo: StockOfProduct,
    settings: LinkSettings,
    open_lines: Mapping[str, PlanLine],
) -> PlannedPair:
    """Return the stock of a pair of variants as planned.

    A variant that is not counted is left alone. Odoo has none of an empty location. `open_lines` are the lines that are
    being written, by location: nothing else is decided about these.
    """
    one, other = shopify.find_variant(pair.shopify_id), odoo.find_variant(pair.odoo_id)
    sold, counted = _find_units(one, shopify), _find_units(other, odoo)
    rule = settings.get_rule(Group.STOCK)
    states = {location: find_state(pair, location) for location in settings.locations}
    lines = list(open_lines.values())
    for location, odoo_location in settings.locations.items():
        if location in open_lines or sold is None or counted is None:
            continue
        numbers = sold.get(location), counted.get(str(odoo_location), 0)
        decision = plan_stock(states[location], *numbers, rule)
        states[location] = decision.state
        lines += _build_lines(location, decision, *numbers)
    known = {location: state for location, state in states.items() if state is not None}
    is_in_conflict = any(line.action == Action.CONFLICT for line in lines)
    return PlannedPair(
        pair.id,
        pair.resource,
        CONFLICT if is_in_conflict else LINKED,
        "conflict" if is_in_conflict else None,
        find_name(pair, one, other),
        {location: state.shopify for location, state in known.items()},
        {location: state.odoo for location, state in known.items()},
        pair.shopify_archived,
        pair.odoo_archived,
        tuple(lines),
        {location: state.unbooked for location, state in known.items() if state.unbooked},
    )


def _find_units(variant: LinkedRecord | None, stock: StockOfProduct) -> Units | None:
    """Return the units of a variant that is there and counted; None for others."""
    return None if variant is None or not variant.is_stocked else stock.units.get(variant.id, {})


def find_state(pair: Pair, location: str) -> StockState | None:
    """Return what both sides last agreed on of the stock at a location; None if nothing was."""
    if location not in pair.shopify_base or location not in pair.odoo_base:
        return None
    return StockState(pair.shopify_base[location], pair.odoo_base[location], pair.unbooked.get(location, 0))


def _build_lines(location: str, decision: StockDecision, shopify: int | None, odoo: int | None) -> Iterator[PlanLine]:
    if decision.action in (Action.WRITE, Action.CONFLICT):
        yield PlanLine(
            location,
            Group.STOCK,
            decision.action,
            decision.reason,
            decision.target,
            shopify,
            odoo,
            decision.after,
        )
