"""A database of Odoo, end to end: connected by a key, current without anybody's doing, right after what goes wrong."""

import asyncio
from collections.abc import Iterator
from typing import Any, ClassVar
from uuid import uuid4

import orjson
import pytest
from typer.testing import CliRunner

from merchant_sync.app import app
from merchant_sync.client import JSON
from merchant_sync.demo.odoo_sandbox import ConnectedDatabase, SandboxDatabase
from secret_search import dump_tables, dump_topics, read_logs, search_texts
from world import World, wait_until

pytestmark = pytest.mark.integration


class Database:
    """A database of the sandbox that a test has for itself. `connected` are the connections that the test has made."""

    connected: ClassVar[list[ConnectedDatabase]] = []

    def __init__(self, world: World, products: int = 12) -> None:
        self.world = world
        self.sandbox = SandboxDatabase(world.visit, f"db-{uuid4().hex[:8]}")
        self.sandbox.call_database("PUT", "", {"products": products})

    def connect(self) -> ConnectedDatabase:
        """Connect the database, until the test has ended."""
        connected = self.sandbox.connect()
        self.connected.append(connected)
        return connected

    def rename(self) -> None:
        """Give a product another name."""
        (product,) = self.sandbox.execute("product.template", "search", [], limit=1)
        self.sandbox.execute("product.template", "write", [product], {"name": f"Renamed {uuid4().hex[:6]}"})

    def change_stock(self) -> None:
        """Count the stock of a product anew."""
        (product,) = self.sandbox.execute("product.product", "search", [["type", "=", "consu"]], limit=1)
        self.sandbox.call_database("POST", "/stock", {"product": product, "change": 7})

    def wait_until_equal(self, connected: ConnectedDatabase, within: float = 60) -> None:
        """Wait until the object in the bucket is the document that is expected."""

        def is_equal() -> bool | None:
            stored = self.world.visit.load_object(connected.object_key)
            return (stored is not None and stored.document == self.sandbox.load_expected_document()) or None

        wait_until(is_equal, within=within)

    def find_product(self, connected: ConnectedDatabase, number: int) -> Any:
        """Return the record of a product in the bucket, or None."""
        stored = self.world.visit.load_object(connected.object_key)
        assert stored is not None
        return next((one for one in stored.document["data"]["products"] if one["id"] == number), None)

    def count_reads(self, model: str) -> int:
        """Return how often records of a model were read since the statistics were reset."""
        return int(self.sandbox.call("GET", "/statistics")["calls"].get(f"{model}.search_read", 0))

    def remove_keys(self) -> None:
        """Remove all keys of the database."""
        for key in self.sandbox.call_database("GET", "/keys")["keys"]:
            self.sandbox.call_database("DELETE", f"/keys/{key['id']}")


@pytest.fixture
def database(world: World) -> Iterator[Database]:
    """Yield a database; the server has its usual setup before and after."""
    sandbox = SandboxDatabase(world.visit)
    sandbox.call("PUT", "/setup", {})
    sandbox.call("PUT", "/faults", {})
    yield Database(world)
    sandbox.call("PUT", "/setup", {})
    sandbox.call("PUT", "/faults", {})
    # Or else each is polled every two seconds until the end of all tests.
    for connected in Database.connected:
        world.visit.submit_button(connected.browser, connected.name, "disconnect")
    Database.connected.clear()


def test_a_database_is_stored_whole_and_stays_current_by_itself(world: World, database: Database) -> None:
    connected = database.connect()
    assert connected.name.endswith(f"/{database.sandbox.database}")
    database.wait_until_equal(connected)
    database.rename()
    database.wait_until_equal(connected)
    database.change_stock()
    database.wait_until_equal(connected)
    # Two differing readings of one version cannot be ordered if they are close in time: the record is read again.
    causes = {sync.cause for sync in world.list_syncs(connected.name)}
    assert {"connect", "poll"} <= causes <= {"connect", "poll", "reconcile"}


def test_an_archived_product_stays_and_a_deleted_one_goes_at_the_next_poll(world: World, database: Database) -> None:
    connected = database.connect()
    database.wait_until_equal(connected)
    (archived,) = database.sandbox.execute("product.template", "search", [], limit=1)
    database.sandbox.execute("product.template", "write", [archived], {"active": False})
    made = database.sandbox.execute("product.template", "create", {"name": "Soon deleted"})
    database.wait_until_equal(connected)
    assert database.find_product(connected, archived)["active"] is False
    assert database.find_product(connected, made)["name"] == "Soon deleted"
    database.sandbox.execute("product.template", "unlink", [made])
    database.wait_until_equal(connected)
    assert database.find_product(connected, made) is None


@pytest.mark.parametrize("victim", ["odoo-fetcher", "spaces-writer", "scheduler"])
def test_a_service_that_is_killed_while_everything_is_read_loses_and_invents_nothing(
    world: World, database: Database, victim: str
) -> None:
    large = Database(world, products=700)
    large.sandbox.call("DELETE", "/statistics")
    large.sandbox.call("PUT", "/faults", {"slow_calls": -1, "slow_seconds": 0.2, "methods": ["search_read"]})
    connected = large.connect()
    wait_until(lambda: large.count_reads("product.template.attribute.line") > 0 or None, within=60)
    world.stack.kill(victim)
    large.rename()
    large.change_stock()
    world.stack.start_part(victim)
    large.sandbox.call("PUT", "/faults", {})
    large.wait_until_equal(connected, within=120)
    assert world.list_syncs(connected.name, state="success")


def test_what_cannot_be_connected_is_refused_with_what_to_correct(world: World, database: Database) -> None:
    browser, good = world.visit.create_browser(timeout=60), database.sandbox.build_credentials()

    def refuse(**values: str) -> str:
        answer = browser.post("/odoo/connect", json={**good, **values}, headers=JSON)
        assert answer.status_code == 400
        return answer.text

    assert "does not accept this login and API key" in refuse(key="a wrong one")
    assert "has no database elsewhere" in refuse(database="elsewhere")
    assert "no public address" in refuse(url="https://10.0.0.1")
    database.sandbox.call_database("PUT", "/rights", {"stock.quant": ["read"]})
    assert "may not read stock.quant" in refuse()


def test_a_removed_key_ends_the_connection_and_a_new_one_mends_it(world: World, database: Database) -> None:
    connected = database.connect()
    database.wait_until_equal(connected)
    database.remove_keys()
    wait_until(lambda: world.read_state(connected.name) == "reauthorise" or None, within=60)
    database.rename()
    key = database.sandbox.call_database("POST", "/keys", {"expires_in_seconds": 5 * 86_400})["key"]
    credentials = {**database.sandbox.build_credentials(), "key": key}
    assert connected.browser.post("/odoo/connect", json=credentials, headers=JSON).status_code == 200
    database.wait_until_equal(connected)
    (document,) = connected.browser.get("/connections", headers=JSON).json()["connections"]
    assert (document["state"], document["ends_soon"]) == ("connected", True)
    run = CliRunner().invoke(app, ["doctor", "--sample", "500", "--json", "--data", str(world.stack.data_dir)])
    findings = orjson.loads(run.output)["findings"]
    assert any(one["subject"] == connected.name and "access ends on" in one["details"] for one in findings)


def test_a_newer_version_is_read_by_its_own_api(world: World, database: Database) -> None:
    connected = database.connect()
    database.wait_until_equal(connected)
    database.sandbox.call("PUT", "/setup", {"version": 19})
    database.rename()
    database.wait_until_equal(connected, within=120)

    def is_adapted() -> Any:
        log = read_logs(world)["odoo-fetcher"]
        return "json2" in log or None

    wait_until(is_adapted, within=120)
    database.rename()
    database.wait_until_equal(connected)


def test_a_key_is_nowhere_in_clear_text(world: World, database: Database) -> None:
    credentials = database.sandbox.build_credentials()
    connected = database.connect()
    database.wait_until_equal(connected)
    refused = connected.browser.post("/odoo/connect", json={**credentials, "key": "not the key of it"}, headers=JSON)
    servers = world.stack.environment.build_addresses()["KAFKA_BOOTSTRAP_SERVERS"]
    stored = world.visit.load_object(connected.object_key)
    assert stored is not None
    texts = {
        **{f"log of {part}": text for part, text in read_logs(world).items() if part != "sandbox"},
        **{f"topic {topic}": text for topic, text in asyncio.run(dump_topics(servers)).items()},
        **dump_tables(world),
        "refusal": refused.text,
        "object": stored.body.decode(),
        "page": connected.browser.get("/connections", headers={"Accept": "text/html"}).text,
    }
    assert search_texts(texts, {credentials["key"], "not the key of it"}) == {}
