"""The demo's steps for a link: a shop and a database of Odoo, connected before, are kept in step."""

import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from merchant_sync.client import ensure_success
from merchant_sync.demo.odoo_sandbox import SandboxDatabase
from merchant_sync.demo.shopify_sandbox import SandboxShops
from merchant_sync.demo.trip import WAIT_SECONDS, Trip, format_seconds_since
from merchant_sync.operating.internal_api import InternalApi
from merchant_sync.parts import StackError
from merchant_sync.steps import DemoStep, wait_for

UNITS = 10
"""The stock of the demo's product on both sides, at first."""
SETTINGS = {"fields": ["title", "price"], "create_in": []}
"""The settings of the demo's link. It makes no products, because the sandbox's catalogues have nothing in common."""


class LinkSteps:
    """The demo's steps for a link. They share one product, which is on both sides under one SKU."""

    def __init__(self, trip: Trip, database: SandboxDatabase, get_connection: Callable[[], str]) -> None:
        self.trip = trip
        self.shops = SandboxShops(trip.visit)
        self.database = database
        self._get_database_connection = get_connection
        self.sku = f"DEMO-{uuid4().hex[:8]}"
        self._number = 0
        self._variant = 0
        self._location = 0
        self._template = 0

    @property
    def shop(self) -> str:
        """The domain of the shop that the demo has connected. Raises StackError if there is none."""
        found = [name.partition(":")[2] for name in self.trip.objects if name.startswith("shopify:")]
        if not found:
            raise StackError("no shop is connected")
        return found[0]

    @property
    def connection(self) -> str:
        """The name of the shop's connection, by which the link is known."""
        return f"shopify:{self.shop}"

    def create_draft(self) -> str:
        """Put a product on both sides under two names, link them, and wait until the draft lists that difference."""
        made = self.shops.call("POST", f"/{self.shop}/products", {"title": "Lamp", "price": "10.00"})
        self._number, self._variant = made["number"], made["variants"][0]["number"]
        self._location = self.shops.call("GET", f"/{self.shop}")["locations"][0]["number"]
        variant = {"id": self._variant, "sku": self.sku, "barcode": None}
        self.shops.call("PATCH", f"/{self.shop}/products/{self._number}", {"variants": [variant]})
        self._set_units(UNITS)
        values = {"name": "Lamp of oak", "default_code": self.sku, "list_price": 10.0, "sale_ok": True}
        self._template = self.database.execute("product.template", "create", {**values, "is_storable": True})
        self._receive_units(UNITS)
        with InternalApi(self.trip.visit.access) as api:
            wait_for(lambda: self._create(api), within=WAIT_SECONDS, what="the link")
        plan = self._wait_for_line("Lamp", "Lamp of oak")
        if self._load_title() != "Lamp":
            raise StackError("the shop was written to before the draft was approved")
        return f"plan {plan['number']}: Lamp → Lamp of oak, and nothing is written"

    def approve_draft(self) -> str:
        """Let the merchant agree to what a link needs, approve the draft, and wait until the shop has Odoo's name."""
        browser = self.trip.browser
        if browser is None:
            raise StackError("no account is connected")
        callback = self.trip.visit.submit_consent_form(browser.get(f"/shopify/{self.shop}/login?link=stock"))
        ensure_success(browser.get(callback, headers={"Accept": "application/json"}))
        with InternalApi(self.trip.visit.access) as api:
            wait_for(lambda: self._approve(api), within=WAIT_SECONDS, what="the approval")
        began = time.monotonic()
        self._wait_for_titles("Lamp of oak")
        return f"the shop has it {format_seconds_since(began)} after the approval"

    def edit_both_sides(self) -> str:
        """Rename the product in the shop, then in Odoo; each name must be on the other side."""
        began = time.monotonic()
        self.shops.call("PATCH", f"/{self.shop}/products/{self._number}", {"title": "Lamp of ash"})
        self._wait_for_titles("Lamp of ash")
        to_odoo = format_seconds_since(began)
        began = time.monotonic()
        self.database.execute("product.template", "write", [self._template], {"name": "Lamp of elm"})
        self._wait_for_titles("Lamp of elm")
        return f"in Odoo after {to_odoo}, in the shop after {format_seconds_since(began)}"

    def merge_stock(self) -> str:
        """Sell units in the shop while others come into Odoo; the shop must have what both leave."""
        began = time.monotonic()
        self._set_units(UNITS - 3)
        self._receive_units(5)
        expected = UNITS - 3 + 5
        wait_for(lambda: self._load_units() == expected or None, within=WAIT_SECONDS, what="the stock of both sides")
        return f"{UNITS} - 3 sold + 5 received = {expected} in the shop, after {format_seconds_since(began)}"

    def _set_units(self, number: int) -> None:
        body = {"variant": self._variant, "location": self._location, "available": number}
        self.shops.call("POST", f"/{self.shop}/inventory", body)

    def _load_units(self) -> int | None:
        (variant,) = self.shops.call("GET", f"/{self.shop}/products/{self._number}")["variants"]
        levels = (level["available"] for level in variant["levels"] if level["location"] == self._location)
        return next(levels, None)

    def _receive_units(self, number: int) -> None:
        (variant,) = self.database.execute("product.product", "search", [["product_tmpl_id", "=", self._template]])
        self.database.call_database("POST", "/stock", {"product": variant, "change": number})

    def _create(self, api: InternalApi) -> dict[str, Any] | None:
        """Return the link; None while the linker does not know yet that both accounts are of one merchant."""
        (warehouse,) = self.database.execute("stock.warehouse", "search_read", [], ["lot_stock_id"], limit=1)
        locations = {f"gid://shopify/Location/{self._location}": warehouse["lot_stock_id"][0]}
        settings = {**SETTINGS, "locations": locations}
        try:
            return api.create_link(self.connection, self._get_database_connection(), settings)
        except StackError as error:
            if error.status != 409:
                raise
            return None

    def _approve(self, api: InternalApi) -> dict[str, Any] | None:
        """Return the link; None while the linker does not know yet what the shop has granted."""
        try:
            return api.approve_plan(self.connection, None)
        except StackError as error:
            if error.status != 409:
                raise
            return None

    def _wait_for_line(self, before: str, after: str) -> dict[str, Any]:
        def find() -> dict[str, Any] | None:
            plan = api.load_plan(self.connection, 1000)
            found = any((line["before"], line["after"]) == (before, after) for line in plan["lines"])
            return plan if found and plan["state"] == "draft" else None

        with InternalApi(self.trip.visit.access) as api:
            return wait_for(find, within=WAIT_SECONDS, what="the draft of the link")

    def _wait_for_titles(self, title: str) -> None:
        def are_equal() -> bool | None:
            (row,) = self.database.execute("product.template", "read", [self._template], ["name"])
            return (self._load_title() == row["name"] == title) or None

        wait_for(are_equal, within=WAIT_SECONDS, what=f"the name {title} on both sides")

    def _load_title(self) -> str:
        return str(self.shops.call("GET", f"/{self.shop}/products/{self._number}")["title"])


def build_link_steps(
    trip: Trip, database: SandboxDatabase, get_connection: Callable[[], str]
) -> Sequence[DemoStep]:
    """Return the demo's steps for a link, in their order. `get_connection` returns the name of the database's."""
    steps = LinkSteps(trip, database, get_connection)
    return (
        DemoStep("A link of the shop and the database lists what differs", steps.create_draft),
        DemoStep("Once the merchant and a person agree, the shop has Odoo's name", steps.approve_draft),
        DemoStep("An edit on either side is on the other one", steps.edit_both_sides),
        DemoStep("A sale in the shop and goods that come into Odoo both count", steps.merge_stock),
    )
