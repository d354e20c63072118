"""What domains and orders find."""

import pytest

from odoo_client import Odoo, OdooFault
from samples import Fruits
from worlds import World


def test_conditions_are_joined_by_and_unless_a_sign_before_them_says_otherwise(fruits: Fruits) -> None:
    assert fruits.find() == ["apple", "banana", "cherry", "elder"]
    assert fruits.find(("list_price", ">", 0), ("weight", ">", 0)) == ["apple"]
    assert fruits.find("|", ("list_price", "=", 1), ("sale_ok", "=", False)) == ["apple", "cherry"]
    assert fruits.find("!", ("list_price", ">", 0)) == ["cherry", "elder"]
    one_or_ten = ("|", "|", ("list_price", "=", 1), ("list_price", "=", 10))
    assert fruits.find(*one_or_ten, "&", ("sale_ok", "=", False), ("list_price", "=", 0)) == ["apple", "cherry"]
    either = ("|", ("list_price", "=", 1), ("sale_ok", "=", False))
    assert fruits.find(*either, ("categ_id", "=", fruits.berries)) == ["cherry"]
    assert (fruits.find((1, "=", 1)), fruits.find((0, "=", 1))) == (["apple", "banana", "cherry", "elder"], [])


def test_archived_records_are_found_only_where_a_condition_names_active_or_the_context_asks(fruits: Fruits) -> None:
    assert fruits.find(("active", "=", False)) == ["date"]
    assert fruits.find(("active", "!=", True)) == ["date"]
    assert fruits.find(("active", "in", [True, False])) == ["apple", "banana", "cherry", "date", "elder"]
    assert fruits.find("|", ("active", "=", False), ("list_price", ">", 2)) == ["banana", "date"]
    assert fruits.find(("list_price", "=", 10), context={"active_test": False}) == ["date"]
    assert fruits.find(("list_price", "=", 10)) == []
    assert fruits.find(("id", "=", fruits.ids["date"])) == []


def test_like_looks_inside_and_equal_like_at_the_whole_and_only_those_with_i_overlook_the_case(fruits: Fruits) -> None:
    assert fruits.find(("name", "like", "appl")) == []
    assert fruits.find(("name", "ilike", "APPLE")) == ["apple"]
    assert fruits.find(("name", "=ilike", f"{fruits.prefix}%E")) == ["apple"]
    assert fruits.find(("name", "=like", f"{fruits.prefix} _anana")) == ["banana"]
    assert fruits.find(("name", "not ilike", "a")) == ["cherry", "elder"]
    assert fruits.find(("name", "=", f"{fruits.prefix} apple")) == []
    assert fruits.find(("description_sale", "ilike", "red & <B>")) == ["cherry"]


def test_a_percent_sign_and_an_underscore_are_patterns_unless_a_backslash_is_before_them(fruits: Fruits) -> None:
    assert fruits.find(("default_code", "like", "a_")) == ["apple", "banana"]
    assert fruits.find(("default_code", "=like", "a_1")) == ["apple"]
    assert fruits.find(("default_code", "=like", "a_2")) == ["banana"]
    assert fruits.find(("default_code", "=like", r"a\_1")) == ["apple"]
    assert fruits.find(("default_code", "=like", r"a\_2")) == []
    assert fruits.find(("default_code", "ilike", "%")) == ["apple", "banana"]
    assert fruits.find(("name", "ilike", "")) == ["apple", "banana", "cherry", "elder"]


def test_a_condition_that_denies_also_finds_what_has_no_value(fruits: Fruits) -> None:
    assert fruits.find(("default_code", "!=", "a_1")) == ["banana", "cherry", "elder"]
    assert fruits.find(("default_code", "<>", "a_1")) == ["banana", "cherry", "elder"]
    assert fruits.find(("default_code", "not in", ["a_1"])) == ["banana", "cherry", "elder"]
    assert fruits.find(("default_code", "not like", "a")) == ["cherry", "elder"]
    assert fruits.find(("default_code", "not in", ["a_1", False])) == ["banana"]


def test_an_empty_text_is_no_value(fruits: Fruits, odoo: Odoo) -> None:
    assert odoo.get("product.template", fruits.ids["elder"], "default_code") is False
    assert fruits.find(("default_code", "=", False)) == ["cherry", "elder"]
    assert fruits.find(("default_code", "!=", False)) == ["apple", "banana"]
    assert fruits.find(("default_code", "in", ["a_1", False])) == ["apple", "cherry", "elder"]
    assert fruits.find(("default_code", "=?", False)) == ["apple", "banana", "cherry", "elder"]


def test_a_number_without_a_value_is_zero(fruits: Fruits) -> None:
    assert fruits.find(("list_price", "=", False)) == ["cherry"]
    assert fruits.find(("list_price", "!=", 0)) == ["apple", "banana", "elder"]
    assert fruits.find(("list_price", "<=", 2.5)) == ["apple", "banana", "cherry", "elder"]
    assert fruits.find(("list_price", "in", [1, 10])) == ["apple"]
    assert fruits.find(("weight", "=", 0.5)) == ["apple"]


def test_booleans_are_true_or_not(fruits: Fruits) -> None:
    assert fruits.find(("sale_ok", "=", False)) == ["cherry"]
    assert fruits.find(("sale_ok", "!=", False)) == ["apple", "banana", "elder"]
    assert fruits.find(("sale_ok", "in", [True])) == ["apple", "banana", "elder"]


def test_a_many2one_is_found_by_id_by_name_and_through_a_path(fruits: Fruits) -> None:
    assert fruits.find(("categ_id", "=", fruits.food)) == ["apple"]
    assert fruits.find(("categ_id", "!=", fruits.food)) == ["banana", "cherry", "elder"]
    assert fruits.find(("categ_id", "in", [fruits.food, fruits.berries])) == ["apple", "banana", "cherry"]
    assert fruits.find(("categ_id", "ilike", f"{fruits.prefix} berries")) == ["banana", "cherry"]
    assert fruits.find(("categ_id.name", "=", f"{fruits.prefix} Berries")) == ["banana", "cherry"]
    assert fruits.find(("categ_id.parent_id", "=", fruits.food)) == ["banana", "cherry"]
    full_name = f"{fruits.prefix} Food / {fruits.prefix} Berries"
    assert fruits.find(("categ_id.complete_name", "=", full_name)) == ["banana", "cherry"]


def test_a_hierarchy_includes_where_it_begins(fruits: Fruits) -> None:
    assert fruits.find(("categ_id", "child_of", fruits.food)) == ["apple", "banana", "cherry"]
    assert fruits.find(("categ_id", "child_of", [fruits.berries])) == ["banana", "cherry"]
    assert fruits.find(("categ_id", "parent_of", fruits.berries)) == ["apple", "banana", "cherry"]
    parents = fruits.odoo.search("product.category", [("id", "parent_of", fruits.berries)], order="id")
    assert {fruits.food, fruits.berries} <= set(parents)


def test_a_list_matches_if_one_of_its_records_does(fruits: Fruits) -> None:
    tags = "product_tag_ids"
    assert fruits.find((tags, "in", [fruits.fresh])) == ["apple", "banana"]
    assert fruits.find((tags, "=", fruits.cheap)) == ["banana", "elder"]
    assert fruits.find((tags, "not in", [fruits.fresh])) == ["cherry", "elder"]
    assert fruits.find((tags, "!=", fruits.fresh)) == ["cherry", "elder"]
    assert fruits.find((tags, "=", False)) == ["cherry"]
    assert fruits.find((tags, "!=", False)) == ["apple", "banana", "elder"]
    assert fruits.find((tags, "in", [])) == []
    assert fruits.find((tags, "ilike", f"{fruits.prefix} CHEAP")) == ["banana", "elder"]
    assert fruits.find((f"{tags}.name", "=", f"{fruits.prefix} cheap")) == ["banana", "elder"]
    assert fruits.find((f"{tags}.name", "!=", f"{fruits.prefix} cheap")) == ["apple", "banana"]
    assert fruits.find((tags, "any", [("id", "=", fruits.fresh)])) == ["apple", "banana"]
    assert fruits.find((tags, "not any", [("id", "=", fruits.fresh)])) == ["cherry", "elder"]


def test_templates_are_found_by_what_their_variants_have(fruits: Fruits) -> None:
    assert fruits.find(("barcode", "=", f"{fruits.prefix}-2")) == ["banana"]
    assert fruits.find(("product_variant_ids.default_code", "=", "a_1")) == ["apple"]
    assert fruits.find(("product_variant_ids.barcode", "!=", False)) == ["banana"]
    assert fruits.find(("product_variant_ids", "=", False)) == []
    assert fruits.find(("currency_id.name", "!=", False)) == ["apple", "banana", "cherry", "elder"]


def test_ids_are_compared_like_numbers(fruits: Fruits) -> None:
    assert fruits.find(("id", "in", [fruits.ids["apple"], 99_999_999])) == ["apple"]
    assert fruits.find(("id", ">", fruits.ids["cherry"])) == ["elder"]
    assert fruits.find(("id", "not in", [fruits.ids["apple"]])) == ["banana", "cherry", "elder"]
    assert (fruits.find(("id", "in", [])), fruits.find(("id", "=", False))) == ([], [])


def test_times_are_compared_as_text_of_a_time_or_of_a_day(fruits: Fruits) -> None:
    for moment in ("2020-01-01", "2020-01-01 00:00:00"):
        assert fruits.find(("write_date", ">=", moment)) == ["apple", "banana", "cherry", "elder"]
    assert fruits.find(("write_date", ">", "2120-01-01 00:00:00")) == []
    assert fruits.find(("create_date", "!=", False)) == ["apple", "banana", "cherry", "elder"]


def test_the_write_date_of_an_answer_finds_its_record_by_greater_or_equal(fruits: Fruits, odoo: Odoo) -> None:
    moment = odoo.get("product.template", fruits.ids["elder"], "write_date")
    assert "elder" in fruits.find(("write_date", ">=", moment))


def test_records_are_ordered_by_several_fields_and_without_a_value_last(fruits: Fruits) -> None:
    assert fruits.find(order="list_price") == ["elder", "cherry", "apple", "banana"]
    assert fruits.find(order="list_price DESC") == ["banana", "apple", "cherry", "elder"]
    assert fruits.find(order="sale_ok, id desc") == ["cherry", "elder", "banana", "apple"]
    assert fruits.find(order="default_code, id")[2:] == ["cherry", "elder"]
    assert fruits.find(order="default_code desc, id")[:2] == ["cherry", "elder"]
    assert fruits.find(order="write_date, id") == ["apple", "banana", "cherry", "elder"]


def test_a_page_is_cut_by_offset_and_limit_and_no_limit_is_zero(fruits: Fruits, odoo: Odoo) -> None:
    assert fruits.find(limit=2, offset=1) == ["banana", "cherry"]
    assert fruits.find(limit=0) == ["apple", "banana", "cherry", "elder"]
    assert fruits.find(offset=9) == []
    domain = [("name", "like", f"{fruits.prefix} ")]
    assert odoo.call("product.template", "search_count", domain=domain) == 4
    assert odoo.call("product.template", "search_count", domain=domain, limit=2) == 2


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ([("nosuch", "=", 1)], "ValueError"),
        ([("categ_id.nosuch", "=", 1)], "ValueError"),
        ([("name", "nosuch", 1)], "ValueError"),
        (["&", ("name", "=", "a")], "ValueError"),
        ([("name", "=")], "ValueError"),
    ],
)
def test_a_domain_that_is_wrong_is_refused(odoo: Odoo, domain: list[object], name: str) -> None:
    with pytest.raises(OdooFault) as refused:
        odoo.search("product.template", domain)
    assert refused.value.name == name


@pytest.mark.parametrize(
    ("order", "name"),
    [
        ("nosuch", "ValueError"),
        ("display_name", "ValueError"),
        ("qty_available", "ValueError"),
        ("categ_id.name", "ValueError"),
        ("name; drop", "UserError"),
    ],
)
def test_an_order_by_what_is_not_stored_is_refused(odoo: Odoo, order: str, name: str) -> None:
    with pytest.raises(OdooFault) as refused:
        odoo.search("product.template", [], order=order)
    assert refused.value.name == name


def test_before_19_a_condition_on_what_is_not_stored_is_overlooked(world: World, odoo: Odoo) -> None:
    if world.version >= 19:
        pytest.skip("what 19 does was not seen")
    full_name = [("complete_name", "=", "base.main_company")]
    found = odoo.search("ir.model.data", full_name, order="id")
    assert len(found) > 1 and found == odoo.search("ir.model.data", [], order="id", limit=len(found))
    assert odoo.find_id("base", "main_company") == 1
