"""What only a simulated Odoo does on request: edits at random, late transactions, faults, lost rights and keys."""

from random import Random
from typing import Any

import pytest

from odoo_fetcher.read_state import RARE_SECONDS
from odoo_worlds import DATABASE
from sandbox.odoo.database import format_time
from sandbox.odoo.edits import EDITORS, make_edit
from sandbox.odoo.models import inventory


def edit(world: Any, random: Random, ago: float = 0.0) -> Any:
    """Make a random edit in a transaction that began some seconds ago."""
    templates = sorted(world.state.databases[DATABASE].list_rows("product.template"))
    began = format_time(world.start_transaction(ago)) if ago else ""
    return world.state.run(DATABASE, 2, lambda env: make_edit(env, random, list(EDITORS), templates), began)


@pytest.mark.parametrize("seed", range(5))
async def test_after_any_edits_what_is_stored_is_what_is_there(simulated: Any, seed: int) -> None:
    random = Random(seed)
    await simulated.sync()
    for _ in range(12):
        for _ in range(random.randint(0, 6)):
            edit(simulated, random)
        if random.random() < 0.3:
            simulated.state.run(DATABASE, 1, inventory.clean_quants)
        simulated.pass_time(random.choice((30, 30, RARE_SECONDS, 700)))
        await (simulated.sync_in_steps() if random.random() < 0.3 else simulated.sync())
    simulated.pass_time(RARE_SECONDS)
    await simulated.sync()
    await simulated.assert_equal_to_truth()
