"""The form in which records are read."""

import re

import pytest

from odoo_client import Odoo, OdooFault
from samples import Fruits


def test_values_are_read_in_the_form_of_their_type(fruits: Fruits, odoo: Odoo) -> None:
    fields = (
        "name", "sale_ok", "list_price", "weight", "barcode", "description_sale", "categ_id", "product_tag_ids",
        "attribute_line_ids", "image_1920", "type", "product_variant_count", "company_id",
    )  # fmt: skip
    row = odoo.read("product.template", fruits.ids["cherry"], *fields)
    category = f"{fruits.prefix} Food / {fruits.prefix} Berries"
    assert row == {
        "id": fruits.ids["cherry"], "name": f"{fruits.prefix} Cherry", "sale_ok": False, "list_price": 0.0,
        "weight": 0.0, "barcode": False, "description_sale": "Red & <b>", "categ_id": [fruits.berries, category],
        "product_tag_ids": [], "attribute_line_ids": [], "image_1920": False, "type": "consu",
        "product_variant_count": 1, "company_id": False,
    }  # fmt: skip
    assert isinstance(row["list_price"], float) and isinstance(row["weight"], float)


def test_times_are_utc_without_fractions_or_a_zone(fruits: Fruits, odoo: Odoo) -> None:
    row = odoo.read("product.template", fruits.ids["cherry"], "write_date", "create_date", "create_uid")
    for moment in (row["write_date"], row["create_date"]):
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", moment)
    assert isinstance(row["create_uid"][0], int)


def test_without_a_load_mode_a_many2one_is_its_id(fruits: Fruits, odoo: Odoo) -> None:
    number = fruits.ids["apple"]
    for load in (None, ""):
        rows = odoo.call("product.template", "read", [number], fields=["categ_id"], load=load)
        assert rows == [{"id": number, "categ_id": fruits.food}]


def test_records_that_do_not_exist_are_left_out_and_the_others_come_in_the_order_that_was_asked(
    fruits: Fruits, odoo: Odoo
) -> None:
    ids = [fruits.ids["cherry"], 99_999_999, fruits.ids["apple"], fruits.ids["cherry"]]
    rows = odoo.call("product.template", "read", ids, fields=["sale_ok"])
    assert [row["id"] for row in rows] == [ids[0], ids[2], ids[3]]
    assert odoo.call("product.template", "read", [99_999_999], fields=["name"]) == []


def test_archived_records_are_read_by_id(fruits: Fruits, odoo: Odoo) -> None:
    assert odoo.read("product.template", fruits.ids["date"], "active", "list_price")["list_price"] == 10.0


def test_an_archived_product_shows_its_variant_only_where_the_context_asks(fruits: Fruits, odoo: Odoo) -> None:
    fields = ("product_variant_ids", "product_variant_count")
    hidden = odoo.read("product.template", fruits.ids["date"], *fields)
    assert (hidden["product_variant_ids"], hidden["product_variant_count"]) == ([], 0)
    shown = odoo.with_context(active_test=False).read("product.template", fruits.ids["date"], *fields, "default_code")
    assert (len(shown["product_variant_ids"]), shown["product_variant_count"]) == (1, 1)
    assert shown["default_code"] == "A_1"


def test_search_and_read_in_one_call_come_in_the_order_of_the_search(fruits: Fruits, odoo: Odoo) -> None:
    domain = [("name", "like", f"{fruits.prefix} ")]
    rows = odoo.search_read("product.template", domain, "list_price", order="list_price desc, id", limit=2, offset=1)
    assert rows == [
        {"id": fruits.ids["apple"], "list_price": 1.0},
        {"id": fruits.ids["cherry"], "list_price": 0.0},
    ]


def test_a_field_that_the_model_lacks_is_refused(odoo: Odoo) -> None:
    for method, named in (("read", {"ids": [1]}), ("search_read", {"domain": [("id", "=", 1)]})):
        with pytest.raises(OdooFault) as refused:
            odoo.call("res.partner", method, fields=["nosuch"], **named)
        assert refused.value.name == "ValueError"
        assert "nosuch" in refused.value.message


def test_a_product_is_named_with_its_code_before_and_its_options_behind(fruits: Fruits, odoo: Odoo) -> None:
    name = f"[a_1] {fruits.prefix} Apple"
    template = odoo.read("product.template", fruits.ids["apple"], "display_name", "product_variant_ids")
    assert template["display_name"] == name
    product = odoo.read("product.product", template["product_variant_ids"][0], "display_name", "product_tmpl_id")
    assert (product["display_name"], product["product_tmpl_id"]) == (name, [fruits.ids["apple"], name])


def test_records_are_found_by_a_part_of_their_name(fruits: Fruits, odoo: Odoo) -> None:
    found = odoo.call("product.template", "name_search", name=f"{fruits.prefix} App")
    assert [pair[0] for pair in found] == [fruits.ids["apple"]]
    assert odoo.call("product.tag", "name_search", name=f"{fruits.prefix} FRESH") == [
        [fruits.fresh, f"{fruits.prefix} fresh"]
    ]


def test_the_fields_of_a_model_say_what_they_are(odoo: Odoo) -> None:
    names = ["name", "categ_id", "product_variant_ids", "product_tag_ids", "nosuch"]
    attributes = ["type", "relation", "required", "store", "relation_field"]
    fields = odoo.call("product.template", "fields_get", allfields=names, attributes=attributes)
    assert fields == {
        "name": {"type": "char", "required": True, "store": True},
        "categ_id": {"type": "many2one", "required": True, "store": True, "relation": "product.category"},
        "product_variant_ids": {
            "type": "one2many", "required": True, "store": True, "relation": "product.product",
            "relation_field": "product_tmpl_id",
        },
        "product_tag_ids": {"type": "many2many", "required": False, "store": True, "relation": "product.tag"},
    }  # fmt: skip


def test_the_choices_of_a_field_are_its_values_with_their_labels(odoo: Odoo) -> None:
    fields = odoo.call("product.attribute", "fields_get", allfields=["create_variant"], attributes=["selection"])
    assert [value for value, _ in fields["create_variant"]["selection"]] == ["always", "dynamic", "no_variant"]


FIELDS = {
    "product.template": [
        "name:char", "active:boolean", "type:selection", "sale_ok:boolean", "description_sale:text", "barcode:char",
        "default_code:char", "list_price:float", "standard_price:float", "currency_id:many2one", "categ_id:many2one",
        "product_tag_ids:many2many", "taxes_id:many2many", "weight:float", "weight_uom_name:char", "uom_id:many2one",
        "attribute_line_ids:one2many", "product_variant_ids:one2many", "image_1920:binary", "write_date:datetime",
        "create_date:datetime", "company_id:many2one", "product_variant_count:integer", "id:integer", "uom_name:char",
        "qty_available:float", "virtual_available:float", "description:html", "tracking:selection",
    ],
    "product.product": [
        "product_tmpl_id:many2one", "lst_price:float", "price_extra:float", "combination_indices:char",
        "product_template_attribute_value_ids:many2many", "product_template_variant_value_ids:many2many",
        "image_1920:binary", "image_variant_1920:binary", "free_qty:float", "qty_available:float", "active:boolean",
        "incoming_qty:float", "outgoing_qty:float", "write_date:datetime", "standard_price:float", "barcode:char",
    ],
    "product.template.attribute.line": ["attribute_id:many2one", "value_ids:many2many", "product_tmpl_id:many2one"],
    "product.template.attribute.value": [
        "attribute_line_id:many2one", "product_attribute_value_id:many2one", "price_extra:float", "name:char",
        "ptav_active:boolean", "attribute_id:many2one", "product_tmpl_id:many2one",
    ],
    "product.category": ["name:char", "complete_name:char", "parent_id:many2one"],
    "product.tag": ["name:char"],
    "stock.quant": [
        "product_id:many2one", "location_id:many2one", "quantity:float", "reserved_quantity:float", "lot_id:many2one",
        "available_quantity:float", "inventory_quantity:float", "inventory_quantity_set:boolean", "in_date:datetime",
        "inventory_diff_quantity:float", "product_uom_id:many2one", "product_tmpl_id:many2one", "is_outdated:boolean",
        "inventory_quantity_auto_apply:float", "company_id:many2one", "warehouse_id:many2one", "write_date:datetime",
    ],
    "stock.location": ["name:char", "complete_name:char", "usage:selection", "active:boolean", "warehouse_id:many2one"],
    "stock.warehouse": ["name:char", "code:char", "company_id:many2one", "lot_stock_id:many2one"],
    "stock.move.line": [
        "product_id:many2one", "quantity:float", "state:selection", "location_id:many2one", "reference:char",
        "location_dest_id:many2one", "write_date:datetime", "move_id:many2one", "date:datetime",
    ],
    "account.tax": [
        "name:char", "type_tax_use:selection", "amount_type:selection", "amount:float", "active:boolean",
        "company_id:many2one", "price_include:boolean",
    ],
    "res.company": ["name:char", "currency_id:many2one", "country_id:many2one"],
    "res.users.apikeys": ["name:char", "scope:char", "user_id:many2one", "create_date:datetime"],
    "ir.model.data": ["module:char", "name:char", "model:char", "res_id:many2one_reference", "complete_name:char"],
    "ir.attachment": [
        "name:char", "res_model:char", "res_field:char", "res_id:many2one_reference", "checksum:char", "mimetype:char",
        "file_size:integer", "datas:binary", "type:selection",
    ],
    "ir.module.module": ["name:char", "state:selection"],
}  # fmt: skip


@pytest.mark.parametrize("model", FIELDS)
def test_the_models_have_the_fields_that_are_read(odoo: Odoo, model: str) -> None:
    fields = odoo.call(model, "fields_get", attributes=["type"])
    names = [text.partition(":")[0] for text in FIELDS[model]]
    assert [f"{name}:{fields[name]['type']}" for name in names if name in fields] == FIELDS[model]


def test_the_context_of_a_user_has_the_language_and_the_id(odoo: Odoo) -> None:
    context = odoo.call("res.users", "context_get")
    assert context["lang"] == "en_US" and isinstance(context["uid"], int) and "tz" in context


def test_the_apps_that_are_installed_are_records(odoo: Odoo) -> None:
    domain = [("name", "in", ["sale", "stock", "nosuch"]), ("state", "=", "installed")]
    rows = odoo.search_read("ir.module.module", domain, "name")
    assert sorted(row["name"] for row in rows) == ["sale", "stock"]
