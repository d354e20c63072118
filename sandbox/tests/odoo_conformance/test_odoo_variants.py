"""Products with variants."""

import pytest

from odoo_client import Odoo, OdooFault
from samples import Shirt, create_shirt, make_prefix


def read_prices(odoo: Odoo, shirt: Shirt) -> list[float]:
    """Return what the variants cost."""
    return [odoo.get("product.product", variant, "lst_price") for variant in shirt.variants]


def test_an_attribute_makes_a_variant_for_each_value(odoo: Odoo, shirt: Shirt) -> None:
    assert len(shirt.variants) == 2
    rows = odoo.call(
        "product.product",
        "read",
        shirt.variants,
        fields=["display_name", "product_template_attribute_value_ids", "combination_indices", "price_extra", "name"],
    )
    assert rows == [
        {
            "id": variant, "display_name": f"{shirt.name} ({size})", "product_template_attribute_value_ids": [value],
            "combination_indices": str(value), "price_extra": extra, "name": shirt.name,
        }
        for variant, value, size, extra in zip(shirt.variants, shirt.template_values, "SM", (0.0, 1.0), strict=True)
    ]  # fmt: skip


def test_a_second_attribute_makes_every_combination_anew(odoo: Odoo, shirt: Shirt) -> None:
    colour = odoo.create("product.attribute", name=make_prefix(), create_variant="always")
    values = [odoo.create("product.attribute.value", name=name, attribute_id=colour) for name in ("red", "blue")]
    line = {"attribute_id": colour, "value_ids": [(6, 0, values)]}
    odoo.write("product.template", shirt.template, attribute_line_ids=[(0, 0, line)])
    variants = shirt.list_variants()
    assert len(variants) == 4 and set(shirt.variants).isdisjoint(variants), "they are others than before"


def test_a_dynamic_attribute_makes_no_variant_by_itself(odoo: Odoo) -> None:
    shirt = create_shirt(odoo, "dynamic")
    assert shirt.variants == []
    assert odoo.search("product.template", [("id", "=", shirt.template)]) == [shirt.template]


def test_an_attribute_that_makes_no_variants_leaves_the_one(odoo: Odoo) -> None:
    shirt = create_shirt(odoo, "no_variant")
    assert len(shirt.variants) == 1
    assert odoo.get("product.product", shirt.variants[0], "product_template_attribute_value_ids") == []


def test_a_value_of_a_product_knows_the_value_of_the_attribute(odoo: Odoo, shirt: Shirt) -> None:
    fields = ["name", "price_extra", "ptav_active", "product_attribute_value_id", "attribute_id", "attribute_line_id"]
    rows = odoo.call("product.template.attribute.value", "read", shirt.template_values, fields=fields)
    assert [row["name"] for row in rows] == ["S", "M"]
    assert [row["price_extra"] for row in rows] == [0.0, 1.0]
    assert [row["product_attribute_value_id"][0] for row in rows] == shirt.values
    assert rows[0]["product_attribute_value_id"][1] == f"{shirt.name} size: S"
    assert {row["attribute_id"][0] for row in rows} == {shirt.attribute}
    assert {row["attribute_line_id"][0] for row in rows} == {shirt.line}
    assert {row["ptav_active"] for row in rows} == {True}


def test_all_variants_share_the_price_of_the_template_plus_what_their_values_cost(odoo: Odoo, shirt: Shirt) -> None:
    assert read_prices(odoo, shirt) == [10.0, 11.0]
    odoo.write("product.template", shirt.template, list_price=20)
    assert read_prices(odoo, shirt) == [20.0, 21.0]
    odoo.write("product.template.attribute.value", shirt.template_values[1], price_extra=2.5)
    assert read_prices(odoo, shirt) == [20.0, 22.5]


def test_a_price_written_to_one_variant_is_the_price_of_all(odoo: Odoo, shirt: Shirt) -> None:
    odoo.write("product.product", shirt.variants[1], lst_price=31)
    assert odoo.get("product.template", shirt.template, "list_price") == 30.0
    assert read_prices(odoo, shirt) == [30.0, 31.0]


def test_a_name_written_to_one_variant_is_the_name_of_all(odoo: Odoo, shirt: Shirt) -> None:
    name = make_prefix()
    odoo.write("product.product", shirt.variants[1], name=name)
    assert odoo.get("product.product", shirt.variants[0], "name") == name


def test_code_barcode_cost_and_weight_are_of_each_variant(odoo: Odoo, shirt: Shirt) -> None:
    code, fields = make_prefix(), ("default_code", "barcode", "standard_price", "weight")
    values = {"default_code": code, "barcode": code, "standard_price": 4, "weight": 0.25}
    odoo.write("product.product", shirt.variants[1], **values)
    small, medium = (odoo.read("product.product", variant, *fields) for variant in shirt.variants)
    assert tuple(small[field] for field in fields) == (False, False, 0.0, 0.0)
    assert tuple(medium[field] for field in fields) == (code, code, 4.0, 0.25)
    template = odoo.read("product.template", shirt.template, *fields)
    assert tuple(template[field] for field in fields) == (False, False, 0.0, 0.0)


def test_the_template_shows_those_of_its_only_variant_and_passes_them_on(odoo: Odoo) -> None:
    code, fields = make_prefix(), ("default_code", "barcode", "standard_price", "weight")
    values = {"default_code": code, "barcode": code, "standard_price": 4, "weight": 0.25}
    template = odoo.create("product.template", name=make_prefix(), **values)
    (variant,) = odoo.get("product.template", template, "product_variant_ids")
    assert {**odoo.read("product.product", variant, *fields), "id": 0} == {**values, "id": 0}
    odoo.write("product.product", variant, default_code="other")
    assert odoo.get("product.template", template, "default_code") == "other"
    odoo.write("product.template", template, weight=2)
    assert odoo.get("product.product", variant, "weight") == 2.0


def test_a_second_attribute_of_one_value_leaves_the_variants(odoo: Odoo, shirt: Shirt) -> None:
    colour = odoo.create("product.attribute", name=make_prefix(), create_variant="always")
    value = odoo.create("product.attribute.value", name="red", attribute_id=colour)
    line = {"attribute_id": colour, "value_ids": [(6, 0, [value])]}
    odoo.write("product.template", shirt.template, attribute_line_ids=[(0, 0, line)])
    assert shirt.list_variants() == shirt.variants
    values = odoo.get("product.product", shirt.variants[0], "product_template_attribute_value_ids")
    assert len(values) == 2
    assert odoo.get("product.product", shirt.variants[0], "display_name") == f"{shirt.name} (S)"


def test_a_value_that_is_added_makes_its_variant_and_one_that_is_taken_away_ends_it(odoo: Odoo, shirt: Shirt) -> None:
    large = odoo.create("product.attribute.value", name="L", attribute_id=shirt.attribute)
    odoo.write("product.template.attribute.line", shirt.line, value_ids=[(4, large, 0)])
    assert len(shirt.list_variants()) == 3
    odoo.write("product.template.attribute.line", shirt.line, value_ids=[(3, shirt.values[0], 0)])
    assert shirt.variants[0] not in shirt.list_variants()
    assert len(shirt.list_variants()) == 2


def test_an_archived_variant_is_hidden_and_the_template_stays(odoo: Odoo, shirt: Shirt) -> None:
    odoo.write("product.product", shirt.variants[0], active=False)
    row = odoo.read("product.template", shirt.template, "active", "product_variant_ids", "product_variant_count")
    assert (row["active"], row["product_variant_ids"], row["product_variant_count"]) == (True, [shirt.variants[1]], 1)
    shown = odoo.with_context(active_test=False).get("product.template", shirt.template, "product_variant_ids")
    assert sorted(shown) == shirt.variants


def test_a_template_archives_and_restores_its_variants(odoo: Odoo, shirt: Shirt) -> None:
    for active in (False, True):
        odoo.write("product.template", shirt.template, active=active)
        assert [odoo.get("product.product", variant, "active") for variant in shirt.variants] == [active, active]


def test_a_template_goes_with_its_last_variant(odoo: Odoo) -> None:
    template = odoo.create("product.template", name=make_prefix())
    (variant,) = odoo.get("product.template", template, "product_variant_ids")
    odoo.unlink("product.product", variant)
    assert odoo.search("product.template", [("id", "=", template)]) == []


def test_the_variants_go_with_their_template(odoo: Odoo, shirt: Shirt) -> None:
    odoo.unlink("product.template", shirt.template)
    assert shirt.list_variants() == []


def test_a_variant_created_by_itself_makes_its_template(odoo: Odoo) -> None:
    name = make_prefix()
    variant = odoo.create("product.product", name=name, default_code=name)
    template = odoo.get("product.product", variant, "product_tmpl_id")[0]
    row = odoo.read("product.template", template, "name", "default_code", "product_variant_ids")
    assert (row["name"], row["default_code"], row["product_variant_ids"]) == (name, name, [variant])


def test_an_attribute_line_needs_a_value(odoo: Odoo, shirt: Shirt) -> None:
    line = {"attribute_id": shirt.attribute, "value_ids": [(6, 0, [])]}
    with pytest.raises(OdooFault) as refused:
        odoo.create("product.template", name=make_prefix(), attribute_line_ids=[(0, 0, line)])
    assert refused.value.name in ("UserError", "ValidationError")


def test_the_values_of_a_line_are_those_of_its_attribute(odoo: Odoo, shirt: Shirt) -> None:
    other = odoo.create("product.attribute", name=make_prefix())
    value = odoo.create("product.attribute.value", name="x", attribute_id=other)
    with pytest.raises(OdooFault) as refused:
        odoo.write("product.template.attribute.line", shirt.line, value_ids=[(4, value, 0)])
    assert refused.value.name in ("UserError", "ValidationError")
