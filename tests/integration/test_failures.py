"""Failures that must lose nothing: killed or unavailable parts, wrong answers of the platform, races.

Each test repairs what it broke.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from world import World, wait_until

pytestmark = pytest.mark.integration
SERVICES = ["gateway", "scheduler", "spaces-writer", "shopify-fetcher"]


SLOW_CALLS = {"hang_seconds": 0.5}
"""The fault that makes every call of a shop so slow that its first sync is still running when the test disturbs it."""


def edit_products(world: World, shop: str, count: int, title: str) -> None:
    """Give the first `count` products of a shop new titles."""
    for product in world.list_products(shop, count):
        world.edit_product(shop, product["number"], title=f"{title} {product['number']}")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_killed_during_a_burst_loses_nothing(world: World, service: str) -> None:
    shop = world.make_shop(products=100, variants=2)
    world.connect_and_sync(shop)
    world.control_sandbox("POST", f"/{shop}/burst", {"edits": 300, "products": 80, "seed": 3})
    time.sleep(0.3)
    world.stack.kill(service)
    time.sleep(1)
    world.stack.start_part(service)
    world.wait_until_equal(shop, within=60)
    wait_until(lambda: world.control_sandbox("GET", f"/{shop}/statistics")["pending_deliveries"] == 0 or None, 60)
    world.wait_until_idle(shop, within=60)
    world.wait_until_equal(shop)
    assert {s.state for s in world.list_shop_syncs(shop)} == {"success"}


@pytest.mark.parametrize("service", ["scheduler", "spaces-writer", "shopify-fetcher"])
def test_a_first_sync_continues_after_a_service_was_killed(world: World, service: str) -> None:
    shop = world.make_shop(products=1200, variants=2, plan="plus")
    world.set_faults(shop, **SLOW_CALLS)
    connected = world.connect(shop)
    wait_until(lambda: world.fetch_sync(connected)["state"] == "running" or None)
    world.stack.kill(service)
    time.sleep(0.5)
    world.stack.start_part(service)
    world.set_faults(shop)
    assert world.wait_for_sync(connected, within=90)["state"] == "success"
    world.wait_until_equal(shop, within=60)


def skip_unless_local(world: World, part: str) -> None:
    """Skip the test when the part is not run by this stack, so that the test cannot kill it."""
    if part not in world.stack.names:
        pytest.skip(f"{part} is not run by this stack, so this test cannot kill it")


def test_edits_made_while_kafka_is_down_reach_the_object(world: World) -> None:
    skip_unless_local(world, "kafka")
    shop = world.make_shop(products=60)
    world.connect_and_sync(shop)
    world.stack.kill("kafka")
    edit_products(world, shop, 20, "While Kafka was down")
    time.sleep(2)
    world.stack.start_part("kafka")
    world.wait_until_equal(shop, within=90)
    world.wait_until_idle(shop, within=90)
    world.wait_until_equal(shop)


def test_edits_made_while_postgres_is_down_reach_the_object(world: World) -> None:
    skip_unless_local(world, "postgres")
    shop = world.make_shop(products=60)
    world.connect_and_sync(shop)
    world.control_sandbox("POST", f"/{shop}/burst", {"edits": 100, "products": 50, "seed": 4})
    world.stack.kill("postgres")
    edit_products(world, shop, 10, "While Postgres was down")
    time.sleep(1)
    world.stack.start_part("postgres")
    world.wait_until_equal(shop, within=90)
    world.wait_until_idle(shop, within=90)


def test_records_are_stored_while_the_bucket_is_down_and_uploaded_afterwards(world: World) -> None:
    skip_unless_local(world, "spaces")
    shop = world.make_shop(products=30)
    world.connect_and_sync(shop)
    world.stack.kill("spaces")
    edit_products(world, shop, 5, "While the bucket was down")
    wait_until(lambda: len(world.list_shop_syncs(shop, mode="incremental", state="success")) >= 5 or None)
    failed = wait_until(lambda: [s for s in world.list_shop_syncs(shop) if s.upload and '"failed"' in s.upload] or None)
    assert failed[0].state == "success"
    world.stack.start_part("spaces")
    world.wait_until_equal(shop, within=90)


def test_a_fetcher_that_needs_a_token_waits_for_the_gateway_and_loses_nothing(world: World) -> None:
    shop = world.make_shop(products=30)
    world.connect_and_sync(shop)
    edit_products(world, shop, 3, "Before")
    world.stack.kill("gateway")
    world.stack.stop_part("shopify-fetcher")
    world.stack.start_part("shopify-fetcher", wait=False)  # it has work, so it is not ready without the gateway
    edit_products(world, shop, 3, "While the gateway was down")
    world.stack.start_part("gateway")
    world.wait_until_equal(shop, within=90)


def test_a_step_that_runs_twice_does_not_fork_the_sync(world: World) -> None:
    shop = world.make_shop(products=800, variants=2)
    world.set_faults(shop, **SLOW_CALLS)
    connected = world.connect(shop)
    wait_until(lambda: world.fetch_sync(connected)["state"] == "running" or None)
    for _ in range(2):
        world.stack.kill("shopify-fetcher")
        world.stack.start_part("shopify-fetcher")
    world.set_faults(shop)
    assert world.wait_for_sync(connected, within=90)["state"] == "success"
    steps = world.select_rows("SELECT step FROM scheduler.steps WHERE sync_id = :i ORDER BY step", i=connected.sync_id)
    assert [row.step for row in steps] == list(range(1, len(steps) + 1))
    world.wait_until_equal(shop)


def test_pages_in_flight_are_refused_after_an_uninstall(world: World) -> None:
    shop = world.make_shop(products=1500, variants=2)
    world.set_faults(shop, **SLOW_CALLS)
    connected = world.connect(shop)
    wait_until(lambda: world.fetch_sync(connected)["records"] > 100 or None)
    world.control_sandbox("POST", f"/{shop}/uninstall")
    sync = world.wait_for_sync(connected)
    assert sync["state"] in {"cancelled", "failed"}, sync
    assert world.read_object(shop) is None
    time.sleep(2)
    before = world.select_rows(
        "SELECT count(*) AS n FROM spaces_writer.records WHERE connection = :c", c=f"shopify:{shop}"
    )
    time.sleep(2)
    after = world.select_rows(
        "SELECT count(*) AS n FROM spaces_writer.records WHERE connection = :c", c=f"shopify:{shop}"
    )
    assert before == after


FAULTS = {
    "throttled": {"throttle_calls": 5},
    "a third of all answers 503": {"fail_ratio": 0.3, "fail_status": 503},
    "429": {"fail_ratio": 0.3, "fail_status": 429, "retry_after": 1},
    "HTML instead of JSON": {"html_body": True},
    "truncated answers": {"truncate_body": True},
    "inner errors": {"internal_error_calls": 3},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_shop_that_fails_for_a_while_is_synced_completely(world: World, fault: str) -> None:
    shop = world.make_shop(products=120, variants=2)
    world.set_faults(shop, **FAULTS[fault])
    connected = world.connect(shop)
    with ThreadPoolExecutor(1) as executor:
        executor.submit(lambda: (time.sleep(4), world.set_faults(shop)))
        sync = world.wait_for_sync(connected, within=120)
    assert sync["state"] == "success", sync
    world.wait_until_equal(shop)


@pytest.mark.parametrize("scope", ["read_products", "read_discounts"])
def test_partial_data_with_access_denied_deletes_nothing(world: World, scope: str) -> None:
    shop = world.make_shop(products=40, discounts=6)
    connected = world.connect_and_sync(shop)
    before = world.read_object(shop)
    world.set_faults(shop, deny_scopes=[scope], webhooks_off=True)
    world.poll_shop_now(shop)
    poll = wait_until(lambda: world.list_shop_syncs(shop, cause="poll") or None)[0]
    world.wait_for_sync(connected, str(poll.sync_id), within=120)
    after = world.read_object(shop)
    assert before is not None and after is not None and before.body == after.body
    world.edit_product(shop, world.list_products(shop)[0]["number"], title="Edited while reading it was denied")
    world.set_faults(shop)
    world.poll_shop_now(shop)
    world.wait_until_equal(shop, within=60)


def test_an_empty_list_deletes_nothing(world: World) -> None:
    shop = world.make_shop(products=80, collections=0, discounts=0)
    connected = world.connect_and_sync(shop)
    world.set_faults(shop, lists="empty")
    world.poll_shop_now(shop)
    poll = wait_until(lambda: world.list_shop_syncs(shop, cause="poll") or None)[0]
    sync = world.wait_for_sync(connected, str(poll.sync_id), within=120)
    assert (sync["state"], sync["reason"]) == ("failed", "products: the platform lists 0 and counts 80")
    assert world.find_difference(shop) is None


def test_an_expired_token_is_refreshed_and_a_revoked_one_requires_a_new_login(world: World) -> None:
    shop = world.make_shop(products=20)
    connected = world.connect_and_sync(shop)
    world.control_sandbox("POST", f"/{shop}/grants/expire")
    edit_products(world, shop, 2, "After the expiry")
    world.wait_until_equal(shop, within=60)
    world.control_sandbox("POST", f"/{shop}/grants/revoke")
    world.control_sandbox("POST", f"/{shop}/grants/expire")
    edit_products(world, shop, 1, "After the revocation")
    wait_until(lambda: world.read_state(f"shopify:{shop}") == "reauthorise" or None, 60)
    again = world.connect(shop, connected.browser)
    assert world.wait_for_sync(again)["state"] == "success"
    world.wait_until_equal(shop)


def test_a_failing_shop_does_not_delay_another(world: World) -> None:
    failing, healthy = world.make_shop(products=20), world.make_shop(products=20)
    world.connect_and_sync(failing)
    world.connect_and_sync(healthy)
    world.set_faults(failing, hang_seconds=30)
    edit_products(world, failing, 3, "Slow")
    edit_products(world, healthy, 3, "Quick")
    assert world.wait_until_equal(healthy, within=10) < 10
    world.set_faults(failing)
    world.wait_until_equal(failing, within=120)
