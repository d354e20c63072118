"""A link between a shop and a database of Odoo on the whole stack: what differs is listed, and changes are planned."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson
import pytest
from typer.testing import CliRunner

from merchant_sync.app import app
from merchant_sync.demo.odoo_sandbox import SandboxDatabase
from world import World, wait_until

pytestmark = pytest.mark.integration


@dataclass
class Linked:
    """A shop and a database that are linked, and the numbers of their records by SKU."""

    world: World
    shop: str
    database: SandboxDatabase
    name: str
    products: dict[str, int]

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
    """Create a database with nine of the shop's products, one under another name, two others, and a doubled SKU."""
    database = SandboxDatabase(world.visit, f"db-{uuid4().hex[:8]}")
    database.call_database("PUT", "", {"products": 0})
    rows = [(f"A-{number}", f"Lamp {number}") for number in range(9)]
    rows[4] = ("A-4", "Lamp of oak")
    rows += [("B-1", "Only in Odoo"), ("B-2", "Only there, too"), ("DOUBLED", "Twin")]
    for code, name in rows:
        values = {"name": name, "default_code": code, "list_price": 10.0, "sale_ok": True}
        database.execute("product.template", "create", values)
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
    linked = Linked(world, shop, database, f"shopify:{shop}", products)
    assert "different merchants" in linked.refuse("create", at_odoo.name)
    world.visit.submit_button(connected.browser, at_odoo.name, "move", beside=linked.name)
    wait_until(lambda: linked.has_one_merchant(at_odoo.name) or None, 60)
    made = linked.run("create", at_odoo.name, "--settings", str(_write_settings(world)))
    assert made["state"] == "reading"
    linked.wait_for_state("draft")
    yield linked
    linked.run("end")


def _write_settings(world: World) -> Any:
    path = world.stack.data_dir / "link.json"
    path.write_text('{"fields": ["title", "sku"]}')
    return path


def test_the_draft_lists_exactly_what_differs(linked: Linked) -> None:
    plan = linked.run("plan")
    assert [(line["name"], line["field"], line["before"], line["after"]) for line in plan["lines"]] == [
        ("Lamp 4", "title", "Lamp 4", "Lamp of oak")
    ]
    unlinked = {(one["name"], one["reason"]) for one in plan["unlinked"] if one["resource"] == "products"}
    assert unlinked == {
        *((f"Lamp {number}", "missing_in_odoo") for number in (9, 10, 11)),
        *((name, "missing_in_shopify") for name in ("Only in Odoo", "Only there, too")),
    }
    assert plan["problem_counts"] == {"ambiguous_match": 1, "shopify_missing_sku": 1}
    assert linked.run("status")["pairs"] == {"linked": 8, "conflict": 1, "unlinked": 5}


def test_an_edit_on_either_side_is_planned_for_the_other_one(linked: Linked) -> None:
    first = {("Lamp 4", "title", "shopify")}
    (product,) = linked.database.execute("product.template", "search", [["default_code", "=", "A-1"]])
    linked.database.execute("product.template", "write", [product], {"name": "Lamp of ash"})
    linked.wait_for_lines(first | {("Lamp 1", "title", "shopify")})
    linked.world.edit_product(linked.shop, linked.products["A-2"], title="Lamp of iron")
    linked.wait_for_lines(first | {("Lamp 1", "title", "shopify"), ("Lamp of iron", "title", "odoo")})


def test_a_linker_that_is_killed_misses_nothing(linked: Linked) -> None:
    linked.world.stack.kill("linker")
    linked.world.edit_product(linked.shop, linked.products["A-3"], title="Edited while it was away")
    linked.world.stack.start_part("linker")
    wait_until(
        lambda: any(one["name"] == "Edited while it was away" for one in linked.run("plan")["lines"]) or None, 60
    )


def test_a_paused_link_reads_both_sides_again_when_it_is_resumed(linked: Linked) -> None:
    assert linked.run("pause")["state"] == "paused"
    assert linked.run("resume")["state"] == "reading"
    linked.wait_for_state("draft")
