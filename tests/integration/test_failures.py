"""Failures that must lose nothing: killed or unavailable parts, wrong answers of the platform, races.

Each test repairs what it broke.
"""

from typing import Any

import pytest

from world import World, wait_until

pytestmark = pytest.mark.integration
SERVICES = ["gateway", "scheduler", "spaces-writer", "shopify-fetcher"]


def edit_products(world: World, shop: str, count: int, title: str) -> None:
    """Give the first `count` products of a shop new titles."""
    for product in world.list_products(shop, count):
        world.edit_product(shop, product["number"], title=f"{title} {product['number']}")


def wait_until_attempted(world: World, shop: str) -> list[str]:
    """Wait until every webhook of the shop was sent at least once; return the outcomes of the last attempts."""

    def list_outcomes() -> list[str] | None:
        deliveries = world.list_deliveries(shop)
        attempted = [delivery for delivery in deliveries if delivery["history"]]
        return [d["history"][-1]["outcome"] for d in attempted] if len(attempted) == len(deliveries) else None

    return wait_until(list_outcomes, 60)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_killed_during_a_burst_loses_nothing(world: World, service: str) -> None:
    shop = world.make_shop(products=100, variants=2)
    world.connect_and_sync(shop)
    # The fetcher's next call waits, so that the burst is still under way when the service is killed.
    world.set_faults(shop, hold_after_ids=0)
    world.control_sandbox("POST", f"/{shop}/burst", {"edits": 150, "products": 80, "seed": 3})
    world.wait_until_held(shop)
    world.stack.kill(service)
    world.control_sandbox("POST", f"/{shop}/burst", {"edits": 150, "products": 80, "seed": 4})
    wait_until_attempted(world, shop)
    world.stack.start_part(service)
    world.set_faults(shop)
    world.wait_until_equal(shop, within=60)
    wait_until(lambda: world.control_sandbox("GET", f"/{shop}/statistics")["pending_deliveries"] == 0 or None, 60)
    world.wait_until_idle(shop, within=60)
    world.wait_until_equal(shop)
    assert {s.state for s in world.list_shop_syncs(shop)} == {"success"}


@pytest.mark.parametrize("service", ["scheduler", "spaces-writer", "shopify-fetcher"])
def test_a_first_sync_continues_after_a_service_was_killed(world: World, service: str) -> None:
    shop = world.make_shop(products=1200, variants=2, plan="plus")
    connected = world.connect_and_hold(shop)
    world.stack.kill(service)
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
    with world.hold_webhook_retries(shop):
        world.stack.kill("kafka")
        edit_products(world, shop, 20, "While Kafka was down")
        assert "503" in wait_until_attempted(world, shop)
        world.stack.start_part("kafka")
    world.wait_until_equal(shop, within=90)
    world.wait_until_idle(shop, within=90)
    world.wait_until_equal(shop)


def test_edits_made_while_postgres_is_down_reach_the_object(world: World) -> None:
    skip_unless_local(world, "postgres")
    shop = world.make_shop(products=60)
    world.connect_and_sync(shop)
    with world.hold_webhook_retries(shop):
        world.control_sandbox("POST", f"/{shop}/burst", {"edits": 100, "products": 50, "seed": 4})
        world.stack.kill("postgres")
        edit_products(world, shop, 10, "While Postgres was down")
        wait_until_attempted(world, shop)
        world.stack.start_part("postgres")
    world.wait_until_equal(shop, within=90)
    world.wait_until_idle(shop, within=90)


def test_a_first_sync_is_no_success_while_the_bucket_is_down(world: World) -> None:
    skip_unless_local(world, "spaces")
    shop = world.make_shop(products=30)
    world.stack.kill("spaces")
    connected = world.connect(shop)
    sync = wait_until(
        lambda: s if "the upload failed" in (s := world.fetch_sync(connected))["upload_status"]["message"] else None
    )
    assert (sync["state"], sync["finished_at"], sync["polling_test"]["status"]) == ("storing", None, "success")
    (listed,) = connected.browser.get("/connections").json()["connections"]
    assert (listed["upload"], "the upload failed" in listed["waits"]) == (None, True)
    assert "Stored as" not in connected.browser.get("/connections", headers={"Accept": "text/html"}).text
    world.stack.start_part("spaces")
    assert world.wait_for_sync(connected, within=90)["state"] == "success"
    assert world.find_difference(shop) is None


def test_records_are_stored_while_the_bucket_is_down_and_uploaded_afterwards(world: World) -> None:
    skip_unless_local(world, "spaces")
    shop = world.make_shop(products=30)
    connected = world.connect_and_sync(shop)
    world.stack.kill("spaces")
    edit_products(world, shop, 5, "While the bucket was down")
    syncs = wait_until(lambda: found if len(found := world.list_shop_syncs(shop, state="storing")) >= 5 else None)

    def fetch_if_refused() -> dict[str, Any] | None:
        sync = world.fetch_sync(connected, str(syncs[0].sync_id))
        return sync if "the upload failed" in sync["upload_status"]["message"] else None

    sync = wait_until(fetch_if_refused)
    assert (sync["state"], sync["upload"], sync["upload_status"]["status"]) == ("storing", None, "pending")
    assert not world.list_shop_syncs(shop, mode="incremental", state="success")
    world.stack.start_part("spaces")
    world.wait_until_equal(shop, within=90)
    world.wait_until_idle(shop, within=90)
    assert {sync.state for sync in world.list_shop_syncs(shop)} == {"success"}


def test_a_fetcher_that_needs_a_token_waits_for_the_gateway_and_loses_nothing(world: World) -> None:
    shop = world.make_shop(products=30)
    world.connect_and_sync(shop)
    edit_products(world, shop, 3, "Before")
    with world.hold_webhook_retries(shop):
        world.stack.kill("gateway")
        world.stack.stop_part("shopify-fetcher")
        world.stack.start_part("shopify-fetcher", wait=False)  # it has work, so it is not ready without the gateway
        edit_products(world, shop, 3, "While the gateway was down")
        world.stack.start_part("gateway")
    world.wait_until_equal(shop, within=90)


def test_a_step_that_runs_twice_does_not_fork_the_sync(world: World) -> None:
    shop = world.make_shop(products=800, variants=2)
    connected = world.connect_and_hold(shop)
    for _ in range(2):
        held = world.fetch_statistics(shop)["held_calls"]
        world.stack.kill("shopify-fetcher")
        world.stack.start_part("shopify-fetcher")
        # The sandbox keeps the call of the killed process, and the same step makes another one.
        wait_until(lambda held=held: world.fetch_statistics(shop)["held_calls"] > held or None, 60)
    world.set_faults(shop)
    assert world.wait_for_sync(connected, within=90)["state"] == "success"
    steps = world.select_rows("SELECT step FROM scheduler.steps WHERE sync_id = :i ORDER BY step", i=connected.sync_id)
    assert [row.step for row in steps] == list(range(1, len(steps) + 1))
    world.wait_until_equal(shop)


def count_records(world: World, shop: str) -> int:
    """Count the stored records of the shop."""
    sql = "SELECT count(*) AS n FROM spaces_writer.records WHERE connection = :c"
    return int(world.select_rows(sql, c=f"shopify:{shop}")[0].n)


def test_pages_in_flight_are_refused_after_an_uninstall(world: World) -> None:
    shop = world.make_shop(products=1500, variants=2)
    connected = world.connect_and_hold(shop, after_ids=1000)
    wait_until(lambda: world.fetch_sync(connected)["records"] > 100 or None)
    world.control_sandbox("POST", f"/{shop}/uninstall")
    sync = world.wait_for_sync(connected)
    assert sync["state"] == "cancelled", sync
    world.wait_until_consumed("spaces-writer.data.fetched.full")
    before = count_records(world, shop)
    assert before > 0
    # The call that was held began before the uninstall: it is answered, and its records are in flight.
    world.set_faults(shop)
    wait_until(lambda: world.fetch_statistics(shop)["held_calls"] == 0 or None)
    world.wait_until_consumed("shopify-fetcher.sync.requested.shopify.full")
    world.wait_until_consumed("spaces-writer.data.fetched.full")
    assert count_records(world, shop) == before
    assert world.read_object(shop) is None


FAULTS = {
    "throttled": {"throttle_calls": 5},
    "503": {"fail_calls": 5, "fail_status": 503},
    "429": {"fail_calls": 3, "fail_status": 429, "retry_after": 1},
    "HTML instead of JSON": {"html_body": True},
    "truncated answers": {"truncate_body": True},
    "inner errors": {"internal_error_calls": 3},
}


def count_failed_calls(world: World, shop: str) -> int:
    """Count the calls of the shop that the sandbox has throttled or answered with an error."""
    statistics = world.fetch_statistics(shop)
    return int(statistics["throttled"] + sum(statistics["errors"].values()))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_shop_that_fails_for_a_while_is_synced_completely(world: World, fault: str) -> None:
    shop = world.make_shop(products=120, variants=2)
    # Held after its first records, so that it is the full read that fails.
    connected = world.connect_and_hold(shop)
    before = count_failed_calls(world, shop)
    world.set_faults(shop, **FAULTS[fault])
    wait_until(lambda: count_failed_calls(world, shop) > before or None, 60)
    world.set_faults(shop)
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
    # Records to be deleted would be read directly first: such a sync would be requested by what is consumed here.
    world.wait_until_consumed("scheduler.data.stored")
    world.wait_until_idle(shop)
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


def test_a_shop_that_does_not_answer_delays_no_other(world: World) -> None:
    failing, healthy = world.make_shop(products=20), world.make_shop(products=20)
    world.connect_and_sync(failing)
    world.connect_and_sync(healthy)
    world.set_faults(failing, hold_after_ids=0)
    edit_products(world, failing, 3, "Slow")
    world.wait_until_held(failing)
    edit_products(world, healthy, 3, "Quick")
    world.wait_until_equal(healthy)
    assert world.fetch_statistics(failing)["held_calls"] > 0
    world.set_faults(failing)
    world.wait_until_equal(failing, within=120)
