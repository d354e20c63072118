"""What must not break it: parts that are killed or away, lies of the platform, races. Each test heals what it broke."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from world import World, until

pytestmark = pytest.mark.integration
SERVICES = ["gateway", "scheduler", "spaces-writer", "shopify-fetcher"]


def edit_some(world: World, shop: str, count: int, title: str) -> None:
    for product in world.products(shop, count):
        world.edit(shop, product["number"], title=f"{title} {product['number']}")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_killed_in_the_middle_of_a_burst_loses_nothing(world: World, service: str) -> None:
    shop = world.make_shop(products=100, variants=2)
    world.synced(shop)
    world.told("POST", f"/{shop}/burst", {"edits": 300, "products": 80, "seed": 3})
    time.sleep(0.3)
    world.stack.kill(service)
    time.sleep(1)
    world.stack.start_part(service)
    world.equal(shop, within=60)
    until(lambda: world.told("GET", f"/{shop}/statistics")["pending_deliveries"] == 0 or None, 60)
    world.settled(shop, within=60)
    world.equal(shop)
    assert {s.state for s in world.syncs(shop)} == {"success"}


@pytest.mark.parametrize("service", ["scheduler", "spaces-writer", "shopify-fetcher"])
def test_a_service_killed_in_the_middle_of_a_first_sync_is_taken_up_again(world: World, service: str) -> None:
    shop = world.make_shop(products=1200, variants=2, plan="plus")
    connected = world.connect(shop)
    until(lambda: world.sync(connected)["state"] == "running" or None)
    world.stack.kill(service)
    time.sleep(0.5)
    world.stack.start_part(service)
    assert world.ended(connected, within=90)["state"] == "success"
    world.equal(shop, within=60)


def ours(world: World, part: str) -> None:
    """Skip where the part is not ours to kill."""
    if part not in world.stack.names:
        pytest.skip(f"{part} runs elsewhere: it is not this test's to kill")


def test_kafka_down_and_back_during_a_burst(world: World) -> None:
    ours(world, "kafka")
    shop = world.make_shop(products=60)
    world.synced(shop)
    world.stack.kill("kafka")
    edit_some(world, shop, 20, "While Kafka was down")
    time.sleep(2)
    world.stack.start_part("kafka")
    world.equal(shop, within=90)
    world.settled(shop, within=90)
    world.equal(shop)


def test_postgres_down_and_back_in_the_middle_of_transactions(world: World) -> None:
    ours(world, "postgres")
    shop = world.make_shop(products=60)
    world.synced(shop)
    world.told("POST", f"/{shop}/burst", {"edits": 100, "products": 50, "seed": 4})
    world.stack.kill("postgres")
    edit_some(world, shop, 10, "While Postgres was down")
    time.sleep(1)
    world.stack.start_part("postgres")
    world.equal(shop, within=90)
    world.settled(shop, within=90)


def test_the_bucket_down_and_back_while_ingestion_goes_on(world: World) -> None:
    ours(world, "spaces")
    shop = world.make_shop(products=30)
    world.synced(shop)
    world.stack.kill("spaces")
    edit_some(world, shop, 5, "While the bucket was down")
    until(lambda: len(world.syncs(shop, mode="incremental", state="success")) >= 5 or None)
    failed = until(lambda: [s for s in world.syncs(shop) if s.upload and '"failed"' in s.upload] or None)
    assert failed[0].state == "success"
    world.stack.start_part("spaces")
    world.equal(shop, within=90)


def test_the_gateway_away_when_a_token_is_needed_holds_and_loses_nothing(world: World) -> None:
    shop = world.make_shop(products=30)
    world.synced(shop)
    edit_some(world, shop, 3, "Before")
    world.stack.kill("gateway")
    world.stack.stop_part("shopify-fetcher")
    world.stack.start_part("shopify-fetcher", wait=False)  # with work at hand it is not ready without the gateway
    edit_some(world, shop, 3, "While the gateway was down")
    world.stack.start_part("gateway")
    world.equal(shop, within=90)


def test_a_step_that_ran_twice_forks_nothing(world: World) -> None:
    shop = world.make_shop(products=800, variants=2)
    connected = world.connect(shop)
    until(lambda: world.sync(connected)["state"] == "running" or None)
    for _ in range(2):
        world.stack.kill("shopify-fetcher")
        world.stack.start_part("shopify-fetcher")
    assert world.ended(connected, within=90)["state"] == "success"
    steps = world.rows("SELECT step FROM scheduler.steps WHERE sync_id = :i ORDER BY step", i=connected.sync_id)
    assert [row.step for row in steps] == list(range(1, len(steps) + 1))
    world.equal(shop)


def test_an_uninstall_with_pages_in_flight_lets_none_of_them_in(world: World) -> None:
    shop = world.make_shop(products=1500, variants=2)
    connected = world.connect(shop)
    until(lambda: world.sync(connected)["records"] > 100 or None)
    world.told("POST", f"/{shop}/uninstall")
    shown = world.ended(connected)
    assert shown["state"] in {"cancelled", "failed"}, shown
    assert world.object(shop) is None
    time.sleep(2)
    before = world.rows("SELECT count(*) AS n FROM spaces_writer.records WHERE connection = :c", c=f"shopify:{shop}")
    time.sleep(2)
    after = world.rows("SELECT count(*) AS n FROM spaces_writer.records WHERE connection = :c", c=f"shopify:{shop}")
    assert before == after


LIES = {
    "throttled": {"throttle_calls": 5},
    "a third of all answers 503": {"fail_ratio": 0.3, "fail_status": 503},
    "429": {"fail_ratio": 0.3, "fail_status": 429, "retry_after": 1},
    "HTML instead of JSON": {"html_body": True},
    "truncated answers": {"truncate_body": True},
    "inner errors": {"internal_error_calls": 3},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_shop_that_misbehaves_for_a_while_is_complete_in_the_end(world: World, lie: str) -> None:
    shop = world.make_shop(products=120, variants=2)
    world.faults(shop, **LIES[lie])
    connected = world.connect(shop)
    with ThreadPoolExecutor(1) as aside:
        aside.submit(lambda: (time.sleep(4), world.faults(shop)))
        shown = world.ended(connected, within=120)
    assert shown["state"] == "success", shown
    world.equal(shop)


@pytest.mark.parametrize("scope", ["read_products", "read_discounts"])
def test_partial_data_with_access_denied_deletes_nothing(world: World, scope: str) -> None:
    shop = world.make_shop(products=40, discounts=6)
    connected = world.synced(shop)
    before = world.object(shop)
    world.faults(shop, deny_scopes=[scope], webhooks_off=True)
    world.poll_now(shop)
    poll = until(lambda: world.syncs(shop, cause="poll") or None)[0]
    world.ended(connected, str(poll.sync_id), within=120)
    after = world.object(shop)
    assert before is not None and after is not None and before.body == after.body
    world.edit(shop, world.products(shop)[0]["number"], title="Edited while reading it was denied")
    world.faults(shop)
    world.poll_now(shop)
    world.equal(shop, within=60)


def test_an_empty_list_removes_nothing(world: World) -> None:
    shop = world.make_shop(products=80)
    connected = world.synced(shop)
    world.faults(shop, lists="empty")
    world.poll_now(shop)
    poll = until(lambda: world.syncs(shop, cause="poll") or None)[0]
    world.ended(connected, str(poll.sync_id), within=120)
    assert world.difference(shop) is None


def test_a_token_that_expired_is_refreshed_and_one_that_is_revoked_asks_for_the_merchant(world: World) -> None:
    shop = world.make_shop(products=20)
    connected = world.synced(shop)
    world.told("POST", f"/{shop}/grants/expire")
    edit_some(world, shop, 2, "After the expiry")
    world.equal(shop, within=60)
    world.told("POST", f"/{shop}/grants/revoke")
    world.told("POST", f"/{shop}/grants/expire")
    edit_some(world, shop, 1, "After the revocation")
    until(lambda: _state(world, shop) == "reauthorise" or None, 60)
    again = world.connect(shop, connected.browser)
    assert world.ended(again)["state"] == "success"
    world.equal(shop)


def _state(world: World, shop: str) -> str:
    (row,) = world.rows("SELECT state FROM gateway.connections WHERE name = :c", c=f"shopify:{shop}")
    return str(row.state)


def test_one_shops_failure_touches_no_other(world: World) -> None:
    sick, well = world.make_shop(products=20), world.make_shop(products=20)
    world.synced(sick)
    world.synced(well)
    world.faults(sick, hang_seconds=30)
    edit_some(world, sick, 3, "Slow")
    edit_some(world, well, 3, "Quick")
    assert world.equal(well, within=10) < 10
    world.faults(sick)
    world.equal(sick, within=120)
