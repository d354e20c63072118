"""Stock is merged by differences: a sale and a move count both, and no number overwrites another."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linking.fields import Authority, GroupRule
from linking.planning import Action, DecisionReason
from linking.records import Side
from linking.stock import StockDecision, StockState, count_whole_units, plan_stock, settle_unbooked

SHOPIFY, ODOO = Side.SHOPIFY, Side.ODOO
BY_ODOO, BY_SHOPIFY = GroupRule(Authority.ODOO), GroupRule(Authority.SHOPIFY)


def test_nothing_follows_where_both_sides_are_as_agreed() -> None:
    decision = plan_stock(StockState(5, 7), 5, 7, BY_ODOO)
    assert (decision.action, decision.reason) == (Action.NOTHING, DecisionReason.UNCHANGED)


@pytest.mark.parametrize(("now", "change"), [(9, 2), (4, -3), (-1, -8)])
def test_odoo_s_change_is_added_to_what_shopify_has_now(now: int, change: int) -> None:
    decision = plan_stock(StockState(5, 7), 5, now, BY_ODOO)
    assert (decision.action, decision.reason) == (Action.WRITE, DecisionReason.CHANGED_ON_ODOO)
    assert (decision.target, decision.before, decision.change, decision.after) == (SHOPIFY, 5, change, 5 + change)
    assert decision.state == StockState(5, 7)
    assert decision.written_state == StockState(5 + change, now)


def test_a_fall_at_shopify_alone_is_unbooked_and_never_written_back() -> None:
    decision = plan_stock(StockState(5, 5), 3, 5, BY_ODOO)
    assert (decision.action, decision.reason) == (Action.NOTHING, DecisionReason.UNBOOKED)
    assert decision.state == StockState(3, 5, unbooked=2)
    assert plan_stock(decision.state, 3, 5, BY_ODOO).reason is DecisionReason.UNCHANGED


def test_a_sale_that_is_undone_is_no_longer_unbooked() -> None:
    assert plan_stock(StockState(3, 5, unbooked=2), 5, 5, BY_ODOO).state == StockState(5, 5)


def test_a_sale_and_a_move_at_one_moment_both_count() -> None:
    decision = plan_stock(StockState(5, 5), 4, 3, BY_ODOO)
    assert (decision.action, decision.before, decision.after) == (Action.WRITE, 4, 2)
    assert decision.written_state == StockState(2, 3, unbooked=1)


def test_a_negative_number_is_legal() -> None:
    assert plan_stock(StockState(1, 1), -1, 0, BY_ODOO).after == -2


def test_shopify_as_authority_mirrors_this() -> None:
    decision = plan_stock(StockState(5, 5), 8, 4, BY_SHOPIFY)
    assert (decision.target, decision.before, decision.after) == (ODOO, 4, 7)
    assert decision.written_state == StockState(8, 7, unbooked=1)
    assert plan_stock(StockState(5, 5), 8, 4, GroupRule(Authority.ODOO, SHOPIFY)) == decision


def test_equal_numbers_become_the_base() -> None:
    decision = plan_stock(None, 4, 4, BY_ODOO)
    assert (decision.action, decision.state) == (Action.AGREE, StockState(4, 4))


def test_an_absolute_number_waits_for_an_approval() -> None:
    decision = plan_stock(None, 4, 9, BY_ODOO)
    assert (decision.action, decision.reason) == (Action.CONFLICT, DecisionReason.FIRST_MATCH)
    assert (decision.target, decision.before, decision.after) == (SHOPIFY, 4, 9)
    assert (decision.state, decision.written_state) == (None, StockState(9, 9))


@pytest.mark.parametrize("authority", [Authority.HOLD, Authority.NEWEST])
def test_one_side_must_count(authority: Authority) -> None:
    with pytest.raises(ValueError, match="one side must have the authority"):
        plan_stock(StockState(5, 5), 4, 3, GroupRule(authority))


@pytest.mark.parametrize("numbers", [(None, 5), (5, None), (None, None)])
def test_what_a_side_does_not_count_is_left_alone(numbers: tuple[int | None, int | None]) -> None:
    state = StockState(5, 5, 1)
    assert plan_stock(state, *numbers, BY_ODOO) == StockDecision(Action.NOTHING, DecisionReason.UNTRACKED, state)


def test_a_booked_sale_does_not_fall_twice() -> None:
    booked = settle_unbooked(StockState(3, 5, unbooked=2), 2, BY_ODOO)
    assert booked == StockState(3, 3)
    assert plan_stock(booked, 3, 3, BY_ODOO).action is Action.NOTHING


def test_a_sale_that_was_booked_before_anybody_said_so_is_given_back() -> None:
    fallen = plan_stock(StockState(3, 5, unbooked=2), 3, 3, BY_ODOO)
    assert (fallen.after, fallen.written_state) == (1, StockState(1, 3, unbooked=2))
    assert fallen.written_state is not None
    booked = settle_unbooked(fallen.written_state, 2, BY_ODOO)
    given_back = plan_stock(booked, 1, 3, BY_ODOO)
    assert (given_back.after, given_back.written_state) == (3, StockState(3, 3))


@pytest.mark.parametrize(("unbooked", "quantity"), [(2, 3), (2, -1), (-2, -3), (0, 1)])
def test_no_more_is_booked_than_is_unbooked(unbooked: int, quantity: int) -> None:
    with pytest.raises(ValueError, match="unbooked"):
        settle_unbooked(StockState(5, 5, unbooked=unbooked), quantity, BY_ODOO)


@pytest.mark.parametrize(
    ("quantity", "units"), [(5.0, 5), (2.7, 2), (-0.5, -1), (9.9999999, 10), ("3", 3), (0, 0), (-2.0, -2)]
)
def test_quantities_are_counted_in_whole_units(quantity: float | str, units: int) -> None:
    assert count_whole_units(quantity) == units


@pytest.mark.parametrize("quantity", ["", float("nan"), float("inf")])
def test_what_is_no_number_is_no_quantity(quantity: float | str) -> None:
    with pytest.raises(ValueError, match="quantity"):
        count_whole_units(quantity)


@dataclass
class World:
    """Both sides' numbers, what a link knows of them, and one write that may be on its way."""

    rule: GroupRule
    counting: Side
    numbers: dict[Side, int] = field(default_factory=lambda: {SHOPIFY: 20, ODOO: 20})
    state: StockState = field(default_factory=lambda: StockState(20, 20))
    open_write: StockDecision | None = None

    def plan(self) -> None:
        """Plan from what both sides have now, unless a write is open."""
        if self.open_write is None:
            decision = plan_stock(self.state, self.numbers[SHOPIFY], self.numbers[ODOO], self.rule)
            assert decision.state is not None
            self.state = decision.state
            self.open_write = decision if decision.action is Action.WRITE else None

    def write(self) -> None:
        """Write what is open, if the target still has the number that was planned on; otherwise it is planned anew."""
        decision, self.open_write = self.open_write, None
        if decision is not None and decision.target and self.numbers[decision.target] == decision.before:
            assert decision.after is not None and decision.written_state is not None
            self.numbers[decision.target] = decision.after
            self.state = decision.written_state

    def book(self) -> None:
        """Book everything that is unbooked, with the number of the counting side in one step."""
        if self.open_write is None:
            quantity = self.state.unbooked
            self.numbers[self.counting] -= quantity
            self.state = settle_unbooked(self.state, quantity, self.rule)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("sell"), st.integers(-3, 5)),
        st.tuples(st.just("move"), st.integers(-9, 9)),
        st.sampled_from([("plan", 0), ("write", 0), ("book", 0)]),
    ),
    max_size=40,
)


@given(EVENTS, st.sampled_from([ODOO, SHOPIFY]))
def test_every_sale_and_every_move_counts_once_whatever_their_order(
    events: list[tuple[str, int]], counting: Side
) -> None:
    world = World(GroupRule(Authority(counting)), counting)
    sold = moved = 0
    for name, quantity in events:
        if name == "sell":
            world.numbers[counting.other] -= quantity
            sold += quantity
        elif name == "move":
            world.numbers[counting] += quantity
            moved += quantity
        else:
            {"plan": world.plan, "write": world.write, "book": world.book}[name]()
    for _ in range(2):
        world.write()
        world.plan()
        world.write()
    assert world.numbers[counting.other] == 20 + moved - sold
    assert world.numbers[counting] == world.numbers[counting.other] + world.state.unbooked
    assert plan_stock(world.state, world.numbers[SHOPIFY], world.numbers[ODOO], world.rule).action is Action.NOTHING
    world.book()
    assert world.numbers[SHOPIFY] == world.numbers[ODOO]
