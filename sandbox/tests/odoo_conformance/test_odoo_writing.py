"""Creating, writing and deleting records, and the commands for lists."""

from collections.abc import Callable
from typing import Any

import pytest

from odoo_client import Odoo, OdooFault
from samples import Fruits, make_prefix


@pytest.fixture
def tagged(odoo: Odoo) -> tuple[int, dict[int, int]]:
    """A product with the tags 1 and 2 of three, and the ids of all by their numbers."""
    name = make_prefix()
    tags = {number: odoo.create("product.tag", name=f"{name} {number}") for number in (1, 2, 3)}
    commands = [(4, tags[1]), (4, tags[2], 0)]
    return odoo.create("product.template", name=name, product_tag_ids=commands), tags


def read_tags(odoo: Odoo, product: int, tags: dict[int, int]) -> list[int | None]:
    """Return the numbers of the tags of a product; None for a tag without a number."""
    numbers = {tag: number for number, tag in tags.items()}
    return sorted((numbers.get(tag) for tag in odoo.get("product.template", product, "product_tag_ids")), key=str)


@pytest.mark.parametrize(
    ("build", "left"),
    [
        (lambda tags: [(3, tags[1], 0)], [2]),
        (lambda tags: [(4, tags[3], 0)], [1, 2, 3]),
        (lambda tags: [(4, tags[1], 0)], [1, 2]),
        (lambda tags: [(5, 0, 0)], []),
        (lambda tags: [(6, 0, [tags[3]])], [3]),
        (lambda tags: [(6, 0, [])], []),
        (lambda tags: [(5, 0, 0), (4, tags[3], 0)], [3]),
        (lambda tags: [(2, tags[2], 0)], [1]),
        (lambda tags: [tags[3]], [3]),
        (lambda tags: False, []),
        (lambda tags: [], [1, 2]),
    ],
)
def test_commands_change_the_members_of_a_list(
    odoo: Odoo, tagged: tuple[int, dict[int, int]], build: Callable[[dict[int, int]], Any], left: list[int]
) -> None:
    product, tags = tagged
    assert odoo.write("product.template", product, product_tag_ids=build(tags)) is True
    assert read_tags(odoo, product, tags) == left


def test_a_command_creates_or_changes_the_record_that_is_a_member(
    odoo: Odoo, tagged: tuple[int, dict[int, int]]
) -> None:
    product, tags = tagged
    new, changed = make_prefix(), make_prefix()
    odoo.write("product.template", product, product_tag_ids=[(0, 0, {"name": new}), (1, tags[1], {"name": changed})])
    assert read_tags(odoo, product, tags) == [1, 2, None]
    names = odoo.search_read("product.tag", [("name", "in", [new, changed])], "name", order="id")
    assert [row["name"] for row in names] == [changed, new]


def test_a_command_deletes_the_record_that_was_a_member(odoo: Odoo, tagged: tuple[int, dict[int, int]]) -> None:
    product, tags = tagged
    odoo.write("product.template", product, product_tag_ids=[(2, tags[2], 0)])
    assert odoo.search("product.tag", [("id", "=", tags[2])]) == []


def test_a_member_that_does_not_exist_is_refused(odoo: Odoo, tagged: tuple[int, dict[int, int]]) -> None:
    product, tags = tagged
    with pytest.raises(OdooFault) as refused:
        odoo.write("product.template", product, product_tag_ids=[(4, 99_999_999, 0)])
    assert refused.value.name in ("ValidationError", "MissingError")
    assert read_tags(odoo, product, tags) == [1, 2]


def test_a_call_that_fails_leaves_nothing_behind(odoo: Odoo, tagged: tuple[int, dict[int, int]]) -> None:
    product, _ = tagged
    name, other = make_prefix(), make_prefix()
    with pytest.raises(OdooFault):
        odoo.write("product.template", product, name=name, product_tag_ids=[(0, 0, {"nosuch": 1})])
    assert odoo.search("product.template", [("name", "=", name)]) == []
    with pytest.raises(OdooFault):
        odoo.call("product.tag", "create", vals_list=[{"name": other}, {"nosuch": 1}])
    assert odoo.search("product.tag", [("name", "=", other)]) == []


def test_one_creates_several_records_at_once_and_gets_their_ids_in_that_order(odoo: Odoo) -> None:
    name = make_prefix()
    ids = odoo.call("product.tag", "create", vals_list=[{"name": f"{name} {letter}"} for letter in "ba"])
    assert [odoo.get("product.tag", number, "name") for number in ids] == [f"{name} b", f"{name} a"]
    assert odoo.call("product.tag", "create", vals_list=[]) == []


def test_a_write_of_nothing_is_a_success(odoo: Odoo, tagged: tuple[int, dict[int, int]]) -> None:
    assert odoo.write("product.template", []) is True
    assert odoo.write("product.template", tagged[0]) is True


def test_a_write_changes_all_of_its_records(odoo: Odoo) -> None:
    ids = odoo.call("product.template", "create", vals_list=[{"name": make_prefix()} for _ in range(3)])
    assert odoo.write("product.template", ids, list_price=7.5) is True
    rows = odoo.call("product.template", "read", ids, fields=["list_price"])
    assert [row["list_price"] for row in rows] == [7.5, 7.5, 7.5]


def test_a_new_product_has_the_defaults(odoo: Odoo) -> None:
    number = odoo.create("product.template", name=make_prefix())
    fields = ("active", "sale_ok", "type", "list_price", "standard_price", "default_code", "weight", "company_id")
    row = odoo.read("product.template", number, *fields, "categ_id", "uom_id", "product_variant_ids", "currency_id")
    assert (row["active"], row["sale_ok"], row["type"], row["company_id"]) == (True, True, "consu", False)
    assert (row["standard_price"], row["default_code"], row["weight"]) == (0.0, False, 0.0)
    assert len(row["product_variant_ids"]) == 1 and row["uom_id"] and row["currency_id"]


def test_a_new_product_has_the_sale_tax_of_the_company_unless_others_are_given(odoo: Odoo) -> None:
    number = odoo.create("product.template", name=make_prefix())
    company = odoo.read("res.company", odoo.search("res.company", [], order="id", limit=1)[0], "account_sale_tax_id")
    assert odoo.get("product.template", number, "taxes_id") == [company["account_sale_tax_id"][0]]
    untaxed = odoo.create("product.template", name=make_prefix(), taxes_id=[(6, 0, [])])
    assert odoo.get("product.template", untaxed, "taxes_id") == []


def test_money_is_rounded_to_the_digits_of_the_field(odoo: Odoo) -> None:
    number = odoo.create("product.template", name=make_prefix(), list_price=1.239)
    assert odoo.get("product.template", number, "list_price") == 1.24


def test_texts_keep_all_of_their_characters(odoo: Odoo) -> None:
    text = 'O\'Brien \\ "x" <b>&amp; é 🎁'
    number = odoo.create("product.template", name=f"  {text}  ", description_sale=f"  a\n{text}\t ")
    row = odoo.read("product.template", number, "name", "description_sale")
    assert (row["name"], row["description_sale"]) == (f"  {text}  ", f"  a\n{text}\t ")


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"nosuch": 1, "name": "x"}, "ValueError"),
        ({}, "ValidationError"),
        ({"name": False}, "ValidationError"),
        ({"name": "x", "type": "bad"}, "ValueError"),
        ({"name": "x", "list_price": "abc"}, "ValueError"),
        ({"name": "x", "categ_id": 99_999_999}, "MissingError"),
        ({"name": "x", "image_1920": "bm90IGFuIGltYWdl"}, "UserError"),
    ],
)
def test_values_that_a_field_cannot_have_are_refused(odoo: Odoo, values: dict[str, Any], name: str) -> None:
    with pytest.raises(OdooFault) as refused:
        odoo.create("product.template", **values)
    assert refused.value.name == name


def test_records_that_do_not_exist_are_neither_written_nor_deleted(odoo: Odoo) -> None:
    with pytest.raises(OdooFault) as refused:
        odoo.write("product.template", 99_999_999, name="x")
    assert refused.value.name == "MissingError"


def test_a_deleted_record_is_gone(odoo: Odoo) -> None:
    number = odoo.create("product.tag", name=make_prefix())
    assert odoo.unlink("product.tag", number) is True
    assert odoo.search("product.tag", [("id", "=", number)]) == []


def test_a_category_with_products_is_not_deleted(odoo: Odoo) -> None:
    category = odoo.create("product.category", name=make_prefix())
    odoo.create("product.template", name=make_prefix(), categ_id=category)
    with pytest.raises(OdooFault) as refused:
        odoo.unlink("product.category", category)
    assert refused.value.name in ("ValidationError", "UserError")
    assert odoo.search("product.category", [("id", "=", category)]) == [category]


def test_a_category_is_named_with_those_above_it(odoo: Odoo) -> None:
    name = make_prefix()
    top = odoo.create("product.category", name=name)
    below = odoo.create("product.category", name="Below", parent_id=top)
    assert odoo.read("product.category", below, "complete_name", "display_name")["complete_name"] == f"{name} / Below"
    odoo.write("product.category", top, name=f"{name}2")
    assert odoo.get("product.category", below, "complete_name") == f"{name}2 / Below"


def test_a_barcode_is_unique_and_a_code_is_not(odoo: Odoo, fruits: Fruits) -> None:
    with pytest.raises(OdooFault) as refused:
        odoo.create("product.template", name=make_prefix(), barcode=f"{fruits.prefix}-2")
    assert refused.value.name == "ValidationError"
    code = make_prefix()
    for _ in range(2):
        odoo.create("product.template", name=make_prefix(), default_code=code)
    assert len(odoo.search("product.product", [("default_code", "=", code)])) == 2


def test_the_name_of_a_tag_is_unique(odoo: Odoo, fruits: Fruits) -> None:
    with pytest.raises(OdooFault) as refused:
        odoo.create("product.tag", name=f"{fruits.prefix} fresh")
    assert refused.value.name == "ValidationError"
