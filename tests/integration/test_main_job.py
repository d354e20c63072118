"""The main job, end to end: connect, walk, webhooks, polls, removal, redelivery."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from world import World, until

pytestmark = pytest.mark.integration
ALL = "read_products,read_inventory,read_locations,read_discounts"


def number_of(products: Sequence[dict[str, Any]], place: int = 0) -> int:
    return int(products[place]["number"])


def test_a_connected_shop_is_in_the_bucket_as_it_is(world: World) -> None:
    shop = world.make_shop(products=60, variants=3, locations=2, collections=5, discounts=9)
    connected = world.synced(shop)
    shown = until(lambda: s if (s := world.sync(connected))["upload_status"]["status"] == "success" else None)
    assert shown["cause"] == "connect"
    assert shown["webhook_status"]["status"] == "success", shown["webhook_status"]
    assert shown["polling_test"]["status"] == "success"
    assert until(lambda: world.sync(connected)["webhook_test"]["status"] == "success" or None)
    stored = world.object(shop)
    assert stored is not None
    assert stored.metadata["connection"] == f"shopify:{shop}"
    assert stored.metadata["merchant"] == connected.answer["user_uuid"]
    assert stored.metadata["sync-id"] == connected.sync_id


def test_the_merchants_document_leads_to_the_shop(world: World) -> None:
    shop = world.make_shop(products=10)
    connected = world.synced(shop)
    merchant = connected.answer["user_uuid"]
    key = f"merchants/{merchant}.json"
    document = until(lambda: found.document if (found := world.visit.load_object(key)) else None)
    listed = [{"connection": f"shopify:{shop}", "key": f"{shop}/shopify_data.json", "state": "connected"}]
    assert document == {"merchant": merchant, "connections": listed}


def test_an_edit_reaches_the_object_by_its_webhook(world: World) -> None:
    shop = world.make_shop(products=30)
    world.synced(shop)
    world.edit(shop, number_of(world.products(shop)), title="A new title")
    world.equal(shop)
    world.settled(shop)
    assert {s.cause for s in world.syncs(shop, mode="incremental")} <= {"webhook", "reconcile"}
    assert {s.state for s in world.syncs(shop)} == {"success"}


def test_a_touch_that_changes_nothing_visible_causes_no_upload(world: World) -> None:
    shop = world.make_shop(products=20)
    world.synced(shop)
    before = world.object(shop)
    world.told("POST", f"/{shop}/products/{number_of(world.products(shop))}/touch")
    until(lambda: world.syncs(shop, mode="incremental", state="success") or None)
    after = world.object(shop)
    assert before is not None and after is not None
    assert after.metadata["stored-at"] == before.metadata["stored-at"]
    (sync,) = world.syncs(shop, mode="incremental")
    assert (sync.changed, sync.unchanged) == (0, 1)


def test_a_deleted_product_is_gone_from_the_object(world: World) -> None:
    shop = world.make_shop(products=20, collections=4)
    world.synced(shop)
    world.told("DELETE", f"/{shop}/products/{number_of(world.products(shop))}")
    world.equal(shop)


def test_every_kind_of_change_reaches_the_object(world: World) -> None:
    shop = world.make_shop(products=20, locations=2, collections=4, discounts=8)
    world.synced(shop)
    place = world.told("GET", f"/{shop}")["locations"][0]
    variant = world.products(shop)[1]["variants"][0]
    collection = world.told("GET", f"/{shop}/collections")["collections"][0]["number"]
    discount = world.told("GET", f"/{shop}/discounts")["discounts"][0]["number"]
    level = {"variant": variant["number"], "location": place["number"], "available": 77}
    for method, path, body in (
        ("POST", "/inventory", level),
        ("PATCH", f"/locations/{place['number']}", {"name": "Renamed place"}),
        ("PATCH", f"/collections/{collection}", {"title": "A renamed collection"}),
        ("PATCH", f"/discounts/{discount}", {"title": "A renamed discount"}),
        ("PATCH", "", {"name": "A renamed shop"}),
    ):
        world.told(method, f"/{shop}{path}", json=body)
        world.equal(shop)


def test_a_new_product_comes_by_its_webhook_and_its_smart_membership_by_the_poll(world: World) -> None:
    shop = world.make_shop(products=20, collections=6)
    world.synced(shop)
    world.told("POST", f"/{shop}/products", {"title": "Brand new", "price": "5.00", "available": 3, "tags": ["new"]})
    until(lambda: ((found := world.object(shop)) and b"Brand new" in found.body) or None)
    world.poll_now(shop)
    world.equal(shop, within=60)


def test_ten_copies_of_a_webhook_have_one_effect(world: World) -> None:
    shop = world.make_shop(products=20)
    world.synced(shop)
    world.faults(shop, webhooks_duplicated=9)
    world.edit(shop, number_of(world.products(shop)), title="Ten times")
    world.equal(shop)
    world.settled(shop)
    deliveries = world.told("GET", f"/{shop}/deliveries")["deliveries"]
    assert len(deliveries) == 10
    (sync,) = [s for s in world.syncs(shop, mode="incremental") if s.cause == "webhook"]
    assert (sync.state, sync.attempts) == ("success", 1)


def test_updates_and_deletes_out_of_order_leave_the_deletion(world: World) -> None:
    shop = world.make_shop(products=20)
    world.synced(shop)
    number = number_of(world.products(shop))
    world.faults(shop, webhooks_reordered=True)
    for n in range(5):
        world.edit(shop, number, title=f"Title {n}")
    world.told("DELETE", f"/{shop}/products/{number}")
    world.equal(shop)
    world.settled(shop)
    world.equal(shop)


def test_products_made_and_deleted_in_the_middle_of_a_walk(world: World) -> None:
    shop = world.make_shop(products=1500, variants=2)
    connected = world.connect(shop)
    until(lambda: world.sync(connected)["records"] > 200 or None)
    world.told("DELETE", f"/{shop}/products/{number_of(world.products(shop))}")
    world.told("DELETE", f"/{shop}/products/{number_of(world.products(shop, 250), -1)}")
    world.told("POST", f"/{shop}/products", json={"title": "Made in the middle", "price": "1.00", "available": 1})
    shown = world.ended(connected)
    assert shown["state"] == "success", shown
    until(lambda: ((stored := world.object(shop)) and b"Made in the middle" in stored.body) or None)
    world.poll_now(shop)  # that it belongs to a smart collection, which may have been read before, no webhook tells
    world.equal(shop, within=60)


def test_a_poll_of_the_schedulers_clock_brings_what_webhooks_missed(world: World) -> None:
    shop = world.make_shop(products=60, collections=6, discounts=8)
    connected = world.synced(shop)
    world.faults(shop, webhooks_off=True)
    products = world.products(shop)
    world.edit(shop, number_of(products), title="Edited in silence", tags=["new", "sale"])
    world.told("POST", f"/{shop}/products", json={"title": "New in silence", "price": "2.00", "available": 1})
    world.told("DELETE", f"/{shop}/products/{number_of(products, 1)}")
    discount = world.told("GET", f"/{shop}/discounts")["discounts"][0]["number"]
    world.told("PATCH", f"/{shop}/discounts/{discount}", json={"title": "Changed in silence"})
    subscription = world.told("GET", f"/{shop}/subscriptions")["subscriptions"][0]
    world.told("DELETE", f"/{shop}/subscriptions/{subscription['number']}")
    world.lose(shop)
    assert world.object(shop) is None
    world.poll_now(shop)
    world.equal(shop, within=60)
    (poll,) = until(lambda: world.syncs(shop, cause="poll", state="success") or None)
    assert world.sync(connected, str(poll.sync_id))["cause"] == "poll"
    topics = {s["topic"] for s in world.told("GET", f"/{shop}/subscriptions")["subscriptions"]}
    assert subscription["topic"] in topics


def test_a_poll_is_started_by_the_schedulers_own_cron(world: World) -> None:
    shop = world.make_shop(products=20)
    world.synced(shop)
    world.faults(shop, webhooks_off=True)
    world.edit(shop, number_of(world.products(shop)), title="Edited before the cron's slot")
    with world.scheduler_with(SHOPIFY_POLL_CRON="*/10 * * * * *"):
        world.equal(shop, within=60)
    (poll, *_) = world.syncs(shop, cause="poll")
    assert poll.state in {"success", "running"}


def test_an_object_that_was_overwritten_is_put_again_by_the_poll(world: World) -> None:
    shop = world.make_shop(products=10)
    world.synced(shop)
    world.overwrite(shop, b"{}")
    world.poll_now(shop)
    world.equal(shop, within=60)
    (poll,) = until(lambda: [s for s in world.syncs(shop, cause="poll") if s.uploaded] or None)
    assert '"restored"' in poll.upload


def test_the_brake_holds_when_a_full_list_comes_back_half(world: World) -> None:
    shop = world.make_shop(products=150)
    connected = world.synced(shop)
    world.faults(shop, lists="half")
    world.poll_now(shop)
    poll = until(lambda: world.syncs(shop, cause="poll") or None)[0]
    world.ended(connected, str(poll.sync_id))
    world.faults(shop)
    world.equal(shop)


def test_a_missing_scope_costs_its_resource_and_nothing_else(world: World) -> None:
    shop = world.make_shop(products=15, discounts=4)
    world.told("PUT", f"/{shop}/grants", json={"override": ["read_products", "read_inventory", "read_locations"]})
    connected = world.connect(shop)
    assert connected.answer["missing_scopes"] == {"read_discounts": ["discounts"]} or connected.answer["missing_scopes"]
    shown = world.ended(connected)
    assert shown["state"] == "success", shown
    assert "discounts" in shown["skipped_resources"]
    world.equal(shop)


def test_an_uninstalled_shop_stops_and_a_new_connection_begins_anew(world: World) -> None:
    shop = world.make_shop(products=20)
    connected = world.synced(shop)
    world.told("POST", f"/{shop}/uninstall")
    until(
        lambda: (
            world.rows(
                "SELECT 1 FROM scheduler.connections WHERE connection = :c AND state = 'uninstalled'",
                c=f"shopify:{shop}",
            )
            or None
        )
    )
    assert world.object(shop) is not None
    stored = world.rows("SELECT * FROM gateway.connections WHERE name = :c", c=f"shopify:{shop}")[0]
    assert stored.epoch == 2
    again = world.connect(shop, connected.browser)
    assert again.answer["user_uuid"] == connected.answer["user_uuid"]
    assert world.ended(again)["state"] == "success"
    world.edit(shop, number_of(world.products(shop)), title="After the return")
    world.equal(shop)


def test_another_merchants_sync_is_not_shown(world: World) -> None:
    connected = world.synced(world.make_shop(products=10))
    stranger = httpx.Client(base_url=world.stack.gateway_url)
    answer = stranger.get(f"/syncs/{connected.sync_id}", headers={"Accept": "application/json"})
    assert answer.status_code in {401, 404}


def test_a_product_of_two_thousand_variants_and_a_discount_of_many_codes_come_whole(world: World) -> None:
    shop = world.make_shop(
        products=20, big_product_variants=2048, discounts=8, big_discount_codes=3000, collections=4, big_collection=True
    )
    world.synced(shop, within=120)
