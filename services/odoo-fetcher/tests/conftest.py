"""A source on a database of Odoo: in memory, at the simulated server, and at a real one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fake_odoo import Bench, fill_shop
from odoo_worlds import DATABASE, REAL_URL, OdooWorld, SimulatedWorld, open_real, open_simulated
from sandbox.odoo.faults import ServerSetup
from sandbox.odoo.sample_catalog import DatabaseRecipe

SHOP = ServerSetup(version=18, apps=["sale", "stock", "website_sale"])


@pytest.fixture
def bench() -> Bench:
    """A source on a database without a record."""
    return Bench()


@pytest.fixture
def shop(bench: Bench) -> Bench:
    """A source on a database with three products, written an hour ago."""
    bench.odoo.now -= 3600
    fill_shop(bench.odoo)
    bench.odoo.now += 3600
    return bench


@pytest.fixture
async def simulated(tmp_path: Path) -> AsyncIterator[SimulatedWorld]:
    """A database with 30 products at the simulated server."""
    async with open_simulated(tmp_path, ServerSetup(), DatabaseRecipe(name=DATABASE, products=30)) as world:
        yield world


@pytest.fixture(params=["simulated", "real"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OdooWorld]:
    """A database at a simulated server, and at the real one, if the environment names one."""
    if request.param == "real":
        if not REAL_URL:
            pytest.skip("ODOO_TEST_URL names no Odoo")
        async with open_real() as real:
            yield real
        return
    async with open_simulated(tmp_path, SHOP, DatabaseRecipe(name=DATABASE, products=30)) as world:
        yield world


@pytest.fixture(params=[17, 19])
async def other_version(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OdooWorld]:
    """A database at a simulated server of another version."""
    setup = SHOP.model_copy(update={"version": request.param})
    async with open_simulated(tmp_path, setup, DatabaseRecipe(name=DATABASE, products=30)) as world:
        yield world
