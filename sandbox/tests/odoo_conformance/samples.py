"""Records that tests create in a database, with names that no other test uses."""

import base64
import secrets
import struct
import time
import zlib
from dataclasses import dataclass
from typing import Any

from odoo_client import Odoo

SECOND = 1.05
"""Clients see times without fractions: this long after a write the next one has another time."""


def make_prefix() -> str:
    """Return a word that no name in any database begins with, without vowels."""
    return "T" + "".join(secrets.choice("bcdfghjkmnpqrstvwxz") for _ in range(8))


def draw_image(red: int, width: int = 2, height: int = 2) -> str:
    """Return a PNG of one colour, in base64."""
    lines = b"".join(b"\0" + bytes((red, 90, 90)) * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()


@dataclass
class Fruits:
    """Five products, of which `date` is archived, in two categories with two tags.

    `ids` are theirs, by short names.
    """

    odoo: Odoo
    prefix: str
    food: int
    berries: int
    fresh: int
    cheap: int
    ids: dict[str, int]

    def find(self, *conditions: Any, model: str = "product.template", order: str = "id", **more: Any) -> list[str]:
        """Return the short names of the fruits that match."""
        domain = [("name", "like", f"{self.prefix} "), *conditions]
        names = {number: name for name, number in self.ids.items()}
        return [names[number] for number in self.odoo.search(model, domain, order=order, **more)]


def create_fruits(odoo: Odoo) -> Fruits:
    """Create the products."""
    prefix = make_prefix()
    food = odoo.create("product.category", name=f"{prefix} Food")
    berries = odoo.create("product.category", name=f"{prefix} Berries", parent_id=food)
    fresh, cheap = (odoo.create("product.tag", name=f"{prefix} {name}") for name in ("fresh", "cheap"))
    products: dict[str, dict[str, Any]] = {
        "apple": {
            "name": "Apple", "list_price": 1, "default_code": "a_1", "categ_id": food, "weight": 0.5,
            "product_tag_ids": [(6, 0, [fresh])],
        },
        "banana": {
            "name": "banana", "list_price": 2.5, "default_code": "a%2", "categ_id": berries, "barcode": f"{prefix}-2",
            "product_tag_ids": [(6, 0, [fresh, cheap])],
        },
        "cherry": {
            "name": "Cherry", "list_price": 0, "categ_id": berries, "sale_ok": False, "description_sale": "Red & <b>",
        },
        "date": {"name": "Date", "list_price": 10, "default_code": "A_1", "active": False},
        "elder": {"name": "elder", "list_price": -1, "default_code": "", "product_tag_ids": [(6, 0, [cheap])]},
    }  # fmt: skip
    ids = {
        short: odoo.create("product.template", **{**values, "name": f"{prefix} {values['name']}"})
        for short, values in products.items()
    }
    return Fruits(odoo, prefix, food, berries, fresh, cheap, ids)


@dataclass
class Shirt:
    """A product with the sizes S and M, of which M costs 1 more.

    `variants`, `values` (of the attribute) and `template_values` (of the product) are ids in the order S, M.
    """

    odoo: Odoo
    name: str
    template: int
    attribute: int
    line: int
    variants: list[int]
    values: list[int]
    template_values: list[int]

    def list_variants(self) -> list[int]:
        """Return the ids of all variants, archived ones too."""
        domain = [("product_tmpl_id", "=", self.template)]
        return self.odoo.with_context(active_test=False).search("product.product", domain, order="id")


def create_shirt(odoo: Odoo, create_variant: str = "always") -> Shirt:
    """Create the product. With `dynamic` it has no variants."""
    name = make_prefix()
    attribute = odoo.create("product.attribute", name=f"{name} size", create_variant=create_variant)
    values = [
        odoo.create("product.attribute.value", name=size, attribute_id=attribute, default_extra_price=extra)
        for size, extra in (("S", 0), ("M", 1))
    ]
    line = {"attribute_id": attribute, "value_ids": [(6, 0, values)]}
    template = odoo.create("product.template", name=name, list_price=10, attribute_line_ids=[(0, 0, line)])
    row = odoo.read("product.template", template, "product_variant_ids", "attribute_line_ids")
    of_product = [("product_tmpl_id", "=", template)]
    return Shirt(
        odoo,
        name,
        template,
        attribute,
        row["attribute_line_ids"][0],
        sorted(row["product_variant_ids"]),
        values,
        odoo.search("product.template.attribute.value", of_product, order="id"),
    )


@dataclass
class Box:
    """A product without attributes that is kept in stock at `shelf`, the main location of the first warehouse."""

    odoo: Odoo
    template: int
    product: int
    shelf: int
    warehouse: int

    def count(self, quantity: float, location: int = 0) -> int:
        """Enter a counted quantity, which is not applied yet. Returns the id of the quant."""
        counting = self.odoo.with_context(inventory_mode=True)
        return counting.create(
            "stock.quant", product_id=self.product, location_id=location or self.shelf, inventory_quantity=quantity
        )

    def put(self, quantity: float, location: int = 0, name: str = "") -> int:
        """Let the location have a quantity. Returns the id of the quant."""
        quant = self.count(quantity, location)
        context = {"inventory_name": name} if name else {}
        answer = self.odoo.call("stock.quant", "action_apply_inventory", [quant], context=context)
        assert answer is None, answer
        return quant

    def read_quantities(self, *fields: str, **context: Any) -> tuple[float, ...]:
        """Return quantities of the product."""
        row = self.odoo.with_context(**context).read("product.product", self.product, *fields)
        return tuple(row[field] for field in fields)

    def list_quants(self, location: int = 0) -> list[float]:
        """Return the quantities of all quants at the location."""
        domain = [("product_id", "=", self.product), ("location_id", "=", location or self.shelf)]
        return [row["quantity"] for row in self.odoo.search_read("stock.quant", domain, "quantity", order="id")]


def create_box(odoo: Odoo, **values: Any) -> Box:
    """Create the product."""
    has_flag = "is_storable" in odoo.call("product.template", "fields_get", allfields=["is_storable"])
    kind = {"is_storable": True} if has_flag else {"detailed_type": "product"}
    template = odoo.create("product.template", name=make_prefix(), **kind, **values)
    (product,) = odoo.get("product.template", template, "product_variant_ids")
    warehouse = odoo.search("stock.warehouse", [], order="id", limit=1)[0]
    shelf = odoo.get("stock.warehouse", warehouse, "lot_stock_id")[0]
    return Box(odoo, template, product, shelf, warehouse)


@dataclass
class WriteDates:
    """Sees which of some records a write moves. `records` are pairs of a model and an id."""

    odoo: Odoo
    records: dict[str, tuple[str, int]]

    def read(self) -> dict[str, str]:
        """Return the `write_date` of each record; an empty text for one that is gone."""
        found = {}
        for name, (model, number) in self.records.items():
            rows = self.odoo.call(model, "read", [number], fields=["write_date"])
            found[name] = rows[0]["write_date"] if rows else ""
        return found

    def list_moved(self, before: dict[str, str]) -> list[str]:
        """Return the names of those records that are still there with another `write_date` than before."""
        return [name for name, moment in self.read().items() if moment not in ("", before[name])]

    def wait(self) -> dict[str, str]:
        """Return the dates, so long after the last write that another one has another date."""
        before = self.read()
        time.sleep(SECOND)
        return before
