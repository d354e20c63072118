"""Planning and then applying what was planned brings two sides together, and loses nobody's edit of another field."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linking.fields import FIELDS, Authority, Group, GroupRule, SharedField, ValueKind
from linking.planning import (
    Action,
    Decision,
    DecisionReason,
    PlanRules,
    SideState,
    approve,
    list_writes,
    move_bases,
    plan_pair,
    settle,
)
from linking.records import Side, Value
from linking.values import is_same

PROPERTY = settings(suppress_health_check=[HealthCheck.too_slow])
CURRENCY = "EUR"
Sides = Mapping[Side, SideState]
TEXTS = st.sampled_from(["a", " a ", "b", "", None, "A", "c"])
VALUES: dict[ValueKind, st.SearchStrategy[Any]] = {
    ValueKind.TEXT: TEXTS,
    ValueKind.HTML: st.sampled_from(["<p>a</p>", "a", "<b>b</b>", None, "", "<p>a<br>b</p>"]),
    ValueKind.MONEY: st.sampled_from(["1", "1.00", "1.004", "2", "0", None, "9.99"]),
    ValueKind.WEIGHT: st.sampled_from(["100", "100.01", "250", "0", None]),
    ValueKind.TAGS: st.sampled_from([["a"], ["A"], ["a", "b"], ["b", "a"], [], None]),
    ValueKind.OPTIONS: st.sampled_from(
        [None, [], [{"name": "S", "values": ["1", "2"]}], [{"name": "s", "values": ["2", "1"]}]]
    ),
    ValueKind.BOOLEAN: st.sampled_from([True, False, None]),
}
RULES = st.builds(GroupRule, st.sampled_from(Authority), st.one_of(st.none(), st.none(), st.sampled_from(Side)))
PLAN_RULES = st.fixed_dictionaries(dict.fromkeys(Group, RULES)).map(lambda groups: PlanRules(groups, CURRENCY))
FREE_RULES = st.fixed_dictionaries(dict.fromkeys(Group, st.builds(GroupRule, st.sampled_from(Authority)))).map(
    lambda groups: PlanRules(groups, CURRENCY)
)


@st.composite
def draw_sides(draw: st.DrawFn) -> Sides:
    """Two sides with any values; each field has a base on which both agree, or none."""
    values: dict[Side, dict[str, Value]] = {side: {} for side in Side}
    bases: dict[Side, dict[str, Value]] = {side: {} for side in Side}
    seen: dict[Side, dict[str, int]] = {side: {} for side in Side}
    for field in FIELDS:
        base = draw(VALUES[field.kind])
        has_base = draw(st.booleans())
        for side in Side:
            values[side][field.name] = draw(VALUES[field.kind])
            seen[side][field.name] = draw(st.integers(0, 2))
            if has_base:
                bases[side][field.name] = base
    return {side: SideState(values[side], bases[side], seen[side]) for side in Side}


@st.composite
def draw_agreed_sides(draw: st.DrawFn) -> Sides:
    """Two sides whose values are their bases, which mean the same."""
    values = {field.name: draw(VALUES[field.kind]) for field in FIELDS}
    return dict.fromkeys(Side, SideState(values, values))


def plan(sides: Sides, rules: PlanRules) -> tuple[Decision, ...]:
    return plan_pair(FIELDS, sides[Side.SHOPIFY], sides[Side.ODOO], rules)


def store(value: Value) -> Value:
    """What a platform makes of a value that it is given: the same in another form."""
    if isinstance(value, str):
        return f" {value} "
    return list(reversed(value)) if isinstance(value, list) else value


def apply(sides: Sides, decisions: tuple[Decision, ...]) -> Sides:
    """Write what is planned, and move the bases to what both sides then have."""
    read_back = {side: {name: store(one.after) for name, one in list_writes(decisions, side).items()} for side in Side}
    shopify, odoo = move_bases(sides[Side.SHOPIFY], sides[Side.ODOO], decisions, read_back)
    bases = {Side.SHOPIFY: shopify, Side.ODOO: odoo}
    return {
        side: replace(state, values={**state.values, **read_back[side]}, base=bases[side])
        for side, state in sides.items()
    }


def edit(sides: Sides, side: Side, edits: Mapping[str, Value]) -> Sides:
    return {**sides, side: replace(sides[side], values={**sides[side].values, **edits})}


def is_same_field(field: SharedField, one: Value, other: Value) -> bool:
    return is_same(field.kind, one, other, CURRENCY)


@PROPERTY
@given(draw_sides(), PLAN_RULES)
def test_after_an_approved_plan_nothing_is_planned_but_what_is_held(sides: Sides, rules: PlanRules) -> None:
    decisions = approve(plan(sides, rules))
    after = apply(sides, decisions)
    held = {one.field for one in decisions if one.action is Action.CONFLICT}
    for field, decision in zip(FIELDS, plan(after, rules), strict=True):
        values = [state.values[field.name] for state in after.values()]
        if field.name in held:
            assert decision.action is Action.CONFLICT
            assert rules.groups[field.group].authority is Authority.HOLD
        else:
            assert decision.action is Action.NOTHING
            assert is_same_field(field, *values)


@PROPERTY
@given(draw_sides(), PLAN_RULES, st.sampled_from(Side))
def test_what_a_person_settles_is_settled(sides: Sides, rules: PlanRules, winner: Side) -> None:
    decisions = tuple(settle(one, winner) if one.action is Action.CONFLICT else one for one in plan(sides, rules))
    assert {one.action for one in plan(apply(sides, decisions), rules)} == {Action.NOTHING}


@PROPERTY
@given(draw_agreed_sides(), FREE_RULES, st.data())
def test_edits_of_different_fields_on_both_sides_all_survive(
    sides: Sides, rules: PlanRules, data: st.DataObject
) -> None:
    edited = sides
    edits: dict[str, Value] = {}
    for field in FIELDS:
        if data.draw(st.booleans()):
            edits[field.name] = data.draw(VALUES[field.kind])
            edited = edit(edited, data.draw(st.sampled_from(Side)), {field.name: edits[field.name]})
    after = apply(edited, plan(edited, rules))
    for field in FIELDS:
        wanted = edits.get(field.name, sides[Side.ODOO].values[field.name])
        assert all(is_same_field(field, state.values[field.name], wanted) for state in after.values())


@PROPERTY
@given(draw_agreed_sides(), FREE_RULES, st.sampled_from(Side), st.data())
def test_an_edit_causes_one_write_on_the_other_side_and_none_after_it(
    sides: Sides, rules: PlanRules, side: Side, data: st.DataObject
) -> None:
    field = data.draw(st.sampled_from(FIELDS))
    value = data.draw(VALUES[field.kind].filter(lambda v: not is_same_field(field, v, sides[side].values[field.name])))
    decisions = plan(edit(sides, side, {field.name: value}), rules)
    assert [one.field for one in decisions if one.action is not Action.NOTHING] == [field.name]
    assert set(list_writes(decisions, side.other)) == {field.name}
    assert not list_writes(decisions, side)


@PROPERTY
@given(draw_sides(), PLAN_RULES)
def test_an_echo_of_what_was_written_is_nobody_s_change(sides: Sides, rules: PlanRules) -> None:
    """The target reports what was written, again and in yet another form, and nothing follows."""
    after = apply(sides, approve(plan(sides, rules)))
    echoed = {
        side: replace(
            state, values={name: store(value) if name in state.base else value for name, value in state.values.items()}
        )
        for side, state in after.items()
    }
    assert [one.action for one in plan(echoed, rules)] == [one.action for one in plan(after, rules)]
    assert not any(list_writes(plan(echoed, rules), side) for side in Side)


@PROPERTY
@given(draw_sides(), PLAN_RULES)
def test_a_value_that_equals_its_base_is_never_the_reason_of_a_write(sides: Sides, rules: PlanRules) -> None:
    for field, one in zip(FIELDS, plan(sides, rules), strict=True):
        if one.action is not Action.WRITE or one.reason is DecisionReason.ONE_WAY:
            continue
        assert one.target
        origin = sides[one.target.other]
        assert not is_same_field(field, origin.values[field.name], origin.base[field.name])


@PROPERTY
@given(draw_sides(), PLAN_RULES)
def test_planning_is_the_same_in_a_mirror(sides: Sides, rules: PlanRules) -> None:
    def swap(rule: GroupRule) -> GroupRule:
        named = {Authority.SHOPIFY: Authority.ODOO, Authority.ODOO: Authority.SHOPIFY}
        return GroupRule(named.get(rule.authority, rule.authority), rule.one_way and rule.one_way.other)

    # Without ties of `newest`: those go to the default authority, which has no mirror.
    untied = {
        side: replace(state, seen_at={name: at * 2 + (side is Side.ODOO) for name, at in state.seen_at.items()})
        for side, state in sides.items()
    }
    mirrored = {Side.SHOPIFY: untied[Side.ODOO], Side.ODOO: untied[Side.SHOPIFY]}
    swapped = replace(rules, groups={group: swap(rule) for group, rule in rules.groups.items()})
    for one, other in zip(plan(untied, rules), plan(mirrored, swapped), strict=True):
        assert one.action is other.action
        assert (one.target and one.target.other) is other.target
        assert (one.before, one.after) == (other.before, other.after)


@PROPERTY
@given(draw_sides(), PLAN_RULES)
def test_a_plan_does_not_depend_on_other_fields(sides: Sides, rules: PlanRules) -> None:
    whole = plan(sides, rules)
    alone = [plan_pair([field], sides[Side.SHOPIFY], sides[Side.ODOO], rules)[0] for field in FIELDS]
    assert list(whole) == alone
