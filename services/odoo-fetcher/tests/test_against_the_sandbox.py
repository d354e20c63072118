"""What only a simulated Odoo does on request: edits at random, late transactions, faults, lost rights and keys."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from odoo_fetcher.read_state import RARE_SECONDS
from odoo_fetcher.windows import OVERLAP_SECONDS, SETTLED_SECONDS
from odoo_worlds import DATABASE
from platform_sdk.errors import AccessDeniedError, ConnectionEndedError, RetryLaterError
from platforms.odoo.errors import DatabaseMissingError
from sandbox.odoo.authentication import ADMIN, KEYS
from sandbox.odoo.database import format_time
from sandbox.odoo.edits import EDITORS, make_edit
from sandbox.odoo.faults import Faults, ServerSetup
from sandbox.odoo.models.stock_moves import clean_quants


def write(world: Any, model: str, number: int, *, ago: float = 0.0, **values: Any) -> None:
    """Change a record in a transaction that began some seconds ago."""
    began = format_time(datetime.now(UTC) - timedelta(seconds=ago)) if ago else ""
    world.state.run(DATABASE, ADMIN, lambda env: env.write(model, [number], values), began)


@pytest.mark.parametrize("seed", range(3))
async def test_after_any_edits_what_is_stored_is_what_is_there(simulated: Any, seed: int) -> None:
    random = Random(seed)
    await simulated.sync()
    for _ in range(6):
        templates = sorted(simulated.state.databases[DATABASE].list_rows("product.template"))
        for _ in range(random.randint(0, 6)):
            simulated.state.run(DATABASE, ADMIN, lambda env: make_edit(env, random, list(EDITORS), templates))  # noqa: B023
        if random.random() < 0.3:
            simulated.state.run(DATABASE, 1, clean_quants)
        simulated.pass_time(random.choice((30, RARE_SECONDS, SETTLED_SECONDS)))
        # The server's clock is the real one. Where minutes have passed for the fetcher, its second must have as well.
        await asyncio.sleep(1 - time.time() % 1)
        await (simulated.sync_in_steps() if random.random() < 0.3 else simulated.sync())
    await simulated.assert_equal_to_truth()


async def test_a_long_transaction_that_appears_late_is_read_when_it_appears(simulated: Any) -> None:
    await simulated.sync()
    for ago in (OVERLAP_SECONDS - 30, 200, 5):
        simulated.pass_time(30)
        write(simulated, "product.template", 1, name="quick")
        await simulated.sync()
        write(simulated, "product.template", 2, ago=ago, name=f"begun {ago} s ago")
        await simulated.sync()
        await simulated.assert_equal_to_truth()


async def test_a_removed_key_is_noticed_at_the_next_step_and_reported_once(simulated: Any) -> None:
    await simulated.sync()
    for key in list(simulated.state.databases[DATABASE].list_rows(KEYS)):
        simulated.state.run(DATABASE, 1, lambda env, key=key: env.delete(KEYS, [key]))
    with pytest.raises(ConnectionEndedError):
        await simulated.sync()
    assert len(simulated.replaced) == 1


async def test_rights_that_are_taken_away_fail_the_poll_and_the_whole_read_skips_the_resource(simulated: Any) -> None:
    await simulated.sync()
    simulated.state.set_denied_rights(DATABASE, {"stock.quant": ["read"]})
    with pytest.raises(AccessDeniedError):
        await simulated.sync()
    simulated.previous = None
    read = await simulated.sync()
    assert set(read.end.skipped_resources) == {"stock"} and len(read.list_ids("products")) == 30


@pytest.mark.parametrize(
    ("faults", "error"),
    [
        ({"fail_requests": -1, "fail_status": 503, "retry_after": 7}, RetryLaterError),
        ({"html_requests": -1}, RetryLaterError),
    ],
)
async def test_faults_of_the_server_postpone_the_read_and_nothing_is_lost(
    simulated: Any, faults: Any, error: type[Exception]
) -> None:
    await simulated.sync()
    before = simulated.previous
    write(simulated, "product.template", 1, name="Renamed")
    simulated.state.set_faults(Faults(**faults))
    with pytest.raises(error):
        await simulated.sync()
    simulated.state.set_faults(Faults())
    simulated.forget_waits()
    assert simulated.previous is before
    await simulated.sync()
    await simulated.assert_equal_to_truth()


async def test_a_database_that_is_gone_blocks_the_connection(simulated: Any) -> None:
    await simulated.sync()
    simulated.state.delete_database(DATABASE)
    with pytest.raises(DatabaseMissingError):
        await simulated.sync()


async def test_a_newer_version_lets_everything_be_read_if_it_has_other_fields(simulated: Any) -> None:
    simulated.state.set_setup(ServerSetup(version=17))
    await simulated.sync()
    simulated.state.set_setup(ServerSetup(version=19))
    simulated.pass_time(RARE_SECONDS)
    read = await simulated.sync()
    assert read.end.continues is None
    await simulated.assert_equal_to_truth()
