"""A shop and a database of Odoo that are linked, on the whole stack."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
from typer.testing import CliRunner

from merchant_sync.app import app
from merchant_sync.demo.odoo_sandbox import ConnectedDatabase, SandboxDatabase
from world import World, wait_until


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

    def load_sync(self, sync: str) -> dict[str, Any]:
        """Return a sync of the link."""
        (found,) = (one for one in self.run("syncs") if one["id"] == sync)
        return dict(found)

    def wait_for_sync(self, sync: str) -> dict[str, Any]:
        """Wait until a sync of the link has ended with success; return it."""

        def find_ended() -> dict[str, Any] | None:
            found = self.load_sync(sync)
            return found if found["state"] in ("success", "failed", "cancelled") else None

        ended = wait_until(find_ended, 300)
        assert ended["state"] == "success", ended
        return ended

    def count_outcomes(self) -> dict[tuple[str, str], int]:
        """Return the numbers of the link's writes by side and state."""
        return {(one["side"], one["state"]): one["number"] for one in self.run("failures")["outcomes"]}

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

    def end(self) -> None:
        """End the link, and disconnect the database: it would be polled until the end of all tests."""
        self.run("end")
        self.world.visit.submit_button(self.browser, self.at_odoo.name, "disconnect")


def link_accounts(
    world: World, shop: str, products: dict[str, int], database: SandboxDatabase, **settings: Any
) -> Linked:
    """Connect a shop and a database, list both as one merchant's, and link them. Their draft is there then.

    `products` are the numbers of the shop's products by SKU. The stock of the first locations of both is in step.
    """
    connected = world.connect_and_sync(shop)
    at_odoo = database.connect(connected.browser)
    wait_until(lambda: at_odoo.load_first_sync()["state"] == "success" or None, 60)
    location = world.control_sandbox("GET", f"/{shop}")["locations"][0]["number"]
    linked = Linked(world, shop, database, f"shopify:{shop}", products, at_odoo, connected.browser, location)
    assert "different merchants" in linked.refuse("create", at_odoo.name)
    world.visit.submit_button(connected.browser, at_odoo.name, "move", beside=linked.name)
    wait_until(lambda: linked.has_one_merchant(at_odoo.name) or None, 60)
    made = linked.run("create", at_odoo.name, "--settings", str(_write_settings(linked, settings)))
    assert made["state"] == "reading"
    linked.wait_for_state("draft")
    return linked


def _write_settings(linked: Linked, settings: dict[str, Any]) -> Path:
    (warehouse,) = linked.database.execute("stock.warehouse", "search_read", [], ["lot_stock_id"], limit=1)
    locations = {f"gid://shopify/Location/{linked.location}": warehouse["lot_stock_id"][0]}
    path = linked.world.stack.data_dir / "link.json"
    path.write_bytes(orjson.dumps({"locations": locations, **settings}))
    return path
