"""The demo's steps for Odoo, in the browser that has already connected other accounts."""

import time
from collections.abc import Sequence
from uuid import uuid4

from merchant_sync.demo.links import build_link_steps
from merchant_sync.demo.odoo_sandbox import ConnectedDatabase, SandboxDatabase
from merchant_sync.demo.trip import WAIT_SECONDS, Trip, format_seconds_since, get_if_finished
from merchant_sync.parts import StackError
from merchant_sync.steps import DemoStep, wait_for


class DatabaseSteps:
    """The demo's steps for Odoo. They share one database."""

    def __init__(self, trip: Trip) -> None:
        self.trip = trip
        self.sandbox = SandboxDatabase(trip.visit)
        self._connected: ConnectedDatabase | None = None

    @property
    def connected(self) -> ConnectedDatabase:
        """The connected database. Raises StackError before `connect`."""
        if self._connected is None:
            raise StackError("no database is connected")
        return self._connected

    def connect(self) -> str:
        """Connect the sandbox's database by its API key; return the connection's name."""
        self._connected = self.sandbox.connect(self.trip.browser)
        self.trip.remember_login(self.connected.browser, self.connected.answer)
        self.trip.objects[self.connected.name] = self.connected.object_key
        return self.connected.name

    def compare_object(self) -> str:
        """Wait until the first sync is a success and the object equals the expected document."""
        sync = wait_for(
            lambda: get_if_finished(self.connected.load_first_sync()),
            within=WAIT_SECONDS,
            what="the database's first sync",
        )
        if sync["state"] != "success":
            raise StackError(f"the first sync of the database is {sync['state']}: {sync['reason']}")
        return self.trip.wait_for_expected(self.connected.object_key, self.sandbox.load_expected_document)

    def compare_after_edit(self) -> str:
        """Rename a product in Odoo, and wait until the object has the name; return how long that took."""
        began = time.monotonic()
        (product,) = self.sandbox.execute("product.template", "search", [], limit=1)
        self.sandbox.execute("product.template", "write", [product], {"name": f"Renamed {uuid4().hex[:6]}"})
        self.trip.wait_for_expected(self.connected.object_key, self.sandbox.load_expected_document)
        return f"{format_seconds_since(began)} after the edit"

    def list_together(self) -> str:
        """Let the merchant list the database beside the accounts that were connected before; return the merchant."""
        return self.trip.list_together([self.connected.name])


def build_steps(trip: Trip) -> Sequence[DemoStep]:
    """Return the demo's steps for Odoo, in their order."""
    steps = DatabaseSteps(trip)
    return (
        DemoStep("The same browser connects a database of Odoo", steps.connect),
        DemoStep("The database's object equals the sandbox's expected document", steps.compare_object),
        DemoStep("A product that was renamed in Odoo is there after the next poll", steps.compare_after_edit),
        DemoStep("The merchant lists the database beside the other accounts", steps.list_together),
        DemoStep("The merchant's document lists the database's object as well", trip.check_merchant_document),
        *build_link_steps(trip, steps.sandbox, lambda: steps.connected.name),
    )
