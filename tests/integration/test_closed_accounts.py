"""An account that its platform closes for a while: acknowledged changes reach the object, with one call meanwhile."""

from typing import Any

import pytest

from world import World, wait_until

pytestmark = pytest.mark.integration

CLOSED = {
    "frozen": {"fail_calls": -1, "fail_status": 402},
    "served in API version 2026-04, in which collections are missing": {"version": "2026-04"},
}


def read_block(world: World, shop: str) -> Any:
    """Read the reason for which the shop's connection is blocked; None when it is not."""
    (row,) = world.select_rows("SELECT blocked FROM scheduler.connections WHERE connection = :c", c=f"shopify:{shop}")
    return row.blocked


def count_calls(world: World, shop: str) -> int:
    """Count all calls to the shop's API so far."""
    return int(world.control_sandbox("GET", f"/{shop}/statistics")["calls"])


def wait_for_deliveries(world: World, shop: str) -> None:
    """Wait until all webhooks of the shop were acknowledged, and entered into the ledger."""
    wait_until(lambda: world.control_sandbox("GET", f"/{shop}/statistics")["pending_deliveries"] == 0 or None)


@pytest.mark.parametrize("reason", CLOSED)
def test_a_closed_shop_loses_no_change_though_all_services_are_killed(world: World, reason: str) -> None:
    shop = world.make_shop(products=30)
    connected = world.connect_and_sync(shop)
    world.wait_until_idle(shop)
    world.set_faults(shop, **CLOSED[reason])
    products = world.list_products(shop, 10)
    world.edit_product(shop, products[0]["number"], title="While closed 0")
    wait_until(lambda: read_block(world, shop))
    assert read_block(world, shop) == reason
    asked = count_calls(world, shop)
    for product in products[1:]:
        world.edit_product(shop, product["number"], title=f"While closed {product['number']}")
    wait_for_deliveries(world, shop)
    wait_until(lambda: len(world.list_shop_syncs(shop, cause="webhook")) >= len(products) or None)
    assert count_calls(world, shop) == asked, "the probe, which is not due yet, is the only call"
    assert world.read_state(f"shopify:{shop}") == "connected"
    for service in ("scheduler", "shopify-fetcher", "spaces-writer"):
        world.stack.kill(service)
        world.stack.start_part(service)
    world.set_faults(shop)
    world.execute_sql(
        "UPDATE scheduler.syncs SET due_at = now() WHERE connection = :c AND due_at IS NOT NULL", c=f"shopify:{shop}"
    )
    world.wait_until_equal(shop, within=60)
    world.wait_until_idle(shop)
    assert read_block(world, shop) is None
    assert {sync.state for sync in world.list_shop_syncs(shop)} == {"success"}
    (owed,) = world.list_shop_syncs(shop, cause="owed")
    assert world.fetch_sync(connected, str(owed.sync_id))["state"] == "success"
