"""The change feed from outside: the documented consumer holds a copy through kills, edits and a full sync."""

import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from merchant_sync.app import app
from merchant_sync.demo.shopify_sandbox import ConnectedShop
from merchant_sync.stack import Stack
from world import CACHED_JARS, SETTINGS, World, wait_until

pytestmark = pytest.mark.integration
CONSUMER = Path(__file__).parents[2] / "docs" / "change-feed" / "consumer.py"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Run the whole product."""
    with (
        TemporaryDirectory(prefix="merchant-sync-") as folder,
        Stack(Path(folder) / "data", given=SETTINGS, cache_dir=CACHED_JARS) as stack,
        World(stack) as running,
    ):
        yield running


@pytest.fixture
def connected(world: World) -> ConnectedShop:
    """Connect a shop."""
    return world.connect_and_sync(world.make_shop(products=40, variants=2, plan="plus"))


def get_name(connected: ConnectedShop) -> str:
    return f"shopify:{connected.shop}"


class Consumer:
    """The documented consumer as a process, and the copy in its file."""

    def __init__(self, world: World, connection: str, folder: Path) -> None:
        self.path, self._connection, self._folder = folder / "copy.sqlite3", connection, folder
        self._address = world.access.settings["KAFKA_BOOTSTRAP_SERVERS"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, which goes on with the file."""
        command = [sys.executable, str(CONSUMER), self._connection, str(self.path)]
        environment = {"PATH": os.environ["PATH"], "KAFKA_BOOTSTRAP_SERVERS": self._address}
        with (self._folder / "consumer.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def kill(self) -> None:
        """Kill the process."""
        assert self._process is not None and self._process.poll() is None, (self._folder / "consumer.log").read_text()
        self._process.kill()
        self._process.wait(10)

    def load_copy(self) -> dict[tuple[str, str], Any]:
        """Return the bodies of the living records in the file; nothing while no read has been completed."""
        if not self.path.exists():
            return {}
        with sqlite3.connect(self.path) as db:
            try:
                rows = db.execute("SELECT resource, id, body FROM records WHERE body IS NOT NULL").fetchall()
            except sqlite3.OperationalError:
                return {}
        db.close()
        return {(resource, record_id): orjson.loads(body) for resource, record_id, body in rows}


@pytest.fixture
def consumer(world: World, connected: ConnectedShop, tmp_path: Path) -> Iterator[Consumer]:
    """Run the consumer for the shop."""
    consumer = Consumer(world, get_name(connected), tmp_path)
    consumer.start()
    yield consumer
    consumer.kill()


def wait_until_copied(world: World, shop: str, consumer: Consumer, within: float = 60) -> None:
    wait_until(lambda: consumer.load_copy() == world.load_records(shop) or None, within)


def test_a_copy_by_the_documented_consumer_equals_what_is_stored(
    world: World, connected: ConnectedShop, consumer: Consumer
) -> None:
    """Also after kills of the consumer and of the writer, with edits, deletions and a full sync in between."""
    shop, choose = connected.shop, random.Random(3)
    wait_until_copied(world, shop, consumer)
    numbers = [product["number"] for product in world.list_products(shop)]
    edited, deleted = numbers[:20], numbers[20:26]
    for turn in range(6):
        for number in choose.sample(edited, 5):
            world.edit_product(shop, number, title=f"turn {turn}")
        world.control_sandbox("DELETE", f"/{shop}/products/{deleted[turn]}")
        if turn == 1:
            consumer.kill()
        if turn == 2:
            consumer.start()
            world.stack.kill("spaces-writer")
        if turn == 3:
            world.stack.start_part("spaces-writer")
            world.poll_shop_now(shop)
    world.wait_until_equal(shop, within=120)
    wait_until_copied(world, shop, consumer)


def test_an_operator_sees_the_changes_of_a_connection(world: World, connected: ConnectedShop) -> None:
    world.edit_product(connected.shop, world.list_products(connected.shop)[0]["number"], title="Seen by the operator")
    command = ["changes", "--connection", get_name(connected), "--data", str(world.stack.data_dir)]

    def read_lines(*options: str) -> str:
        result = CliRunner().invoke(app, [*command, *options])
        assert result.exit_code == 0, result.output
        return result.output

    wait_until(lambda: "update  products" in read_lines() or None)
    assert "Seen by the operator" not in read_lines("--json")
    assert "Seen by the operator" in read_lines("--json", "--bodies")
