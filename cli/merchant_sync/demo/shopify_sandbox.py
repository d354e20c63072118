"""Shops of the sandbox, and merchants who connect them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from merchant_sync.client import JSON, Visit, ensure_success


@dataclass(frozen=True)
class ConnectedShop:
    """What a merchant has after connecting a shop: the gateway's answer, and the browser with the session."""

    shop: str
    browser: httpx.Client
    answer: dict[str, Any]
    visit: Visit

    @property
    def sync_id(self) -> str:
        """The first sync's id."""
        return str(self.answer["sync_id"])

    @property
    def key(self) -> str:
        """The object key of the shop's snapshot."""
        return get_object_key(self.shop)

    def load_sync(self, sync_id: str | None = None) -> dict[str, Any]:
        """Return a sync (the first one, unless another is named) as the merchant sees it."""
        return self.visit.load_sync(self.browser, sync_id or self.sync_id)


def get_object_key(shop: str) -> str:
    """Return the object key of a shop's snapshot."""
    return f"{shop}/shopify_data.json"


class SandboxShops:
    """The sandbox's shops during a visit."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """Call the sandbox's control endpoint of shops; return its JSON answer, None where there is none."""
        return self._visit.call_sandbox(method, f"shops{path}", body, **query)

    def connect(self, shop: str, browser: httpx.Client | None = None) -> ConnectedShop:
        """Connect a shop as a browser does: login, consent, callback."""
        browser = browser or self._visit.create_browser()
        callback = self._visit.accept_consent(browser.get(f"/shopify/{shop}/login"))
        answer = ensure_success(browser.get(callback, headers=JSON))
        return ConnectedShop(shop, browser, answer.json(), self._visit)

    def load_expected_document(self, shop: str) -> Any:
        """Return the document of a shop as it should be stored."""
        return self.call("GET", f"/{shop}/document")
