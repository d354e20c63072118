"""What moves the `write_date` of a product and of its variants, by which changes are found."""

import time
from collections.abc import Callable

import pytest

from odoo_client import Odoo
from samples import SECOND, Box, Shirt, WriteDates, create_shirt, draw_image, make_prefix

Edit = Callable[[Odoo, Shirt], object]
ALL = ["template", "small", "medium"]


def write_template(**values: object) -> Edit:
    """Return an edit of the template."""
    return lambda odoo, shirt: odoo.write("product.template", shirt.template, **values)


def write_small(**values: object) -> Edit:
    """Return an edit of the variant S."""
    return lambda odoo, shirt: odoo.write("product.product", shirt.variants[0], **values)


def rename_attribute(odoo: Odoo, shirt: Shirt) -> None:
    """Rename the attribute."""
    odoo.write("product.attribute", shirt.attribute, name=make_prefix())


def rename_value(odoo: Odoo, shirt: Shirt) -> None:
    """Rename a value of the attribute."""
    odoo.write("product.attribute.value", shirt.values[0], name="XS")


def change_extra_price(odoo: Odoo, shirt: Shirt) -> None:
    """Change what an option costs more."""
    odoo.write("product.template.attribute.value", shirt.template_values[0], price_extra=3)


def add_value(odoo: Odoo, shirt: Shirt) -> None:
    """Let the product have a further value."""
    value = {"name": "L", "attribute_id": shirt.attribute}
    odoo.write("product.template.attribute.line", shirt.line, value_ids=[(0, 0, value)])


def remove_value(odoo: Odoo, shirt: Shirt) -> None:
    """Let the product have one value less, and so one variant less."""
    odoo.write("product.template.attribute.line", shirt.line, value_ids=[(3, shirt.values[1], 0)])


def delete_variant(odoo: Odoo, shirt: Shirt) -> None:
    """Delete a variant."""
    odoo.unlink("product.product", shirt.variants[1])


EDITS: dict[str, tuple[Edit, list[str]]] = {
    "a text of the template": (write_template(description_sale="new"), ALL),
    "the price of the template": (write_template(list_price=12), ALL),
    "a value that the template had": (write_template(list_price=10), ALL),
    "the archiving of the template": (write_template(active=False), ALL),
    "the image of the template": (write_template(image_1920=draw_image(1)), ALL),
    "the code of a variant": (write_small(default_code="new"), ["small"]),
    "the cost of a variant": (write_small(standard_price=3), ["small"]),
    "the archiving of a variant": (write_small(active=False), ["small"]),
    "the barcode of a variant": (write_small(barcode=False), ["small"]),
    "the image of a variant": (write_small(image_variant_1920=draw_image(2)), ["small"]),
    "the name of a variant": (write_small(name=make_prefix()), ALL),
    "the price of a variant": (write_small(lst_price=13), ALL),
    "what an option costs": (change_extra_price, []),
    "the name of an attribute": (rename_attribute, []),
    "the name of a value": (rename_value, []),
    "a further value": (add_value, ALL),
    "one value less": (remove_value, ["template", "small"]),
    "the deletion of a variant": (delete_variant, ["template"]),
}


@pytest.fixture(scope="module")
def moved(odoo: Odoo) -> dict[str, list[str]]:
    """What each edit has moved, each made to a product of its own. All of them wait for the next second together."""
    shirts = {name: create_shirt(odoo) for name in EDITS}
    dates = {name: watch(shirt) for name, shirt in shirts.items()}
    before = {name: watched.read() for name, watched in dates.items()}
    time.sleep(SECOND)
    for name, (edit, _) in EDITS.items():
        edit(odoo, shirts[name])
    return {name: watched.list_moved(before[name]) for name, watched in dates.items()}


def watch(shirt: Shirt) -> WriteDates:
    """Return what sees the dates of a product and of both variants."""
    small, medium = (("product.product", variant) for variant in shirt.variants)
    return WriteDates(shirt.odoo, {"template": ("product.template", shirt.template), "small": small, "medium": medium})


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_moves_the_dates_of_the_template_and_of_its_variants(moved: dict[str, list[str]], name: str) -> None:
    assert moved[name] == EDITS[name][1]


def test_an_extra_price_moves_the_date_of_its_own_record(odoo: Odoo, shirt: Shirt) -> None:
    dates = WriteDates(odoo, {"value": ("product.template.attribute.value", shirt.template_values[0])})
    before = dates.wait()
    change_extra_price(odoo, shirt)
    assert dates.list_moved(before) == ["value"]


def test_a_tag_that_a_product_gets_moves_its_date_and_a_new_name_of_the_tag_does_not(odoo: Odoo, shirt: Shirt) -> None:
    tag = odoo.create("product.tag", name=make_prefix())
    dates = WriteDates(odoo, {"template": ("product.template", shirt.template)})
    before = dates.wait()
    odoo.write("product.template", shirt.template, product_tag_ids=[(4, tag, 0)])
    assert dates.list_moved(before) == ["template"]
    before = dates.wait()
    odoo.write("product.tag", tag, name=make_prefix())
    assert dates.list_moved(before) == []


def test_a_new_name_of_the_category_does_not_move_the_date_of_its_products(odoo: Odoo) -> None:
    category = odoo.create("product.category", name=make_prefix())
    template = odoo.create("product.template", name=make_prefix(), categ_id=category)
    dates = WriteDates(odoo, {"template": ("product.template", template)})
    before = dates.wait()
    odoo.write("product.category", category, name=make_prefix())
    assert dates.list_moved(before) == []


def test_stock_does_not_move_the_dates_of_the_product_but_that_of_the_quant(odoo: Odoo, box: Box) -> None:
    quant = box.put(5)
    dates = WriteDates(
        odoo,
        {
            "template": ("product.template", box.template),
            "variant": ("product.product", box.product),
            "quant": ("stock.quant", quant),
        },
    )
    before = dates.wait()
    box.put(6)
    assert dates.list_moved(before) == ["quant"]
    before = dates.wait()
    box.count(9)
    assert dates.list_moved(before) == ["quant"]
