"""What moves the `write_date` of a product and of its variants, by which changes are found."""

from collections.abc import Callable

import pytest

from odoo_client import Odoo
from samples import Box, Shirt, WriteDates, create_shirt, draw_image, make_prefix

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


@pytest.mark.parametrize(
    ("edit", "moved"),
    [
        (write_template(description_sale="new"), ALL),
        (write_template(list_price=12), ALL),
        (write_template(list_price=10), ALL),
        (write_template(active=False), ALL),
        (write_template(image_1920=draw_image(1)), ALL),
        (write_small(default_code="new"), ["small"]),
        (write_small(standard_price=3), ["small"]),
        (write_small(active=False), ["small"]),
        (write_small(barcode=False), ["small"]),
        (write_small(name=make_prefix()), ALL),
        (write_small(lst_price=13), ALL),
        (write_small(image_variant_1920=draw_image(2)), ["small"]),
        (change_extra_price, []),
        (rename_attribute, []),
        (rename_value, []),
        (add_value, ALL),
    ],
    ids=[
        "template-text", "template-price", "template-equal-value", "template-archived", "template-image",
        "variant-code", "variant-cost", "variant-archived", "variant-barcode", "variant-name", "variant-price",
        "variant-image", "extra-price", "attribute-name", "value-name", "value-added",
    ],
)  # fmt: skip
def test_an_edit_moves_the_dates_of(odoo: Odoo, edit: Edit, moved: list[str]) -> None:
    shirt = create_shirt(odoo)
    product = "product.product"
    dates = WriteDates(
        odoo,
        {
            "template": ("product.template", shirt.template),
            "small": (product, shirt.variants[0]),
            "medium": (product, shirt.variants[1]),
        },
    )
    before = dates.wait()
    edit(odoo, shirt)
    assert dates.list_moved(before) == moved


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
