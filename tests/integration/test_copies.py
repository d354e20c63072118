"""Copies by the data API's recipe equal the truth in the end, through kills, outages and a replica that lags."""

import os
import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import httpx
import pytest

from http_copy import HttpCopy
from merchant_sync.parts import DATA_API, KAFKA, POSTGRES, SCHEDULER, SPACES_WRITER
from merchant_sync.postgres import build_url
from merchant_sync.stack import Stack
from standby import run_standby
from world import CACHED_JARS, SETTINGS, World, wait_until

pytestmark = pytest.mark.integration
EDITS = int(os.environ.get("COPY_EDITS", "1200"))
"""How many random edits are made in all."""
FAULTS = ("none", DATA_API, SPACES_WRITER, KAFKA, "full sync", POSTGRES, DATA_API, SCHEDULER)
LAG_SECONDS = 2
OPERATOR_KEY = uuid4().hex


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Run the whole product. The data API reads a replica that lags behind by seconds."""
    settings = {**SETTINGS, "DATA_API_REQUESTS_PER_MINUTE": "100000", "DATA_API_KEYS": f"test:{OPERATOR_KEY}"}
    with (
        TemporaryDirectory(prefix="merchant-sync-") as folder,
        Stack(Path(folder) / "data", given=settings, auto_restart=False, cache_dir=CACHED_JARS) as stack,
        World(stack) as world,
        run_standby(stack, delay_seconds=LAG_SECONDS) as port,
    ):
        stack.given["DATA_API_REPLICA_URL"] = build_url(
            "data_api", stack.environment.secrets["data_api_database_password"], port
        )
        stack.restart(DATA_API)
        yield world


def cause(world: World, shop: str, fault: str) -> None:
    """Let the fault come about, and end."""
    if fault == "full sync":
        world.poll_shop_now(shop)
    elif fault != "none":
        world.stack.kill(fault)
        world.stack.start_part(fault)
        # A part that has ended because another one was killed is started, as the operator's supervisor would do.
        world.restart_stopped_parts()


def test_copies_equal_the_truth_through_kills_outages_and_a_replica_that_lags(world: World) -> None:
    shop = world.make_shop(products=80, variants=2, plan="plus")
    world.connect_and_sync(shop)
    copies = [
        HttpCopy(world.stack.data_api_url, OPERATOR_KEY, f"shopify:{shop}", by_stream=by_stream)
        for by_stream in (False, True)
    ]
    for copy in copies:
        copy.start()
    numbers, choose = [product["number"] for product in world.list_products(shop, limit=80)], random.Random(11)
    for turn, fault in enumerate(FAULTS):
        burst = {"edits": EDITS // len(FAULTS), "products": 60, "seed": turn}
        world.control_sandbox("POST", f"/{shop}/burst", burst)
        world.control_sandbox("DELETE", f"/{shop}/products/{numbers.pop(choose.randrange(60, len(numbers)))}")
        cause(world, shop, fault)
    world.wait_until_equal(shop, within=300)
    world.wait_until_idle(shop, within=120)
    try:
        wait_until(lambda: all(copy.bodies == world.load_records(shop) for copy in copies) or None, 60)
    finally:
        for copy in copies:
            copy.stop()
    assert copies[1].reconnects > 1


def test_after_a_deletion_nothing_is_shown_and_streams_end_with_reset(world: World) -> None:
    shop = world.make_shop(products=10)
    connected = world.connect_and_sync(shop)
    connection = f"shopify:{shop}"
    reader = httpx.Client(base_url=world.stack.data_api_url, headers={"X-API-Key": OPERATOR_KEY}, timeout=60)
    path = f"/v1/connections/{connection}"
    head = reader.get(f"{path}/changes/head").raise_for_status().json()["cursor"]
    paths = (
        path,
        f"{path}/snapshot",
        f"{path}/records/products",
        f"{path}/changes?cursor={head}",
        f"/fetch-data?connection={connection}",
    )
    assert {reader.get(one).status_code for one in paths} == {200}
    with reader.stream("GET", f"{path}/changes/stream") as stream:
        lines = stream.iter_lines()
        next(lines)
        world.visit.submit_button(connected.browser, connection, "delete")
        assert "event: reset" in list(lines)
    wait_until(lambda: {reader.get(one).status_code for one in paths} == {404} or None, 60)
    for view in ("records", "changes", "lookups", "snapshots"):
        sql = f"SELECT 1 FROM spaces_writer_published.{view} WHERE connection = :name"
        wait_until(lambda sql=sql: not world.select_rows(sql, name=connection) or None)
