"""Decides, field by field, what keeps a pair in step: from both sides' values and the values they last agreed on.

| Shopify | Odoo | then |
|-|-|-|
| as its base | as its base | nothing |
| changed | as its base | write to Odoo; with `one_way` from Odoo, write Odoo's value back |
| as its base | changed | the mirror |
| both, to the same value | | the bases move, nothing is written |
| both, to different values | | the authority decides; `hold` makes a conflict |
| no base, equal | | both values become the bases |
| no base, different | | a conflict, with what the authority would write |
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from linking.fields import DEFAULT_RULES, Authority, Group, GroupRule, SharedField, ValueKind
from linking.records import Side, Value, Values
from linking.values import is_same, normalise


class Action(StrEnum):
    """What follows for one field of a pair."""

    NOTHING = "nothing"
    AGREE = "agree"
    """Both sides have the same value: it becomes their base. Nothing is written."""
    WRITE = "write"
    CONFLICT = "conflict"
    """A person, or the approval of a draft, decides."""
    BLOCKED = "blocked"
    """The field cannot be compared (`DecisionReason`); it stays as it is on both sides."""


class DecisionReason(StrEnum):
    """Why a field is decided as it is."""

    UNCHANGED = "unchanged"
    CHANGED_ON_SHOPIFY = "changed_on_shopify"
    CHANGED_ON_ODOO = "changed_on_odoo"
    ONE_WAY = "one_way"
    """The change is written back, because the group's values come from the other side alone."""
    SAME = "same"
    AUTHORITY = "authority"
    HOLD = "hold"
    FIRST_MATCH = "first_match"
    """The sides differ and have never agreed."""
    SETTLED = "settled"
    """A person has decided a conflict."""
    CURRENCY = "currency"
    """The sides' amounts are in different currencies, or the currency is not known."""
    UNBOOKED = "unbooked"
    """Stock was sold that the side which counts it does not know of yet."""
    OPTIONS = "options"
    """The products have different options. Changing them would unmake variants: a person does it."""
    UNTRACKED = "untracked"
    """A side does not count the stock."""
    SHOPIFY_DATA = "shopify_data"
    ODOO_DATA = "odoo_data"
    """The side's value has not the form of its kind."""


@dataclass(frozen=True)
class SideState:
    """One side of a pair as it is known: its values now, and its base.

    `base` has the values that the sides last agreed on, as this side reported them; a missing field has no base.
    `seen_at` says for each field when its present value was first seen (ms; at the first reading, when the platform
    last changed the record). A missing field counts as seen at 0.
    """

    values: Values
    base: Values = field(default_factory=dict)
    seen_at: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """What follows for one field: both sides' present values, and which side gets which value.

    `target` is the side that is written: for a `conflict` the one that the authority would have written, and None where
    nobody may decide (`hold`) or nothing is written.
    """

    field: str
    group: Group
    action: Action
    reason: DecisionReason
    shopify: Value = None
    odoo: Value = None
    target: Side | None = None

    @property
    def before(self) -> Value:
        """The target's present value, which a write expects to find; None without a target."""
        return self.get_value(self.target) if self.target else None

    @property
    def after(self) -> Value:
        """The value that the target gets, which is the other side's; None without a target."""
        return self.get_value(self.target.other) if self.target else None

    def get_value(self, side: Side) -> Value:
        """Return the present value of this side."""
        return self.shopify if side is Side.SHOPIFY else self.odoo


@dataclass(frozen=True)
class PlanRules:
    """What a link's settings say about planning: the rule of each group, and the currency of both sides.

    `currency` is None where the sides' currencies differ or are not known; amounts are then not compared.
    """

    groups: Mapping[Group, GroupRule]
    currency: str | None = None


def plan_pair(
    fields: Iterable[SharedField], shopify: SideState, odoo: SideState, rules: PlanRules
) -> tuple[Decision, ...]:
    """Return the decision for each of `fields` that both sides tell, in their order."""
    return tuple(
        _decide(one, shopify, odoo, rules) for one in fields if one.name in shopify.values and one.name in odoo.values
    )


def settle(decision: Decision, winner: Side) -> Decision:
    """Return a conflict as the write that makes the winner's value the other side's.

    Raises `ValueError` for a decision that is no conflict.
    """
    if decision.action is not Action.CONFLICT:
        raise ValueError("only a conflict can be settled")
    return replace(decision, action=Action.WRITE, reason=DecisionReason.SETTLED, target=winner.other)


def approve(decisions: Iterable[Decision]) -> tuple[Decision, ...]:
    """Return the decisions of an approved draft: conflicts for which the authority has a target become writes."""
    return tuple(
        replace(one, action=Action.WRITE) if one.action is Action.CONFLICT and one.target else one for one in decisions
    )


def note_seen(
    fields: Iterable[SharedField],
    before: Values,
    seen_at: Mapping[str, int],
    after: Values,
    at: int,
    currency: str | None = None,
) -> dict[str, int]:
    """Return `seen_at` once the side's values went from `before` to `after` at the time `at` (ms).

    A field whose meaning has changed has `at`; all others keep their time. Fields that `after` lacks are left out.
    """
    return {
        one.name: at
        if one.name not in before or _differ(one, before[one.name], after[one.name], currency)
        else seen_at.get(one.name, at)
        for one in fields
        if one.name in after
    }


def move_bases(
    shopify: SideState, odoo: SideState, decisions: Iterable[Decision], read_back: Mapping[Side, Values] | None = None
) -> tuple[dict[str, Value], dict[str, Value]]:
    """Return the new bases of Shopify and of Odoo.

    Fields of `agree` get the values that were decided on. A field of `write` that is in its target's `read_back` gets
    what was read back as the target's base, and the value that was written as the other side's. All other fields keep
    their bases.
    """
    bases = {Side.SHOPIFY: dict(shopify.base), Side.ODOO: dict(odoo.base)}
    for one in decisions:
        if one.action is Action.AGREE:
            bases[Side.SHOPIFY][one.field], bases[Side.ODOO][one.field] = one.shopify, one.odoo
        elif one.action is Action.WRITE and one.target:
            written = (read_back or {}).get(one.target, {})
            if one.field in written:
                bases[one.target][one.field] = written[one.field]
                bases[one.target.other][one.field] = one.after
    return bases[Side.SHOPIFY], bases[Side.ODOO]


def list_writes(decisions: Iterable[Decision], target: Side) -> dict[str, Decision]:
    """Return the decisions of action `write` for one side, by field."""
    return {one.field: one for one in decisions if one.action is Action.WRITE and one.target is target}


def _decide(one: SharedField, shopify: SideState, odoo: SideState, rules: PlanRules) -> Decision:
    states = {Side.SHOPIFY: shopify, Side.ODOO: odoo}
    name, rule = one.name, rules.groups[one.group]

    def build(action: Action, reason: DecisionReason, target: Side | None = None) -> Decision:
        return Decision(name, one.group, action, reason, shopify.values[name], odoo.values[name], target)

    forms: dict[Side, Hashable] = {}
    for side, state in states.items():
        try:
            forms[side] = normalise(one.kind, state.values[name], rules.currency)
        except ValueError:
            return build(Action.BLOCKED, _DATA_REASONS[side])
    if one.kind is ValueKind.MONEY and rules.currency is None:
        return build(Action.BLOCKED, DecisionReason.CURRENCY)
    changed = [side for side, state in states.items() if _is_changed(one, state, forms[side], rules.currency)]
    has_base = all(name in state.base for state in states.values())
    if has_base and not changed:
        return build(Action.NOTHING, DecisionReason.UNCHANGED)
    if forms[Side.SHOPIFY] == forms[Side.ODOO]:
        return build(Action.AGREE, DecisionReason.SAME)
    winner = _choose_winner(one, states, rule)
    if not has_base:
        return build(Action.CONFLICT, DecisionReason.FIRST_MATCH, winner.other if winner else None)
    if rule.one_way and rule.one_way not in changed:
        return build(Action.WRITE, DecisionReason.ONE_WAY, rule.one_way.other)
    if len(changed) == 1:
        return build(Action.WRITE, _CHANGE_REASONS[changed[0]], changed[0].other)
    if winner is None:
        return build(Action.CONFLICT, DecisionReason.HOLD)
    return build(Action.WRITE, DecisionReason.AUTHORITY, winner.other)


def _choose_winner(one: SharedField, states: Mapping[Side, SideState], rule: GroupRule) -> Side | None:
    """Return the side whose value stays where both differ; None where a person must say so."""
    if rule.one_way:
        return rule.one_way
    if rule.authority is Authority.HOLD:
        return None
    if rule.authority is not Authority.NEWEST:
        return Side(rule.authority)
    seen = {side: state.seen_at.get(one.name, 0) for side, state in states.items()}
    if seen[Side.SHOPIFY] == seen[Side.ODOO]:
        return Side(DEFAULT_RULES[one.group].authority)
    return max(seen, key=lambda side: seen[side])


def _is_changed(one: SharedField, state: SideState, form: Hashable, currency: str | None) -> bool:
    try:
        return one.name not in state.base or normalise(one.kind, state.base[one.name], currency) != form
    except ValueError:
        return True


def _differ(one: SharedField, before: Value, after: Value, currency: str | None) -> bool:
    try:
        return not is_same(one.kind, before, after, currency)
    except ValueError:
        return bool(before != after)


_CHANGE_REASONS = {Side.SHOPIFY: DecisionReason.CHANGED_ON_SHOPIFY, Side.ODOO: DecisionReason.CHANGED_ON_ODOO}
_DATA_REASONS = {Side.SHOPIFY: DecisionReason.SHOPIFY_DATA, Side.ODOO: DecisionReason.ODOO_DATA}
