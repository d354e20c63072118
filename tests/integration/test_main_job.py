"""The main job, end to end: connect, full sync, webhooks, polls, deletion, redelivery."""

import re
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from merchant_sync.demo.shopify_sandbox import ConnectedShop
from topic_reader import read_sync_states
from world import World, wait_until

pytestmark = pytest.mark.integration
ALL = "read_products,read_inventory,read_locations,read_discounts"


def get_number(products: Sequence[dict[str, Any]], index: int = 0) -> int:
    """Return the number of one of the products."""
    return int(products[index]["number"])


def test_a_connected_shops_object_equals_the_truth(world: World) -> None:
    shop = world.make_shop(products=60, variants=3, locations=2, collections=5, discounts=9)
    connected = world.connect_and_sync(shop)
    sync = wait_until(lambda: s if (s := world.fetch_sync(connected))["upload_status"]["status"] == "success" else None)
    assert sync["cause"] == "connect"
    assert sync["webhook_status"]["status"] == "success", sync["webhook_status"]
    assert sync["polling_test"]["status"] == "success"
    assert wait_until(lambda: world.fetch_sync(connected)["webhook_test"]["status"] == "success" or None)
    stored = world.read_object(shop)
    assert stored is not None
    assert stored.metadata["connection"] == f"shopify:{shop}"
    assert stored.metadata["merchant"] == connected.answer["user_uuid"]
    assert stored.metadata["sync-id"] == connected.sync_id


def test_the_state_of_a_shops_syncs_is_published_until_it_is_in_the_bucket(world: World) -> None:
    shop = world.make_shop(products=10)
    connected = world.connect_and_sync(shop)
    servers, name = world.stack.environment.build_addresses()["KAFKA_BOOTSTRAP_SERVERS"], f"shopify:{shop}"
    states = wait_until(lambda: s if (s := read_sync_states(servers, name)) and s[-1].last_success_at else None)
    revisions = [state.revision for state in states]
    assert revisions == sorted(set(revisions))
    first = next(sync for sync in states[-1].syncs if str(sync.sync_id) == connected.sync_id)
    assert (first.mode, first.cause, first.state, states[-1].fully_read) == ("full", "connect", "success", True)


def test_connecting_subscribes_all_topics_with_three_documents(world: World) -> None:
    shop = world.make_shop(products=1)
    world.connect_and_sync(shop)
    statistics = world.fetch_statistics(shop)
    assert statistics["root_fields"]["webhookSubscriptionCreate"] == 23
    gateways = {name: count for name, count in statistics["operations"].items() if "Subscri" in name}
    assert gateways == {"ListSubscriptions": 1, "ChangeSubscriptions": 3}


def test_the_merchants_document_lists_the_shops_object(world: World) -> None:
    shop = world.make_shop(products=10)
    connected = world.connect_and_sync(shop)
    merchant = connected.answer["user_uuid"]
    document = wait_until(
        lambda: stored.document if (stored := world.visit.load_object(f"merchants/{merchant}.json")) else None
    )
    listed = [{"connection": f"shopify:{shop}", "key": f"{shop}/shopify_data.json", "state": "connected"}]
    assert document == {"merchant": merchant, "connections": listed}


def test_an_edit_reaches_the_object_by_its_webhook(world: World) -> None:
    shop = world.make_shop(products=30)
    world.connect_and_sync(shop)
    world.edit_product(shop, get_number(world.list_products(shop)), title="A new title")
    world.wait_until_equal(shop)
    world.wait_until_idle(shop)
    causes = {s.cause for s in world.list_shop_syncs(shop, mode="incremental")}
    assert {"webhook"} <= causes <= {"webhook", "reconcile"}
    assert {s.state for s in world.list_shop_syncs(shop)} == {"success"}


def test_a_touch_that_changes_nothing_visible_causes_no_upload(world: World) -> None:
    shop = world.make_shop(products=20)
    world.connect_and_sync(shop)
    before, sequence = world.read_object(shop), world.read_writer_state(shop).sequence
    world.control_sandbox("POST", f"/{shop}/products/{get_number(world.list_products(shop))}/touch")
    wait_until(lambda: world.list_shop_syncs(shop, mode="incremental", state="success") or None)
    after = world.read_object(shop)
    assert before is not None and after is not None
    assert after.metadata["stored-at"] == before.metadata["stored-at"]
    (sync,) = world.list_shop_syncs(shop, mode="incremental")
    assert (sync.changed, sync.unchanged) == (0, 1)
    # An upload would come later than this, but only after a higher sequence.
    assert world.read_writer_state(shop).sequence == sequence


def test_a_deleted_product_is_gone_from_the_object(world: World) -> None:
    shop = world.make_shop(products=20, collections=4)
    world.connect_and_sync(shop)
    world.control_sandbox("DELETE", f"/{shop}/products/{get_number(world.list_products(shop))}")
    world.wait_until_equal(shop)


def test_a_change_of_any_resource_reaches_the_object(world: World) -> None:
    shop = world.make_shop(products=20, locations=2, collections=4, discounts=8)
    world.connect_and_sync(shop)
    location = world.control_sandbox("GET", f"/{shop}")["locations"][0]
    variant = world.list_products(shop)[1]["variants"][0]
    collection = world.control_sandbox("GET", f"/{shop}/collections")["collections"][0]["number"]
    discount = world.control_sandbox("GET", f"/{shop}/discounts")["discounts"][0]["number"]
    level = {"variant": variant["number"], "location": location["number"], "available": 77}
    for method, path, body in (
        ("POST", "/inventory", level),
        ("PATCH", f"/locations/{location['number']}", {"name": "Renamed location"}),
        ("PATCH", f"/collections/{collection}", {"title": "A renamed collection"}),
        ("PATCH", f"/discounts/{discount}", {"title": "A renamed discount"}),
        ("PATCH", "", {"name": "A renamed shop"}),
    ):
        world.control_sandbox(method, f"/{shop}{path}", json=body)
        world.wait_until_equal(shop)


def test_a_new_product_arrives_by_its_webhook_and_its_smart_collection_by_the_poll(world: World) -> None:
    shop = world.make_shop(products=20, collections=6)
    world.connect_and_sync(shop)
    world.control_sandbox(
        "POST", f"/{shop}/products", {"title": "Brand new", "price": "5.00", "available": 3, "tags": ["new"]}
    )
    wait_until(lambda: ((stored := world.read_object(shop)) and b"Brand new" in stored.body) or None)
    world.poll_shop_now(shop)
    world.wait_until_equal(shop, within=60)


def test_ten_copies_of_a_webhook_have_one_effect(world: World) -> None:
    shop = world.make_shop(products=20)
    world.connect_and_sync(shop)
    world.set_faults(shop, webhooks_duplicated=9)
    world.edit_product(shop, get_number(world.list_products(shop)), title="Ten times")
    world.wait_until_equal(shop)
    world.wait_until_idle(shop)
    deliveries = world.control_sandbox("GET", f"/{shop}/deliveries")["deliveries"]
    assert len(deliveries) == 10
    (sync,) = [s for s in world.list_shop_syncs(shop, mode="incremental") if s.cause == "webhook"]
    assert (sync.state, sync.attempts) == ("success", 1)


def test_a_deleted_product_stays_deleted_when_webhooks_arrive_out_of_order(world: World) -> None:
    shop = world.make_shop(products=20)
    world.connect_and_sync(shop)
    number = get_number(world.list_products(shop))
    world.set_faults(shop, webhooks_reordered=True)
    for n in range(5):
        world.edit_product(shop, number, title=f"Title {n}")
    world.control_sandbox("DELETE", f"/{shop}/products/{number}")
    world.wait_until_equal(shop)
    world.wait_until_idle(shop)
    world.wait_until_equal(shop)


def test_products_created_and_deleted_during_a_full_sync_are_right_in_the_end(world: World) -> None:
    shop = world.make_shop(products=1500, variants=2)
    connected = world.connect_and_hold(shop)
    world.control_sandbox("DELETE", f"/{shop}/products/{get_number(world.list_products(shop))}")
    world.control_sandbox("DELETE", f"/{shop}/products/{get_number(world.list_products(shop, 250), -1)}")
    world.control_sandbox(
        "POST", f"/{shop}/products", json={"title": "Made in the middle", "price": "1.00", "available": 1}
    )
    world.set_faults(shop)
    sync = world.wait_for_sync(connected)
    assert sync["state"] == "success", sync
    wait_until(lambda: ((stored := world.read_object(shop)) and b"Made in the middle" in stored.body) or None)
    # No webhook says that the new product belongs to a smart collection, which may have been read before it.
    world.poll_shop_now(shop)
    world.wait_until_equal(shop, within=60)


def test_a_poll_finds_what_webhooks_missed(world: World) -> None:
    shop = world.make_shop(products=60, collections=6, discounts=8)
    connected = world.connect_and_sync(shop)
    world.set_faults(shop, webhooks_off=True)
    products = world.list_products(shop)
    world.edit_product(shop, get_number(products), title="Edited in silence", tags=["new", "sale"])
    world.control_sandbox(
        "POST", f"/{shop}/products", json={"title": "New in silence", "price": "2.00", "available": 1}
    )
    world.control_sandbox("DELETE", f"/{shop}/products/{get_number(products, 1)}")
    discount = world.control_sandbox("GET", f"/{shop}/discounts")["discounts"][0]["number"]
    world.control_sandbox("PATCH", f"/{shop}/discounts/{discount}", json={"title": "Changed in silence"})
    subscription = world.control_sandbox("GET", f"/{shop}/subscriptions")["subscriptions"][0]
    world.control_sandbox("DELETE", f"/{shop}/subscriptions/{subscription['number']}")
    world.delete_object(shop)
    assert world.read_object(shop) is None
    world.poll_shop_now(shop)
    world.wait_until_equal(shop, within=60)
    (poll,) = wait_until(lambda: world.list_shop_syncs(shop, cause="poll", state="success") or None)
    assert world.fetch_sync(connected, str(poll.sync_id))["cause"] == "poll"
    topics = {s["topic"] for s in world.control_sandbox("GET", f"/{shop}/subscriptions")["subscriptions"]}
    assert subscription["topic"] in topics


def test_the_schedulers_own_cron_starts_polls(world: World) -> None:
    shop = world.make_shop(products=20)
    world.connect_and_sync(shop)
    world.set_faults(shop, webhooks_off=True)
    world.edit_product(shop, get_number(world.list_products(shop)), title="Edited before the cron's slot")
    with world.change_settings("scheduler", SHOPIFY_POLL_CRON="*/10 * * * * *"):
        world.wait_until_equal(shop, within=60)
    wait_until(lambda: world.list_shop_syncs(shop, cause="poll", state="success") or None)


def test_a_poll_restores_an_object_that_was_overwritten(world: World) -> None:
    shop = world.make_shop(products=10)
    world.connect_and_sync(shop)
    world.overwrite_object(shop, b"{}")
    world.poll_shop_now(shop)
    world.wait_until_equal(shop, within=60)
    (poll,) = wait_until(lambda: world.list_shop_syncs(shop, cause="poll", state="success") or None)
    assert '"restored"' in poll.upload


def test_the_deletion_guard_deletes_nothing_when_lists_and_counts_are_only_half(world: World) -> None:
    shop = world.make_shop(products=150, collections=0, discounts=0)
    connected = world.connect_and_sync(shop)
    world.set_faults(shop, lists="half", counts="half")
    poll = poll_and_wait(world, connected)
    assert poll["state"] == "failed", poll
    assert "were not listed by this full read; none is deleted" in poll["reason"]
    assert world.read_writer_state(shop).guarded_sync is not None
    assert world.find_difference(shop) is None
    world.set_faults(shop)
    poll = poll_and_wait(world, connected)
    assert poll["state"] == "success", poll
    assert world.read_writer_state(shop).guarded_sync is None
    assert world.find_difference(shop) is None


def poll_and_wait(world: World, connected: ConnectedShop) -> dict[str, Any]:
    """Start the shop's poll and wait until it has finished; return it as the gateway shows it to the merchant."""
    before = len(world.list_shop_syncs(connected.shop, cause="poll"))
    world.poll_shop_now(connected.shop)
    poll = wait_until(lambda: world.list_shop_syncs(connected.shop, cause="poll")[before:] or None)[0]
    return world.wait_for_sync(connected, str(poll.sync_id))


def test_a_first_full_sync_succeeds_at_once_while_products_come_and_go(world: World) -> None:
    shop = world.make_shop(products=600, collections=0)
    # Bounded, because the calls that read the webhooks of these changes would cause further ones without end.
    world.set_faults(shop, churn_calls=40, churn_pairs=2)
    connected = world.connect(shop)
    sync = world.wait_for_sync(connected)
    assert (sync["state"], sync["reason"]) == ("success", None)
    world.wait_until_equal(shop)


def test_a_full_sync_succeeds_while_reads_for_webhooks_ask_for_more_than_the_rate_limit(world: World) -> None:
    shop = world.make_shop(products=100, collections=0, discounts=0)
    connected = world.connect_and_sync(shop)
    # Each read for a webhook changes further products, so that reads for webhooks take all points that are restored.
    flood = {"churn_calls": -1, "churn_pairs": 3}
    world.set_faults(shop, restore_rate=5, **flood)
    world.edit_product(shop, get_number(world.list_products(shop)), title="The first of many")
    wait_until(lambda: world.fetch_statistics(shop)["currently_available"] < 600 or None, 60)
    world.set_faults(shop, restore_rate=50, **flood)
    poll = poll_and_wait(world, connected)
    world.set_faults(shop)
    assert (poll["state"], poll["reason"]) == ("success", None)
    world.wait_until_idle(shop)
    world.wait_until_equal(shop)


def test_a_list_that_differs_from_its_count_is_never_a_success_and_the_reason_names_the_range(world: World) -> None:
    lies: list[dict[str, Any]] = [{"lists": "half"}, {"lists": "empty"}, {"counts": "half"}, {"counts": "empty"}]
    connected = []
    for lie in lies:
        shop = world.make_shop(products=40, collections=0, discounts=0)
        world.set_faults(shop, **lie)
        connected.append((shop, world.connect(shop)))
    for shop, connection in connected:
        sync = world.wait_for_sync(connection, within=180)
        assert sync["state"] == "failed", sync
        assert re.fullmatch(r"products: the platform lists \d+ and counts \d+", sync["reason"]), sync["reason"]
        assert world.read_object(shop) is None


def test_a_missing_scope_skips_only_its_resource(world: World) -> None:
    shop = world.make_shop(products=15, discounts=4)
    world.control_sandbox(
        "PUT", f"/{shop}/grants", json={"override": ["read_products", "read_inventory", "read_locations"]}
    )
    connected = world.connect(shop)
    assert connected.answer["missing_scopes"] == [{"scope": "read_discounts", "costs": ["discounts"]}]
    sync = world.wait_for_sync(connected)
    assert sync["state"] == "success", sync
    assert "discounts" in sync["skipped_resources"]
    world.wait_until_equal(shop)


def test_an_uninstalled_shop_can_be_connected_again_under_a_new_epoch(world: World) -> None:
    shop = world.make_shop(products=20)
    connected = world.connect_and_sync(shop)
    world.control_sandbox("POST", f"/{shop}/uninstall")
    wait_until(
        lambda: (
            world.select_rows(
                "SELECT 1 FROM scheduler.connections WHERE connection = :c AND state = 'uninstalled'",
                c=f"shopify:{shop}",
            )
            or None
        )
    )
    assert world.read_object(shop) is not None
    stored = world.select_rows("SELECT * FROM gateway.connections WHERE name = :c", c=f"shopify:{shop}")[0]
    assert stored.epoch == 2
    again = world.connect(shop, connected.browser)
    assert again.answer["user_uuid"] == connected.answer["user_uuid"]
    assert world.wait_for_sync(again)["state"] == "success"
    world.edit_product(shop, get_number(world.list_products(shop)), title="After the return")
    world.wait_until_equal(shop)


def test_a_sync_is_not_shown_to_another_merchant(world: World) -> None:
    connected = world.connect_and_sync(world.make_shop(products=10))
    stranger = httpx.Client(base_url=world.stack.gateway_url)
    answer = stranger.get(f"/syncs/{connected.sync_id}", headers={"Accept": "application/json"})
    assert answer.status_code == 404


def test_a_product_of_two_thousand_variants_and_a_discount_of_many_codes_are_complete(world: World) -> None:
    shop = world.make_shop(
        products=20, big_product_variants=2048, discounts=8, big_discount_codes=3000, collections=4, big_collection=True
    )
    world.connect_and_sync(shop, within=120)
