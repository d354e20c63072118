"""The command `link`: what it asks the linker, what it shows, and its exit codes."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from merchant_sync.app import app
from merchant_sync.internal_keys import KEY_SETTINGS

SHOP, DATABASE = "shopify:acme.myshopify.com", "odoo:acme.example.com/production"
LINK: dict[str, Any] = {
    "shop": SHOP,
    "database": DATABASE,
    "state": "draft",
    "reason": None,
    "plan_number": 3,
    "planned_fields": 2,
    "conflicts": 1,
    "pairs": {"linked": 7, "unlinked": 2},
    "problems": {"ambiguous_match": 1},
    "unbooked_units": 0,
    "settings": {"locations": {}},
    "sides": {
        "shopify": {"state": "followed", "sequence": 9, "currency": "EUR"},
        "odoo": {"state": "followed", "sequence": 4, "currency": None},
    },
}
PLAN: dict[str, Any] = {
    "number": 3,
    "made_at": 1_796_000_000_000,
    "state": "draft",
    "counts": [
        {
            "resource": "products",
            "field": "title",
            "action": "write",
            "reason": "changed_on_odoo",
            "target": "shopify",
            "lines": 1,
        }
    ],
    "lines": [
        {
            "name": "Lamp",
            "resource": "products",
            "field": "title",
            "action": "write",
            "target": "shopify",
            "before": "Lamp",
            "after": "Lamp of oak",
        }
    ],
    "unlinked_counts": [],
    "unlinked": [],
    "problem_counts": {"ambiguous_match": 1},
    "problems": [{"reason": "ambiguous_match", "key": "sku:A", "shopify_products": ["1", "2"], "odoo_products": ["5"]}],
}


class SimulatedLinker(ThreadingHTTPServer):
    """Answers every request with `status` and `answer`, and keeps (method, path, body) of each."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.requests: list[tuple[str, str, Any]] = []
        self.status, self.answer = 200, dict[str, Any](LINK)


class Answering(BaseHTTPRequestHandler):
    """The requests of a `SimulatedLinker`."""

    server: SimulatedLinker

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append((self.command, self.path, json.loads(body) if body else None))
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(self.server.answer).encode())

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture
def linker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SimulatedLinker]:
    """Run a linker at the address that the settings of this process name."""
    with SimulatedLinker() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        for name in ("GATEWAY_INTERNAL_URL", "SCHEDULER_URL", "LINKER_URL"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
        for name in KEY_SETTINGS.values():
            monkeypatch.setenv(name, "a key")
        monkeypatch.chdir(tmp_path)
        yield server
        server.shutdown()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["link", *arguments])


def test_a_link_is_created_with_the_settings_of_a_file(linker: SimulatedLinker, tmp_path: Path) -> None:
    (tmp_path / "link.json").write_text('{"sku_format": "sku-bin"}')
    done = run("create", SHOP, DATABASE, "--settings", str(tmp_path / "link.json"), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == LINK
    wanted = {"shop": SHOP, "database": DATABASE, "settings": {"sku_format": "sku-bin"}}
    assert linker.requests == [("POST", "/links", wanted)]


def test_a_file_that_is_no_json_object_is_refused(linker: SimulatedLinker, tmp_path: Path) -> None:
    (tmp_path / "link.json").write_text("[]")
    done = run("create", SHOP, DATABASE, "--settings", str(tmp_path / "link.json"))
    assert (done.exit_code, linker.requests) == (1, [])


@pytest.mark.parametrize("action", ["pause", "resume", "end"])
def test_a_link_is_changed_by_the_name_of_its_shop(linker: SimulatedLinker, action: str) -> None:
    assert run(action, SHOP).exit_code == 0
    assert linker.requests == [("POST", f"/links/shopify%3Aacme.myshopify.com/{action}", None)]


def test_a_link_shows_both_sides_and_its_numbers(linker: SimulatedLinker) -> None:
    shown = run("status", SHOP).stdout
    assert f"{SHOP} with {DATABASE}: draft" in shown
    assert "odoo: followed at 4, currency not known" in shown
    assert "plan 3: 2 fields to write, 1 conflicts" in shown
    assert "pairs: 7 linked, 2 unlinked" in shown


def test_links_are_listed_by_shop(linker: SimulatedLinker) -> None:
    linker.answer = {"links": [LINK]}
    assert SHOP in run("list").stdout
    assert json.loads(run("list", "--json").stdout) == [LINK]


def test_a_plan_shows_values_before_and_after(linker: SimulatedLinker) -> None:
    linker.answer = PLAN
    shown = run("plan", SHOP, "--limit", "5").stdout
    assert linker.requests[0][1] == "/links/shopify%3Aacme.myshopify.com/plan?limit=5"
    for text in ("changed_on_odoo", "Lamp of oak", "sku:A", "without a counterpart: none"):
        assert text in shown
    assert json.loads(run("plan", SHOP, "--json").stdout) == PLAN


def test_a_draft_is_approved_by_the_number_of_its_plan(linker: SimulatedLinker) -> None:
    assert "draft" in run("approve", SHOP, "--plan", "3").stdout
    assert linker.requests == [("POST", "/links/shopify%3Aacme.myshopify.com/approve", {"plan": 3})]


def test_conflicts_are_listed_and_settled(linker: SimulatedLinker) -> None:
    line = {**PLAN["lines"][0], "shopify": "Lamp", "odoo": "Lampe", "reason": "hold", "shopify_id": "7", "odoo_id": "9"}
    linker.answer = {**PLAN, "lines": [line]}
    assert [one["shopify_id"] for one in json.loads(run("conflicts", SHOP, "--json").stdout)] == ["7"]
    assert linker.requests[-1][1] == "/links/shopify%3Aacme.myshopify.com/plan?limit=100&action=conflict"
    linker.answer = {"pairs": 2}
    chosen = ("--record", "8", "--resource", "variants", "--field", "price")
    assert run("settle", SHOP, "--winner", "odoo", *chosen).stdout == "2 pairs settled\n"
    assert linker.requests[-1][2] == {"winner": "odoo", "record": "8", "resource": "variants", "field": "price"}


def test_sales_are_shown_and_booked(linker: SimulatedLinker) -> None:
    linker.answer = {**LINK, "settings": {"locations": {"gid://shopify/Location/1": 8}}, "unbooked_units": 5}
    assert "stock: 5 units sold and not booked" in run("status", SHOP).stdout
    one = {"name": "SKU-1", "units": 5, "location": "gid://shopify/Location/1", "shopify_id": "8", "odoo_id": "9"}
    linker.answer = {"unbooked": [one]}
    assert "SKU-1" in run("unbooked", SHOP).stdout
    assert json.loads(run("unbooked", SHOP, "--json").stdout) == [one]
    linker.answer = {"units": 3}
    assert run("book", SHOP, "--record", "9", "--quantity", "3").stdout == "3 units booked\n"
    assert linker.requests[-1][1:] == (
        "/links/shopify%3Aacme.myshopify.com/book",
        {"record": "9", "location": None, "quantity": 3},
    )


def test_failures_are_listed_and_written_again(linker: SimulatedLinker) -> None:
    failure = {"name": "Lamp", "side": "shopify", "operation": "update", "state": "refused", "shopify_id": "7"}
    failure |= {"reason_code": "shopify_data", "message": "Title is too long", "odoo_id": "9"}
    linker.answer = {"failures": [failure], "outcomes": [{"side": "shopify", "state": "refused", "number": 1}]}
    assert "Title is too long" in run("failures", SHOP).stdout
    linker.answer = {"pairs": 1}
    assert run("retry", SHOP, "--reason", "shopify_data").stdout == "1 pairs to be written again\n"
    assert linker.requests[-1][1:] == ("/links/shopify%3Aacme.myshopify.com/retry", {"reason": "shopify_data"})


def test_what_the_linker_refuses_is_said_with_its_reason(linker: SimulatedLinker) -> None:
    linker.status, linker.answer = 404, {"detail": "the shop has no link"}
    done = run("status", SHOP)
    assert (done.exit_code, "the shop has no link" in done.output) == (1, True)
    linker.status = 401
    assert run("status", SHOP).exit_code == 2


SYNC: dict[str, Any] = {
    "id": "00000000-0000-4000-8000-000000000001",
    "mode": "export_all_products",
    "state": "queued",
    "message": None,
    "requested_at": 1_796_000_000_000,
    "figures": {},
}
SYNCS = "/links/shopify%3Aacme.myshopify.com/syncs"


def test_a_sync_is_requested_with_the_products_that_it_is_about(linker: SimulatedLinker) -> None:
    linker.answer = {**SYNC, "mode": "export_batch_products"}
    done = run("sync", SHOP, "export_batch_products", "--ids", "7", "--ids", "8")
    assert done.stdout == f"export_batch_products {SYNC['id']}: queued\n"
    assert linker.requests == [("POST", SYNCS, {"mode": "export_batch_products", "ids": ["7", "8"]})]


@pytest.mark.parametrize(("state", "code"), [("success", 0), ("failed", 1), ("cancelled", 1)])
def test_a_sync_is_waited_for_and_the_exit_code_says_what_came_of_it(
    linker: SimulatedLinker, monkeypatch: pytest.MonkeyPatch, state: str, code: int
) -> None:
    linker.answer = SYNC

    def end(seconds: float) -> None:
        assert seconds > 0
        linker.answer = {**SYNC, "state": state, "message": "because", "figures": {"planned": 2, "written": 1}}

    monkeypatch.setattr("merchant_sync.operating.link_syncs.time.sleep", end)
    done = run("sync", SHOP, "export_all_products", "--wait")
    assert (done.exit_code, f"{state} (because)\n  2 planned, 1 written\n" in done.stdout) == (code, True)
    assert [request[:2] for request in linker.requests] == [("POST", SYNCS), ("GET", f"{SYNCS}/{SYNC['id']}")]


def test_a_dry_run_shows_what_a_mode_would_write_and_starts_nothing(linker: SimulatedLinker) -> None:
    linker.answer = PLAN
    shown = json.loads(run("sync", SHOP, "export_all_products", "--dry-run", "--json").stdout)
    assert (shown["lines"], shown["counts"]) == (PLAN["lines"], PLAN["counts"])
    shown = json.loads(run("sync", SHOP, "import_all_products", "--dry-run", "--json").stdout)
    assert (shown["lines"], shown["counts"]) == ([], [])
    assert "Lamp of oak" in run("sync", SHOP, "import_then_export_products", "--dry-run").stdout
    assert {request[0] for request in linker.requests} == {"GET"}
    refused = run("sync", SHOP, "import_everything", "--dry-run")
    assert refused.exit_code == 1 and "import_all_products" in refused.output


def test_the_syncs_of_a_link_are_listed_with_their_figures(linker: SimulatedLinker) -> None:
    ended = {**SYNC, "state": "failed", "message": "Odoo does not answer", "figures": {"written": 12, "errors": 3}}
    linker.answer = {"syncs": [SYNC, ended]}
    lines = run("syncs", SHOP).stdout.splitlines()
    assert lines[1].split()[:5] == ["id", "mode", "state", "requested", "written"]
    assert "12" in lines[3].split() and lines[3].endswith("Odoo does not answer")
    assert json.loads(run("syncs", SHOP, "--json").stdout) == [SYNC, ended]


@pytest.mark.parametrize("action", ["cancel", "requeue"])
def test_a_sync_is_changed_by_its_id(linker: SimulatedLinker, action: str) -> None:
    linker.answer = SYNC
    assert run(action, SHOP, SYNC["id"]).exit_code == 0
    assert linker.requests == [("POST", f"{SYNCS}/{SYNC['id']}/{action}", None)]
