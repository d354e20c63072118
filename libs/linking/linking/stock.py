"""Keeps stock in step by differences: what has changed on one side is added to what the other side has now.

One side counts (the authority), the other one sells. With Odoo as the authority:

| | then |
|-|-|
| Odoo's free quantity has changed | the change is added to Shopify's present available quantity |
| Shopify's available quantity has changed | it is a sale, or one that was undone: `unbooked` until it is booked in Odoo
|
| both | both: the numbers of neither side are written to the other |
| nothing was agreed yet, equal | both numbers become the base |
| nothing was agreed yet, different | a conflict; approved, the counting side's number is written |

With Shopify as the authority the sides are exchanged. Quantities are whole units, and may be negative.
"""

from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal

from linking.fields import Authority, GroupRule
from linking.planning import Action, DecisionReason
from linking.records import Side

_NOISE = Decimal("0.00001")


@dataclass(frozen=True)
class StockState:
    """The numbers of a variant at a pair of locations, as both sides last agreed on them.

    `unbooked` is what the selling side has sold and the counting side does not know of yet. It is negative where more
    came back than was sold.
    """

    shopify: int
    odoo: int
    unbooked: int = 0

    def get_base(self, side: Side) -> int:
        """Return the number of one side."""
        return self.shopify if side is Side.SHOPIFY else self.odoo


@dataclass(frozen=True)
class StockDecision:
    """What follows for the stock of a variant at a pair of locations.

    `change` is added to the target's number, which is `before` and must still be so when it is written. `state` is kept
    at once, and `written_state` when the write is completed.
    """

    action: Action
    reason: DecisionReason
    state: StockState | None = None
    target: Side | None = None
    before: int | None = None
    change: int = 0
    written_state: StockState | None = None

    @property
    def after(self) -> int | None:
        """The target's number once it is written; None without a target."""
        return None if self.before is None else self.before + self.change


def count_whole_units(quantity: float | str | Decimal) -> int:
    """Return the whole units in a quantity; of half a unit less than nothing, one less than nothing.

    Raises `ValueError` for what is no number.
    """
    number = Decimal(str(quantity)) if str(quantity).strip() else Decimal("NaN")
    if not number.is_finite():
        raise ValueError("not a quantity")
    # Odoo's sums of floating-point numbers end in 9.999999999 where they mean 10.
    return int((number + _NOISE).to_integral_value(ROUND_FLOOR))


def plan_stock(state: StockState | None, shopify: int | None, odoo: int | None, rule: GroupRule) -> StockDecision:
    """Return what follows from the numbers that both sides have now.

    A number is None where the side does not count the variant there (untracked, a bundle, not stocked): it is then left
    alone. `state` is None where nothing was agreed. No write to the pair's stock may be open.
    """
    if shopify is None or odoo is None:
        return StockDecision(Action.NOTHING, DecisionReason.UNTRACKED, state)
    present = StockState(shopify, odoo, state.unbooked if state else 0)
    source = get_counting_side(rule)
    if state is None:
        return _plan_first(present, source)
    if present == state:
        return StockDecision(Action.NOTHING, DecisionReason.UNCHANGED, state)
    target = source.other
    sold = state.get_base(target) - present.get_base(target)
    change = present.get_base(source) - state.get_base(source)
    noted = replace(_set_base(state, target, present.get_base(target)), unbooked=state.unbooked + sold)
    if not change:
        return StockDecision(Action.NOTHING, DecisionReason.UNBOOKED, noted)
    before = noted.get_base(target)
    written = _set_base(_set_base(noted, target, before + change), source, present.get_base(source))
    return StockDecision(Action.WRITE, _CHANGE_REASONS[source], noted, target, before, change, written)


def settle_unbooked(state: StockState, quantity: int, rule: GroupRule) -> StockState:
    """Return the state once `quantity` of what is unbooked was booked on the counting side.

    The counting side's number falls by it, and that is no change. If the fall was taken from the selling side by
    mistake, the next plan gives it back; if no reading has it yet, the next plan adds it for the time being. Raises
    `ValueError` where less is unbooked.
    """
    if not min(state.unbooked, 0) <= quantity <= max(state.unbooked, 0):
        raise ValueError(f"{state.unbooked} are unbooked")
    source = get_counting_side(rule)
    booked = _set_base(state, source, state.get_base(source) - quantity)
    return replace(booked, unbooked=state.unbooked - quantity)


def get_counting_side(rule: GroupRule) -> Side:
    """Return the side that counts. Raises `ValueError` for a rule that names none."""
    if rule.one_way:
        return rule.one_way
    if rule.authority not in (Authority.SHOPIFY, Authority.ODOO):
        raise ValueError("one side must have the authority over stock: it counts, and the other one sells")
    return Side(rule.authority)


def _plan_first(present: StockState, source: Side) -> StockDecision:
    if present.shopify == present.odoo:
        return StockDecision(Action.AGREE, DecisionReason.SAME, present)
    target, counted = source.other, present.get_base(source)
    before, written = present.get_base(target), _set_base(present, target, counted)
    return StockDecision(Action.CONFLICT, DecisionReason.FIRST_MATCH, None, target, before, counted - before, written)


def _set_base(state: StockState, side: Side, number: int) -> StockState:
    return replace(state, shopify=number) if side is Side.SHOPIFY else replace(state, odoo=number)


_CHANGE_REASONS = {Side.SHOPIFY: DecisionReason.CHANGED_ON_SHOPIFY, Side.ODOO: DecisionReason.CHANGED_ON_ODOO}
