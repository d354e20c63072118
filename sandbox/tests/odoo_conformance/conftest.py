"""Each claim is tried at the simulated Odoo of several versions and, where ODOO_TEST_URL names one, at a real one."""

import os
from collections.abc import Iterator

import httpx
import pytest

from odoo_client import Odoo
from samples import Box, Fruits, Shirt, create_box, create_fruits, create_shirt
from worlds import RealWorld, SimulatedWorld, World, connect, run_sandbox

SIMULATED_VERSIONS = (17, 18, 19)
REAL = "real"
WORLDS = [*SIMULATED_VERSIONS, *((REAL,) if os.environ.get("ODOO_TEST_URL") else ())]


@pytest.fixture(scope="session", params=WORLDS, ids=lambda param: param if param == REAL else f"simulated-{param}")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One of the Odoos."""
    if request.param == REAL:
        with httpx.Client(base_url=os.environ["ODOO_TEST_URL"], timeout=60) as http:
            yield RealWorld(http)
        return
    with run_sandbox(tmp_path_factory.mktemp("odoo"), request.param) as http:
        yield SimulatedWorld(http, request.param)


@pytest.fixture(scope="session")
def odoo(world: World) -> Odoo:
    """An administrator's view of the database, by the newest transport that the server has."""
    return connect(world, "json2" if "json2" in world.transports else "jsonrpc")


@pytest.fixture(scope="session")
def fruits(odoo: Odoo) -> Fruits:
    """Products that are only read."""
    return create_fruits(odoo)


@pytest.fixture
def shirt(odoo: Odoo) -> Shirt:
    """A product with two variants."""
    return create_shirt(odoo)


@pytest.fixture
def box(odoo: Odoo) -> Box:
    """A product that is kept in stock, of which there is nothing."""
    return create_box(odoo)
