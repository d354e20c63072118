"""The state that the demo's steps of all platforms share: the installation, and the merchant with the browser."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx

from merchant_sync.client import Visit
from merchant_sync.comparison import find_difference
from merchant_sync.parts import StackError
from merchant_sync.steps import wait_for

WAIT_SECONDS = 120.0
"""How long a step waits for what must come about. It is not a promise of speed: a busy machine is no wrong result."""


@dataclass
class Trip:
    """The state of one run of the demo. One browser connects all accounts, so they belong to one merchant."""

    visit: Visit
    browser: httpx.Client | None = None
    merchant: str | None = None
    objects: dict[str, str] = field(default_factory=dict)
    """The object keys of the accounts that are connected so far, by the name of the merchant's connection."""

    def remember_login(self, browser: httpx.Client, login_answer: dict[str, Any]) -> str:
        """Remember the browser, and the merchant in the gateway's answer to the first login; return that merchant's id.

        Raises StackError when the answer contains a token.
        """
        if "token" in str(login_answer):
            raise StackError(f"the answer contains a token: {str(login_answer)[:200]}")
        self.browser, self.merchant = browser, self.merchant or str(login_answer["user_uuid"])
        return self.merchant

    def list_together(self, names: Iterable[str]) -> str:
        """Let the merchant list these connections beside the first account; return the merchant's id."""
        if self.browser is None:
            raise StackError("no account is connected")
        first = next(iter(self.objects))
        for name in names:
            if name != first:
                self.visit.submit_button(self.browser, name, "move", beside=first)
        return f"merchant {self.merchant}"

    def check_merchant_document(self) -> str:
        """Wait until the object `merchants/<id>.json` lists every account that the demo has connected.

        Each must be listed with the key of its own object. Return the key of the object that lists them.
        """
        key = f"merchants/{self.merchant}.json"
        expected = [{"connection": name, "key": path, "state": "connected"} for name, path in self.objects.items()]

        def lists_all() -> bool | None:
            found = self.visit.load_object(key)
            listed = found.document["connections"] if found else []
            return all(entry in listed for entry in expected) or None

        wait_for(lists_all, within=WAIT_SECONDS, what=f"{key} with {', '.join(self.objects)}")
        return key

    def wait_for_expected(self, key: str, load_expected: Callable[[], Any]) -> str:
        """Wait until the object at `key` equals the document that `load_expected` returns; return its key and size.

        Raises StackError with the first difference after `WAIT_SECONDS`.
        """

        def compare() -> str | None:
            stored = self.visit.load_object(key)
            if stored is None or find_difference(stored.document, load_expected()) is not None:
                return None
            return f"{key}, {len(stored.body):,} bytes"

        try:
            return wait_for(compare, within=WAIT_SECONDS, what=key)
        except StackError:
            stored = self.visit.load_object(key)
            if stored is None:
                raise StackError(f"{key} was not stored within {WAIT_SECONDS:.0f} s") from None
            difference = find_difference(stored.document, load_expected())
            raise StackError(f"{key} after {WAIT_SECONDS:.0f} s: {difference}") from None


def format_seconds_since(began: float) -> str:
    """Return the seconds since `began`, a value of `time.monotonic`, as text."""
    return f"{time.monotonic() - began:.2f} s"


def get_if_finished(sync: dict[str, Any]) -> dict[str, Any] | None:
    """Return the sync if it has ended; None while it is open, storing or not known yet."""
    return sync if sync["state"] not in ("queued", "running", "storing", "unknown") else None
