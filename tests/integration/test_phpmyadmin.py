"""Tables behind a phpMyAdmin, end to end: connected by a login, current, right whatever goes wrong at their host."""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import orjson
import pytest
from playwright.sync_api import Page, expect
from typer.testing import CliRunner

from merchant_sync.app import app
from merchant_sync.demo.phpmyadmin_sandbox import ConnectedTables
from merchant_sync.stack import Stack, StackError
from secret_search import dump_tables, dump_topics, read_logs, search_texts
from tables import COLUMNS, FETCHER, Tables, get_name
from test_browser import page as page
from test_disconnect_and_erasure import press_button, wait_for_deletion
from world import World, wait_until

pytestmark = pytest.mark.integration


def fetch_page(connected: ConnectedTables, path: str) -> str:
    """Fetch a page of the gateway as the merchant's browser shows it."""
    return connected.browser.get(path, headers={"Accept": "text/html"}).text


def set_right(tables: Tables) -> None:
    """Give the phpMyAdmin its usual setup, without faults and with counts of zero."""
    tables.set_faults()
    tables.set_up()
    tables.reset_statistics()


@pytest.fixture
def tables(world: World) -> Iterator[Tables]:
    """Yield the tables of the sandbox, whose host has no faults and its usual setup before and after."""
    tables = Tables(world)
    set_right(tables)
    yield tables
    set_right(tables)


# -- a person


def test_a_person_ticks_a_table_and_sees_an_edited_row_in_the_bucket_and_at_the_data_api(
    world: World, tables: Tables, page: Page
) -> None:
    login = tables.sandbox.build_credentials()
    page.goto(world.stack.gateway_url)
    page.click("#connect_phpmyadmin")
    for label in ("url", "username", "password", "database"):
        page.fill(f"#{label}", login[label])
    page.click("#connect")
    page.get_by_label("orders", exact=True).check()
    page.click("#connect")
    expect(page.locator("#connected")).to_have_text("Connected: orders of shop")
    name = page.locator(".account").get_attribute("data-connection") or ""
    assert re.fullmatch(r"phpmyadmin:127\.0\.0\.1:\d+/phpmyadmin/1/shop/orders", name)
    tables.wait_until_equal("orders", name)
    reader = tables.make_reader(name, "read")
    assert reader.get("/fetch-data").json()["data"] == tables.load_truth("orders")["data"]

    page.goto(f"{world.stack.sandbox_url}/phpmyadmin/tables/1/shop/orders/")
    page.click("#edit-1003")
    page.fill("#field-note", "Edited by a person")
    page.click("#save")
    page.goto(f"{world.stack.gateway_url}/connections")
    card = page.locator(f"[data-connection='{name}']")
    # The poll of these tests is once a year.
    expect(card.locator(".polls")).to_have_text(
        re.compile(r"Read at least every \d+ days: the platform has no webhooks")
    )
    card.locator("details.sync summary").click()
    card.locator("details.sync button").click()
    expect(page.locator("#state")).to_have_text("success", timeout=60_000)

    tables.wait_until_equal("orders", name)
    stored = tables.load_object(name)
    assert stored is not None and "Edited by a person" in stored.body.decode()
    wait_until(lambda: reader.get("/fetch-data").json()["data"] == stored.document["data"] or None)


def test_a_refresh_by_the_data_api_brings_an_edited_row(tables: Tables) -> None:
    table = tables.create(20)
    name = get_name(tables.connect(table), table)
    reader = tables.make_reader(name, "read", "refresh")
    tables.edit(table, "seen after a refresh")
    assert reader.post("/refresh").status_code == httpx.codes.ACCEPTED
    wait_until(lambda: reader.get("/fetch-data").json()["data"] == tables.load_truth(table)["data"] or None)


# -- tables of one sign-in


def test_tables_of_one_sign_in_share_a_login_and_have_a_document_each(world: World, tables: Tables) -> None:
    composite = tables.create(
        25,
        columns=[{"name": "a", "type": "int(11)"}, {"name": "b", "type": "varchar(40)"}, *COLUMNS[1:]],
        indexes=[{"name": "PRIMARY", "columns": ["a", "b"]}],
    )
    keyless = tables.create(25, columns=COLUMNS[1:], indexes=())
    doubled = tables.sandbox.call_table("GET", keyless)["rows"][3]
    tables.sandbox.call_table("POST", keyless, "/rows", {"rows": [doubled, doubled]})
    chosen = ("customers", composite, keyless)
    connected = tables.connect(*chosen)

    names = [get_name(connected, table) for table in chosen]
    logins = world.select_rows("SELECT DISTINCT login FROM gateway.connections WHERE name = ANY(:names)", names=names)
    assert len(logins) == 1 and logins[0].login is not None
    document = tables.load_object(get_name(connected, keyless))
    assert document is not None and len(document.document["data"]) == 27
    assert tables.fetch_statistics()["peak_parallel_requests"] == 1


def test_left_out_columns_are_never_asked_for(tables: Tables) -> None:
    table = tables.create(10)
    name = get_name(tables.connect(table, options={"exclude": ["note", "name"]}), table)
    stored = tables.load_object(name)
    assert stored is not None and all(row.keys() == {"id", "total"} for row in stored.document["data"])
    read = [one for one in tables.fetch_statistics()["statements"] if f"`{table}`" in one]
    # The gateway reads one row before it connects a table, with all columns.
    assert read and not [one for one in read if "`note`" in one and "LIMIT 1)" not in one]


# -- an unchanged table


def test_an_unchanged_table_costs_three_small_requests_and_its_object_is_restored(world: World, tables: Tables) -> None:
    table = tables.create(40)
    name = get_name(tables.connect(table), table)
    before = tables.load_object(name)
    assert before is not None

    reader = tables.make_reader(name, "read")
    first = wait_until(lambda: reader.get("/status").json()["last_success"])
    tables.reset_statistics()
    sync = tables.sync(name)
    assert (sync["state"], sync["records"], sync["changed"]) == ("success", 0, 0)
    wait_until(lambda: reader.get("/status").json()["last_success"] > first or None)
    statistics = tables.fetch_statistics()
    assert len(statistics["statements"]) <= 3
    assert not [one for one in statistics["statements"] if "ORDER BY `id`" in one]
    after = tables.load_object(name)
    assert after is not None and after.metadata["stored-at"] == before.metadata["stored-at"]

    world.visit.delete_object(name.replace(":", "/", 1) + ".json")
    assert tables.load_object(name) is None
    world.poll_now(name)
    tables.wait_until_equal(table, name)
    wait_until(lambda: world.list_syncs(name, cause="poll", state="success") or None)


# -- a changed password


def test_a_changed_password_is_tried_once_and_healed_by_signing_in(world: World, tables: Tables) -> None:
    chosen = [tables.create(5), tables.create(5)]
    connected = tables.connect(*chosen)
    names = [get_name(connected, table) for table in chosen]
    stored = {name: tables.load_object(name) for name in names}
    with tables.use_password(f"other-{uuid4().hex}"):
        tables.forget_sessions()
        tables.reset_statistics()
        sync_id = tables.request_sync(names[0])
        for name in names:
            wait_until(lambda n=name: world.read_state(n) == "reauthorise" or None)
        assert tables.wait_for_sync(names[0], sync_id)["state"] != "success"
        assert tables.fetch_statistics()["logins"] == {"refused": 1}
        page = fetch_page(connected, "/connections")
        assert page.count("Connect it again") == 2
        assert {name: tables.load_object(name) for name in names} == stored

        tables.edit(chosen[0], "edited meanwhile")
        tables.connect(chosen[0], browser=connected.browser)
        assert [world.read_state(name) for name in names] == ["connected", "reauthorise"]
        tables.connect(chosen[1], browser=connected.browser)
        assert [world.read_state(name) for name in names] == ["connected", "connected"]


# -- faults of the host


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong at a phpMyAdmin, as faults and setup of the sandbox.

    `{table}` in a fault is the table. `reason` is a part of the reason that the sync names; empty where it succeeds
    all the same. `in_sign_in` says that it meets a sign-in: the fetcher's session is forgotten before and after.
    """

    name: str
    reason: str = ""
    faults: Mapping[str, Any] = field(default_factory=dict)
    setup: Mapping[str, Any] = field(default_factory=dict)
    in_sign_in: bool = False

    def switch_on(self, tables: Tables, table: str) -> None:
        """Let it go wrong from now on; for the statements about the table where it is about statements."""
        if self.faults:
            text = orjson.dumps({"tables": ["{table}"], **self.faults}).decode()
            tables.set_faults(**orjson.loads(text.replace("{table}", table)))
        if self.setup:
            tables.set_up(**self.setup)


FAULTS = (
    Fault("cut in mid-row", "the answer is cut off", {"cut_after_bytes": 700}),
    Fault(
        "cut by the connection",
        "the phpMyAdmin is not reached",
        {"cut_after_bytes": 700, "cut_breaks_connection": True},
    ),
    Fault("HTML in mid-file", "something else stands in", {"html_after_rows": 1, "spared_exports": 1}),
    Fault(
        "connection lost in mid-result", "connection was lost", {"lose_connection_after_rows": 1, "spared_exports": 1}
    ),
    Fault("no rows", "the answer is cut off", {"no_rows": True}),
    Fault("statement refused", "(error 1205)", {"error_code": 1205}),
    Fault("table refused", "(error 1142)", {"refused_tables": ["shop.{table}"]}),
    Fault("busy", "HTTP 503", {"fail_requests": -1, "fail_status": 503, "retry_after": 7}, in_sign_in=True),
    Fault("database away", "(error 2002)", {"database_away": True}, in_sign_in=True),
    Fault("session ended", "has ended soon after", {"end_sessions_after_exports": 2}, in_sign_in=True),
    Fault("captcha", "captcha", setup={"has_captcha": True}, in_sign_in=True),
    Fault("second factor", "second factor", setup={"has_second_factor": True}, in_sign_in=True),
    Fault("a warning before the data", faults={"warning": True}),
    Fault("slow", faults={"seconds_per_row": 0.03}),
    Fault("no JSON", setup={"has_json_export": False}),
    Fault("altered in mid-read", faults={"alter_after_exports": 2, "alter_table": "1/shop/{table}"}),
)


@pytest.fixture(scope="module")
def watched(stack: Stack) -> tuple[str, str]:
    """Connect the table that the faults share; return it and the name of its connection."""
    with World(stack) as world:
        tables = Tables(world)
        set_right(tables)
        table = tables.create(30)
        return table, get_name(tables.connect(table), table)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_nothing_is_lost_removed_or_invented_by_a_fault(tables: Tables, watched: tuple[str, str], fault: Fault) -> None:
    table, name = watched
    before = tables.load_object(name)
    assert before is not None
    tables.edit(table, f"edited before: {fault.name}")
    fault.switch_on(tables, table)
    if fault.in_sign_in:
        tables.forget_sessions()
    sync_id = tables.request_sync(name)
    if not fault.reason:
        sync = tables.wait_for_sync(name, sync_id)
        assert (sync["state"], sync["changed"] > 0) == ("success", True)
        tables.wait_until_equal(table, name)
        return
    tables.wait_for_reason(name, sync_id, fault.reason)
    after = tables.load_object(name)
    assert after is not None and after.body == before.body
    tables.edit(table, f"edited during: {fault.name}")
    set_right(tables)
    if fault.in_sign_in:
        tables.forget_sessions()
    if tables.wait_for_sync(name, sync_id)["state"] == "failed":
        assert tables.sync(name)["state"] == "success"
    tables.wait_until_equal(table, name)


@pytest.mark.parametrize("victim", ["nobody", FETCHER, "spaces-writer"])
def test_rows_that_come_and_go_while_all_are_read_are_neither_lost_nor_invented(
    world: World, tables: Tables, victim: str
) -> None:
    table = tables.create(2_000)
    name = get_name(tables.connect(table), table)
    # A first change makes the next full sync read all rows.
    tables.edit(table, "changed before")
    before = {row["id"]: row for row in tables.load_truth(table)["data"]}
    tables.set_faults(tables=[table], seconds_per_row=0.001)
    tables.reset_statistics()
    sync_id = tables.request_sync(name)
    wait_until(lambda: tables.fetch_statistics()["rows"] > 600 or None)
    if victim != "nobody":
        world.stack.kill(victim)
    touched = edit_all_over(tables, table)
    if victim != "nobody":
        world.stack.start_part(victim)
    sync = tables.wait_for_sync(name, sync_id, within=90)
    assert sync["state"] == "success", sync
    stored = tables.load_object(name)
    assert stored is not None
    rows = {row["id"]: row for row in stored.document["data"]}
    assert {id: row for id, row in rows.items() if id not in touched} == {
        id: row for id, row in before.items() if id not in touched
    }
    tables.set_faults()
    assert tables.sync(name)["state"] == "success"
    tables.wait_until_equal(table, name)


def edit_all_over(tables: Tables, table: str) -> set[int]:
    """Change, add and delete rows at the beginning, in the middle and at the end of a table; return their ids."""
    touched = set()
    for offset in range(0, 1_900, 300):
        rows = tables.sandbox.call("GET", f"/tables/1/shop/{table}", limit=3, offset=offset)["rows"]
        changed, deleted, copied = rows
        added = {**copied, "id": str(-1 - offset if offset % 600 else 10_000 + offset)}
        tables.sandbox.call_table("PATCH", table, "/rows", {"where": {"id": changed["id"]}, "set": {"note": "changed"}})
        tables.sandbox.call_table("DELETE", table, "/rows", {"where": {"id": deleted["id"]}})
        tables.sandbox.call_table("POST", table, "/rows", {"rows": [added]})
        touched |= {int(row["id"]) for row in (changed, deleted, added)}
    return touched


# -- tables of the installation


@pytest.fixture
def restart_gateway(world: World) -> Iterator[Callable[..., None]]:
    """Return what restarts the gateway with further settings. It has its usual ones again at the end."""
    original = dict(world.stack.given)

    def restart(**settings: str) -> None:
        world.stack.given.update(settings)
        world.stack.restart("gateway")

    yield restart
    world.stack.given.clear()
    world.stack.given.update(original)
    restart()


def test_the_tables_of_the_settings_are_connected_whole_once_and_healed_by_a_new_password(
    world: World, tables: Tables, restart_gateway: Callable[..., None]
) -> None:
    chosen, merchant = [tables.create(5), tables.create(5)], str(uuid4())
    login = tables.sandbox.build_credentials()
    names = [f"phpmyadmin:{login['url'].removeprefix('http://')}/1/shop/{table}" for table in chosen]
    settings = {f"PHPMYADMIN_{name.upper()}": text for name, text in login.items()}
    refused, connected = "own accounts refused until the next start", "own accounts connected"
    sql = "SELECT name, merchant::text, state, revision FROM gateway.connections WHERE name = ANY(:names) ORDER BY name"

    def list_states() -> list[str]:
        return [row.state for row in world.select_rows(sql, names=names)]

    with pytest.raises(StackError):
        restart_gateway(PHPMYADMIN_URL=login["url"])
    assert "PHPMYADMIN_PASSWORD" in world.stack.get_log_path("gateway").read_text()

    count = count_log_lines(world, refused)
    restart_gateway(**settings, PHPMYADMIN_TABLES=f"{chosen[0]},missing_table", PHPMYADMIN_MERCHANT=merchant)
    wait_until(lambda: count_log_lines(world, refused) > count or None)
    assert list_states() == []

    restart_gateway(PHPMYADMIN_TABLES=",".join(chosen))
    wait_until(lambda: len(list_states()) == 2 or None)
    for table, name in zip(chosen, names, strict=True):
        tables.wait_until_equal(table, name)
        wait_until(lambda n=name: world.list_syncs(n, state="success") or None)
    rows = world.select_rows(sql, names=names)
    assert [(row.name, row.merchant, row.state) for row in rows] == [
        (name, merchant, "connected") for name in sorted(names)
    ]

    count = count_log_lines(world, connected)
    restart_gateway()
    wait_until(lambda: count_log_lines(world, connected) > count or None)
    assert world.select_rows(sql, names=names) == rows
    assert [len(world.list_syncs(name)) for name in names] == [1, 1]

    password = f"other-{uuid4().hex}"
    with tables.use_password(password):
        tables.request_sync(names[0])
        wait_until(lambda: list_states() == ["reauthorise"] * 2 or None)
        tables.edit(chosen[1], "edited meanwhile")
        restart_gateway(PHPMYADMIN_PASSWORD=password)
        wait_until(lambda: list_states() == ["connected"] * 2 or None)
        tables.wait_until_equal(chosen[1], names[1])


def count_log_lines(world: World, event: str) -> int:
    """Return how often the gateway has logged this."""
    return world.stack.get_log_path("gateway").read_text().count(event)


# -- deletion, the operator, and secrets


def test_my_data_of_a_table_can_be_deleted_and_the_login_with_the_last_one(world: World, tables: Tables) -> None:
    chosen = [tables.create(4), tables.create(4)]
    connected = tables.connect(*chosen)
    names = [get_name(connected, table) for table in chosen]
    (row,) = world.select_rows("SELECT login FROM gateway.connections WHERE name = :c", c=names[0])
    for name, left in zip(names, (1, 0), strict=True):
        response = press_button(connected.browser, name, "delete")
        assert response.status_code == 303, response.text
        deletion = wait_for_deletion(world, response.headers["location"].rsplit("/", 1)[1])
        assert deletion["connections"] == [{"connection": name, "state": "erased"}]
        assert tables.load_object(name) is None
        assert not world.select_rows("SELECT 1 FROM spaces_writer.records WHERE connection = :c", c=name)
        assert len(world.select_rows("SELECT 1 FROM gateway.logins WHERE id = :i", i=row.login)) == left


def test_the_operators_commands_take_names_with_slashes(world: World, tables: Tables) -> None:
    table = tables.create(4)
    name = get_name(tables.connect(table), table)

    def run(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, [*words, "--data", str(world.stack.data_dir)], env={"COLUMNS": "500"})
        assert result.exit_code == code, f"{result.output}\n{result.stderr}\n{result.exception!r}"
        return result.stdout + (result.stderr if code else "")

    assert orjson.loads(run("status", "--connection", name, "--json"))["last_sync"]["state"] == "success"
    assert orjson.loads(run("sync", name, "--wait", "--json"))["state"] == "success"
    row_id = tables.sandbox.call_table("GET", table)["rows"][0]["id"]
    some = run("sync", name, "--mode", "incremental", "--resource", "rows", "--id", row_id, "--wait", "--json")
    assert (orjson.loads(some)["state"], orjson.loads(some)["records"]) == ("success", 1)
    ended = orjson.loads(some)["sync_id"]
    assert ended in run("sync", name, "--cancel", ended, code=1)
    key = run("keys", "make", "--connection", name, "--name", "bot", "--scope", "read").strip()
    assert key[:8] in run("keys", "list", "--connection", name)
    prefix = orjson.loads(run("keys", "list", "--connection", name, "--json"))[0]
    assert prefix["name"] == "bot"
    assert "make_key" in run("audit", "--connection", name)
    assert name in run("connections", "list", "--names")
    assert "No deletions" in run("guard", "allow", "--connection", name, code=1)
    assert run("dlq", "list", "--connection", name, "--json").strip() == "[]"
    findings = orjson.loads(run("doctor", "--sample", "500", "--json"))["findings"]
    assert name in {finding["subject"] for finding in findings if finding["result"] == "good"}


def test_no_password_token_or_cookie_of_a_phpmyadmin_is_anywhere(world: World, tables: Tables) -> None:
    table = tables.create(4)
    login = tables.sandbox.build_credentials()
    connected = tables.connect(table)
    name = get_name(connected, table)
    reader = tables.make_reader(name, "read")
    refused = connected.browser.post("/phpmyadmin/connect", json={**login, "password": "not the password"})
    assert refused.status_code == 400
    form = connected.browser.post("/phpmyadmin/connect", json=login, headers={"Accept": "application/json"})
    stored = tables.load_object(name)
    assert stored is not None
    servers = world.stack.environment.build_addresses()["KAFKA_BOOTSTRAP_SERVERS"]
    texts = {
        **{f"log of {part}": text for part, text in read_logs(world).items()},
        **{f"topic {topic}": text for topic, text in asyncio.run(dump_topics(servers)).items()},
        **dump_tables(world),
        "refusal": refused.text,
        "offers": form.text,
        "object": f"{stored.body.decode()} {stored.metadata}",
        "data": reader.get("/fetch-data").text,
        "pages": "".join(fetch_page(connected, path) for path in ("/connections", f"/connections/{quote(name)}")),
    }
    assert {"log of gateway", f"log of {FETCHER}", "offers"} <= {part for part, text in texts.items() if table in text}
    secrets = {login["password"], "not the password"}
    # The names of the fields and cookies, without which no body or header is complete.
    fields = {"pma_password", "set_session", "pmaAuth-1", "pmaUser-1"}
    assert search_texts(texts, secrets | fields) == {}
    assert search_texts({"copy": f"a line with {login['password']}"}, secrets) == {"copy": {login["password"]}}
