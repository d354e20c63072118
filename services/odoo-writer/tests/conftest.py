"""Writers at databases of a simulated Odoo, of several versions, and at a real one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.odoo.faults import ServerSetup
from writer_world import REAL_URL, SimulatedWorld, WriterWorld, open_real, open_simulated

APPS = ["sale", "stock", "website_sale"]


@pytest.fixture
async def simulated(tmp_path: Path) -> AsyncIterator[SimulatedWorld]:
    """A writer at an Odoo 18 with a web shop."""
    async with open_simulated(tmp_path, ServerSetup(version=18, apps=APPS)) as world:
        yield world


@pytest.fixture
async def plain(tmp_path: Path) -> AsyncIterator[SimulatedWorld]:
    """A writer at an Odoo 18 without a web shop."""
    async with open_simulated(tmp_path, ServerSetup(version=18)) as world:
        yield world


@pytest.fixture(params=[17, 18, 19, "real"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[WriterWorld]:
    """A writer at each version, and at the real server, if the environment names one."""
    if request.param == "real":
        if not REAL_URL:
            pytest.skip("ODOO_TEST_URL names no Odoo")
        async with open_real() as real:
            yield real
        return
    async with open_simulated(tmp_path, ServerSetup(version=request.param, apps=APPS)) as simulated:
        yield simulated
