"""The records of a new database: what every database has, and a generated catalogue that is the same for one seed."""

from random import Random
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from sandbox.odoo.environment import Environment
from sandbox.odoo.faults import Setup
from sandbox.sample_texts import ADJECTIVES, MATERIALS, NOUNS


class Recipe(BaseModel):
    """What a database is generated from.

    - `products`: the number of templates; `variants`: the most values that an attribute of one has.
    - `doubled`: so many products have the internal reference of another; `without_code`: so many have none.
    """

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    seed: int = 1
    products: int = Field(default=40, ge=0, le=100_000)


def generate_database(env: Environment, recipe: Recipe, setup: Setup) -> None:
    """Create the records of a new database."""
    _create_server_records(env, setup)
    _create_product_lists(env)
    if "stock" in setup.apps:
        _create_warehouse(env)
    random = Random(recipe.seed)
    for number in range(recipe.products):
        _create_product(env, random, number)


def _add(env: Environment, model: str, xml_id: str, **values: Any) -> int:
    """Create a record with the external id that it has in every database."""
    number = env.create(model, values)
    module, name = xml_id.split(".")
    env.create("ir.model.data", {"module": module, "name": name, "model": model, "res_id": number, "noupdate": True})
    return number


def _create_server_records(env: Environment, setup: Setup) -> None:
    euro = _add(env, "res.currency", "base.EUR", name="EUR", full_name="Euro", symbol="€")
    _add(env, "res.currency", "base.USD", name="USD", full_name="United States dollar", symbol="$")
    country = _add(env, "res.country", "base.de", name="Germany", code="DE")
    partner = _add(env, "res.partner", "base.main_partner", name="My Company", is_company=True, country_id=country)
    company = _add(
        env, "res.company", "base.main_company", name="My Company", partner_id=partner, currency_id=euro,
        country_id=country,
    )  # fmt: skip
    _add(env, "res.lang", "base.lang_en", name="English (US)", code="en_US")
    for code in setup.languages:
        env.create("res.lang", {"name": code, "code": code})
    _add(env, "res.users", "base.user_root", name="OdooBot", login="__system__", active=False, company_id=company)
    _add(env, "res.users", "base.user_admin", name="Mitchell Admin", login="admin", company_id=company,
         company_ids=[[6, 0, [company]]], partner_id=partner)  # fmt: skip
    for name, label in (("base", "Base"), ("product", "Products"), ("sale", "Sales"), ("stock", "Inventory"),
                        ("website_sale", "eCommerce")):  # fmt: skip
        is_installed = name in ("base", "product", *setup.apps)
        env.create("ir.module.module", {"name": name, "shortdesc": label, "application": True,
                                        "state": "installed" if is_installed else "uninstalled"})  # fmt: skip


def _create_product_lists(env: Environment) -> None:
    if env.version < 19:
        _add(env, "uom.category", "uom.product_uom_categ_unit", name="Unit")
    _add(env, "uom.uom", "uom.product_uom_unit", name="Units")
    tax = _add(env, "account.tax", "account.1_tax_19", name="19%", amount=19.0)
    _add(env, "account.tax", "account.1_tax_7", name="7%", amount=7.0)
    env.write("res.company", [1], {"account_sale_tax_id": tax})
    everything = _add(env, "product.category", "product.product_category_all", name="All")
    _add(env, "product.category", "product.product_category_1", name="Saleable", parent_id=everything)


def _create_warehouse(env: Environment) -> None:
    view = _add(env, "stock.location", "stock.stock_location_locations", name="Physical Locations", usage="view")
    partners = _add(env, "stock.location", "stock.stock_location_locations_partner", name="Partners", usage="view")
    virtual = _add(env, "stock.location", "stock.stock_location_locations_virtual", name="Virtual Locations", usage="view")
    _add(env, "stock.location", "stock.stock_location_suppliers", name="Vendors", usage="supplier", location_id=partners)
    _add(env, "stock.location", "stock.stock_location_customers", name="Customers", usage="customer",
         location_id=partners)  # fmt: skip
    warehouse = _add(env, "stock.location", "stock.stock_location_warehouse", name="WH", usage="view", location_id=view,
                     company_id=1)  # fmt: skip
    stock = _add(env, "stock.location", "stock.stock_location_stock", name="Stock", location_id=warehouse, company_id=1)
    _add(env, "stock.location", "stock.location_inventory", name="Inventory adjustment", usage="inventory",
         location_id=virtual, company_id=1)  # fmt: skip
    _add(env, "stock.warehouse", "stock.warehouse0", name="My Company", code="WH", view_location_id=warehouse,
         lot_stock_id=stock)  # fmt: skip


def _create_product(env: Environment, random: Random, number: int) -> None:
    name = f"{random.choice(ADJECTIVES)} {random.choice(MATERIALS)} {random.choice(NOUNS)}"
    env.create(
        "product.template",
        {
            "name": name, "list_price": random.randint(300, 20000) / 100, "default_code": f"SKU-{number + 1:05}",
            "standard_price": random.randint(100, 9000) / 100, "weight": random.randint(1, 300) / 100,
        },
    )  # fmt: skip
