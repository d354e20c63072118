"""A source on a database of Odoo that is in memory."""

import pytest

from fake_odoo import Bench, fill_shop


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
