"""Use Facebook Pages of the sandbox, and connect them as a merchant does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from merchant_sync.client import JSON, Visit, ensure_success


@dataclass(frozen=True)
class ConnectedPages:
    """The result of connecting Facebook Pages: the gateway's answer, and the browser with the merchant's session."""

    browser: httpx.Client
    answer: dict[str, Any]
    visit: Visit

    @property
    def pages(self) -> list[dict[str, str]]:
        """The connected Facebook Pages, each with id, name, connection and sync_id."""
        listed: list[dict[str, str]] = self.answer["pages"]["data"]
        return listed

    def load_sync(self, sync_id: str) -> dict[str, Any]:
        """Return a sync as the gateway shows it to the merchant."""
        return self.visit.load_sync(self.browser, sync_id)


def get_object_key(page: str) -> str:
    """Return the key in the bucket of a Facebook Page's snapshot (the document of all its current data)."""
    return f"facebook/{page}/page_data.json"


class SandboxPages:
    """Controls the sandbox's Facebook, and connects Pages as a merchant does, by the HTTP calls of `visit`."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """Call the control API of the sandbox's simulated Facebook, at `path` under `/control/facebook`.

        Return the JSON of the response; None when the response is empty.
        """
        return self._visit.call_sandbox(method, f"facebook{path}", body, **query)

    def log_in(
        self, user: str, browser: httpx.Client | None = None, **decision: str
    ) -> tuple[httpx.Client, httpx.Response]:
        """Log in as a Facebook user of the sandbox: open the gateway's login, submit the dialog, return to the gateway.

        `decision` has the fields of the login dialog's form: `decision`, `pages`, `declined`. Without `browser`, a new
        one is used. Return the browser and the gateway's answer, whatever its status.
        """
        browser = browser or self._visit.create_browser(timeout=60)
        login = browser.get("/facebook/login")
        if login.has_redirect_location:
            login.headers["location"] = str(httpx.URL(login.headers["location"]).copy_add_param("user", user))
        callback = self._visit.submit_consent_form(login, **decision)
        return browser, browser.get(callback, headers=JSON)

    def connect(self, user: str, browser: httpx.Client | None = None, **decision: str) -> ConnectedPages:
        """Connect the Facebook Pages of a user of the sandbox as a browser does.

        `decision` has fields of the login dialog's form. Without `browser`, a new one is used. Raises StackError when
        the gateway answers with an error.
        """
        browser, answer = self.log_in(user, browser, **decision)
        return ConnectedPages(browser, ensure_success(answer).json(), self._visit)

    def load_expected_document(self, page: str) -> Any:
        """Return the document that, according to the sandbox, should be stored in the bucket for a Facebook Page."""
        return self.call("GET", f"/pages/{page}/document")
