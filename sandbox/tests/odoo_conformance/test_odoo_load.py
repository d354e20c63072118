"""`load`, which creates or changes records by their external ids."""

from typing import Any

import pytest

from odoo_client import Odoo, OdooFault
from samples import Fruits, Shirt, WriteDates, create_shirt, make_prefix
from worlds import World, connect

MODULE = "__conformance__"
Answer = dict[str, Any]


def load(odoo: Odoo, model: str, fields: list[str], *rows: list[Any]) -> Answer:
    """Load rows and return the answer."""
    answer = odoo.call(model, "load", fields=fields, data=list(rows))
    assert set(answer) == {"ids", "messages", "nextrow"} and answer["nextrow"] == 0
    return dict(answer)


def load_one(odoo: Odoo, fields: list[str], row: list[Any], model: str = "product.template") -> int:
    """Load a row that is accepted and return the id of the record."""
    answer = load(odoo, model, fields, row)
    assert answer["messages"] == [] and len(answer["ids"]) == 1, answer
    return int(answer["ids"][0])


def find_message(answer: Answer) -> tuple[int, str, str]:
    """Return row, field and text of the only message of an answer that loaded nothing."""
    (message,) = answer["messages"]
    assert (answer["ids"], message["type"]) == (False, "error")
    assert message["rows"] == {"from": message["record"], "to": message["record"]}
    return message["record"], message.get("field", ""), message["message"]


def find_external(odoo: Odoo, name: str) -> list[tuple[str, int]]:
    """Return model and id of the records with an external id."""
    domain = [("module", "=", MODULE), ("name", "=", name)]
    return [(row["model"], row["res_id"]) for row in odoo.search_read("ir.model.data", domain, "model", "res_id")]


@pytest.fixture
def name() -> str:
    """A name for an external id."""
    return make_prefix()


def test_the_same_rows_make_records_once_and_change_them_later(odoo: Odoo, name: str) -> None:
    fields = ["id", "name", "list_price", "sale_ok"]
    rows = [[f"{MODULE}.{name}_{n}", f"{name} {n}", "1.5", "True"] for n in (1, 2)]
    first = load(odoo, "product.template", fields, *rows)
    rows[1][2:] = ["2", "False"]
    second = load(odoo, "product.template", fields, *rows)
    assert first["ids"] == second["ids"] and first["messages"] == second["messages"] == []
    read = odoo.call("product.template", "read", first["ids"], fields=["name", "list_price", "sale_ok"])
    values = [(row["name"], row["list_price"], row["sale_ok"]) for row in read]
    assert values == [(f"{name} 1", 1.5, True), (f"{name} 2", 2.0, False)]
    assert find_external(odoo, f"{name}_1") == [("product.template", first["ids"][0])]


def test_only_the_columns_that_are_given_are_written(odoo: Odoo, name: str) -> None:
    number = load_one(odoo, ["id", "name", "list_price"], [f"{MODULE}.{name}", name, "5"])
    assert load_one(odoo, ["id", "description_sale"], [f"{MODULE}.{name}", "text"]) == number
    row = odoo.read("product.template", number, "name", "list_price", "description_sale")
    assert (row["name"], row["list_price"], row["description_sale"]) == (name, 5.0, "text")


def test_rows_of_equal_values_move_the_write_date_all_the_same(odoo: Odoo, name: str) -> None:
    row = [f"{MODULE}.{name}", name, "5"]
    number = load_one(odoo, ["id", "name", "list_price"], row)
    dates = WriteDates(odoo, {"template": ("product.template", number)})
    before = dates.wait()
    load_one(odoo, ["id", "name", "list_price"], row)
    assert dates.list_moved(before) == ["template"]


def test_one_bad_row_undoes_all_rows_of_the_call(odoo: Odoo, name: str) -> None:
    rows = [[f"{MODULE}.{name}_{n}", f"{name} {n}", price] for n, price in ((1, "1"), (2, "abc"), (3, "3"))]
    answer = load(odoo, "product.template", ["id", "name", "list_price"], *rows)
    record, field, text = find_message(answer)
    assert (record, field) == (1, "list_price")
    assert text.startswith("'abc' does not seem to be a number for field ")
    assert odoo.search("product.template", [("name", "like", f"{name} ")]) == []
    assert find_external(odoo, f"{name}_1") == []


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("name", "", "Missing required value for the field '{label}' (name)"),
        ("categ_id/id", "no.such", "No matching record found for external id 'no.such' in field '{label}'"),
        ("categ_id/.id", "99999999", "No matching record found for database id '99999999' in field '{label}'"),
        ("categ_id", "nosuch cat", "No matching record found for name 'nosuch cat' in field '{label}'"),
        ("product_tag_ids", "nosuch tag", "No matching record found for name 'nosuch tag' in field '{label}'"),
        ("sale_ok", "perhaps", "Unknown value 'perhaps' for boolean field '{label}'"),
        ("type", "bad", "Value 'bad' not found in selection field '{label}'"),
        ("list_price", "1,234.5", "'1,234.5' does not seem to be a number for field '{label}'"),
    ],
)
def test_a_value_that_cannot_be_is_told_by_field(odoo: Odoo, name: str, field: str, value: str, expected: str) -> None:
    column = field.partition("/")[0]
    fields, row = (["id", "name", field], [name, value]) if field != "name" else (["id", "name"], [value])
    answer = load(odoo, "product.template", fields, [f"{MODULE}.{name}", *row])
    label = odoo.call("product.template", "fields_get", allfields=[column], attributes=["string"])[column]["string"]
    assert find_message(answer) == (0, column, expected.format(label=label))


def test_a_field_that_the_model_lacks_is_an_error_of_the_whole_call(odoo: Odoo, name: str) -> None:
    with pytest.raises(OdooFault) as refused:
        load(odoo, "product.template", ["id", "nosuch"], [f"{MODULE}.{name}", "x"])
    assert (refused.value.name, refused.value.message) == ("ValueError", "Invalid field name 'nosuch'")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("True", True), ("true", True), ("1", True), ("yes", True), ("False", False), ("0", False), ("no", False)],
)
def test_booleans_are_given_as_text(odoo: Odoo, name: str, text: str, expected: bool) -> None:
    number = load_one(odoo, ["id", "name", "sale_ok"], [f"{MODULE}.{name}", name, text])
    assert odoo.get("product.template", number, "sale_ok") is expected


def test_true_itself_is_an_error(odoo: Odoo, name: str) -> None:
    with pytest.raises(OdooFault) as refused:
        load(odoo, "product.template", ["id", "name", "sale_ok"], [f"{MODULE}.{name}", name, True])
    assert refused.value.name == "AttributeError"


def test_an_empty_text_empties_the_field(odoo: Odoo, name: str) -> None:
    fields = ["id", "name", "list_price", "description_sale", "default_code"]
    number = load_one(odoo, fields, [f"{MODULE}.{name}", name, "5", "text", "code"])
    load_one(odoo, fields, [f"{MODULE}.{name}", name, "", "", ""])
    row = odoo.read("product.template", number, "list_price", "description_sale", "default_code")
    assert (row["list_price"], row["description_sale"], row["default_code"]) == (0.0, False, False)


def test_numbers_may_be_numbers(odoo: Odoo, name: str) -> None:
    number = load_one(odoo, ["id", "name", "list_price"], [f"{MODULE}.{name}", name, 3.25])
    assert odoo.get("product.template", number, "list_price") == 3.25


def test_a_choice_is_given_by_value_or_label(odoo: Odoo, name: str) -> None:
    for text in ("service", "Service"):
        number = load_one(odoo, ["id", "name", "type"], [f"{MODULE}.{name}_{text}", name, text])
        assert odoo.get("product.template", number, "type") == "service"


def test_a_relation_is_given_by_id_external_id_or_name(odoo: Odoo, fruits: Fruits, name: str) -> None:
    category = odoo.create("product.category", name=name)
    load_one(odoo, ["id", "name"], [f"{MODULE}.{name}_c", name], "product.category")
    by_id = load_one(odoo, ["id", "name", "categ_id/.id"], [f"{MODULE}.{name}_1", name, str(category)])
    by_name = load_one(odoo, ["id", "name", "categ_id"], [f"{MODULE}.{name}_2", name, f"{fruits.prefix} Food"])
    by_external = load_one(odoo, ["id", "name", "categ_id/id"], [f"{MODULE}.{name}_3", name, f"{MODULE}.{name}_c"])
    found = [odoo.get("product.template", number, "categ_id")[0] for number in (by_id, by_name, by_external)]
    assert found == [category, fruits.food, find_external(odoo, f"{name}_c")[0][1]]


def test_several_members_of_a_list_are_given_with_commas(odoo: Odoo, fruits: Fruits, name: str) -> None:
    fields = ["id", "name", "product_tag_ids/.id"]
    number = load_one(odoo, fields, [f"{MODULE}.{name}", name, f"{fruits.fresh},{fruits.cheap}"])
    assert sorted(odoo.get("product.template", number, "product_tag_ids")) == sorted([fruits.fresh, fruits.cheap])
    load_one(odoo, fields, [f"{MODULE}.{name}", name, f"{fruits.cheap}"])
    assert odoo.get("product.template", number, "product_tag_ids") == [fruits.cheap]


def test_without_an_external_id_each_row_is_a_new_record(odoo: Odoo, name: str) -> None:
    ids = [load_one(odoo, ["name"], [name]) for _ in range(2)]
    assert ids[0] != ids[1]


def test_records_are_changed_by_their_ids(odoo: Odoo, name: str) -> None:
    number = odoo.create("product.template", name=make_prefix())
    assert load_one(odoo, [".id", "name"], [str(number), name]) == number
    assert odoo.get("product.template", number, "name") == name
    answer = load(odoo, "product.template", [".id", "name"], ["99999999", name])
    assert find_message(answer) == (0, ".id", "Unknown database identifier '99999999'")


def test_an_archived_record_is_still_found_by_its_external_id(odoo: Odoo, name: str) -> None:
    number = load_one(odoo, ["id", "name"], [f"{MODULE}.{name}", name])
    odoo.write("product.template", number, active=False)
    assert load_one(odoo, ["id", "list_price"], [f"{MODULE}.{name}", "2"]) == number
    assert odoo.read("product.template", number, "active", "list_price")["active"] is False


def test_an_external_id_goes_with_its_record(odoo: Odoo, name: str) -> None:
    number = load_one(odoo, ["id", "name"], [f"{MODULE}.{name}", name])
    odoo.unlink("product.template", number)
    assert find_external(odoo, name) == []
    assert load_one(odoo, ["id", "name"], [f"{MODULE}.{name}", name]) != number


def test_an_external_id_of_another_model_is_an_error(odoo: Odoo, name: str) -> None:
    load_one(odoo, ["id", "name"], [f"{MODULE}.{name}", name], "product.tag")
    _, _, text = find_message(load(odoo, "product.template", ["id", "name"], [f"{MODULE}.{name}", name]))
    assert text.startswith(f"For external id {MODULE}.{name} when trying to create/update a record of model product.te")


def test_an_external_id_may_be_given_to_a_record_that_is_there(odoo: Odoo, name: str) -> None:
    number = odoo.create("product.template", name=make_prefix())
    values = {"module": MODULE, "name": name, "model": "product.template", "res_id": number}
    odoo.call("ir.model.data", "create", vals_list=[values])
    assert load_one(odoo, ["id", "name"], [f"{MODULE}.{name}", name]) == number
    with pytest.raises(OdooFault) as refused:
        odoo.call("ir.model.data", "create", vals_list=[values])
    assert refused.value.name == "ValidationError"


def test_a_value_that_a_rule_forbids_is_a_message(odoo: Odoo, fruits: Fruits, name: str) -> None:
    answer = load(odoo, "product.template", ["id", "name", "barcode"], [f"{MODULE}.{name}", name, f"{fruits.prefix}-2"])
    assert "already assigned" in find_message(answer)[2]
    assert odoo.search("product.template", [("name", "=", name)]) == []


def test_rows_of_variants_make_exactly_those_of_a_dynamic_attribute(odoo: Odoo, name: str) -> None:
    shirt = create_shirt(odoo, "dynamic")
    assert shirt.variants == []
    fields = ["id", "product_tmpl_id/.id", "product_template_attribute_value_ids/.id", "default_code"]
    row = [f"{MODULE}.{name}", str(shirt.template), str(shirt.template_values[1]), "code-m"]
    number = load_one(odoo, fields, row, "product.product")
    assert load_one(odoo, fields, row, "product.product") == number
    assert shirt.list_variants() == [number]
    read = odoo.read("product.product", number, "default_code", "display_name", "lst_price")
    assert read["display_name"] == f"[code-m] {shirt.name} (M)"
    assert (read["default_code"], read["lst_price"]) == ("code-m", 11.0)


def test_a_combination_exists_once(odoo: Odoo, name: str) -> None:
    shirt = create_shirt(odoo, "dynamic")
    fields = ["id", "product_tmpl_id/.id", "product_template_attribute_value_ids/.id"]
    row = [str(shirt.template), str(shirt.template_values[0])]
    load_one(odoo, fields, [f"{MODULE}.{name}_1", *row], "product.product")
    answer = load(odoo, "product.product", fields, [f"{MODULE}.{name}_2", *row])
    assert "product_product_combination_unique" in find_message(answer)[2]


def test_rows_of_lines_without_external_ids_of_their_own_are_added_again(odoo: Odoo, shirt: Shirt, name: str) -> None:
    fields = ["id", "name", "attribute_line_ids/attribute_id/.id", "attribute_line_ids/value_ids/.id"]
    row = [f"{MODULE}.{name}", name, str(shirt.attribute), ",".join(map(str, shirt.values))]
    number = load_one(odoo, fields, row)
    read = odoo.read("product.template", number, "attribute_line_ids", "product_variant_ids")
    assert (len(read["attribute_line_ids"]), len(read["product_variant_ids"])) == (1, 2)
    load_one(odoo, fields, row)
    assert len(odoo.get("product.template", number, "attribute_line_ids")) == 2


def test_an_external_id_is_looked_up_without_rights_on_external_ids(world: World, odoo: Odoo, name: str) -> None:
    fields, reference = ["id", "name"], {"module": MODULE, "xml_id": name}
    product = load_one(odoo, fields, [f"{MODULE}.{name}", name])
    employee = connect(world, world.transports[0], world.create_user("base.group_user"))
    assert employee.call("ir.model.data", "check_object_reference", **reference) == ["product.template", product]
    odoo.call("product.template", "write", [product], vals={"active": False})
    assert employee.call("ir.model.data", "check_object_reference", **reference) == ["product.template", False]
    found = employee.call("ir.model.data", "check_object_reference", **reference, context={"active_test": False})
    assert found == ["product.template", product]
    odoo.call("product.template", "unlink", [product])
    with pytest.raises(OdooFault, match="External ID not found in the system"):
        odoo.call("ir.model.data", "check_object_reference", **reference)
