"""Use tables of the sandbox's phpMyAdmin, and connect them as a merchant does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from merchant_sync.client import JSON, Visit, ensure_success

DATABASE = "shop"


@dataclass(frozen=True)
class ConnectedTables:
    """The result of connecting tables: the gateway's answer, and the browser with the merchant's session."""

    browser: httpx.Client
    answer: dict[str, Any]
    visit: Visit

    @property
    def connections(self) -> list[dict[str, str]]:
        """The connected tables, each with connection, title and sync_id."""
        listed: list[dict[str, str]] = self.answer["connections"]
        return listed

    def load_sync(self, sync_id: str) -> dict[str, Any]:
        """Return a sync as the gateway shows it to the merchant."""
        return self.visit.load_sync(self.browser, sync_id)


def get_object_key(connection: str) -> str:
    """Return the key in the bucket of a table's snapshot (the document of all its current rows)."""
    return f"{connection.replace(':', '/', 1)}.json"


class SandboxTables:
    """Controls the sandbox's phpMyAdmin, and connects its tables as a merchant does, by the HTTP calls of `visit`."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """Call the control API of the simulated phpMyAdmin, at `path` under `/control/phpmyadmin`.

        Return the JSON of the response; None when the response is empty.
        """
        return self._visit.call_sandbox(method, f"phpmyadmin{path}", body, **query)

    def call_table(self, method: str, table: str, path: str = "", body: Mapping[str, Any] | None = None) -> Any:
        """Call the control API for one table of the sample database."""
        return self.call(method, f"/tables/1/{DATABASE}/{table}{path}", body)

    def build_credentials(self) -> dict[str, str]:
        """Return what a merchant enters into the gateway's form: the address, the login and the database."""
        login = self.call("GET", "")
        return {
            "url": f"{self._visit.sandbox_url}/phpmyadmin",
            "username": login["username"],
            "password": login["password"],
            "database": DATABASE,
        }

    def connect(
        self,
        tables: Sequence[str],
        browser: httpx.Client | None = None,
        options: Mapping[str, Sequence[str]] | None = None,
    ) -> ConnectedTables:
        """Connect tables of the sample database: ask for the list of tables with the login, and choose from it.

        `options` are what is chosen for each of them. Without `browser`, a new one is used. Raises StackError when the
        gateway answers with an error.
        """
        browser = browser or self._visit.create_browser(timeout=60)
        credentials = self.build_credentials()
        offers = ensure_success(browser.post("/phpmyadmin/connect", json=credentials, headers=JSON)).json()["offers"]
        chosen = {offer["account"]: dict(options or {}) for offer in offers if offer["title"] in tables}
        answer = browser.post("/phpmyadmin/connect", json={**credentials, "accounts": chosen}, headers=JSON)
        return ConnectedTables(browser, ensure_success(answer).json(), self._visit)

    def load_expected_document(self, table: str) -> Any:
        """Return the document that, according to the sandbox, should be stored in the bucket for a table."""
        return self.call_table("GET", table, "/document")
