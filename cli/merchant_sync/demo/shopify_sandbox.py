"""Use shops of the sandbox, and connect them as a merchant does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from merchant_sync.client import JSON, Visit, ensure_success


@dataclass(frozen=True)
class ConnectedShop:
    """The result of connecting a shop: the gateway's answer, and the browser with the merchant's session."""

    shop: str
    browser: httpx.Client
    answer: dict[str, Any]
    visit: Visit

    @property
    def sync_id(self) -> str:
        """The id of the sync that was requested when the shop was connected."""
        return str(self.answer["sync_id"])

    @property
    def key(self) -> str:
        """The key in the bucket of the shop's snapshot (the document of all its current records)."""
        return get_object_key(self.shop)

    def load_sync(self, sync_id: str | None = None) -> dict[str, Any]:
        """Return a sync as the gateway shows it to the merchant.

        Without `sync_id`, it is the sync that was requested when the shop was connected.
        """
        return self.visit.load_sync(self.browser, sync_id or self.sync_id)


def get_object_key(shop: str) -> str:
    """Return the key in the bucket of a shop's snapshot (the document of all its current records)."""
    return f"{shop}/shopify_data.json"


class SandboxShops:
    """Controls the sandbox's shops, and connects them as a merchant does, by the HTTP calls of `visit`."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """Call the control API of the sandbox's simulated Shopify, at `path` under `/control/shops`.

        Return the JSON of the response; None when the response is empty.
        """
        return self._visit.call_sandbox(method, f"shops{path}", body, **query)

    def connect(self, shop: str, browser: httpx.Client | None = None) -> ConnectedShop:
        """Connect a shop as a browser does: login, consent, callback. Without `browser`, a new one is used."""
        browser = browser or self._visit.create_browser()
        callback = self._visit.submit_consent_form(browser.get(f"/shopify/{shop}/login"))
        answer = ensure_success(browser.get(callback, headers=JSON))
        return ConnectedShop(shop, browser, answer.json(), self._visit)

    def load_expected_document(self, shop: str) -> Any:
        """Return the document that, according to the sandbox, should be stored in the bucket for a shop."""
        return self.call("GET", f"/{shop}/document")
