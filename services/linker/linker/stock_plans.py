"""Plans the stock of pairs: what each mapped location of a variant would get, from the numbers of both sides.

The fields of such a pair are Shopify's ids of locations; a link's setting `locations` has Odoo's location for each.
"""

from collections.abc import Iterator, Mapping

from linker.pair_plans import CONFLICT, KnownRecord, Pair, PlanLine, PlannedPair, find_variant
from linker.pairing import LINKED
from linking.fields import Group
from linking.planning import Action
from linking.records import Side
from linking.settings import LinkSettings
from linking.stock import StockDecision, StockState, plan_stock

Units = Mapping[str, int]
"""Whole units by a side's ids of locations."""


def find_numbers(product: KnownRecord | None, variant: str | None, units: Mapping[str, Units]) -> Units | None:
    """Return the units of a variant that exists and is counted; None for others. `units` are those of all variants."""
    record = find_variant(product, variant) if variant is not None else None
    return None if record is None or not record.is_stocked else units.get(record.id, {})


def plan_stock_pair(
    pair: Pair,
    shopify: Units | None,
    odoo: Units | None,
    settings: LinkSettings,
    open_lines: Mapping[str, PlanLine],
) -> PlannedPair:
    """Return the stock of a pair of variants as planned.

    `shopify` and `odoo` are the numbers of both sides; None where the variant is not counted or gone. Odoo has none of
    an empty location. `open_lines` are the lines that are being written, by location: nothing else is decided about
    these.
    """
    rule = settings.get_rule(Group.STOCK)
    states = {location: find_state(pair, location) for location in settings.locations}
    lines = list(open_lines.values())
    for location, odoo_location in settings.locations.items():
        if location in open_lines or shopify is None or odoo is None:
            continue
        one, other = shopify.get(location), odoo.get(str(odoo_location), 0)
        decision = plan_stock(states[location], one, other, rule)
        states[location] = decision.state
        lines += _build_lines(location, decision, one, other)
    known = {location: state for location, state in states.items() if state is not None}
    is_in_conflict = any(line.action == Action.CONFLICT for line in lines)
    return PlannedPair(
        pair.id,
        pair.resource,
        CONFLICT if is_in_conflict else LINKED,
        "conflict" if is_in_conflict else None,
        pair.name,
        {location: state.shopify for location, state in known.items()},
        {location: state.odoo for location, state in known.items()},
        pair.shopify_archived,
        pair.odoo_archived,
        tuple(lines),
        {location: state.unbooked for location, state in known.items() if state.unbooked},
    )


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
            Side(decision.target) if decision.target else None,
            shopify,
            odoo,
            decision.after,
        )
