"""The demo's steps for Shopify, with a shop of their own in the sandbox."""

import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from merchant_sync.client import StoredObject
from merchant_sync.demo.readers import DemoReader, find_event
from merchant_sync.demo.shopify_sandbox import ConnectedShop, SandboxShops, get_object_key
from merchant_sync.demo.trip import WAIT_SECONDS, Trip, format_seconds_since, get_if_finished
from merchant_sync.parts import StackError
from merchant_sync.steps import DemoStep, wait_for

PRODUCTS = 2_000
_CHECKS = ("webhook_status", "webhook_test", "polling_test", "upload_status")


class ShopSteps:
    """The demo's steps for Shopify. They share one shop and the merchant who connects it."""

    def __init__(self, trip: Trip) -> None:
        self.trip = trip
        self.shops = SandboxShops(trip.visit)
        self.shop = f"demo-{uuid4().hex[:8]}.myshopify.com"
        self.key = get_object_key(self.shop)
        self._connection: ConnectedShop | None = None
        self._products: list[dict[str, Any]] = []
        self._reader: DemoReader | None = None

    @property
    def reader(self) -> DemoReader:
        """The reader with a key of the shop. Raises StackError before `make_key`."""
        if self._reader is None:
            raise StackError("no key was made")
        return self._reader

    @property
    def connection(self) -> ConnectedShop:
        """The connected shop. Raises StackError before `connect`."""
        if self._connection is None:
            raise StackError("the shop is not connected")
        return self._connection

    def create_shop(self) -> str:
        """Create the shop in the sandbox; return its domain and its number of products as text."""
        recipe = {"shop": self.shop, "seed": 11, "plan": "plus", "products": PRODUCTS, "variants": 3, "discounts": 12}
        self.shops.call("POST", "", recipe)
        self._products = self._call("GET", "/products", limit=20)["products"]
        return f"{self.shop}, {PRODUCTS:,} products"

    def connect(self) -> str:
        """Connect the shop by OAuth; return the merchant's id as text. The gateway's answer must not have shop data.

        The first sync stands still until `make_key` lets it go on.
        """
        self._call("PUT", "/faults", {"hold_after_ids": 1})
        self._connection = self.shops.connect(self.shop, self.trip.browser)
        answer = self.connection.answer
        if "products" in answer:
            raise StackError(f"the answer contains data: {str(answer)[:200]}")
        merchant = self.trip.remember_login(self.connection.browser, answer)
        self.trip.objects[f"shopify:{self.shop}"] = self.key
        return f"merchant {merchant}"

    def make_key(self) -> str:
        """Make a key on the connection's page. With it, the data API must answer 503 and say what is under way.

        Return its message, and let the first sync go on.
        """
        self._reader = DemoReader(self.trip.visit, self.connection.browser, f"shopify:{self.shop}")
        response = self.reader.wait_until_known()
        self._call("PUT", "/faults", {})
        if response.status_code != HTTPStatus.SERVICE_UNAVAILABLE or "Retry-After" not in response.headers:
            raise StackError(f"before the first sync the data API answered {response.status_code}, expected 503")
        return f"{self.reader.prefix}…: {response.json()['message']}"

    def compare_fetched_data(self) -> str:
        """Wait until the key gets the document that the sandbox expects; return its size."""
        return self.reader.wait_for_document(lambda: self.shops.load_expected_document(self.shop))

    def wait_for_streamed_edit(self) -> str:
        """Edit a product while a stream of changes is open; return how long after the edit the stream had it."""
        gid = f"gid://shopify/Product/{self._get_number(6)}"
        with self.reader.open_change_stream() as events:
            began = time.monotonic()
            self._call("PATCH", f"/products/{self._get_number(6)}", {"title": f"Streamed {uuid4().hex[:6]}"})
            while find_event(events, "change")[1]["id"] != gid:
                pass
        return f"{format_seconds_since(began)} after the edit"

    def wait_for_refresh(self) -> str:
        """Ask for a refresh and follow it: first what is stored, then whether that has changed. Return the events."""
        with self.reader.open_update_stream() as events:
            first, cached = next(events)
            if first != "cached" or cached["status"] != "success":
                raise StackError(f"the stream began with {first}, expected cached")
            last, _ = find_event(events, "updated", "unchanged", "failed", "timeout")
        if last not in ("updated", "unchanged"):
            raise StackError(f"the refresh ended with {last}")
        return f"cached, then {last}"

    def wait_for_first_sync(self) -> str:
        """Wait for the end of the shop's first full sync, which must be a success.

        Return its numbers of records and pages as text.
        """
        load = self.connection.load_sync
        sync = wait_for(lambda: get_if_finished(load()), within=WAIT_SECONDS, what="the first sync's end")
        if sync["state"] != "success":
            raise StackError(f"the first sync is {sync['state']}: {sync['reason']}")
        return f"{sync['records']:,} records in {sync['pages']} pages"

    def compare_object(self) -> str:
        """Wait until the shop's object in the bucket equals what the sandbox expects; return its key and size."""
        return self.trip.wait_for_expected(self.key, lambda: self.shops.load_expected_document(self.shop))

    def wait_for_gateway_checks(self) -> str:
        """Wait until all checks that the gateway shows with the shop's first sync are a success.

        They check the webhook subscriptions, a test delivery of a webhook, the reading of the shop and the upload to
        the bucket. Return these checks as text.
        """

        def load_if_successful() -> dict[str, Any] | None:
            sync = self.connection.load_sync()
            return sync if all(sync[name]["status"] == "success" for name in _CHECKS) else None

        try:
            sync = wait_for(load_if_successful, within=WAIT_SECONDS, what="the checks")
        except StackError:
            sync = self.connection.load_sync()
            failed = {name: sync[name] for name in _CHECKS if sync[name]["status"] != "success"}
            raise StackError(f"the checks failed: {failed}") from None
        return f"webhooks ({len(sync['webhook_status']['topics'])} topics), delivery, poll, upload"

    def edit_during_full_sync(self) -> str:
        """Start a full sync by a second login, edit a product while it runs, and wait until the object has the edit.

        Return how long that took, and the state that the sync then has.
        """
        second = self.shops.connect(self.shop, self.connection.browser)
        wait_for(lambda: self._find_if_started(second), within=WAIT_SECONDS, what="the start of the second full sync")
        title = f"Edited during a full sync {uuid4().hex[:6]}"
        self._call("PATCH", f"/products/{self._get_number(3)}", {"title": title})
        began = time.monotonic()
        wait_for(lambda: self._find_object_with(title), within=WAIT_SECONDS, what="the edit in the object")
        seconds = format_seconds_since(began)
        return f"{seconds} after the edit, the full sync {second.load_sync()['state']}"

    def check_touch_uploads_nothing(self) -> str:
        """Touch a product (set only its `updated_at`); the object must not be uploaded again. Return `no upload`."""
        wait_for(self._is_idle, within=WAIT_SECONDS, what="the end of all syncs of the shop")
        before = self.trip.visit.load_object(self.key)
        self._call("POST", f"/products/{self._get_number(4)}/touch")
        wait_for(self._has_delivered_all, within=WAIT_SECONDS, what="the touch's webhook")
        wait_for(self._is_idle, within=WAIT_SECONDS, what="the end of the touch's sync")
        time.sleep(2)
        after = self.trip.visit.load_object(self.key)
        if before is None or after is None or before.metadata["stored-at"] != after.metadata["stored-at"]:
            raise StackError("the object was uploaded again although nothing visible has changed")
        return "no upload"

    def delete_product(self) -> str:
        """Delete a product, which must disappear from the shop's object; return the object's key and size as text."""
        self._call("DELETE", f"/products/{self._get_number(5)}")
        seen = self.compare_object()
        if self._find_object_with(f'"gid://shopify/Product/{self._get_number(5)}"'):
            raise StackError("the deleted product is still in the object")
        return seen

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None, **query: Any) -> Any:
        return self.shops.call(method, f"/{self.shop}{path}", body, **query)

    def _get_number(self, place: int) -> int:
        """Return the numeric id of the product at index `place` of the shop's list."""
        return int(self._products[place]["number"])

    def _find_object_with(self, text: str) -> StoredObject | None:
        """Return the shop's object if its bytes contain `text`, else None. It is not parsed: it has some megabytes."""
        found = self.trip.visit.load_object(self.key)
        return found if found and text.encode() in found.body else None

    def _find_if_started(self, connection: ConnectedShop) -> dict[str, Any] | None:
        """Return the sync that was requested when the shop was connected, if it has started; else None.

        A short sync may have finished already.
        """
        sync = connection.load_sync()
        return sync if sync["state"] not in ("queued", "unknown") else None

    def _is_idle(self) -> bool | None:
        answer = self.connection.browser.get("/connections", headers={"Accept": "application/json"}).json()
        own = next(entry for entry in answer["connections"] if entry["connection"] == f"shopify:{self.shop}")
        return all(get_if_finished(sync) for sync in own["syncs"]) or None

    def _has_delivered_all(self) -> bool | None:
        deliveries = self._call("GET", "/deliveries", limit=50)["deliveries"]
        return all(delivery["status"] == "delivered" for delivery in deliveries) or None


def build_steps(trip: Trip) -> Sequence[DemoStep]:
    """Return the demo's steps for Shopify, in their order."""
    steps = ShopSteps(trip)
    return (
        DemoStep("A shop is created in the sandbox", steps.create_shop),
        DemoStep("A merchant connects it by OAuth", steps.connect),
        DemoStep("A key made on its page is told what is under way", steps.make_key),
        DemoStep("The first full sync succeeds", steps.wait_for_first_sync),
        DemoStep("The object equals the sandbox's expected document", steps.compare_object),
        DemoStep("The key gets the same document from the data API", steps.compare_fetched_data),
        DemoStep("An edit is at an open stream of changes", steps.wait_for_streamed_edit),
        DemoStep("A refresh is followed on a stream", steps.wait_for_refresh),
        DemoStep("The connection's four checks succeed", steps.wait_for_gateway_checks),
        DemoStep("An edit during a full sync is in the object", steps.edit_during_full_sync),
        DemoStep("The object equals the expected document after that full sync", steps.compare_object),
        DemoStep("A touch that changes nothing visible causes no upload", steps.check_touch_uploads_nothing),
        DemoStep("A deleted product is gone from the object", steps.delete_product),
        DemoStep("The merchant's document lists the object", trip.check_merchant_document),
    )
