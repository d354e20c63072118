"""What the demo's steps of all platforms share: the installation, and the merchant whose browser connects accounts."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from merchant_sync.client import Visit
from merchant_sync.comparison import find_difference
from merchant_sync.parts import StackError
from merchant_sync.steps import wait_for

EDIT_SECONDS = 2.0
"""How soon after its webhook an edit must be in the object."""


@dataclass
class Trip:
    """One run of the demo. All accounts are connected in one browser, and so belong to one merchant."""

    visit: Visit
    browser: httpx.Client | None = None
    merchant: str | None = None
    objects: dict[str, str] = field(default_factory=dict)
    """The object key of each connection that is connected so far."""

    def join_merchant(self, browser: httpx.Client, answer: dict[str, Any]) -> str:
        """Note the browser and the merchant of the gateway's answer to a new connection; return the merchant.

        Raises StackError where the connection belongs to another merchant than the earlier ones, or where the answer
        contains a token.
        """
        merchant = str(answer["user_uuid"])
        if self.merchant not in (None, merchant):
            raise StackError(f"the connection belongs to merchant {merchant}, expected {self.merchant}")
        if "token" in str(answer):
            raise StackError(f"the answer contains a token: {str(answer)[:200]}")
        self.browser, self.merchant = browser, merchant
        return merchant

    def check_merchant_document(self) -> str:
        """Check that the merchant's document lists every connection of the trip with its object key."""
        key = f"merchants/{self.merchant}.json"
        expected = [{"connection": name, "key": path, "state": "connected"} for name, path in self.objects.items()]

        def lists_all() -> bool | None:
            found = self.visit.load_object(key)
            listed = found.document["connections"] if found else []
            return all(entry in listed for entry in expected) or None

        wait_for(lists_all, within=20, what=f"{key} with {', '.join(self.objects)}")
        return key

    def wait_for_expected(self, key: str, load_expected: Callable[[], Any], within: float = 60.0) -> str:
        """Wait until the object at `key` is as expected. Raises StackError with the first difference."""

        def compare() -> str | None:
            stored = self.visit.load_object(key)
            if stored is None or find_difference(stored.document, load_expected()) is not None:
                return None
            return f"{key}, {len(stored.body):,} bytes"

        try:
            return wait_for(compare, within=within, what=key)
        except StackError:
            stored = self.visit.load_object(key)
            if stored is None:
                raise StackError(f"{key} was not stored within {within:.0f} s") from None
            difference = find_difference(stored.document, load_expected())
            raise StackError(f"{key} after {within:.0f} s: {difference}") from None


def require_fast(began: float) -> str:
    """Return the seconds since `began` (of `time.monotonic`) as text. Raises StackError above `EDIT_SECONDS`."""
    seconds = time.monotonic() - began
    if seconds > EDIT_SECONDS:
        raise StackError(f"it took {seconds:.1f} s, at most {EDIT_SECONDS:.0f} s are allowed")
    return f"{seconds:.2f} s"


def get_if_finished(sync: dict[str, Any]) -> dict[str, Any] | None:
    """Return the sync if it has finished, None while it is queued or running."""
    return sync if sync["state"] not in ("queued", "running", "unknown") else None
