"""Stock changes by what a link has decided: once, whatever is cut off and whoever else changes it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from contracts.events import WriteRequested
from destination.destination import APPLIED, CONFLICT, REFUSED, UNCHANGED, WriteResult
from linking.records import STOCK
from odoo_writer.stock import ADJUSTMENT
from odoo_writer.stock_levels import LOCATION, MOVE, QUANT
from platform_sdk.errors import AccessDeniedError, PermanentError, RetryLaterError
from platforms.odoo.logins import TransportName
from sandbox.odoo.access import EMPLOYEE, STOCK_USER
from sandbox.odoo.authentication import add_key
from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.faults import ServerSetup
from sandbox.odoo.models import stock_moves
from writer_world import DATABASE, TEMPLATE, open_simulated, request

COUNTING = {"inventory_mode": True}
APPLY, ENTER = f"{ADJUSTMENT}.action_apply", f"{QUANT}.write"


class Shelf:
    """A product whose stock is kept, and the main location of the first warehouse."""

    def __init__(self, world: Any, ids: tuple[str, str], place: int) -> None:
        self.world = world
        self.template, self.product = ids
        self.place = place

    def request(self, expected: Any, wanted: Any, **values: Any) -> WriteRequested:
        """Return a request for the main location, or for several by their ids."""
        if isinstance(expected, int):
            expected, wanted = {str(self.place): expected}, {str(self.place): wanted}
        defaults = {"product": self.template, "expected": expected, "fields": wanted}
        sent: WriteRequested = request(STOCK, self.product, **{**defaults, **values})
        return sent

    async def put(self, quantity: float, place: int = 0, **values: Any) -> int:
        """Let the location have a quantity, as a person does who counts. Returns the id of the quant."""
        quant = await self.count(quantity, place, **values)
        assert not await self.world.client.call(QUANT, "action_apply_inventory", [quant])
        return quant

    async def count(self, quantity: float, place: int = 0, **values: Any) -> int:
        """Enter a count that is not applied."""
        counted = {"product_id": int(self.product), "location_id": place or self.place, "inventory_quantity": quantity}
        (number,) = await self.world.client.call(QUANT, "create", context=COUNTING, vals_list=[{**counted, **values}])
        return int(number)

    async def read(self, place: int = 0) -> list[tuple[float, float]]:
        """Return the quantity and what is reserved of it, of each quant at the location."""
        return [(row["quantity"], row["reserved_quantity"]) for row in await self.list_quants(place)]

    async def list_quants(self, place: int = 0) -> Any:
        """Return the quants at the location."""
        domain = [("product_id", "=", int(self.product)), ("location_id", "=", place or self.place)]
        fields = ["quantity", "reserved_quantity", "inventory_quantity_set", "inventory_quantity", "user_id"]
        return await self.world.client.search_read(QUANT, domain, fields)

    async def list_moves(self, write: WriteRequested) -> list[float]:
        """Return the quantities of the moves that a write has made."""
        domain = [("reference", "=like", f"{write.write_id}%"), ("product_id", "=", int(self.product))]
        return [row["quantity"] for row in await self.world.client.search_read(MOVE, domain, ["quantity"])]

    async def is_counted(self, place: int = 0) -> bool:
        """Return whether a count waits to be applied."""
        return any(row["inventory_quantity_set"] for row in await self.list_quants(place))


async def create_shelf(world: Any, **values: Any) -> Shelf:
    """Make a product whose stock is kept."""
    fields = await world.client.get_fields(TEMPLATE)
    kind = {"is_storable": True} if "is_storable" in fields else {"detailed_type": "product"}
    ids = await world.create_product(**{**kind, **values})
    (warehouse,) = await world.client.search_read("stock.warehouse", [], ["lot_stock_id"], limit=1)
    return Shelf(world, ids, warehouse["lot_stock_id"][0])


async def create_place(shelf: Shelf, **values: Any) -> int:
    """Make a location inside the main one."""
    inside = {"name": uuid4().hex[:8], "usage": "internal", "location_id": shelf.place}
    (number,) = await shelf.world.client.call(LOCATION, "create", vals_list=[{**inside, **values}])
    return int(number)


def sell(shelf: Shelf, quantity: float) -> None:
    """Let somebody take goods at Odoo itself."""

    def move(env: OdooEnvironment) -> None:
        (customers,) = env.search(LOCATION, [("usage", "=", "customer")], limit=1)
        stock_moves.move_stock(env, int(shelf.product), shelf.place, customers, quantity, name="Sale")

    shelf.world.state.run(DATABASE, 1, move)


def run_once_before(world: Any, call: str, action: Callable[[], Any], *, spared: int = 0) -> None:
    """Let something happen before a call of the writer, after some of the same method."""
    seen: list[str] = []

    async def run(made: str) -> None:
        seen.append(made)
        if made == call and seen.count(call) == spared + 1:
            await action()

    world.before_call = run


def sign_in(world: Any, *groups: str) -> None:
    """Have the writer use the key of a new user with these groups."""
    name, key = uuid4().hex, uuid4().hex

    def add(env: OdooEnvironment) -> None:
        found = [env.database.find_external_id(*group.split(".")) for group in groups]
        members = [group["res_id"] for group in found if group]
        values = {"name": name, "login": name, "company_ids": [[6, 0, [1]]], "membership": [[6, 0, members]]}
        add_key(env, env.create("res.users", values), key, "merchant-sync")

    world.state.run(DATABASE, 1, add)
    world.login = replace(world.login, login=name, key=key)


def describe(result: WriteResult) -> tuple[str, Mapping[str, int]]:
    """Return the outcome and the numbers of a result that gives no reason."""
    assert (result.reason_code, result.message, result.version) == (None, None, None)
    return result.outcome, result.values


@pytest.mark.parametrize(
    ("before", "expected", "wanted", "after"),
    [(5, 5, 8, 8), (5, 5, 3, 3), (5, 5, 0, 0), (0, 0, 4, 4), (2, 2, -1, -1), (-3, -3, 4, 4), (2.5, 2, 5, 5.5)],
)
async def test_the_difference_is_added_and_the_result_is_what_is_there(
    world: Any, before: float, expected: int, wanted: int, after: float
) -> None:
    shelf = await create_shelf(world)
    await shelf.put(before)
    sent = shelf.request(expected, wanted)
    (result,) = await world.write(sent)
    assert describe(result) == (APPLIED, {str(shelf.place): wanted})
    assert result.read_at and result.record == shelf.product
    assert await shelf.read() == [(after, 0.0)]
    assert await shelf.list_moves(sent) == [abs(wanted - expected)] and not await shelf.is_counted()
    (again,) = await world.write(sent)
    assert describe(again) == (APPLIED, {str(shelf.place): wanted})
    assert await shelf.read() == [(after, 0.0)] and await shelf.list_moves(sent) == [abs(wanted - expected)]


async def test_where_nothing_was_before_there_is_something_then(world: Any) -> None:
    shelf = await create_shelf(world)
    sent = shelf.request(0, 7)
    (result,) = await world.write(sent)
    assert describe(result) == (APPLIED, {str(shelf.place): 7}) and await shelf.read() == [(7.0, 0.0)]


async def test_what_is_reserved_stays_reserved(simulated: Any) -> None:
    shelf = await create_shelf(simulated)
    await shelf.put(10)
    simulated.state.run(
        DATABASE, 1, lambda env: stock_moves.reserve_stock(env, int(shelf.product), shelf.place, 4, name="Order")
    )
    (result,) = await simulated.write(shelf.request(6, 3))
    assert describe(result) == (APPLIED, {str(shelf.place): 3}) and await shelf.read() == [(7.0, 4.0)]


async def test_what_is_wanted_as_it_is_needs_nothing(world: Any) -> None:
    shelf = await create_shelf(world)
    await shelf.put(5)
    sent = shelf.request(5, 5)
    (result,) = await world.write(sent)
    assert describe(result) == (UNCHANGED, {str(shelf.place): 5}) and await shelf.list_moves(sent) == []


@pytest.mark.parametrize("present", [4, 7, 8])
async def test_another_number_than_expected_is_a_conflict_even_the_wanted_one(world: Any, present: int) -> None:
    shelf = await create_shelf(world)
    await shelf.put(present)
    sent = shelf.request(5, 8)
    (result,) = await world.write(sent)
    assert (result.outcome, result.values, result.version) == (CONFLICT, {str(shelf.place): present}, None)
    assert await shelf.read() == [(present, 0.0)] and await shelf.list_moves(sent) == []


@pytest.mark.parametrize("fault", ["hidden_calls", "cut_calls"])
@pytest.mark.parametrize("change", [-3, 3])
async def test_a_change_whose_answer_was_lost_is_made_once_though_somebody_has_sold_since(
    simulated: Any, fault: str, change: int
) -> None:
    shelf = await create_shelf(simulated)
    await shelf.put(10)
    sent = shelf.request(10, 10 + change)
    simulated.set_faults(methods=[APPLY], **{fault: 1})
    with pytest.raises(RetryLaterError):
        await simulated.write(sent)
    simulated.set_faults()
    assert await shelf.read() == [(10 + change, 0.0)]
    await shelf.put(10 + change - 1)
    (result,) = await simulated.write(sent)
    assert describe(result) == (APPLIED, {str(shelf.place): 9 + change})
    assert await shelf.read() == [(9 + change, 0.0)] and await shelf.list_moves(sent) == [3]


@pytest.mark.parametrize("method", [ENTER, f"{ADJUSTMENT}.create", APPLY, f"{QUANT}.create"])
@pytest.mark.parametrize("fault", ["concurrency_errors", "hidden_calls", "cut_calls"])
async def test_whatever_is_cut_off_is_made_once(simulated: Any, method: str, fault: str) -> None:
    shelf = await create_shelf(simulated)
    is_new = method == f"{QUANT}.create"
    if not is_new:
        await shelf.put(10)
    before = 0 if is_new else 10
    sent = shelf.request(before, before + 3)
    simulated.set_faults(methods=[method], **{fault: 1})
    with pytest.raises(RetryLaterError) as raised:
        await simulated.write(sent)
    assert not raised.value.throttled
    (result,) = await simulated.write(sent)
    assert describe(result) == (APPLIED, {str(shelf.place): before + 3})
    assert await shelf.read() == [(before + 3, 0.0)] and await shelf.list_moves(sent) == [3]
    assert not await shelf.is_counted()


async def test_a_count_that_was_left_is_withdrawn_when_it_is_not_due_any_more(simulated: Any) -> None:
    shelf = await create_shelf(simulated)
    await shelf.put(10)
    sent = shelf.request(10, 13)
    simulated.set_faults(methods=[APPLY], concurrency_errors=1)
    with pytest.raises(RetryLaterError):
        await simulated.write(sent)
    assert await shelf.is_counted()
    sell(shelf, 1)
    (result,) = await simulated.write(sent)
    assert (result.outcome, result.values) == (CONFLICT, {str(shelf.place): 9})
    assert await shelf.read() == [(9.0, 0.0)] and not await shelf.is_counted()


async def test_calls_that_are_carried_out_late_or_again_change_nothing(world: Any) -> None:
    shelf = await create_shelf(world)
    await shelf.put(10)
    (result,) = await world.write(shelf.request(10, 13))
    assert result.outcome == APPLIED
    made = list(world.written)
    for calls in (made[-1:], made[-2:], made):
        for call in calls:
            await world.client.make_call(call)
        assert await shelf.read() == [(13.0, 0.0)]
    (after,) = await world.write(shelf.request(13, 14))
    assert after.outcome == APPLIED and await shelf.read() == [(14.0, 0.0)]


@pytest.mark.parametrize(("call", "spared"), [(ENTER, 0), (ENTER, 1), (f"{ADJUSTMENT}.create", 0), (APPLY, 0)])
async def test_a_change_between_two_calls_is_a_conflict_and_leaves_no_count(world: Any, call: str, spared: int) -> None:
    shelf, other = await create_shelf(world), await create_shelf(world)
    quant = await shelf.put(10)
    sent = shelf.request(10, 13)
    # What a sale does to the quant, which leaves a count that waits as it is.
    take_one = {"quantity": 9}
    run_once_before(world, call, lambda: world.client.call(QUANT, "write", [quant], vals=take_one), spared=spared)
    (result, unharmed) = await world.write(sent, other.request(0, 1))
    assert (result.outcome, result.values, unharmed.outcome) == (CONFLICT, {str(shelf.place): 9}, APPLIED)
    assert await shelf.read() == [(9.0, 0.0)] and not await shelf.is_counted()
    assert await shelf.list_moves(sent) == []


async def test_a_quant_that_came_meanwhile_is_a_conflict(simulated: Any) -> None:
    shelf = await create_shelf(simulated)
    run_once_before(simulated, f"{QUANT}.create", lambda: shelf.put(5))
    (result,) = await simulated.write(shelf.request(0, 3))
    assert (result.outcome, result.values) == (CONFLICT, {str(shelf.place): 5})
    assert await shelf.read() == [(5.0, 0.0)] and not await shelf.is_counted()


async def test_a_quant_that_went_meanwhile_is_a_conflict(simulated: Any) -> None:
    shelf = await create_shelf(simulated)
    quant = await shelf.put(0)

    async def clean() -> None:
        simulated.state.run(DATABASE, 1, lambda env: env.delete(QUANT, [quant]))

    run_once_before(simulated, ENTER, clean)
    sent = shelf.request(0, 3)
    (result,) = await simulated.write(sent)
    assert (result.outcome, result.values) == (CONFLICT, {str(shelf.place): 0})
    (again,) = await simulated.write(shelf.request(0, 3))
    assert again.outcome == APPLIED and await shelf.read() == [(3.0, 0.0)]


async def test_a_change_that_a_late_call_makes_after_all_is_seen_as_made(simulated: Any) -> None:
    shelf = await create_shelf(simulated)
    await shelf.put(10)
    sent = shelf.request(10, 13)
    simulated.set_faults(methods=[APPLY], concurrency_errors=1)
    with pytest.raises(RetryLaterError):
        await simulated.write(sent)
    wizard = max(simulated.state.databases[DATABASE].list_rows(ADJUSTMENT))
    run_once_before(simulated, ENTER, lambda: simulated.client.call(ADJUSTMENT, "action_apply", [wizard]))
    (result,) = await simulated.write(sent)
    assert describe(result) == (APPLIED, {str(shelf.place): 13})
    assert await shelf.read() == [(13.0, 0.0)] and await shelf.list_moves(sent) == [3]
    assert not await shelf.is_counted()


async def test_two_locations_change_together_or_not_at_all(world: Any) -> None:
    shelf = await create_shelf(world)
    other = await create_place(shelf)
    await shelf.put(5)
    await shelf.put(2, other)
    first, second = str(shelf.place), str(other)
    sent = shelf.request({first: 5, second: 3}, {first: 4, second: 9})
    (conflict,) = await world.write(sent)
    assert (conflict.outcome, conflict.values) == (CONFLICT, {first: 5, second: 2})
    assert await shelf.read() == [(5.0, 0.0)]
    sent = shelf.request({first: 5, second: 2}, {first: 4, second: 9})
    (result,) = await world.write(sent)
    assert describe(result) == (APPLIED, {first: 4, second: 9})
    assert (await shelf.read(), await shelf.read(other)) == ([(4.0, 0.0)], [(9.0, 0.0)])
    assert sorted(await shelf.list_moves(sent)) == [1, 7]


async def test_of_two_locations_only_the_one_that_is_left_changes(world: Any) -> None:
    shelf = await create_shelf(world)
    other = await create_place(shelf)
    await shelf.put(5)
    first, second = str(shelf.place), str(other)
    sent = shelf.request({first: 5, second: 0}, {first: 4, second: 9})
    quant = await shelf.count(4)
    context = {"inventory_name": str(sent.write_id)}
    await world.client.call(QUANT, "action_apply_inventory", [quant], context=context)
    await shelf.put(3)
    (result,) = await world.write(sent)
    assert describe(result) == (APPLIED, {first: 3, second: 9})
    assert (await shelf.read(), await shelf.read(other)) == ([(3.0, 0.0)], [(9.0, 0.0)])


async def test_two_requests_for_one_variant_follow_each_other(world: Any) -> None:
    shelf = await create_shelf(world)
    await shelf.put(5)
    results = await world.write(shelf.request(5, 8), shelf.request(8, 2), shelf.request(5, 6))
    assert [one.outcome for one in results] == [APPLIED, APPLIED, CONFLICT]
    assert await shelf.read() == [(2.0, 0.0)]


async def test_one_that_cannot_be_counted_stops_no_other(simulated: Any) -> None:
    shelves = [await create_shelf(simulated, **({"tracking": "lot"} if place == 3 else {})) for place in range(8)]
    sent = [shelf.request(0, place + 1) for place, shelf in enumerate(shelves)]

    async def refuse() -> None:
        raise PermanentError("Odoo refuses the call: the period is locked")

    run_once_before(simulated, APPLY, refuse, spared=2)
    results = await simulated.write(*sent)
    assert [one.outcome for one in results] == [REFUSED if place in (2, 3) else APPLIED for place in range(8)]
    assert all(one.reason_code == "odoo_data" for one in results if one.outcome == REFUSED)
    assert "locked" in (results[2].message or "") and not await shelves[2].is_counted()
    assert [await shelf.read() for shelf in shelves[4:]] == [[(place + 1.0, 0.0)] for place in range(4, 8)]


async def test_a_batch_reads_together(simulated: Any) -> None:
    shelves = [await create_shelf(simulated) for _ in range(10)]
    for shelf in shelves:
        await shelf.put(1)
    for call in (f"{QUANT}.search_read", f"{MOVE}.search_read"):
        simulated.count_calls(call)
    results = await simulated.write(*(shelf.request(1, 5) for shelf in shelves))
    assert {one.outcome for one in results} == {APPLIED}
    assert simulated.count_calls(f"{QUANT}.search_read") == simulated.count_calls(f"{MOVE}.search_read") == 2
    assert simulated.calls <= 4 * 10 + 12


async def test_results_come_before_the_one_whose_outcome_is_not_known(simulated: Any) -> None:
    shelves = [await create_shelf(simulated) for _ in range(3)]
    sent = [shelf.request(0, 2) for shelf in shelves]
    simulated.set_faults(methods=[APPLY], spared_calls=1, hidden_calls=1)
    results: dict[Any, WriteResult] = {}
    with pytest.raises(RetryLaterError):
        await simulated.write_into(results, sent)
    assert list(results) == [sent[0].write_id] and results[sent[0].write_id].outcome == APPLIED
    assert [one.outcome for one in await simulated.write(*sent)] == [APPLIED] * 3
    assert [await shelf.read() for shelf in shelves] == [[(2.0, 0.0)]] * 3


async def test_a_count_that_a_person_has_entered_is_left_to_them(world: Any) -> None:
    shelf = await create_shelf(world)
    quant = await shelf.put(5)
    await world.client.call(QUANT, "write", [quant], context=COUNTING, vals={"inventory_quantity": 9})
    (result,) = await world.write(shelf.request(5, 6))
    assert (result.outcome, result.reason_code) == (REFUSED, "odoo_data") and "counted" in (result.message or "")
    (row,) = await shelf.list_quants()
    assert (row["quantity"], row["inventory_quantity"], row["inventory_quantity_set"]) == (5.0, 9.0, True)


@pytest.mark.parametrize("tracking", ["lot", "serial"])
async def test_products_with_lots_or_serial_numbers_are_refused(world: Any, tracking: str) -> None:
    shelf = await create_shelf(world, tracking=tracking)
    (result,) = await world.write(shelf.request(0, 3))
    assert (result.outcome, result.reason_code) == (REFUSED, "odoo_data") and "lots" in (result.message or "")
    assert await shelf.read() == []


async def test_the_goods_of_others_are_free_and_are_not_counted(world: Any) -> None:
    shelf = await create_shelf(world)
    (partner,) = await world.client.call("res.partner", "create", vals_list=[{"name": "Owner"}])
    await shelf.put(4, owner_id=partner)
    (refused,) = await world.write(shelf.request(4, 6))
    assert (refused.outcome, refused.reason_code) == (REFUSED, "odoo_data") and "belongs" in (refused.message or "")
    await shelf.put(2)
    (less,) = await world.write(shelf.request(6, 3))
    assert less.outcome == REFUSED and sorted(await shelf.read()) == [(2.0, 0.0), (4.0, 0.0)]
    (result,) = await world.write(shelf.request(6, 5))
    assert describe(result) == (APPLIED, {str(shelf.place): 5})
    assert sorted(await shelf.read()) == [(1.0, 0.0), (4.0, 0.0)]


@pytest.mark.parametrize("kind", ["service", "consu"])
async def test_products_without_stock_are_refused(world: Any, kind: str) -> None:
    shelf = await create_shelf(world)
    fields = await world.client.get_fields(TEMPLATE)
    ids = await world.create_product(**({"type": kind} if "is_storable" in fields else {"detailed_type": kind}))
    (result,) = await world.write(Shelf(world, ids, shelf.place).request(0, 3))
    assert (result.outcome, result.reason_code) == (REFUSED, "odoo_data")
    assert "does not keep the stock" in (result.message or "")


async def test_what_is_not_there_or_is_not_the_company_s_own_is_refused(world: Any) -> None:
    shelf = await create_shelf(world)
    (customers,) = await world.client.search_read(LOCATION, [("usage", "=", "customer")], ["id"], limit=1)
    results = await world.write(
        shelf.request({"999999": 0}, {"999999": 1}),
        shelf.request({str(customers["id"]): 0}, {str(customers["id"]): 1}),
        Shelf(world, ("1", "99999999"), shelf.place).request(0, 1),
    )
    assert [(one.outcome, one.reason_code) for one in results] == [(REFUSED, "odoo_data")] * 3
    assert [text in (one.message or "") for text, one in zip(("999999", "own", "not there"), results, strict=True)]
    assert await shelf.read() == []


@pytest.mark.parametrize(
    "values",
    [
        {"record": None},
        {"record": "x"},
        {"operation": "archive"},
        {"fields": {}},
        {"fields": {"shop": 3}},
        {"fields": {"99999999999": 3}, "expected": {"99999999999": 3}},
        {"expected": {}},
        {"fields": {"8": "3"}, "expected": {"8": 3}},
        {"fields": {"8": True}, "expected": {"8": 0}},
        {"fields": {"8": 2.5}, "expected": {"8": 0}},
    ],
)
async def test_requests_of_another_form_are_refused(simulated: Any, values: Any) -> None:
    shelf = await create_shelf(simulated)
    (result,) = await simulated.write(shelf.request(0, 3).model_copy(update=values))
    assert (result.outcome, result.reason_code) == (REFUSED, "odoo_data") and result.message
    assert await shelf.read() == []


async def test_a_missing_right_is_told_with_the_group_that_has_it(simulated: Any) -> None:
    shelf = await create_shelf(simulated)
    await shelf.put(3)
    sign_in(simulated, EMPLOYEE)
    with pytest.raises(AccessDeniedError, match="Inventory / User"):
        await simulated.write(shelf.request(3, 4))
    sign_in(simulated, EMPLOYEE, STOCK_USER)
    assert [one.outcome for one in await simulated.write(shelf.request(3, 4))] == [APPLIED]
    simulated.state.set_denied_rights(DATABASE, {ADJUSTMENT: ["write"]})
    (refused,) = await simulated.write(shelf.request(4, 5))
    assert (refused.outcome, refused.reason_code) == (REFUSED, "access_denied")
    assert "Inventory / User" in (refused.message or "") and not await shelf.is_counted()
    assert await shelf.read() == [(4.0, 0.0)]


async def test_a_database_without_stock_refuses_it(tmp_path: Path) -> None:
    async with open_simulated(tmp_path, ServerSetup(version=18, apps=["sale"])) as world:
        ids = await world.create_product()
        (result,) = await world.write(Shelf(world, ids, 8).request(0, 3))
        assert (result.outcome, result.reason_code) == (REFUSED, "odoo_data") and "app" in (result.message or "")


async def test_writes_of_stock_are_quiet_for_addons(simulated: Any) -> None:
    shelf = await create_shelf(simulated)
    await simulated.write(shelf.request(0, 3))
    await simulated.write(shelf.request(3, 5))
    contexts = [call.context for call in simulated.written]
    assert contexts == [{"skip_shopify_sync": True, "inventory_mode": True}] * 8


async def test_the_oldest_api_writes_stock_as_well(simulated: Any) -> None:
    simulated.known.remember(simulated.login, TransportName.XMLRPC, "18.0")
    shelf = await create_shelf(simulated)
    assert [one.outcome for one in await simulated.write(shelf.request(0, 3), shelf.request(3, 1))] == [APPLIED] * 2
    await shelf.put(5)

    async def take_one() -> None:
        sell(shelf, 1)

    run_once_before(simulated, APPLY, take_one)
    (conflict,) = await simulated.write(shelf.request(5, 8))
    assert conflict.outcome == CONFLICT and await shelf.read() == [(4.0, 0.0)] and not await shelf.is_counted()
    assert simulated.state.statistics.requests["xmlrpc"] > 0
