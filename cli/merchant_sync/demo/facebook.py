"""The demo's steps for Facebook Pages, in the browser that has already connected accounts of other platforms."""

import time
from collections.abc import Sequence
from functools import partial
from uuid import uuid4

from merchant_sync.demo.facebook_sandbox import ConnectedPages, SandboxPages, get_object_key
from merchant_sync.demo.trip import WAIT_SECONDS, Trip, format_seconds_since, get_if_finished
from merchant_sync.parts import StackError
from merchant_sync.steps import DemoStep, wait_for

PAGES = 3


class PageSteps:
    """The demo's steps for Facebook. They share the Facebook Pages of one user."""

    def __init__(self, trip: Trip) -> None:
        self.trip = trip
        self.sandbox = SandboxPages(trip.visit)
        self._connection: ConnectedPages | None = None

    @property
    def connection(self) -> ConnectedPages:
        """The connected Facebook Pages. Raises StackError before `connect`."""
        if self._connection is None:
            raise StackError("no pages are connected")
        return self._connection

    def connect(self) -> str:
        """Connect the Facebook Pages of a new user in the demo's browser, and return the number of Pages as text."""
        person = self.sandbox.call("POST", "/users", {"name": f"Demo {uuid4().hex[:8]}", "pages": PAGES})
        self._connection = self.sandbox.connect(person["id"], self.trip.browser)
        self.trip.remember_login(self.connection.browser, self.connection.answer)
        self.trip.objects |= {page["connection"]: get_object_key(page["id"]) for page in self.connection.pages}
        return f"{len(self.connection.pages)} pages"

    def list_together(self) -> str:
        """Let the merchant list the Pages beside the accounts that were connected before; return the merchant's id."""
        return self.trip.list_together(page["connection"] for page in self.connection.pages)

    def compare_objects(self) -> str:
        """Wait until each Facebook Page's first sync is a success and its object equals the expected document.

        Return the keys of these objects in the bucket.
        """
        for page in self.connection.pages:
            load = partial(self.connection.load_sync, page["sync_id"])
            sync = wait_for(lambda load=load: get_if_finished(load()), within=WAIT_SECONDS, what="a page's first sync")  # type: ignore[misc]
            if sync["state"] != "success":
                raise StackError(f"the first sync of {page['connection']} is {sync['state']}")
            self._compare(page["id"])
        return ", ".join(get_object_key(page["id"]) for page in self.connection.pages)

    def edit_page(self) -> str:
        """Rename a Facebook Page and wait until its object in the bucket has the new name; return how long it took."""
        page = self.connection.pages[0]["id"]
        began = time.monotonic()
        self.sandbox.call("PATCH", f"/pages/{page}", {"name": f"Renamed {uuid4().hex[:6]}"})
        self._compare(page)
        return f"{format_seconds_since(began)} after the edit"

    def _compare(self, page: str) -> None:
        expected = partial(self.sandbox.load_expected_document, page)
        self.trip.wait_for_expected(get_object_key(page), expected)


def build_steps(trip: Trip) -> Sequence[DemoStep]:
    """Return the demo's steps for Facebook, in their order."""
    steps = PageSteps(trip)
    return (
        DemoStep("The same browser connects Facebook Pages", steps.connect),
        DemoStep("Each page's object equals the sandbox's expected document", steps.compare_objects),
        DemoStep("An edit of a page is in its object", steps.edit_page),
        DemoStep("The merchant lists the pages beside the other accounts", steps.list_together),
        DemoStep("The merchant's document lists all of the merchant's objects", trip.check_merchant_document),
    )
