"""A linker that answers over HTTP as the real one does for the gateway, with the links that a test has put in."""

from typing import Any
from urllib.parse import unquote
from uuid import UUID, uuid4

import httpx
import orjson

from gateway.links.client import LinkerClient

LINKER_KEY = "i" * 32


def build_line(**changed: Any) -> dict[str, Any]:
    """Return a line of a plan, as the linker shows it: a title that Odoo would write to Shopify."""
    return {
        "resource": "products",
        "shopify_id": "gid://shopify/Product/1",
        "odoo_id": "11",
        "name": "Lamp",
        "field": "title",
        "action": "write",
        "reason": "changed_on_odoo",
        "target": "shopify",
        "shopify": "Lamp",
        "odoo": "Lamp of oak",
        "before": "Lamp",
        "after": "Lamp of oak",
        **changed,
    }


class SimulatedLinker:
    """Keeps links by their shops. `posted` are the requests that would change something, by the path's end."""

    def __init__(self) -> None:
        self.links: dict[str, dict[str, Any]] = {}
        self.lines: list[dict[str, Any]] = []
        self.failures: list[dict[str, Any]] = []
        self.problems: list[dict[str, Any]] = []
        self.syncs: list[dict[str, Any]] = []
        self.posted: list[tuple[str, dict[str, Any]]] = []
        self.asked: list[str] = []
        self.refusal: tuple[int, str] | None = None
        self.is_away = False

    def create_client(self) -> LinkerClient:
        """Return the gateway's client of this linker."""
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.respond))
        return LinkerClient(http, "http://linker.test", key=LINKER_KEY)

    def put(self, shop: str, database: str, merchant: UUID, **changed: Any) -> dict[str, Any]:
        """Put in a link, as the linker shows it."""
        feed = {"state": "followed", "sequence": 41, "currency": "EUR"}
        self.links[shop] = {
            "id": str(uuid4()),
            "shop": shop,
            "database": database,
            "merchant": str(merchant),
            "state": "draft",
            "reason": None,
            "created_at": 1_700_000_000_000,
            "missing_scopes": [],
            "grant_query": "",
            "settings": {"locations": {}},
            "sides": {"shopify": feed, "odoo": feed},
            "plan_number": 7,
            "pairs": {"linked": 3},
            "problems": {},
            "planned_fields": 1,
            "conflicts": 0,
            "unbooked_units": 0,
            **changed,
        }
        return self.links[shop]

    def respond(self, request: httpx.Request) -> httpx.Response:
        """Answer a request of the gateway."""
        path = request.url.raw_path.decode().partition("?")[0]
        self.asked.append(path)
        if self.is_away:
            raise httpx.ConnectError("nobody is there")
        if request.headers["authorization"] != f"Bearer {LINKER_KEY}":
            return httpx.Response(401, json={"detail": "the key of gateway is needed"})
        _, _, merchant, _, *rest = path.split("/")
        body = orjson.loads(request.content) if request.content else {}
        if request.method == "POST":
            return self._respond_to_change(merchant, rest, body)
        if not rest:
            return httpx.Response(
                200, json={"links": [one for one in self.links.values() if one["merchant"] == merchant]}
            )
        link = self._find(merchant, rest[0])
        if link is None:
            return httpx.Response(404, json={"detail": "the shop has no link"})
        action = request.url.params.get("action")
        views = {
            "": link,
            "plan": self._build_plan(link, action),
            "failures": self._build_failures(),
            "syncs": {"syncs": self.syncs},
        }
        return httpx.Response(200, json=views["".join(rest[1:])])

    def _find(self, merchant: str, shop: str) -> dict[str, Any] | None:
        link = self.links.get(unquote(shop))
        return link if link is not None and link["merchant"] == merchant else None

    def _respond_to_change(self, merchant: str, rest: list[str], body: dict[str, Any]) -> httpx.Response:
        if self.refusal is not None:
            return httpx.Response(self.refusal[0], json={"detail": self.refusal[1]})
        if not rest:
            self.posted.append(("", body))
            return httpx.Response(201, json=self.put(body["shop"], body["database"], UUID(merchant)))
        if self._find(merchant, rest[0]) is None:
            return httpx.Response(404, json={"detail": "the shop has no link"})
        self.posted.append((rest[1], body))
        return httpx.Response(200, json={"pairs": 1})

    def _build_plan(self, link: dict[str, Any], action: str | None) -> dict[str, Any]:
        lines = [line for line in self.lines if action in (None, line["action"])]
        columns = ("resource", "field", "action", "reason", "target")
        return {
            "link": link["id"],
            "state": link["state"],
            "number": link["plan_number"],
            "made_at": 1_700_000_000_000,
            "counts": [{**{name: line[name] for name in columns}, "lines": 1} for line in lines],
            "lines": lines,
            "unlinked_counts": [{"resource": "products", "reason": "missing_in_odoo", "count": 1}],
            "unlinked": [
                {
                    "resource": "products",
                    "state": "unlinked",
                    "reason": "missing_in_odoo",
                    "shopify_id": "gid://shopify/Product/9",
                    "odoo_id": None,
                    "name": "Chair",
                }
            ],
            "problem_counts": {one["reason"]: 1 for one in self.problems},
            "problems": self.problems,
        }

    def _build_failures(self) -> dict[str, Any]:
        outcomes = [{"side": "shopify", "state": "rejected", "number": len(self.failures)}]
        return {"failures": self.failures, "outcomes": outcomes}
