"""The part of the unattended trip that is about Facebook Pages, in the browser that has connected the shop."""

import time
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from merchant_sync.client import ConnectedPages
from merchant_sync.comparison import first_difference
from merchant_sync.steps import Difference, Step, eventually

if TYPE_CHECKING:
    from merchant_sync.demo import Trip

PAGES = 3
EDIT_SECONDS = 2.0
"""How soon an edit of a page must be in its object."""


def _connect(trip: "Trip") -> str:
    """Pages join the merchant of the browser's session."""
    person = trip.visit.control_facebook("POST", "/users", {"name": f"Demo {uuid4().hex[:8]}", "pages": PAGES})
    trip.pages = trip.visit.connect_pages(person["id"], trip.merchant.browser)
    if trip.pages.answer["user_uuid"] != trip.merchant.answer["user_uuid"]:
        raise Difference("the pages belong to another merchant than the shop")
    if "token" in str(trip.pages.answer):
        raise Difference("the answer holds what it must not")
    return f"{len(trip.pages.pages)} pages"


def _objects(trip: "Trip") -> str:
    """Each page's first sync succeeds, and its object is what the sandbox says."""
    pages = _connected(trip)
    for page in pages.pages:
        shown = eventually(partial(_ended, pages, page["sync_id"]), within=60, what="a page's first sync")
        if shown != "success":
            raise Difference(f"the first sync of {page['connection']} is {shown}")
        eventually(partial(_is_true, trip, page["id"]), within=30, what=f"the object of {page['connection']}")
    return ", ".join(f"facebook/{page['id']}/page_data.json" for page in pages.pages)


def _edit(trip: "Trip") -> str:
    """An edit of a page's name is in its object in time."""
    page = _connected(trip).pages[0]["id"]
    began = time.monotonic()
    trip.visit.control_facebook("PATCH", f"/pages/{page}", {"name": f"Renamed {uuid4().hex[:6]}"})
    eventually(lambda: _is_true(trip, page), within=20, what="the page's new name in its object")
    took = time.monotonic() - began
    if took > EDIT_SECONDS:
        raise Difference(f"it took {took:.1f} s, {EDIT_SECONDS:.0f} s is right")
    return f"{took:.2f} s after the edit"


def _merchant_document(trip: "Trip") -> str:
    """The merchant's document leads from the shop to the pages."""
    key = f"merchants/{trip.merchant.answer['user_uuid']}.json"
    names = {page["connection"] for page in _connected(trip).pages}

    def lists_all() -> bool | None:
        found = trip.visit.object(key)
        listed = {one["connection"] for one in found.document["connections"]} if found else set()
        return names | {f"shopify:{trip.shop}"} <= listed or None

    eventually(lists_all, within=20, what=f"{key} with the shop and its pages")
    return key


def _connected(trip: "Trip") -> ConnectedPages:
    if trip.pages is None:
        raise Difference("no pages are connected")
    return trip.pages


def _ended(pages: ConnectedPages, sync_id: str) -> str | None:
    state = str(pages.sync(sync_id)["state"])
    return state if state not in ("queued", "running", "unknown") else None


def _is_true(trip: "Trip", page: str) -> bool | None:
    found = trip.visit.object(f"facebook/{page}/page_data.json")
    return (found is not None and first_difference(found.document, trip.visit.page_truth(page)) is None) or None


STEPS: "tuple[Step[Trip], ...]" = (
    Step("The same browser connects Facebook Pages", _connect),
    Step("Each page's object equals the sandbox's truth", _objects),
    Step(f"An edit of a page is in its object within {EDIT_SECONDS:.0f} s", _edit),
    Step("The merchant's document leads from the shop to the pages", _merchant_document),
)
