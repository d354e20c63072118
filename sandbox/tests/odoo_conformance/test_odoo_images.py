"""Images of products, and the attachments that they are kept in."""

import base64
import hashlib
from typing import Any

import pytest

from odoo_client import Odoo
from samples import Shirt, draw_image, make_prefix

FIELDS = ("res_field", "checksum", "mimetype", "file_size")


def find_images(odoo: Odoo, model: str, number: int, *conditions: Any) -> list[dict[str, Any]]:
    """Return the attachments that are the values of fields of a record."""
    domain = [("res_model", "=", model), ("res_id", "=", number), ("res_field", "!=", False), *conditions]
    return odoo.search_read("ir.attachment", domain, *FIELDS, order="res_field")


@pytest.fixture
def product(odoo: Odoo) -> int:
    """A product with an image."""
    return odoo.create("product.template", name=make_prefix(), image_1920=draw_image(1))


def test_an_image_is_read_as_it_was_written(odoo: Odoo, product: int) -> None:
    assert odoo.get("product.template", product, "image_1920") == draw_image(1)


def test_the_context_asks_for_the_size_in_place_of_the_image(odoo: Odoo, product: int) -> None:
    size = len(base64.b64decode(draw_image(1)))
    assert odoo.with_context(bin_size=True).get("product.template", product, "image_1920") == f"{size}.00 bytes"


def test_the_checksum_of_an_attachment_is_the_sha1_of_the_image(odoo: Odoo, product: int) -> None:
    image = base64.b64decode(draw_image(1))
    (row,) = find_images(odoo, "product.template", product, ("res_field", "=", "image_1920"))
    assert {**row, "id": 0} == {
        "id": 0, "res_field": "image_1920", "checksum": hashlib.sha1(image).hexdigest(), "mimetype": "image/png",
        "file_size": len(image),
    }  # fmt: skip


def test_there_is_an_attachment_for_each_size(odoo: Odoo, product: int) -> None:
    names = [row["res_field"] for row in find_images(odoo, "product.template", product)]
    assert names == ["image_1024", "image_128", "image_1920", "image_256", "image_512"]


def test_attachments_that_are_values_of_fields_are_hidden_unless_the_domain_names_the_field(
    odoo: Odoo, product: int
) -> None:
    of_product = [("res_model", "=", "product.template"), ("res_id", "=", product)]
    assert odoo.search("ir.attachment", of_product) == []
    text = base64.b64encode(b"hello").decode()
    values = {"name": "notes.txt", "datas": text, "res_model": "product.template", "res_id": product}
    number = int(odoo.call("ir.attachment", "create", vals_list=[values])[0])
    assert odoo.search("ir.attachment", of_product) == [number]
    row = odoo.read("ir.attachment", number, "checksum", "file_size", "mimetype", "datas")
    assert row == {
        "id": number, "checksum": hashlib.sha1(b"hello").hexdigest(), "file_size": 5, "mimetype": "text/plain",
        "datas": text,
    }  # fmt: skip


def test_another_image_has_another_checksum_and_the_same_one_the_same(odoo: Odoo, product: int) -> None:
    def read_checksum() -> str:
        (row,) = find_images(odoo, "product.template", product, ("res_field", "=", "image_1920"))
        return str(row["checksum"])

    first = read_checksum()
    odoo.write("product.template", product, image_1920=draw_image(2))
    second = read_checksum()
    odoo.write("product.template", product, image_1920=draw_image(1))
    assert first == read_checksum() != second


def test_an_image_that_is_taken_away_takes_its_attachments_along(odoo: Odoo, product: int) -> None:
    odoo.write("product.template", product, image_1920=False)
    assert find_images(odoo, "product.template", product) == []
    assert odoo.get("product.template", product, "image_1920") is False


def test_a_variant_without_an_image_shows_that_of_the_template(odoo: Odoo, shirt: Shirt) -> None:
    odoo.write("product.template", shirt.template, image_1920=draw_image(1))
    small, medium = shirt.variants
    odoo.write("product.product", medium, image_variant_1920=draw_image(2))
    shown = [odoo.read("product.product", variant, "image_1920", "image_variant_1920") for variant in shirt.variants]
    assert [row["image_1920"] for row in shown] == [draw_image(1), draw_image(2)]
    assert [row["image_variant_1920"] for row in shown] == [False, draw_image(2)]
    assert find_images(odoo, "product.product", small) == []
    owned = find_images(odoo, "product.product", medium, ("res_field", "=", "image_variant_1920"))
    assert [row["checksum"] for row in owned] == [hashlib.sha1(base64.b64decode(draw_image(2))).hexdigest()]


def test_the_first_image_that_a_variant_gets_is_the_template_s(odoo: Odoo, shirt: Shirt) -> None:
    odoo.write("product.product", shirt.variants[0], image_1920=draw_image(1))
    assert odoo.get("product.template", shirt.template, "image_1920") == draw_image(1)
    assert odoo.get("product.product", shirt.variants[0], "image_variant_1920") is False
    odoo.write("product.product", shirt.variants[0], image_1920=draw_image(2))
    assert odoo.get("product.template", shirt.template, "image_1920") == draw_image(1)
    assert odoo.get("product.product", shirt.variants[0], "image_variant_1920") == draw_image(2)


def test_the_attachments_of_many_products_are_found_by_one_search(odoo: Odoo, product: int) -> None:
    other = odoo.create("product.template", name=make_prefix(), image_1920=draw_image(3))
    domain = [
        ("res_model", "=", "product.template"), ("res_id", "in", [product, other]), ("res_field", "=", "image_1920"),
    ]  # fmt: skip
    rows = odoo.search_read("ir.attachment", domain, "res_id")
    assert sorted(row["res_id"] for row in rows) == sorted([product, other])
