"""Random edits on both sides of a link while services are killed and platforms fail: both sides agree afterwards.

Products are few and edits many, so that edits meet each other, writes and kills. Each price is edited on one side
alone, so the last edit of it must be what both have; titles are edited on both, and only have to agree. Sales and moves
are counted: the shop must have both, and Odoo the moves.

SOAK_EDITS is the number of edits, SOAK_SEED their seed, and SOAK_PAUSE the longest pause between two, in seconds.
"""

import os
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from linked_accounts import Linked, link_accounts
from merchant_sync.demo.odoo_sandbox import SandboxDatabase
from world import World, wait_until

pytestmark = pytest.mark.integration
PRODUCTS = 30
UNITS = 100
VICTIMS = (
    *("linker", "shopify-writer", "odoo-writer", "shopify-fetcher", "odoo-fetcher", "spaces-writer", "scheduler"),
    "gateway",
)
AGREEMENT_SECONDS = 90
"""How long both sides may take to agree after the last edit: a write that got lost comes again after 60 s."""


@dataclass
class Edits:
    """Makes random edits on both sides, and knows what must come of them."""

    linked: Linked
    templates: dict[str, int]
    variants: dict[str, int]
    rng: random.Random
    made: Counter[str] = field(default_factory=Counter)
    prices: dict[str, str] = field(default_factory=dict)
    sold: Counter[str] = field(default_factory=Counter)
    moved: Counter[str] = field(default_factory=Counter)

    def make_one(self) -> None:
        """Make one edit of a random kind."""
        kind = self.rng.choice(["rename in the shop", "rename in Odoo", "price", "sale", "move"])
        sku = self.rng.choice(list(self.templates))
        number = self.linked.products[sku]
        if kind == "rename in the shop":
            self.linked.world.edit_product(self.linked.shop, number, title=f"Shop {uuid4().hex[:6]}")
        elif kind == "rename in Odoo":
            self._write_in_odoo(sku, {"name": f"Odoo {uuid4().hex[:6]}"})
        elif kind == "price":
            self._set_price(sku)
        elif kind == "sale":
            units = self.rng.randint(1, 3)
            body = {"variant": self.variants[sku], "location": self.linked.location, "change": -units}
            self.linked.world.control_sandbox("POST", f"/{self.linked.shop}/inventory", body)
            self.sold[sku] += units
        else:
            units = self.rng.choice([-2, -1, 1, 2, 5])
            self.linked.count(sku, units)
            self.moved[sku] += units
        self.made[kind] += 1

    def _set_price(self, sku: str) -> None:
        """Set a price: in the shop that of every other product, in Odoo those of the others."""
        price = f"{self.rng.randint(100, 9_999) / 100:.2f}"
        if self.templates[sku] % 2:
            variant = {"id": self.variants[sku], "price": price}
            self.linked.world.edit_product(self.linked.shop, self.linked.products[sku], variants=[variant])
        else:
            self._write_in_odoo(sku, {"list_price": float(price)})
        self.prices[sku] = price

    def _write_in_odoo(self, sku: str, values: dict[str, Any]) -> None:
        self.linked.database.execute("product.template", "write", [self.templates[sku]], values)


def fail_now_and_then(linked: Linked, rng: random.Random) -> None:
    """Let some of the next calls of both platforms fail, each in a way of its own."""
    shopify = rng.choice([{"lost_answers": 1}, {"throttle_writes": 3}, {"fail_writes": 2}, {"internal_error_calls": 1}])
    late = rng.choice([0.0, 0.0, 3.0])
    linked.world.set_faults(
        linked.shop, webhooks_dropped=0.1, webhooks_duplicated=1, webhooks_delayed_seconds=late, **shopify
    )
    odoo = rng.choice([{"concurrency_errors": 3}, {"hidden_calls": 1, "methods": ["write"]}, {"cut_calls": 1}])
    linked.database.call("PUT", "/faults", odoo)


@pytest.fixture
def linked_for_edits(stack: Any) -> Any:
    with World(stack) as world:
        shop, numbers = world.make_shop(products=0), {}
        world.control_sandbox("PATCH", f"/{shop}", json={"currency": "EUR"})
        database = SandboxDatabase(world.visit, f"db-{uuid4().hex[:8]}")
        database.call_database("PUT", "", {"products": 0})
        for number in range(PRODUCTS):
            sku = f"S-{number}"
            fields = {"title": f"Lamp {number}", "price": "10.00", "available": UNITS}
            made = world.control_sandbox("POST", f"/{shop}/products", json=fields)
            variant = {"id": made["variants"][0]["number"], "sku": sku, "barcode": None}
            world.control_sandbox("PATCH", f"/{shop}/products/{made['number']}", json={"variants": [variant]})
            numbers[sku] = made["number"]
            values = {"name": f"Lamp {number}", "default_code": sku, "list_price": 10.0, "is_storable": True}
            database.execute("product.template", "create", {**values, "sale_ok": True})
            (product,) = database.execute("product.product", "search", [["default_code", "=", sku]])
            database.call_database("POST", "/stock", {"product": product, "quantity": UNITS})
        linked = link_accounts(world, shop, numbers, database, fields=["title", "price"], create_in=[])
        linked.grant_scopes()
        wait_until(linked.has_granted, 60)
        assert linked.run("approve")["state"] == "active"
        yield linked
        world.set_faults(shop)
        database.call("PUT", "/faults", {})
        world.restart_stopped_parts()
        linked.end()


def test_both_sides_agree_after_random_edits_kills_and_faults(
    linked_for_edits: Linked, capsys: pytest.CaptureFixture[str]
) -> None:
    linked, world = linked_for_edits, linked_for_edits.world
    seed, count = int(os.environ.get("SOAK_SEED", "20261201")), int(os.environ.get("SOAK_EDITS", "250"))
    pause = float(os.environ.get("SOAK_PAUSE", "0.3"))
    rng = random.Random(seed)
    edits = Edits(linked, find_templates(linked), find_variants(linked), random.Random(seed + 1))
    began = time.monotonic()
    with ThreadPoolExecutor(1) as executor:
        killing = executor.submit(world.kill_at_random, random.Random(seed + 2), count // 20, VICTIMS, (1.0, 4.0))
        for number in range(count):
            if number % 10 == 0:
                fail_now_and_then(linked, rng)
            edits.make_one()
            time.sleep(rng.uniform(0.0, pause))
        kills = killing.result()
    edited = time.monotonic()
    world.set_faults(linked.shop)
    linked.database.call("PUT", "/faults", {})
    # What dropped webhooks were about is found by the next poll.
    world.poll_shop_now(linked.shop)
    wait_for_agreement(linked, edits)
    agreed = time.monotonic()
    linked.wait_until_idle()
    assert find_disagreement(linked, edits) is None
    assert linked.run("status")["unbooked_units"] == edits.sold.total()
    outcomes = {f"{one['side']} {one['state']}": one["number"] for one in linked.run("failures")["outcomes"]}
    assert not {name for name in outcomes if name.endswith((" refused", " failed"))}, outcomes
    with capsys.disabled():
        print(
            f"\n{count} edits, seed {seed}, in {edited - began:.1f} s: {dict(edits.made)}; kills {dict(kills)};"
            f" both sides agree {agreed - edited:.1f} s after the last edit; writes {outcomes}"
        )


def wait_for_agreement(linked: Linked, edits: Edits) -> None:
    """Wait until both sides agree. Fails with what differs, and what is planned and written of it."""
    try:
        wait_until(lambda: find_disagreement(linked, edits) is None or None, AGREEMENT_SECONDS)
    except AssertionError:
        sql = "SELECT side, operation, fields, state, attempt, failures, due_at - now() AS due FROM linker.writes"
        open_writes = [dict(row._mapping) for row in linked.world.select_rows(f"{sql} WHERE state = 'open'")]
        difference = find_disagreement(linked, edits)
        writes = list_stock_writes(linked, (difference or "").partition(":")[0])
        columns = ("name", "field", "action", "reason", "shopify", "odoo")
        plan = [tuple(one[name] for name in columns) for one in linked.run("plan")["lines"]]
        pytest.fail(f"{difference}; open writes {open_writes}; planned {plan}; writes of its stock {writes}")


def list_stock_writes(linked: Linked, sku: str) -> list[dict[str, Any]]:
    """Return all writes of the stock of a product, in their order."""
    sql = """
SELECT w.fields, w.state, w.attempt, w.plan_number, w.reason_code, w.created_at, w.ended_at
FROM linker.writes w JOIN linker.pairs p ON p.id = w.pair WHERE p.resource = 'stock' AND p.name = :sku
ORDER BY w.created_at
"""
    return [dict(row._mapping) for row in linked.world.select_rows(sql, sku=sku)]


def find_templates(linked: Linked) -> dict[str, int]:
    """Return the ids of Odoo's products by SKU."""
    rows = linked.database.execute("product.template", "search_read", [], ["default_code"])
    return {row["default_code"]: row["id"] for row in rows}


def find_variants(linked: Linked) -> dict[str, int]:
    """Return the numbers of the shop's variants by SKU."""
    listed = linked.world.control_sandbox("GET", f"/{linked.shop}/products?limit=250")["products"]
    return {product["variants"][0]["sku"]: product["variants"][0]["number"] for product in listed}


def find_disagreement(linked: Linked, edits: Edits) -> str | None:
    """Return what differs between both sides, or from what the edits must have led to; None if nothing does."""
    listed = linked.world.control_sandbox("GET", f"/{linked.shop}/products?limit=250")["products"]
    rows = linked.database.execute("product.template", "search_read", [], ["name", "default_code", "list_price"])
    shop = {product["variants"][0]["sku"]: product for product in listed}
    odoo = {row["default_code"]: row for row in rows}
    if len(listed) != PRODUCTS or len(rows) != PRODUCTS:
        return f"{len(listed)} products in the shop, {len(rows)} in Odoo"
    domain = [["location_id.usage", "=", "internal"]]
    quants = linked.database.execute("stock.quant", "search_read", domain, ["product_id", "quantity"])
    codes = {row["id"]: row["default_code"] for row in find_products(linked)}
    counted = Counter[str]()
    for quant in quants:
        counted[codes[quant["product_id"][0]]] += int(quant["quantity"])
    for sku, product in shop.items():
        (variant,) = product["variants"]
        units = next(level["available"] for level in variant["levels"] if level["location"] == linked.location)
        price = edits.prices.get(sku, "10.00")
        found = (product["title"], variant["price"], f"{odoo[sku]['list_price']:.2f}", units, counted[sku])
        moved, sold = edits.moved[sku], edits.sold[sku]
        wanted = (odoo[sku]["name"], price, price, UNITS + moved - sold, UNITS + moved)
        if found != wanted:
            return f"{sku}: {found}, not {wanted}"
    return None


def find_products(linked: Linked) -> list[dict[str, Any]]:
    """Return the variants of Odoo with their SKUs."""
    rows: list[dict[str, Any]] = linked.database.execute("product.product", "search_read", [], ["default_code"])
    return rows
