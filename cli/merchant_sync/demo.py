"""The unattended trip through a running stack: each step shows one promise, or says where it does not hold."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from merchant_sync import demo_pages
from merchant_sync.client import Connected, ConnectedPages, StoredObject, Visit
from merchant_sync.comparison import first_difference
from merchant_sync.steps import Difference, Step, eventually

PRODUCTS = 2_000
EDIT_SECONDS = 2.0
"""How soon after its webhook an edit must be in the object while a walk of the same shop runs."""


@dataclass
class Trip:
    """What the steps share: the stack, and the shop that the trip makes for itself."""

    visit: Visit
    shop: str = field(default_factory=lambda: f"demo-{uuid4().hex[:8]}.myshopify.com")
    connected: Connected | None = None
    pages: ConnectedPages | None = None
    products: list[dict[str, Any]] = field(default_factory=list)

    @property
    def merchant(self) -> Connected:
        """The merchant, once the shop is connected."""
        if self.connected is None:
            raise Difference("the shop is not connected")
        return self.connected

    @property
    def key(self) -> str:
        """Where the shop's snapshot is stored."""
        return f"{self.shop}/shopify_data.json"

    def tell(self, method: str, path: str, body: dict[str, Any] | None = None, **query: Any) -> Any:
        """Tell the sandbox something about the shop."""
        return self.visit.control(method, f"/{self.shop}{path}", body, **query)

    def number(self, place: int) -> int:
        """The numeric id of the shop's product at `place` in its list."""
        return int(self.products[place]["number"])


def _answers(trip: Trip) -> str:
    for path in ("/health", "/ready"):
        status = trip.visit.http.get(f"{trip.visit.gateway_url}{path}").status_code
        if status != 200:
            raise Difference(f"{trip.visit.gateway_url}{path} answered {status}, 200 is right")
    return trip.visit.gateway_url


def _make_shop(trip: Trip) -> str:
    recipe = {"shop": trip.shop, "seed": 11, "plan": "plus", "products": PRODUCTS, "variants": 3, "discounts": 12}
    trip.visit.control("POST", "", recipe)
    trip.products = trip.tell("GET", "/products", limit=20)["products"]
    return f"{trip.shop}, {PRODUCTS:,} products"


def _connect(trip: Trip) -> str:
    trip.connected = trip.visit.connect(trip.shop)
    held = str(trip.connected.answer)
    if "token" in held or "products" in trip.connected.answer:
        raise Difference(f"the answer holds what it must not: {held[:200]}")
    return f"merchant {trip.connected.answer['user_uuid']}"


def _first_sync(trip: Trip) -> str:
    shown = eventually(lambda: _ended(trip.merchant.sync()), within=180, what="the first sync's end")
    if shown["state"] != "success":
        raise Difference(f"the first sync is {shown['state']}: {shown['reason']}")
    return f"{shown['records']:,} records in {shown['pages']} pages"


def _ended(shown: dict[str, Any]) -> dict[str, Any] | None:
    return shown if shown["state"] not in ("queued", "running", "unknown") else None


def snapshot_equals_truth(trip: Trip, within: float = 60.0) -> str:
    """Wait until the stored snapshot is what the sandbox says is true; a Difference shows the first place it is not."""
    stored: list[StoredObject | None] = [None]

    def equal() -> StoredObject | None:
        found = stored[0] = trip.visit.object(trip.key)
        return found if found and first_difference(found.document, trip.visit.truth(trip.shop)) is None else None

    try:
        found = eventually(equal, within=within, what=f"{trip.key} equal to the sandbox's truth")
    except Difference as late:
        last = stored[0]
        where = first_difference(last.document, trip.visit.truth(trip.shop)) if last else "there is no object"
        raise Difference(f"{late}\n    {where}") from None
    return f"{len(found.body):,} bytes"


def _self_test(trip: Trip) -> str:
    names = ("webhook_status", "webhook_test", "polling_test", "upload_status")

    def all_good() -> dict[str, Any] | None:
        shown = trip.merchant.sync()
        return shown if all(shown[name]["status"] == "success" for name in names) else None

    try:
        shown = eventually(all_good, within=30, what="the self-test")
    except Difference:
        shown = trip.merchant.sync()
        said = {name: shown[name] for name in names if shown[name]["status"] != "success"}
        raise Difference(f"the self-test says {said}") from None
    return f"webhooks ({len(shown['webhook_status']['topics'])} topics), delivery, poll, upload"


def _edit_during_a_walk(trip: Trip) -> str:
    """A second login wants a full sync; while that walk runs, an edit must be in the object in time."""
    again = trip.visit.connect(trip.shop, trip.merchant.browser)
    eventually(lambda: again.sync()["state"] == "running" or None, within=30, what="the second walk")
    title = f"Edited while walking {uuid4().hex[:6]}"
    trip.tell("PATCH", f"/products/{trip.number(3)}", {"title": title})
    began = time.monotonic()
    eventually(lambda: _shows(trip, title), within=20, what="the edit in the object")
    took = time.monotonic() - began
    state = again.sync()["state"]
    if took > EDIT_SECONDS:
        raise Difference(f"it took {took:.1f} s, {EDIT_SECONDS:.0f} s is right")
    return f"{took:.2f} s after the edit, the walk {state}"


def _shows(trip: Trip, title: str) -> StoredObject | None:
    """Looks for the title in the bytes: a document of megabytes need not be parsed for that."""
    found = trip.visit.object(trip.key)
    return found if found and title.encode() in found.body else None


def _touch(trip: Trip) -> str:
    eventually(lambda: _quiet(trip), within=60, what="a quiet shop")
    before = trip.visit.object(trip.key)
    trip.tell("POST", f"/products/{trip.number(4)}/touch")
    eventually(lambda: _delivered(trip), within=20, what="the touch's webhook")
    time.sleep(2)
    after = trip.visit.object(trip.key)
    if before is None or after is None or before.metadata["stored-at"] != after.metadata["stored-at"]:
        raise Difference("the object was uploaded again although nothing visible has changed")
    return "no upload"


def _quiet(trip: Trip) -> bool | None:
    listed = trip.merchant.browser.get("/connections", headers={"Accept": "application/json"}).json()["connections"]
    mine = next(c for c in listed if c["connection"] == f"shopify:{trip.shop}")
    return all(_ended(sync) for sync in mine["syncs"]) or None


def _delivered(trip: Trip) -> bool | None:
    deliveries = trip.tell("GET", "/deliveries", limit=50)["deliveries"]
    return all(delivery["status"] == "delivered" for delivery in deliveries) or None


def _delete(trip: Trip) -> str:
    trip.tell("DELETE", f"/products/{trip.number(5)}")
    seen = snapshot_equals_truth(trip)
    found = trip.visit.object(trip.key)
    if found is None or f'"gid://shopify/Product/{trip.number(5)}"'.encode() in found.body:
        raise Difference("the deleted product is still in the object")
    return seen


def _merchant_document(trip: Trip) -> str:
    key = f"merchants/{trip.merchant.answer['user_uuid']}.json"
    found = eventually(lambda: trip.visit.object(key), within=20, what=key)
    listed = {"connection": f"shopify:{trip.shop}", "key": trip.key, "state": "connected"}
    if listed not in found.document["connections"]:
        raise Difference(f"{key} does not lead to the shop: {found.document}")
    return key


STEPS: Sequence[Step[Trip]] = (
    Step("The gateway answers and is ready", _answers),
    Step("A shop is made in the sandbox", _make_shop),
    Step("A merchant connects it by OAuth", _connect),
    Step("The first full sync succeeds", _first_sync),
    Step("The object equals the sandbox's truth", snapshot_equals_truth),
    Step("The self-test is good", _self_test),
    Step(f"An edit is in the object within {EDIT_SECONDS:.0f} s while a walk runs", _edit_during_a_walk),
    Step("The object equals the truth after that walk", snapshot_equals_truth),
    Step("A touch that changes nothing visible causes no upload", _touch),
    Step("A deleted product is gone from the object", _delete),
    Step("The merchant's document leads to the object", _merchant_document),
    *demo_pages.STEPS,
)
