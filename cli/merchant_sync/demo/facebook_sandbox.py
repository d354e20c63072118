"""Facebook Pages of the sandbox, and merchants who connect them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from merchant_sync.client import JSON, Visit, ensure_success


@dataclass(frozen=True)
class ConnectedPages:
    """What a merchant has after connecting Facebook Pages: the gateway's answer, and the browser with the session."""

    browser: httpx.Client
    answer: dict[str, Any]
    visit: Visit

    @property
    def pages(self) -> list[dict[str, str]]:
        """The pages: id, name, connection, sync_id of each."""
        listed: list[dict[str, str]] = self.answer["pages"]["data"]
        return listed

    def load_sync(self, sync_id: str) -> dict[str, Any]:
        """Return a sync as the merchant sees it."""
        return self.visit.load_sync(self.browser, sync_id)


def get_object_key(page: str) -> str:
    """Return the object key of a page's snapshot."""
    return f"facebook/{page}/page_data.json"


class SandboxPages:
    """The sandbox's Facebook during a visit."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """Call the sandbox's control endpoint of its Facebook; return its JSON answer, None where there is none."""
        return self._visit.call_sandbox(method, f"facebook{path}", body, **query)

    def log_in(
        self, user: str, browser: httpx.Client | None = None, **decision: str
    ) -> tuple[httpx.Client, httpx.Response]:
        """Go from the login of Facebook Pages over the dialog back to the gateway, as `user` of the sandbox.

        `decision` has the fields of the dialog's form: `decision`, `pages`, `declined`. Returns the browser and the
        gateway's answer.
        """
        browser = browser or self._visit.create_browser(timeout=60)
        login = browser.get("/facebook/login")
        if login.has_redirect_location:
            login.headers["location"] = str(httpx.URL(login.headers["location"]).copy_add_param("user", user))
        callback = self._visit.accept_consent(login, **decision)
        return browser, browser.get(callback, headers=JSON)

    def connect(self, user: str, browser: httpx.Client | None = None, **decision: str) -> ConnectedPages:
        """Connect the Facebook Pages of a user of the sandbox as a browser does."""
        browser, answer = self.log_in(user, browser, **decision)
        return ConnectedPages(browser, ensure_success(answer).json(), self._visit)

    def load_expected_document(self, page: str) -> Any:
        """Return the document of a page as it should be stored."""
        return self.call("GET", f"/pages/{page}/document")
