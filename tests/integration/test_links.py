"""A link between a shop and a database of Odoo on the whole stack.

What differs is listed, an approved draft is written, and then each edit is on the other side, by one write.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any
from uuid import uuid4

import pytest

from linked_accounts import Linked, link_accounts
from merchant_sync.demo.odoo_sandbox import SandboxDatabase
from secret_search import read_logs
from world import World, wait_until

pytestmark = pytest.mark.integration
STOCKED = {"A-0": 10, "A-1": 12, "B-1": 4}
"""The units of Odoo by SKU."""


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
    shop, products = make_shop(world_of_module)
    database = make_database(world_of_module)
    linked = link_accounts(world_of_module, shop, products, database, fields=["title", "sku"])
    yield linked
    linked.end()


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


def test_a_removed_key_keeps_edits_waiting_and_a_new_one_lets_them_go(linked: Linked) -> None:
    for key in linked.database.call_database("GET", "/keys")["keys"]:
        linked.database.call_database("DELETE", f"/keys/{key['id']}")
    wait_until(lambda: linked.world.read_state(linked.at_odoo.name) == "reauthorise" or None, 60)
    linked.world.edit_product(linked.shop, linked.products["A-4"], title="While the key was gone")
    linked.wait_for_lines({("While the key was gone", "title", "odoo")})
    refused = linked.refuse("sync", "export_all_products", "--wait")
    assert "has to sign in again" in " ".join(refused.split())
    assert linked.run("failures")["failures"] == []
    key = linked.database.call_database("POST", "/keys", {"expires_in_seconds": 86_400})["key"]
    credentials = {**linked.database.build_credentials(), "key": key}
    answer = linked.browser.post("/odoo/connect", json=credentials, headers={"Accept": "application/json"})
    assert answer.status_code == 200, answer.text
    wait_until(lambda: linked.list_odoo_titles()["A-4"] == "While the key was gone" or None, 60)
    linked.wait_until_idle()
    assert linked.run("sync", "export_all_products", "--wait")["state"] == "success"


def test_an_odoo_that_comes_back_as_a_newer_version_is_written_to_by_its_own_api(linked: Linked) -> None:
    numbers = count()

    def is_adapted() -> bool | None:
        title = f"Edit {next(numbers)} in the newer version"
        linked.world.edit_product(linked.shop, linked.products["A-4"], title=title)
        wait_until(lambda: linked.list_odoo_titles()["A-4"] == title or None, 60)
        return "json2" in read_logs(linked.world)["odoo-writer"] or None

    try:
        linked.database.call("PUT", "/setup", {"version": 19})
        wait_until(is_adapted, 240)
        linked.wait_until_idle()
    finally:
        linked.database.call("PUT", "/setup", {})
