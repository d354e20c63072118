"""Stock: quants, counts that are applied, moves, and what products show of it."""

import pytest

from odoo_client import Odoo, OdooFault
from samples import Box, create_box, make_prefix
from worlds import World

SHOWN = ("qty_available", "free_qty", "virtual_available")


def list_moves(odoo: Odoo, box: Box) -> list[tuple[str, float, str]]:
    """Return name, quantity and state of the moves of a product, oldest first; the names without the user's."""
    rows = odoo.search_read(
        "stock.move", [("product_id", "=", box.product)], "reference", "quantity", "state", order="id"
    )
    return [(row["reference"].partition(" (")[0], row["quantity"], row["state"]) for row in rows]


def test_a_count_changes_nothing_until_it_is_applied(odoo: Odoo, box: Box) -> None:
    quant = box.count(5)
    fields = ("quantity", "inventory_quantity", "inventory_quantity_set", "inventory_diff_quantity")
    row = odoo.read("stock.quant", quant, *fields)
    assert tuple(row[field] for field in fields) == (0.0, 5.0, True, 5.0)
    assert box.read_quantities(*SHOWN) == (0.0, 0.0, 0.0)
    assert odoo.call("stock.quant", "action_apply_inventory", [quant]) is None
    row = odoo.read("stock.quant", quant, *fields)
    assert tuple(row[field] for field in fields) == (5.0, 0.0, False, 0.0)
    assert box.read_quantities(*SHOWN) == (5.0, 5.0, 5.0)


def test_a_count_that_is_applied_is_a_move_with_the_name_of_the_context(odoo: Odoo, box: Box) -> None:
    name = make_prefix()
    box.put(5, name=name)
    box.put(3, name=f"{name}2")
    assert list_moves(odoo, box) == [(name, 5.0, "done"), (f"{name}2", 2.0, "done")]
    fields = ("is_inventory", "location_id", "location_dest_id", "product_uom_qty")
    domain = [("product_id", "=", box.product)]
    there, back = odoo.search_read("stock.move", domain, *fields, order="id")
    assert (there["is_inventory"], there["product_uom_qty"]) == (True, 5.0)
    assert there["location_dest_id"][0] == back["location_id"][0] == box.shelf
    usages = {
        odoo.get("stock.location", place[0], "usage") for place in (there["location_id"], back["location_dest_id"])
    }
    assert usages == {"inventory"}


def test_a_move_is_found_by_how_its_name_begins_since_it_may_end_with_who_counted(odoo: Odoo, box: Box) -> None:
    name = make_prefix()
    quant = box.put(5, name=name)
    user = odoo.get("res.users", odoo.call("res.users", "context_get")["uid"], "display_name")
    domain = [("reference", "=like", f"{name}%")]
    (move,) = odoo.search_read("stock.move", domain, "reference")
    assert move["reference"] == f"{name} ({user})"
    lines = odoo.search_read("stock.move.line", domain, "product_id", "quantity", "state")
    assert [(line["product_id"][0], line["quantity"], line["state"]) for line in lines] == [(box.product, 5.0, "done")]
    odoo.with_context(inventory_mode=True).write("stock.quant", quant, inventory_quantity=6)
    name = make_prefix()
    odoo.call("stock.quant", "action_apply_inventory", [quant], context={"inventory_name": name})
    assert len(odoo.search("stock.move", [("reference", "=", name)])) == 1, "a count that is written has no user"


def test_a_count_that_equals_the_quantity_is_a_move_of_nothing(odoo: Odoo, box: Box) -> None:
    name = make_prefix()
    box.put(5)
    box.put(5, name=name)
    assert list_moves(odoo, box)[1:] == [(name, 0.0, "done")]
    assert box.list_quants() == [5.0]


def test_a_second_count_of_a_place_is_of_the_same_quant(box: Box) -> None:
    assert box.put(5) == box.put(7) == box.count(9)
    assert box.list_quants() == [7.0]


def test_a_product_shows_the_stock_of_all_warehouses_or_of_the_place_that_the_context_names(
    odoo: Odoo, box: Box
) -> None:
    inside = odoo.create("stock.location", name=make_prefix(), usage="internal", location_id=box.shelf)
    box.put(5)
    box.put(2, inside)
    assert box.read_quantities(*SHOWN) == (7.0, 7.0, 7.0)
    assert box.read_quantities(*SHOWN, location=inside) == (2.0, 2.0, 2.0)
    assert box.read_quantities(*SHOWN, location=box.shelf) == (7.0, 7.0, 7.0)
    assert box.read_quantities(*SHOWN, location=[inside]) == (2.0, 2.0, 2.0)
    assert odoo.get("product.template", box.template, "qty_available") == 7.0


def test_the_warehouse_of_the_context_has_another_name_before_18(odoo: Odoo, box: Box, stock_key: str) -> None:
    code = make_prefix()[:5]
    other = odoo.create("stock.warehouse", name=make_prefix(), code=code)
    box.put(5)
    box.put(3, odoo.get("stock.warehouse", other, "lot_stock_id")[0])
    assert box.read_quantities("qty_available") == (8.0,)
    assert box.read_quantities("qty_available", **{stock_key: box.warehouse}) == (5.0,)
    assert box.read_quantities("qty_available", **{stock_key: other}) == (3.0,)


@pytest.fixture(scope="session")
def stock_key(world: World) -> str:
    """The key of the context with a warehouse."""
    return "warehouse" if world.version < 18 else "warehouse_id"


def test_a_new_warehouse_has_its_locations(odoo: Odoo) -> None:
    name, code = make_prefix(), make_prefix()[:5]
    row = odoo.read("stock.warehouse", odoo.create("stock.warehouse", name=name, code=code), "lot_stock_id", "code")
    place = odoo.read("stock.location", row["lot_stock_id"][0], "complete_name", "usage", "active", "warehouse_id")
    assert row["lot_stock_id"][1] == place["complete_name"] == f"{row['code']}/Stock"
    assert (place["usage"], place["active"]) == ("internal", True)
    assert place["warehouse_id"][1] == name


def test_the_location_of_differences_has_the_opposite_quantity(odoo: Odoo, box: Box) -> None:
    box.put(5)
    rows = odoo.search_read("stock.quant", [("product_id", "=", box.product)], "quantity", "location_id", order="id")
    assert sorted(row["quantity"] for row in rows) == [-5.0, 5.0]
    domain = [("product_id", "=", box.product), ("location_id.usage", "=", "internal")]
    assert [row["quantity"] for row in odoo.search_read("stock.quant", domain, "quantity")] == [5.0]


def test_a_quant_of_nothing_stays_for_a_while(box: Box) -> None:
    box.put(5)
    box.put(0)
    assert box.list_quants() == [0.0]
    assert box.read_quantities(*SHOWN) == (0.0, 0.0, 0.0)


def test_without_inventory_mode_a_second_quant_of_a_place_can_be_made(odoo: Odoo, box: Box) -> None:
    box.put(5)
    odoo.create("stock.quant", product_id=box.product, location_id=box.shelf, quantity=3)
    assert box.list_quants() == [5.0, 3.0]
    assert box.read_quantities("qty_available") == (8.0,)


def test_a_count_may_be_applied_at_once(box: Box) -> None:
    counting = box.odoo.with_context(inventory_mode=True)
    values = {"product_id": box.product, "location_id": box.shelf}
    quant = counting.create("stock.quant", **values, inventory_quantity_auto_apply=4)
    assert box.list_quants() == [4.0]
    counting.write("stock.quant", quant, inventory_quantity_auto_apply=6)
    assert box.list_quants() == [6.0]


def test_only_what_is_kept_in_stock_has_quants(odoo: Odoo, box: Box) -> None:
    template = odoo.create("product.template", name=make_prefix(), type="service")
    (product,) = odoo.get("product.template", template, "product_variant_ids")
    with pytest.raises(OdooFault) as refused:
        Box(odoo, template, product, box.shelf, box.warehouse).count(1)
    assert refused.value.name == "ValidationError"


def test_a_count_that_is_outdated_answers_a_wizard_and_stays(odoo: Odoo, box: Box) -> None:
    quant = box.put(5)
    box.count(9)
    odoo.write("stock.quant", quant, quantity=4)
    assert odoo.get("stock.quant", quant, "is_outdated") is True
    answer = odoo.call("stock.quant", "action_apply_inventory", [quant])
    assert (answer["type"], answer["res_model"]) == ("ir.actions.act_window", "stock.inventory.conflict")
    row = odoo.read("stock.quant", quant, "quantity", "inventory_quantity_set", "inventory_quantity")
    assert (row["quantity"], row["inventory_quantity_set"], row["inventory_quantity"]) == (4.0, True, 9.0)


def test_a_count_of_a_product_with_lots_answers_a_wizard_and_stays(odoo: Odoo) -> None:
    box = create_box(odoo, tracking="lot")
    quant = box.count(4)
    answer = odoo.call("stock.quant", "action_apply_inventory", [quant])
    assert (answer["type"], answer["res_model"]) == ("ir.actions.act_window", "stock.track.confirmation")
    row = odoo.read("stock.quant", quant, "quantity", "inventory_quantity_set")
    assert (row["quantity"], row["inventory_quantity_set"]) == (0.0, True)


def test_a_count_is_withdrawn(odoo: Odoo, box: Box) -> None:
    quant = box.count(4)
    odoo.call("stock.quant", "action_clear_inventory_quantity", [quant])
    row = odoo.read("stock.quant", quant, "inventory_quantity", "inventory_quantity_set", "inventory_diff_quantity")
    assert (row["inventory_quantity"], row["inventory_quantity_set"], row["inventory_diff_quantity"]) == (0, False, 0)


def test_a_count_is_of_the_quantity_that_follows_from_a_difference_that_is_written_after_it(
    odoo: Odoo, box: Box
) -> None:
    quant = box.put(5)
    counting = odoo.with_context(inventory_mode=True)
    counting.write("stock.quant", quant, inventory_quantity=13, inventory_diff_quantity=3)
    row = odoo.read("stock.quant", quant, "inventory_diff_quantity", "is_outdated")
    assert (row["inventory_diff_quantity"], row["is_outdated"]) == (8.0, False), "written with it, it is computed"
    counting.write("stock.quant", quant, inventory_diff_quantity=3)
    row = odoo.read("stock.quant", quant, "inventory_diff_quantity", "is_outdated")
    assert (row["inventory_diff_quantity"], row["is_outdated"]) == (3.0, True)
    counting.write("stock.quant", quant, inventory_quantity=8)
    counting.write("stock.quant", quant, inventory_diff_quantity=3)
    assert odoo.get("stock.quant", quant, "is_outdated") is False
    odoo.call("stock.quant", "action_apply_inventory", [quant])
    assert box.list_quants() == [8.0]


def test_a_wizard_applies_those_of_its_quants_that_are_counted_under_its_name(odoo: Odoo, box: Box) -> None:
    other, name = create_box(odoo), make_prefix()
    quants = [box.put(5), other.count(4)]
    values = {"quant_ids": [[6, 0, quants]], "inventory_adjustment_name": name}
    wizard = odoo.create("stock.inventory.adjustment.name", **values)
    for _ in range(2):
        assert not odoo.call("stock.inventory.adjustment.name", "action_apply", [wizard])
        assert (box.list_quants(), other.list_quants()) == ([5.0], [4.0])
        assert list_moves(odoo, other) == [(name, 4.0, "done")]
    other.count(9)
    odoo.write("stock.quant", quants[1], quantity=3)
    answer = odoo.call("stock.inventory.adjustment.name", "action_apply", [wizard])
    assert (answer["res_model"], other.list_quants()) == ("stock.inventory.conflict", [3.0])


def test_the_goods_of_an_owner_are_a_quant_of_their_own(odoo: Odoo, box: Box) -> None:
    box.put(5)
    values = {"product_id": box.product, "location_id": box.shelf, "owner_id": odoo.create("res.partner", name="Owner")}
    quant = odoo.with_context(inventory_mode=True).create("stock.quant", **values, inventory_quantity=2)
    odoo.call("stock.quant", "action_apply_inventory", [quant])
    assert box.list_quants() == [5.0, 2.0]
    assert box.read_quantities("qty_available") == (7.0,)


def test_several_counts_are_applied_in_one_call(odoo: Odoo, box: Box) -> None:
    other = create_box(odoo)
    quants = [box.count(3), other.count(4)]
    assert odoo.call("stock.quant", "action_apply_inventory", quants) is None
    assert (box.list_quants(), other.list_quants()) == ([3.0], [4.0])


def test_quants_are_found_by_product_and_place(odoo: Odoo, box: Box) -> None:
    quant = box.put(5)
    place = [("location_id", "child_of", box.shelf), ("product_id", "=", box.product)]
    assert odoo.search("stock.quant", place) == [quant]
    assert odoo.search("stock.quant", [("product_id.product_tmpl_id", "=", box.template), *place]) == [quant]
    assert odoo.search("stock.quant", [("product_tmpl_id", "=", box.template), ("quantity", ">", 0)]) == [quant]
    row = odoo.read("stock.quant", quant, "product_id", "location_id", "reserved_quantity", "available_quantity")
    name = odoo.get("product.product", box.product, "display_name")
    assert row["product_id"] == [box.product, name]
    assert row["location_id"][1] == odoo.get("stock.location", box.shelf, "complete_name")
    assert (row["reserved_quantity"], row["available_quantity"]) == (0.0, 5.0)


def test_products_are_found_by_their_stock(odoo: Odoo, box: Box) -> None:
    box.put(5)
    domain = [("id", "=", box.product), ("qty_available", ">", 4)]
    assert odoo.search("product.product", domain) == [box.product]
    assert odoo.search("product.product", [("id", "=", box.product), ("qty_available", "=", 0)]) == []


def test_a_product_with_stock_is_archived_and_not_deleted(odoo: Odoo, box: Box) -> None:
    box.put(5)
    with pytest.raises(OdooFault):
        odoo.unlink("product.product", box.product)
    odoo.write("product.template", box.template, active=False)
    assert box.list_quants() == [5.0]
