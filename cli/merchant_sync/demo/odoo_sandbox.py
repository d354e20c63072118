"""Use a database of the sandbox's Odoo, and connect it as a merchant does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from merchant_sync.client import JSON, Visit, ensure_success

DATABASE = "company"


@dataclass(frozen=True)
class ConnectedDatabase:
    """The result of connecting a database: the gateway's answer, and the browser with the merchant's session."""

    browser: httpx.Client
    answer: dict[str, Any]
    visit: Visit

    @property
    def name(self) -> str:
        """The name of the connection."""
        return str(self.answer["connections"][0]["connection"])

    @property
    def object_key(self) -> str:
        """The key in the bucket of the database's snapshot."""
        return f"{self.name.replace(':', '/', 1)}/odoo_data.json"

    def load_first_sync(self) -> dict[str, Any]:
        """Return the first sync as the gateway shows it to the merchant."""
        return self.visit.load_sync(self.browser, self.answer["connections"][0]["sync_id"])


class SandboxDatabase:
    """Controls a database of the sandbox's Odoo, and connects it as a merchant does, by the HTTP calls of `visit`."""

    def __init__(self, visit: Visit, database: str = DATABASE) -> None:
        self._visit = visit
        self.database = database

    def call(self, method: str, path: str = "", body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """Call the control API of the simulated Odoo, at `path` under `/control/odoo`.

        Return the JSON of the response; None when the response is empty.
        """
        return self._visit.call_sandbox(method, f"odoo{path}", body, **query)

    def call_database(self, method: str, path: str = "", body: Mapping[str, Any] | None = None) -> Any:
        """Call the control API for the database."""
        return self.call(method, f"/databases/{self.database}{path}", body)

    def execute(self, model: str, method: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of a model as somebody in Odoo's web client does, and return its result."""
        body = {"model": model, "method": method, "args": arguments, "kwargs": named}
        return self.call_database("POST", "/execute", body)["result"]

    def build_credentials(self) -> dict[str, str]:
        """Return what a merchant enters into the gateway's form: address, database, login and key."""
        server = self.call("GET")
        return {
            "url": self._visit.sandbox_url,
            "database": self.database,
            "login": server["login"],
            "key": server["key"],
        }

    def connect(self, browser: httpx.Client | None = None) -> ConnectedDatabase:
        """Connect the database. Without `browser`, a new one is used.

        Raises StackError when the gateway answers with an error.
        """
        browser = browser or self._visit.create_browser(timeout=60)
        answer = browser.post("/odoo/connect", json=self.build_credentials(), headers=JSON)
        return ConnectedDatabase(browser, ensure_success(answer).json(), self._visit)

    def load_expected_document(self) -> Any:
        """Return the document that, according to the sandbox, should be stored in the bucket for the database."""
        return self.call_database("GET", "/document")
