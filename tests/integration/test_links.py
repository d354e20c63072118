"""A link between a shop and a database of Odoo on the whole stack.

What differs is listed, an approved draft is written, and then each edit is on the other side, by one write.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from typer.testing import CliRunner

from merchant_sync.app import app
from merchant_sync.demo.odoo_sandbox import ConnectedDatabase, SandboxDatabase
from world import World, wait_until

pytestmark = pytest.mark.integration
STOCKED = {"A-0": 10, "A-1": 12, "B-1": 4}
"""The units of Odoo by SKU."""


@dataclass
class Linked:
    """A shop and a database that are linked, and the numbers of their records by SKU."""

    world: World
    shop: str
    database: SandboxDatabase
    name: str
    products: dict[str, int]
    at_odoo: ConnectedDatabase
    browser: httpx.Client
    location: int

    def run(self, *arguments: str) -> Any:
        """Run a command about the link and return its JSON."""
        command, *others = arguments
        done = CliRunner().invoke(
            app, ["link", command, self.name, *others, "--json", "--data", str(self.world.stack.data_dir)]
        )
        assert done.exit_code == 0, done.output
        return orjson.loads(done.stdout)

    def refuse(self, *arguments: str) -> str:
        """Run a command about the link that fails, and return what it says."""
        command, *others = arguments
        done = CliRunner().invoke(app, ["link", command, self.name, *others, "--data", str(self.world.stack.data_dir)])
        assert done.exit_code == 1
        return done.output

    def has_one_merchant(self, other: str) -> bool:
        """Return whether the linker knows that the shop and `other` belong to one merchant."""
        sql = "SELECT DISTINCT merchant FROM linker.connections WHERE connection IN (:shop, :other)"
        return len(self.world.select_rows(sql, shop=self.name, other=other)) == 1

    def wait_for_state(self, state: str) -> dict[str, Any]:
        """Wait until the link is in this state; return it."""
        return wait_until(lambda: link if (link := self.run("status"))["state"] == state else None, 60)

    def grant_scopes(self) -> None:
        """Let the merchant agree to what a link needs of the shop."""
        visit = self.world.visit
        callback = visit.submit_consent_form(self.browser.get(f"/shopify/{self.shop}/login?link=stock"))
        assert self.browser.get(callback).status_code < 400

    def has_granted(self) -> bool | None:
        """Return whether the linker knows that the shop may be written to; None if not yet."""
        sql = "SELECT scopes FROM linker.connections WHERE connection = :shop"
        return "write_inventory" in self.world.select_rows(sql, shop=self.name)[0].scopes or None

    def find_template(self, sku: str) -> dict[str, Any]:
        """Return the product of Odoo with this SKU."""
        fields = ["id", "name", "default_code", "list_price"]
        found = self.database.execute("product.template", "search_read", [["default_code", "=", sku]], fields)
        assert len(found) == 1, found
        return dict(found[0])

    def list_shop_titles(self) -> dict[str, str]:
        """Return the titles of the shop's products by SKU, of those that have one SKU alone."""
        listed = self.world.control_sandbox("GET", f"/{self.shop}/products?limit=250")["products"]
        return {product["variants"][0]["sku"]: product["title"] for product in listed}

    def list_odoo_titles(self) -> dict[str, str]:
        """Return the names of Odoo's products by SKU."""
        rows = self.database.execute("product.template", "search_read", [], ["name", "default_code"])
        return {row["default_code"]: row["name"] for row in rows if row["default_code"]}

    def sell(self, sku: str, number: int) -> None:
        """Let the shop's number of a product at the mapped location be another one."""
        product = self.world.control_sandbox("GET", f"/{self.shop}/products/{self.products[sku]}")
        body = {"variant": product["variants"][0]["number"], "location": self.location, "available": number}
        self.world.control_sandbox("POST", f"/{self.shop}/inventory", json=body)

    def count(self, sku: str, change: int) -> None:
        """Let units of a product come into Odoo, or go."""
        (variant,) = self.database.execute("product.product", "search", [["default_code", "=", sku]])
        self.database.call_database("POST", "/stock", {"product": variant, "change": change})

    def get_stock(self, sku: str) -> tuple[int | None, int]:
        """Return the numbers of a product at the mapped location: the shop's, None where it has none, and Odoo's."""
        listed = self.world.control_sandbox("GET", f"/{self.shop}/products?limit=250")["products"]
        (variant,) = [one for product in listed for one in product["variants"] if one["sku"] == sku]
        levels = [level["available"] for level in variant["levels"] if level["location"] == self.location]
        domain = [["product_id.default_code", "=", sku], ["location_id.usage", "=", "internal"]]
        quants = self.database.execute("stock.quant", "search_read", domain, ["quantity", "reserved_quantity"])
        return next(iter(levels), None), int(sum(one["quantity"] - one["reserved_quantity"] for one in quants))

    def count_writes(self) -> tuple[int, int]:
        """Return how many writes both stand-ins have received: the shop, and Odoo."""
        shop = self.world.control_sandbox("GET", f"/{self.shop}/statistics")["writes"]
        calls = self.database.call("GET", "/statistics")["calls"]
        written = sum(count for name, count in calls.items() if name.rpartition(".")[2] in ("write", "create", "load"))
        return sum(shop.values()), written

    def wait_until_idle(self) -> None:
        """Wait until nothing is planned any more, and no write is open."""
        sql = "SELECT count(*) FROM linker.writes WHERE state = 'open'"

        def is_idle() -> bool | None:
            lines = self.run("plan")["lines"]
            return (not lines and self.world.select_rows(sql)[0][0] == 0) or None

        wait_until(is_idle, 60)

    def wait_for_lines(self, expected: set[tuple[str, str, str | None]]) -> None:
        """Wait until the plan has exactly these lines, as (name, field, target)."""

        def have() -> bool | None:
            lines = self.run("plan")["lines"]
            return {(line["name"], line["field"], line["target"]) for line in lines} == expected or None

        wait_until(have, 60)


def make_shop(world: World) -> tuple[str, dict[str, int]]:
    """Create a shop with known products: 12 of which Odoo has 9, 2 with one SKU, 1 without."""
    shop = world.make_shop(products=0)
    numbers: dict[str, int] = {}

    def create(key: str, sku: str | None, title: str) -> None:
        path = f"/{shop}/products"
        made = world.control_sandbox("POST", path, json={"title": title, "price": "10.00"})
        variant = {"id": made["variants"][0]["number"], "sku": sku, "barcode": None}
        world.control_sandbox("PATCH", f"{path}/{made['number']}", json={"variants": [variant]})
        numbers[key] = made["number"]

    for number in range(12):
        create(f"A-{number}", f"A-{number}", f"Lamp {number}")
    create("doubled 1", "DOUBLED", "Twin one")
    create("doubled 2", "DOUBLED", "Twin two")
    create("none", None, "Without a key")
    return shop, numbers


def make_database(world: World) -> SandboxDatabase:
    """Create a database with nine of the shop's products, one under another name, two others, and a doubled SKU.

    The stock of some is counted: the shop has ten of each, and Odoo as many of the first one, but not of the second.
    """
    database = SandboxDatabase(world.visit, f"db-{uuid4().hex[:8]}")
    database.call_database("PUT", "", {"products": 0})
    rows = [(f"A-{number}", f"Lamp {number}") for number in range(9)]
    rows[4] = ("A-4", "Lamp of oak")
    rows += [("B-1", "Only in Odoo"), ("B-2", "Only there, too"), ("DOUBLED", "Twin")]
    for code, name in rows:
        values = {"name": name, "default_code": code, "list_price": 10.0, "sale_ok": True}
        database.execute("product.template", "create", {**values, "is_storable": code in STOCKED})
    for code, units in STOCKED.items():
        (variant,) = database.execute("product.product", "search", [["default_code", "=", code]])
        database.call_database("POST", "/stock", {"product": variant, "quantity": units})
    return database


@pytest.fixture(scope="module")
def world_of_module(stack: Any) -> Iterator[World]:
    with World(stack) as world:
        yield world


@pytest.fixture(scope="module")
def linked(world_of_module: World) -> Iterator[Linked]:
    """Link a shop and a database whose differences are known."""
    world = world_of_module
    shop, products = make_shop(world)
    connected = world.connect_and_sync(shop)
    database = make_database(world)
    at_odoo = database.connect(connected.browser)
    wait_until(lambda: at_odoo.load_first_sync()["state"] == "success" or None, 60)
    location = world.control_sandbox("GET", f"/{shop}")["locations"][0]["number"]
    linked = Linked(world, shop, database, f"shopify:{shop}", products, at_odoo, connected.browser, location)
    assert "different merchants" in linked.refuse("create", at_odoo.name)
    world.visit.submit_button(connected.browser, at_odoo.name, "move", beside=linked.name)
    wait_until(lambda: linked.has_one_merchant(at_odoo.name) or None, 60)
    made = linked.run("create", at_odoo.name, "--settings", str(_write_settings(linked)))
    assert made["state"] == "reading"
    linked.wait_for_state("draft")
    yield linked
    linked.run("end")
    world.visit.submit_button(linked.browser, at_odoo.name, "disconnect")


def _write_settings(linked: Linked) -> Any:
    (warehouse,) = linked.database.execute("stock.warehouse", "search_read", [], ["lot_stock_id"], limit=1)
    locations = {f"gid://shopify/Location/{linked.location}": warehouse["lot_stock_id"][0]}
    path = linked.world.stack.data_dir / "link.json"
    path.write_bytes(orjson.dumps({"fields": ["title", "sku"], "locations": locations}))
    return path


def test_the_draft_lists_exactly_what_differs(linked: Linked) -> None:
    plan = linked.run("plan")
    assert [(one["name"], one["before"], one["after"]) for one in plan["lines"] if one["field"] == "title"] == [
        ("Lamp 4", "Lamp 4", "Lamp of oak")
    ]
    assert {(one["name"], one["target"]) for one in plan["lines"] if one["action"] == "create"} == {
        *((f"Lamp {number}", "odoo") for number in (9, 10, 11)),
        *((name, "shopify") for name in ("Only in Odoo", "Only there, too")),
    }
    unlinked = {(one["name"], one["reason"]) for one in plan["unlinked"] if one["resource"] == "products"}
    assert unlinked == {
        *((f"Lamp {number}", "missing_in_odoo") for number in (9, 10, 11)),
        *((name, "missing_in_shopify") for name in ("Only in Odoo", "Only there, too")),
    }
    assert [(one["name"], one["before"], one["after"]) for one in plan["lines"] if one["resource"] == "stock"] == [
        ("A-1", 10, 12)
    ]
    assert plan["problem_counts"] == {"ambiguous_match": 1, "shopify_missing_sku": 1}
    assert linked.run("status")["pairs"] == {"linked": 8, "conflict": 1, "unlinked": 5}


def test_nothing_is_written_before_a_person_and_the_merchant_have_agreed(linked: Linked) -> None:
    before = linked.count_writes()
    linked.world.edit_product(linked.shop, linked.products["A-1"], title="Lamp of ash")
    wait_until(
        lambda: any(one["name"] == "Lamp of ash" for one in linked.run("plan")["lines"]) or None, 60
    )
    refusal = " ".join(linked.refuse("approve").split())
    assert "has not granted write_products" in refusal and f"/shopify/{linked.shop}/login?link=stock" in refusal
    shop, _ = linked.count_writes()
    assert (linked.run("status")["state"], shop) == ("draft", before[0])
    assert linked.find_template("A-1")["name"] == "Lamp 1"


def test_an_approved_draft_makes_both_sides_equal_and_a_second_one_writes_nothing(linked: Linked) -> None:
    linked.grant_scopes()
    wait_until(linked.has_granted, 60)
    assert linked.run("approve", "--plan", str(linked.run("status")["plan_number"]))["state"] == "active"
    linked.wait_until_idle()
    shop, odoo = linked.list_shop_titles(), linked.list_odoo_titles()
    both = {sku for sku in shop if sku and sku != "DOUBLED"}
    assert both == odoo.keys() - {"DOUBLED"} == {*(f"A-{number}" for number in range(12)), "B-1", "B-2"}
    assert {sku: shop[sku] for sku in both} == {sku: odoo[sku] for sku in both}
    assert (shop["A-4"], shop["A-1"]) == ("Lamp of oak", "Lamp of ash")
    assert {sku: linked.get_stock(sku) for sku in STOCKED} == {"A-0": (10, 10), "A-1": (12, 12), "B-1": (4, 4)}
    states = linked.run("status")["pairs"]
    assert states == {"linked": 14}
    assert linked.run("failures")["failures"] == []
    written = linked.count_writes()
    for action in ("pause", "resume"):
        linked.run(action)
    linked.wait_for_state("active")
    linked.wait_until_idle()
    assert linked.count_writes() == written


def test_an_edit_on_either_side_is_one_write_on_the_other_one(linked: Linked) -> None:
    shop, odoo = linked.count_writes()
    (product,) = linked.database.execute("product.template", "search", [["default_code", "=", "A-2"]])
    linked.database.execute("product.template", "write", [product], {"name": "Lamp of birch"})
    wait_until(lambda: linked.list_shop_titles()["A-2"] == "Lamp of birch" or None, 60)
    linked.world.edit_product(linked.shop, linked.products["A-3"], title="Lamp of iron")
    wait_until(lambda: linked.list_odoo_titles()["A-3"] == "Lamp of iron" or None, 60)
    linked.wait_until_idle()
    # What echoes cause would come before these later edits are on the other side.
    (later,) = linked.database.execute("product.template", "search", [["default_code", "=", "A-10"]])
    linked.database.execute("product.template", "write", [later], {"name": "Later in Odoo"})
    wait_until(lambda: linked.list_shop_titles()["A-10"] == "Later in Odoo" or None, 60)
    linked.world.edit_product(linked.shop, linked.products["A-11"], title="Later in the shop")
    wait_until(lambda: linked.list_odoo_titles()["A-11"] == "Later in the shop" or None, 60)
    linked.wait_until_idle()
    # The edits that the test makes in Odoo are not counted by the stand-in.
    assert linked.count_writes() == (shop + 2, odoo + 2)


@pytest.mark.parametrize("victim", ["linker", "shopify-writer", "odoo-writer"])
def test_a_service_that_is_killed_forgets_no_edit(linked: Linked, victim: str) -> None:
    title = f"While {victim} was away"
    linked.world.stack.kill(victim)
    (product,) = linked.database.execute("product.template", "search", [["default_code", "=", "A-5"]])
    linked.database.execute("product.template", "write", [product], {"name": title})
    linked.world.edit_product(linked.shop, linked.products["A-6"], title=title)
    before, _ = linked.get_stock("A-1")
    assert before is not None
    linked.count("A-1", 2)
    linked.world.stack.start_part(victim)
    wait_until(lambda: linked.get_stock("A-1")[0] == before + 2 or None, 120)
    wait_until(lambda: linked.list_shop_titles()["A-5"] == title or None, 120)
    wait_until(lambda: linked.list_odoo_titles()["A-6"] == title or None, 120)
    linked.wait_until_idle()


def test_a_sale_and_a_move_at_one_moment_both_count_until_the_sale_is_booked(linked: Linked) -> None:
    linked.sell("A-0", 7)
    linked.count("A-0", 5)
    wait_until(lambda: linked.get_stock("A-0") == (12, 15) or None, 60)
    wait_until(lambda: linked.run("status")["unbooked_units"] == 3 or None, 60)
    linked.count("A-0", -3)
    wait_until(lambda: linked.get_stock("A-0") == (9, 12) or None, 60)
    linked.wait_until_idle()
    assert linked.run("book", "--quantity", "3") == {"units": 3}
    wait_until(lambda: linked.get_stock("A-0") == (12, 12) or None, 60)
    linked.wait_until_idle()
    assert linked.run("status")["unbooked_units"] == 0


def test_edits_of_different_fields_at_one_moment_both_survive(linked: Linked) -> None:
    (product,) = linked.database.execute("product.template", "search", [["default_code", "=", "A-7"]])
    linked.database.execute("product.template", "write", [product], {"name": "Renamed in Odoo"})
    path = f"/{linked.shop}/products/{linked.products['A-7']}"
    shown = linked.world.control_sandbox("GET", path)
    linked.world.control_sandbox(
        "PATCH", path, json={"variants": [{"id": shown["variants"][0]["number"], "sku": "A-7-NEW"}]}
    )

    def are_equal() -> bool | None:
        name = linked.list_odoo_titles().get("A-7-NEW")
        return (name == linked.list_shop_titles().get("A-7-NEW") == "Renamed in Odoo") or None

    wait_until(are_equal, 60)


def test_a_product_that_is_archived_in_odoo_goes_off_sale_in_the_shop(linked: Linked) -> None:
    (product,) = linked.database.execute("product.template", "search", [["default_code", "=", "A-8"]])
    linked.database.execute("product.template", "write", [product], {"active": False})
    path = f"/{linked.shop}/products/{linked.products['A-8']}"
    wait_until(lambda: linked.world.control_sandbox("GET", path)["status"] == "DRAFT" or None, 60)
    linked.wait_until_idle()
