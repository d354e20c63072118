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

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from linking.fields import Field, Group, GroupRule
from linking.records import Side, Value, Values


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
    CURRENCY = "currency"
    """The sides' amounts are in different currencies, or the currency is not known."""
    SHOPIFY_DATA = "shopify_data"
    ODOO_DATA = "odoo_data"
    """The side's value has not the form of its kind."""


@dataclass(frozen=True)
class SideState:
    """One side of a pair as it is known: its values now, and its base.

    `base` has the values that the sides last agreed on, as this side reported them; a missing field has no base.
    `seen_at` says for each field when its present value was first seen (ms; at the first reading, when the platform last
    changed the record). A missing field counts as seen at 0.
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


def plan_pair(fields: Iterable[Field], shopify: SideState, odoo: SideState, rules: PlanRules) -> tuple[Decision, ...]:
    """Return the decision for each of `fields` that both sides tell, in their order."""
    raise NotImplementedError


def settle(decision: Decision, winner: Side) -> Decision:
    """Return a conflict as the write that makes the winner's value the other side's."""
    raise NotImplementedError


def approve(decisions: Iterable[Decision]) -> tuple[Decision, ...]:
    """Return the decisions of an approved draft: conflicts for which the authority has a target become writes."""
    raise NotImplementedError


def note_seen(
    fields: Iterable[Field], before: Values, seen_at: Mapping[str, int], after: Values, at: int
) -> dict[str, int]:
    """Return `seen_at` once the side's values went from `before` to `after`: a field whose meaning changed has `at`."""
    raise NotImplementedError


def move_bases(
    shopify: SideState, odoo: SideState, decisions: Iterable[Decision], read_back: Mapping[Side, Values] | None = None
) -> tuple[dict[str, Value], dict[str, Value]]:
    """Return the new bases of Shopify and of Odoo.

    Fields of `agree` get the values that were decided on. A field of `write` that is in its target's `read_back` gets what
    was read back as the target's base, and the other side's value as its base. All other fields keep their bases.
    """
    raise NotImplementedError


def list_writes(decisions: Iterable[Decision], target: Side) -> dict[str, Decision]:
    """Return the decisions of action `write` for one side, by field."""
    return {one.field: one for one in decisions if one.action is Action.WRITE and one.target is target}
