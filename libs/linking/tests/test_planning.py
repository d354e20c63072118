"""What is written for a pair follows from both sides' values, their bases, and the link's rules: the table's rows."""

from dataclasses import replace

import pytest

from linking.fields import DEFAULT_RULES, Authority, Group, GroupRule, SharedField, ValueKind, list_fields
from linking.planning import (
    Action,
    Decision,
    DecisionReason,
    PlanRules,
    SideState,
    approve,
    list_writes,
    move_bases,
    note_seen,
    plan_pair,
    settle,
)
from linking.records import PRODUCTS, VARIANTS, Side

TITLE = SharedField(PRODUCTS, "title", Group.CONTENT, ValueKind.TEXT)
PRICE = SharedField(VARIANTS, "price", Group.PRICE, ValueKind.MONEY)
SHOPIFY, ODOO = Side.SHOPIFY, Side.ODOO


def build_rules(authority: Authority = Authority.ODOO, one_way: Side | None = None) -> PlanRules:
    return PlanRules(dict.fromkeys(Group, GroupRule(authority, one_way)), "EUR")


def plan_title(
    shopify: str | None,
    odoo: str | None,
    base: str | None = "old",
    rules: PlanRules | None = None,
    seen: tuple[int, int] = (0, 0),
) -> Decision:
    states = (
        SideState({"title": value}, {} if base is None else {"title": base}, {"title": at})
        for value, at in zip((shopify, odoo), seen, strict=True)
    )
    (decision,) = plan_pair([TITLE], *states, rules or build_rules())
    return decision


def test_nothing_follows_where_both_sides_are_as_their_bases() -> None:
    decision = plan_title("old", " old ")
    assert (decision.action, decision.reason, decision.target) == (Action.NOTHING, DecisionReason.UNCHANGED, None)


@pytest.mark.parametrize("authority", Authority)
def test_a_change_on_one_side_is_written_to_the_other_whoever_has_authority(authority: Authority) -> None:
    to_odoo = plan_title("new", "old", rules=build_rules(authority))
    assert (to_odoo.action, to_odoo.reason) == (Action.WRITE, DecisionReason.CHANGED_ON_SHOPIFY)
    assert (to_odoo.target, to_odoo.before, to_odoo.after) == (ODOO, "old", "new")
    to_shopify = plan_title("old", "new", rules=build_rules(authority))
    assert (to_shopify.action, to_shopify.reason) == (Action.WRITE, DecisionReason.CHANGED_ON_ODOO)
    assert (to_shopify.target, to_shopify.before, to_shopify.after) == (SHOPIFY, "old", "new")


def test_an_emptied_field_is_a_change() -> None:
    decision = plan_title("", "old")
    assert (decision.action, decision.target, decision.after) == (Action.WRITE, ODOO, "")


@pytest.mark.parametrize(("origin", "values"), [(ODOO, ("new", "old")), (SHOPIFY, ("old", "new"))])
def test_a_change_against_a_one_way_group_is_written_back(origin: Side, values: tuple[str, str]) -> None:
    decision = plan_title(*values, rules=build_rules(one_way=origin))
    assert (decision.action, decision.reason) == (Action.WRITE, DecisionReason.ONE_WAY)
    assert (decision.target, decision.before, decision.after) == (origin.other, "new", "old")


@pytest.mark.parametrize("origin", Side)
@pytest.mark.parametrize("authority", Authority)
def test_a_one_way_group_takes_its_origin_s_value_where_both_have_changed(origin: Side, authority: Authority) -> None:
    assert plan_title("new", "newer", rules=build_rules(authority, origin)).target is origin.other
    assert plan_title("new", "newer", None, build_rules(authority, origin)).target is origin.other


def test_the_same_change_on_both_sides_moves_the_bases_alone() -> None:
    decision = plan_title("new", "new ")
    assert (decision.action, decision.reason, decision.target) == (Action.AGREE, DecisionReason.SAME, None)


def test_a_change_to_what_the_other_side_has_moves_the_bases_alone() -> None:
    shopify, odoo = SideState({"title": "b"}, {"title": "a"}), SideState({"title": "b"}, {"title": "b"})
    (decision,) = plan_pair([TITLE], shopify, odoo, build_rules())
    assert decision.action is Action.AGREE


@pytest.mark.parametrize(
    ("authority", "seen", "winner"),
    [
        (Authority.SHOPIFY, (0, 9), SHOPIFY),
        (Authority.ODOO, (9, 0), ODOO),
        (Authority.NEWEST, (9, 8), SHOPIFY),
        (Authority.NEWEST, (8, 9), ODOO),
        (Authority.NEWEST, (9, 9), Side(DEFAULT_RULES[Group.CONTENT].authority)),
    ],
)
def test_the_authority_decides_between_two_changes(authority: Authority, seen: tuple[int, int], winner: Side) -> None:
    decision = plan_title("one", "two", rules=build_rules(authority), seen=seen)
    assert (decision.action, decision.reason) == (Action.WRITE, DecisionReason.AUTHORITY)
    assert decision.target is winner.other
    assert decision.after == decision.get_value(winner)


def test_two_changes_that_are_held_wait_for_a_person() -> None:
    decision = plan_title("one", "two", rules=build_rules(Authority.HOLD))
    assert (decision.action, decision.reason, decision.target) == (Action.CONFLICT, DecisionReason.HOLD, None)
    assert (decision.shopify, decision.odoo, decision.before, decision.after) == ("one", "two", None, None)
    assert approve([decision]) == (decision,)
    settled = settle(decision, SHOPIFY)
    assert (settled.action, settled.target, settled.after) == (Action.WRITE, ODOO, "one")


def test_only_a_conflict_can_be_settled() -> None:
    with pytest.raises(ValueError, match="conflict"):
        settle(plan_title("new", "old"), ODOO)


def test_equal_values_without_a_base_become_it() -> None:
    assert plan_title("same", "same", base=None).action is Action.AGREE


def test_different_values_without_a_base_are_a_conflict_that_an_approval_decides_by_authority() -> None:
    decision = plan_title("one", "two", base=None)
    assert (decision.action, decision.reason) == (Action.CONFLICT, DecisionReason.FIRST_MATCH)
    (approved,) = approve([decision])
    assert (approved.action, approved.target, approved.before, approved.after) == (Action.WRITE, SHOPIFY, "one", "two")
    held = plan_title("one", "two", None, build_rules(Authority.HOLD))
    assert (held.action, held.target) == (Action.CONFLICT, None)


def test_a_base_of_one_side_alone_is_no_base() -> None:
    shopify, odoo = SideState({"title": "new"}, {"title": "old"}), SideState({"title": "old"})
    (decision,) = plan_pair([TITLE], shopify, odoo, build_rules())
    assert decision.reason is DecisionReason.FIRST_MATCH


def test_a_field_that_a_side_does_not_tell_is_not_decided() -> None:
    assert plan_pair([TITLE, PRICE], SideState({"title": "a"}), SideState({"price": "1"}), build_rules()) == ()


def test_a_side_that_stores_another_form_of_what_was_written_is_not_written_again() -> None:
    weight = SharedField(VARIANTS, "weight", Group.CONTENT, ValueKind.WEIGHT)
    shopify, odoo = SideState({"weight": "5"}, {"weight": "5"}), SideState({"weight": "10"}, {"weight": "10"})
    (decision,) = plan_pair([weight], shopify, odoo, build_rules())
    assert decision.action is Action.NOTHING
    (edited,) = plan_pair([weight], shopify, replace(odoo, values={"weight": "20"}), build_rules())
    assert (edited.target, edited.after) == (SHOPIFY, "20")


def test_amounts_in_different_currencies_are_not_compared() -> None:
    states = [SideState({"price": value}, {"price": "1"}) for value in ("1", "2")]
    (decision,) = plan_pair([PRICE], *states, replace(build_rules(), currency=None))
    assert (decision.action, decision.reason) == (Action.BLOCKED, DecisionReason.CURRENCY)


@pytest.mark.parametrize(
    ("values", "reason"), [(("x", "1"), DecisionReason.SHOPIFY_DATA), (("1", []), DecisionReason.ODOO_DATA)]
)
def test_a_value_of_another_form_blocks_its_field_alone(values: tuple[object, object], reason: DecisionReason) -> None:
    shopify, odoo = (
        SideState({"price": value, "title": title}) for value, title in zip(values, ("a", "a"), strict=True)
    )
    if reason is DecisionReason.ODOO_DATA:
        odoo = replace(odoo, values={**odoo.values, "price": "x"})
    price, title = plan_pair([PRICE, TITLE], shopify, odoo, build_rules())
    assert (price.action, price.reason) == (Action.BLOCKED, reason)
    assert title.action is Action.AGREE


def test_bases_move_by_agreement_and_by_what_was_read_back() -> None:
    decisions = (
        Decision("title", Group.CONTENT, Action.AGREE, DecisionReason.SAME, "a", "a "),
        Decision("price", Group.PRICE, Action.WRITE, DecisionReason.CHANGED_ON_SHOPIFY, "2", "1", ODOO),
        Decision("cost", Group.PRICE, Action.WRITE, DecisionReason.CHANGED_ON_SHOPIFY, "4", "3", ODOO),
        Decision("tags", Group.CONTENT, Action.CONFLICT, DecisionReason.HOLD, ["a"], ["b"]),
    )
    before = SideState({}, {"cost": "3", "vendor": "v"})
    shopify, odoo = move_bases(before, before, decisions, {ODOO: {"price": "2.00"}})
    assert shopify == {"title": "a", "price": "2", "cost": "3", "vendor": "v"}
    assert odoo == {"title": "a ", "price": "2.00", "cost": "3", "vendor": "v"}


def test_writes_are_listed_by_the_side_that_they_go_to() -> None:
    decisions = [plan_title("new", "old"), replace(plan_title("old", "new"), field="vendor"), plan_title("a", "a")]
    assert set(list_writes(decisions, ODOO)) == {"title"}
    assert set(list_writes(decisions, SHOPIFY)) == {"vendor"}


def test_a_value_is_seen_when_its_meaning_changes() -> None:
    seen = note_seen([TITLE, PRICE], {}, {}, {"title": "a", "price": "1"}, 5)
    assert seen == {"title": 5, "price": 5}
    seen = note_seen([TITLE, PRICE], {"title": "a", "price": "1"}, seen, {"title": "b", "price": "1.00"}, 9)
    assert seen == {"title": 9, "price": 5}
    assert note_seen([TITLE], {"title": "b"}, seen, {}, 10) == {}
    assert note_seen([PRICE], {"price": "x"}, {"price": 5}, {"price": "x"}, 9) == {"price": 5}


def test_every_group_of_a_declared_field_has_a_default_rule() -> None:
    assert {one.group for one in (*list_fields(PRODUCTS), *list_fields(VARIANTS))} <= set(DEFAULT_RULES)
    assert Authority.NEWEST not in {rule.authority for rule in DEFAULT_RULES.values()}
