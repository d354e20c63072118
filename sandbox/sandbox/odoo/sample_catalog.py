"""The records of a new database: what every database has, and a generated catalogue that is the same for one seed."""

import base64
import struct
import zlib
from random import Random
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from sandbox.odoo.access import GROUPS
from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.faults import ServerSetup
from sandbox.sample_texts import ADJECTIVES, MATERIALS, NOUNS, TAGS, TYPES

_ATTRIBUTES = (
    ("Size", ("S", "M", "L", "XL"), "always"),
    ("Color", ("Red", "Blue", "Black", "Ünique green"), "always"),
    ("Finish", ("Matt", "Gloss"), "dynamic"),
)


class DatabaseRecipe(BaseModel):
    """What a database is generated from.

    - `products`: the number of templates; every third one has variants, of which there are at most `variants`.
    - `first_number`: the number in the internal reference `SKU-00001` of the first product.
    - `doubled`: so many products have the internal reference of another; `without_code`: so many have none.
    - `images`: every so many products has an image; 0: none has.
    """

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    seed: int = 1
    products: int = Field(default=40, ge=0, le=100_000)
    variants: int = Field(default=8, ge=1, le=16)
    first_number: int = Field(default=1, ge=1)
    doubled: int = Field(default=0, ge=0)
    without_code: int = Field(default=0, ge=0)
    images: int = Field(default=5, ge=0)


def generate_database(env: OdooEnvironment, recipe: DatabaseRecipe, setup: ServerSetup) -> None:
    """Create the records of a new database."""
    _create_server_records(env, setup)
    _create_users(env)
    _create_product_lists(env)
    if "stock" in setup.apps:
        create_warehouse(env)
    _Catalog(env, recipe).create_products()


def _add(env: OdooEnvironment, model: str, external_id: str, **values: Any) -> int:
    """Create a record with the external id that it has in every database."""
    number = env.create(model, values)
    module, name = external_id.split(".")
    env.create("ir.model.data", {"module": module, "name": name, "model": model, "res_id": number, "noupdate": True})
    return number


def _create_server_records(env: OdooEnvironment, setup: ServerSetup) -> None:
    euro = _add(env, "res.currency", "base.EUR", name="EUR", full_name="Euro", symbol="€")
    _add(env, "res.currency", "base.USD", name="USD", full_name="United States dollar", symbol="$")
    country = _add(env, "res.country", "base.de", name="Germany", code="DE")
    partner = _add(env, "res.partner", "base.main_partner", name="My Company", is_company=True, country_id=country)
    _add(env, "res.company", "base.main_company", name="My Company", partner_id=partner, currency_id=euro,
         country_id=country)  # fmt: skip
    _add(env, "res.lang", "base.lang_en", name="English (US)", code="en_US")
    for code in setup.languages:
        env.create("res.lang", {"name": code, "code": code})
    apps = {"base": "Base", "product": "Products", "sale": "Sales", "stock": "Inventory", "website_sale": "eCommerce"}
    for name, label in apps.items():
        state = "installed" if name in ("base", "product", *setup.apps) else "uninstalled"
        env.create("ir.module.module", {"name": name, "shortdesc": label, "application": True, "state": state})
    for name, digits in (("Product Price", 2), ("Product Unit of Measure", 2), ("Stock Weight", 2)):
        env.create("decimal.precision", {"name": name, "digits": digits})


def _create_users(env: OdooEnvironment) -> None:
    groups = [_add(env, "res.groups", external_id, name=name) for external_id, name in GROUPS.items()]
    common = {"company_id": 1, "company_ids": [[6, 0, [1]]]}
    _add(env, "res.users", "base.user_root", name="OdooBot", login="__system__", active=False, **common)
    _add(env, "res.users", "base.user_admin", name="Mitchell Admin", login="admin", partner_id=1,
         membership=[[6, 0, groups]], **common)  # fmt: skip


def _create_product_lists(env: OdooEnvironment) -> None:
    units = [("uom.product_uom_unit", "Units", 1.0), ("uom.product_uom_dozen", "Dozens", 12.0)]
    if env.version < 19:
        category = _add(env, "uom.category", "uom.product_uom_categ_unit", name="Unit")
        for external_id, name, factor in units:
            kind = "reference" if factor == 1 else "bigger"
            _add(env, "uom.uom", external_id, name=name, category_id=category, factor=1 / factor, uom_type=kind)
    else:
        for external_id, name, factor in units:
            _add(env, "uom.uom", external_id, name=name, relative_factor=factor)
    sale = _add(env, "account.tax", "account.1_tax_19", name="19%", amount=19.0)
    _add(env, "account.tax", "account.1_tax_7", name="7%", amount=7.0)
    _add(env, "account.tax", "account.1_tax_19_purchase", name="19%", amount=19.0, type_tax_use="purchase")
    env.write("res.company", [1], {"account_sale_tax_id": sale})
    everything = _add(env, "product.category", "product.product_category_all", name="All")
    for name in TYPES:
        if name:
            env.create("product.category", {"name": name, "parent_id": everything})
    for name in dict.fromkeys(TAGS):
        env.create("product.tag", {"name": name})
    for name, values, mode in _ATTRIBUTES:
        attribute = env.create("product.attribute", {"name": name, "create_variant": mode})
        for sequence, value in enumerate(values):
            extra = 2.5 if value == "XL" else 0.0
            env.create("product.attribute.value", {"name": value, "attribute_id": attribute, "sequence": sequence,
                                                   "default_extra_price": extra})  # fmt: skip


def create_warehouse(env: OdooEnvironment) -> None:
    """Create the locations and the warehouse that the app for stock brings."""

    def place(external_id: str, name: str, usage: str, parent: int | None = None, **values: Any) -> int:
        return _add(env, "stock.location", f"stock.{external_id}", name=name, usage=usage, location_id=parent, **values)

    physical = place("stock_location_locations", "Physical Locations", "view")
    partners = place("stock_location_locations_partner", "Partners", "view")
    virtual = place("stock_location_locations_virtual", "Virtual Locations", "view")
    place("stock_location_suppliers", "Vendors", "supplier", partners)
    place("stock_location_customers", "Customers", "customer", partners)
    place("location_inventory", "Inventory adjustment", "inventory", virtual, company_id=1)
    view = place("stock_location_warehouse", "WH", "view", physical, company_id=1)
    stock = place("stock_location_stock", "Stock", "internal", view, company_id=1)
    place("stock_location_shelf", "Shelf 1", "internal", stock, company_id=1)
    _add(env, "stock.warehouse", "stock.warehouse0", name="My Company", code="WH", view_location_id=view,
         lot_stock_id=stock)  # fmt: skip


class _Catalog:
    """Creates the products of a recipe."""

    def __init__(self, env: OdooEnvironment, recipe: DatabaseRecipe) -> None:
        self._env, self._recipe = env, recipe
        self._random = Random(recipe.seed)
        self._categories = env.search("product.category", [], order="id")
        self._tags = env.search("product.tag", [], order="id")
        attributes = env.search("product.attribute", [("create_variant", "=", "always")], order="id")
        self._values = {
            number: env.search("product.attribute.value", [("attribute_id", "=", number)], order="sequence")
            for number in attributes
        }
        self._place = env.find("stock.warehouse", 1)["lot_stock_id"] if "stock.warehouse" in env.models else None

    def create_products(self) -> None:
        """Create all products."""
        recipe, first = self._recipe, self._recipe.first_number
        for index in range(recipe.products):
            code: str | None = f"SKU-{first + index:05}"
            if index >= recipe.products - recipe.without_code:
                code = None
            elif index >= recipe.products - recipe.without_code - recipe.doubled:
                code = f"SKU-{first + index - recipe.doubled:05}"
            # Every product has a source of its own, so that a product does not depend on how many others there are.
            self._random = Random(f"{recipe.seed}/{first + index}")
            self._create_product(first + index, code)

    def _create_product(self, number: int, code: str | None) -> None:
        env, random = self._env, self._random
        values: dict[str, Any] = {
            "name": f"{random.choice(ADJECTIVES)} {random.choice(MATERIALS)} {random.choice(NOUNS)}",
            "list_price": random.randint(300, 20000) / 100,
            "categ_id": random.choice(self._categories),
            "product_tag_ids": [[6, 0, random.sample(self._tags, random.randint(0, 2))]],
            "description_sale": random.choice((False, f"Made of {random.choice(MATERIALS)}.\nLine <two> & \"three\".")),
            "active": random.random() > 0.05, "kind": "consu", "tracks_stock": random.random() > 0.1,
        }  # fmt: skip
        values["attribute_line_ids"] = self._build_lines() if number % 3 == 0 else []
        template = env.create("product.template", values)
        created = env.database.find_referring("product.product", "product_tmpl_id", template)
        for index, variant in enumerate(sorted(created)):
            self._fill_variant(variant, number, index, code, has_several=number % 3 == 0)
        if self._recipe.images and number % self._recipe.images == 0:
            env.write("product.template", [template], {"image_1920": draw_image(random.randrange(256))})

    def _build_lines(self) -> list[Any]:
        size, color = list(self._values)
        most = self._recipe.variants
        sizes = min(self._random.randint(2, 4), most)
        colors = min(self._random.randint(1, 3), max(1, most // sizes))
        chosen = [(size, sizes)] if colors == 1 else [(size, sizes), (color, colors)]
        return [[0, 0, {"attribute_id": n, "value_ids": [[6, 0, self._values[n][:count]]]}] for n, count in chosen]

    def _fill_variant(self, variant: int, number: int, index: int, code: str | None, *, has_several: bool) -> None:
        env, random = self._env, self._random
        env.write("product.product", [variant], {
            "default_code": f"{code}-{index + 1}" if code and has_several else code,
            "barcode": f"4{number:08}{index:03}" if random.random() < 0.7 else False,
            "standard_price": random.randint(100, 9000) / 100, "weight": random.randint(1, 300) / 100})  # fmt: skip
        template = env.find("product.template", env.find("product.product", variant)["product_tmpl_id"])
        if self._place and template["tracks_stock"] and random.random() < 0.8:
            env.create("stock.quant", {"product_id": variant, "location_id": self._place,
                                       "quantity": float(random.randint(0, 120)), "in_date": env.now})  # fmt: skip


def draw_image(red: int, side: int = 8) -> str:
    """Return a PNG of one colour, in base64."""
    lines = b"".join(b"\0" + bytes((red, 90, 90)) * side for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()
