"""The real client and both handlers against a sandbox of its own: everything that exists comes out."""

from dataclasses import replace
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from connector.handlers.full_sync import FullSyncHandler
from connector.handlers.incremental import IncrementalHandler
from contracts.events import (
    FullReadCompleted,
    FullSyncStepRequested,
    IdsListed,
    IncrementalReadCompleted,
    RangeCompleted,
    RecordsPage,
)
from messaging.tracing import trace_call
from platform_sdk.errors import TransientError
from platforms.shopify.resources import CATALOG
from platforms.shopify.session import open_client
from shopify_fetcher.graphql_documents import COUNT_PRODUCTS
from shopify_fetcher.readable_resources import READABLE_RESOURCES
from shopify_fetcher.source import ShopifySource

ALL = ("read_products", "read_inventory", "read_locations", "read_discounts")


async def test_a_full_sync_brings_the_whole_shop(open_shop: Any, build_document: Any) -> None:
    shop = await open_shop(
        "whole.myshopify.com",
        seconds=600,
        products=600,
        variants=5,
        locations=2,
        collections=12,
        big_collection=590,
        discounts=24,
        codes=3,
        big_discount_codes=1200,
        big_product_variants=300,
    )
    progressed = await shop.run_full_sync()
    assert [p.outcome for p in progressed] == ["completed"], progressed[-1].reason
    assert build_document(shop.publisher.records) == shop.document()
    ended = shop.publisher.select(FullReadCompleted)
    assert ended[0].id_ranges == (
        ("shop", 0), ("locations", 0), ("products", 0), ("products", 1), ("collections", 0), ("discounts", 0),
    )  # fmt: skip
    products = next(r for r in shop.publisher.select(RangeCompleted) if r.resource == "products")
    assert (products.sent_count, products.count_before, products.count_after) == (600, 600, 600)


async def test_a_full_sync_in_many_steps_brings_the_same(open_shop: Any, build_document: Any) -> None:
    shop = await open_shop(
        "steps.myshopify.com",
        seconds=0.0001,
        products=300,
        variants=2,
        collections=6,
        big_collection=290,
        discounts=16,
        big_discount_codes=700,
        big_product_variants=600,
    )
    progressed = await shop.run_full_sync()
    assert {p.outcome for p in progressed} == {"advanced", "completed"}
    assert len(progressed) > 10
    assert max(len(p.cursor) for p in progressed if p.cursor) < 4_000
    assert build_document(shop.publisher.records) == shop.document()


async def test_every_step_may_run_twice(open_shop: Any, build_document: Any) -> None:
    shop = await open_shop("twice.myshopify.com", seconds=0.0001, products=30, collections=3, discounts=8)
    read_id, cursor, outcome = uuid4(), None, ""
    while outcome != "completed":
        await shop.run_full_sync(cursor=cursor, sync_id=read_id, steps=1)
        (last,) = await shop.run_full_sync(cursor=cursor, sync_id=read_id, steps=1)
        outcome, cursor = last.outcome, last.cursor
    id_ranges = shop.publisher.select(RangeCompleted)
    assert len(id_ranges) > len(by_name := {(r.resource, r.id_range): r for r in id_ranges})
    assert all(r == by_name[r.resource, r.id_range] for r in id_ranges), "published twice, it was not the same"
    assert build_document(shop.publisher.records) == shop.document()


@pytest.mark.parametrize("skipped", ["read_inventory", "read_locations", "read_discounts", "read_products"])
async def test_what_no_scope_allows_is_skipped_by_name(open_shop: Any, build_document: Any, skipped: str) -> None:
    scopes = ",".join(scope for scope in ALL if scope != skipped)
    name = skipped.replace("_", "-")
    shop = await open_shop(f"{name}.myshopify.com", scopes=scopes, products=20, collections=3, discounts=8)
    assert (await shop.run_full_sync())[-1].outcome == "completed"
    (ended,) = shop.publisher.select(FullReadCompleted)
    assert set(ended.skipped_resources.values()) == {f"scope {skipped} was not granted"}
    assert ended.child_resources == (() if skipped in ("read_inventory", "read_products") else ("inventory",))
    if skipped != "read_products":  # what discounts apply to has no names then, and the document leaves it out
        assert build_document(shop.publisher.records) == shop.document()


def build_token(shop: Any, *without: str) -> Any:
    """The shop's token with all scopes but these."""
    return replace(shop.tokens.tokens[shop.connection], scopes=frozenset(ALL) - set(without))


async def run_until(shop: Any, resource: str) -> Any:
    """Run in short steps until `resource` is being read; return the last step's progress."""
    read_id, last = uuid4(), None
    while last is None or f'"resource\\":\\"{resource}' not in last.cursor:
        (last,) = await shop.run_full_sync(cursor=last and last.cursor, sync_id=read_id, steps=1)
    return last


async def test_scopes_granted_since_the_token_was_cached_count_from_the_beginning_of_the_sync(
    open_shop: Any, build_document: Any
) -> None:
    shop = await open_shop("granted.myshopify.com", products=5, collections=1, discounts=4)
    shop.tokens.granted = build_token(shop)
    shop.tokens.tokens[shop.connection] = build_token(shop, "read_inventory", "read_discounts")
    assert (await shop.run_full_sync())[-1].outcome == "completed"
    (ended,) = shop.publisher.select(FullReadCompleted)
    assert (ended.skipped_resources, ended.child_resources) == ({}, ("inventory",))
    assert build_document(shop.publisher.records) == shop.document()


async def test_records_are_not_refused_for_a_scope_that_was_granted_since(open_shop: Any) -> None:
    shop = await open_shop("granted-since.myshopify.com", discounts=2)
    await shop.run_full_sync()
    gids = [r.id for r in shop.publisher.records if r.resource == "discounts"]
    shop.tokens.granted = build_token(shop)
    shop.tokens.tokens[shop.connection] = build_token(shop, "read_discounts")
    await shop.handle_incremental(shop.connection, [shop.build_request(discounts=gids)])
    assert shop.publisher.select(IncrementalReadCompleted)[0].unreadable == {}


async def test_records_are_requested_by_the_scopes_that_remain(open_shop: Any) -> None:
    shop = await open_shop("lost-since.myshopify.com", products=2)
    await shop.run_full_sync()
    gids = [r.id for r in shop.publisher.records if r.resource == "products"]
    shop.tokens.granted = build_token(shop, "read_inventory")
    shop.control("PUT", "/faults", {"deny_scopes": ["read_inventory"]})
    await shop.handle_incremental(shop.connection, [shop.build_request(products=gids)])
    assert shop.publisher.select(IncrementalReadCompleted)[0].unreadable == {}


@pytest.mark.parametrize(
    ("lost", "at", "skipped"),
    [
        ("read_discounts", "collections", {"discounts"}),
        ("read_products", "products", {"products", "inventory", "collections"}),
        ("read_inventory", "products", {"inventory"}),
        ("read_locations", "products", set()),
    ],
)
async def test_what_may_no_longer_be_read_is_skipped(open_shop: Any, lost: str, at: str, skipped: set[str]) -> None:
    name = f"lost-{lost.replace('_', '-')}.myshopify.com"
    shop = await open_shop(name, seconds=0.0001, products=300, collections=2, discounts=4)
    last = await run_until(shop, at)
    shop.tokens.granted = build_token(shop, lost)
    shop.control("PUT", "/faults", {"deny_scopes": [lost]})
    assert (await shop.run_full_sync(cursor=last.cursor, sync_id=last.sync_ids[0]))[-1].outcome == "completed"
    (ended,) = shop.publisher.select(FullReadCompleted)
    assert ended.skipped_resources == dict.fromkeys(skipped, f"scope {lost} was not granted")
    assert ended.child_resources == (() if "inventory" in skipped else ("inventory",))
    full = {resource for resource, _ in ended.id_ranges}
    assert full | set(ended.child_resources) | skipped == {"shop", "locations", *READABLE_RESOURCES}
    assert not full & skipped


async def test_what_was_passed_before_it_was_granted_is_skipped(open_shop: Any) -> None:
    shop = await open_shop("late-grant.myshopify.com", seconds=0.0001, products=5, collections=1, discounts=4)
    shop.tokens.tokens[shop.connection] = build_token(shop, "read_products")
    last = await run_until(shop, "discounts")
    shop.tokens.tokens[shop.connection] = build_token(shop)
    assert (await shop.run_full_sync(cursor=last.cursor, sync_id=last.sync_ids[0]))[-1].outcome == "completed"
    (ended,) = shop.publisher.select(FullReadCompleted)
    assert ended.skipped_resources.keys() == {"products", "inventory", "collections"}
    assert ended.child_resources == ()


async def test_one_id_range_is_read_again_by_itself(open_shop: Any) -> None:
    shop = await open_shop("again.myshopify.com", products=20, collections=3)
    await shop.run_full_sync()
    first = next(r for r in shop.publisher.select(RangeCompleted) if r.resource == "products")
    (done,) = await shop.run_full_sync(cursor=first.retry_cursor, sync_id=first.read_id)
    assert done.outcome == "completed"
    again = shop.publisher.select(RangeCompleted)[-1]
    assert (again.resource, again.id_range, again.attempt, again.sent_count) == ("products", 0, 2, 20)
    assert len(shop.publisher.select(FullReadCompleted)) == 1, "the writer has the end marker already"


async def test_a_shop_of_more_than_25000_products_is_read_in_id_ranges(open_shop: Any) -> None:
    shop = await open_shop(
        "huge.myshopify.com", products=25_600, variants=1, locations=1, media=0, metafields=0, description_bytes=110
    )
    assert (await shop.run_full_sync())[-1].outcome == "completed"
    id_ranges = [r for r in shop.publisher.select(RangeCompleted) if r.resource == "products"]
    *counted, last = id_ranges
    assert len(counted) == 2
    assert sum(r.sent_count for r in counted) == 25_600
    assert all(r.sent_count == r.count_before == r.count_after for r in counted)
    assert (last.sent_count, last.has_lists, last.up_to) == (0, True, None)
    products = {r.id for r in shop.publisher.records if r.resource == "products"}
    assert len(products) == 25_600


def check_lists(shop: Any) -> None:
    """Check that every list agrees with its count, and that every listed id was published at the first attempt."""
    published = {record.id for record in shop.publisher.records}
    for event in shop.publisher.select(IdsListed):
        assert event.is_repeated or event.count == len(event.ids)
        assert set(event.ids) <= published
    assert {event.attempt for event in shop.publisher.select(RangeCompleted)} == {1}


async def test_one_product_added_and_one_deleted_meanwhile_are_told_from_a_lie_at_once(open_shop: Any) -> None:
    shop = await open_shop("life.myshopify.com", seconds=600, products=600, collections=0, discounts=0)
    # The first six calls read the shop and its locations, and list and read the first products.
    shop.control("PUT", "/faults", {"churn_after_calls": 6, "churn_calls": 1})
    (progressed,) = await shop.run_full_sync()
    assert (progressed.outcome, progressed.reason) == ("completed", None)
    counted, last = [r for r in shop.publisher.select(RangeCompleted) if r.resource == "products"]
    assert (counted.count_before, counted.count_after, counted.has_lists) == (600, 599, True)
    assert (last.sent_count, last.after, last.up_to) == (1, counted.up_to, None)
    check_lists(shop)
    # The first page with the bounds, a part for each of the three pages, and what was created.
    assert shop.control("GET", "/statistics")["operations"]["ListAndCountProducts"] == 5


async def test_a_full_sync_in_many_steps_is_proved_while_products_come_and_go(open_shop: Any) -> None:
    shop = await open_shop("busy.myshopify.com", seconds=0.0001, products=520, collections=2, discounts=2)
    shop.control("PUT", "/faults", {"churn_calls": -1, "churn_pairs": 2})
    progressed = await shop.run_full_sync()
    assert {p.outcome for p in progressed} == {"advanced", "completed"}
    check_lists(shop)


async def test_10000_webhooks_over_2500_products_are_few_calls_and_no_throttle(open_shop: Any) -> None:
    shop = await open_shop("burst.myshopify.com", products=2_500, variants=5, plan="standard")
    listed = shop.sandbox.http.get(f"/control/shops/{shop.name}/products?limit=2500").json()["products"]
    gids = [product["gid"] for product in listed]
    chosen = Random(1)
    requests = [shop.build_request(products=[chosen.choice(gids)]) for _ in range(10_000)]
    for start in range(0, 10_000, 4_000):
        await shop.read_to_end(requests[start : start + 4_000])
    statistics = shop.control("GET", "/statistics")
    assert statistics["calls"] <= 60
    assert statistics["throttled"] == 0
    completed = {sync_id for event in shop.publisher.select(IncrementalReadCompleted) for sync_id in event.sync_ids}
    assert completed == {request.sync_id for request in requests}


async def test_records_are_found_by_the_fields_that_are_declared(open_shop: Any) -> None:
    shop = await open_shop("lookups.myshopify.com", products=5, collections=2, discounts=8, big_product_variants=300)
    await shop.run_full_sync()
    found: dict[str, set[str]] = {resource.name: set() for resource in CATALOG}
    skus: dict[str, list[str]] = {}
    items: dict[str, list[str]] = {}
    for record in shop.publisher.records:
        found[record.resource] |= {*record.lookup_fields, *record.lookup_values}
        if record.resource == "products":
            skus.setdefault(record.id, []).extend(record.lookup_values.get("sku", ()))
            edges = [*(record.body or {}).get("variants", {}).get("edges", ()), *record.items]
            variants = [edge["node"] for edge in edges if "sku" in edge["node"]]
            items.setdefault(record.id, []).extend(variant["sku"] for variant in variants if variant["sku"])
    assert found == {resource.name: set(resource.lookup_fields) for resource in CATALOG}
    assert skus == items and max(len(values) for values in skus.values()) > 250


async def test_what_webhooks_request_is_read(open_shop: Any) -> None:
    shop = await open_shop("reads.myshopify.com", products=5, collections=2, discounts=4)
    await shop.run_full_sync()
    full = {(r.resource, r.id): r for r in shop.publisher.records}
    requested = {resource: [i for r, i in full if r == resource] for resource in {r for r, _ in full}}
    requested["products"].append("gid://shopify/Product/999999999")
    shop.publisher.messages.clear()
    await shop.handle_incremental(shop.connection, [shop.build_request(**requested)])
    read = {(r.resource, r.id): r for r in shop.publisher.records}
    tombstone = read.pop(("products", "gid://shopify/Product/999999999"))
    assert (tombstone.body, tombstone.chunk) == (None, None)
    assert read.keys() == full.keys()
    assert all(read[key].body == full[key].body for key in full), "two ways of reading must agree"
    assert shop.publisher.select(IncrementalReadCompleted)[0].unreadable == {}


async def test_a_long_record_is_read_over_several_attempts(open_shop: Any, build_document: Any) -> None:
    shop = await open_shop("long.myshopify.com", products=3, discounts=8, big_discount_codes=3_000)
    await shop.run_full_sync()
    whole = build_document(shop.publisher.records)
    discounts = sorted({r.id for r in shop.publisher.records if r.resource == "discounts"})
    others = [r for r in shop.publisher.records if r.resource != "discounts"]
    shop.publisher.messages.clear()
    handle = IncrementalHandler(shop.dependencies, seconds=0.0001)
    request, attempts = shop.build_request(discounts=discounts), 0
    while not shop.publisher.select(IncrementalReadCompleted):
        await handle(shop.connection, [request])
        attempts += 1
        if shop.publisher.progress:
            last = shop.publisher.progress[-1]
            request = request.model_copy(update={"cursor": last.cursor, "attempt": last.attempt + 1})
    assert attempts > 5
    assert len({page.read_id for page in shop.publisher.select(RecordsPage)}) == 1
    assert build_document([*others, *shop.publisher.records]) == whole


async def test_a_request_for_an_id_of_another_resource_fails_alone(open_shop: Any) -> None:
    shop = await open_shop("kinds.myshopify.com", products=1)
    odd = shop.build_request(products=["gid://shopify/Collection/1"])
    unknown = shop.build_request(orders=["gid://shopify/Order/1"])
    await shop.handle_incremental(shop.connection, [odd, unknown])
    (completed,) = shop.publisher.select(IncrementalReadCompleted)
    assert set(completed.unreadable) == {"gid://shopify/Collection/1", "gid://shopify/Order/1"}


@pytest.mark.parametrize("name", ["evil.com/x.myshopify.com", "a@b.myshopify.com", "UPPER.myshopify.com", "127.0.0.1"])
async def test_no_token_is_sent_to_a_host_that_is_no_shop(open_shop: Any, name: str) -> None:
    shop = await open_shop("hosts.myshopify.com", products=1)
    other = f"shopify:{name}"
    shop.tokens.tokens[other] = replace(shop.tokens.tokens[shop.connection], connection=other)
    await shop.handle_incremental(other, [shop.build_request(products=["gid://shopify/Product/1"])])
    assert shop.publisher.progress[-1].reason == "not the name of a shop"
    assert shop.control("GET", "/statistics")["calls"] == 0


class TestMisbehaving:
    """Every kind of misbehaviour."""

    @pytest.mark.parametrize(
        "fault",
        [
            {"fail_calls": 2},
            {"fail_calls": 1, "fail_status": 429, "retry_after": 1},
            {"throttle_calls": 1},
            {"internal_error_calls": 1},
            {"clock_skew_seconds": 3600},
        ],
        ids=lambda fault: next(iter(fault)),
    )
    async def test_a_passing_fault_is_waited_out(
        self, open_shop: Any, build_document: Any, fault: Any, request: Any
    ) -> None:
        number = abs(hash(request.node.name)) % 10**6
        shop = await open_shop(f"passes-{number}.myshopify.com", products=5, collections=1, discounts=2)
        shop.control("PUT", "/faults", fault)
        progressed = await shop.run_full_sync(patient=True)
        assert progressed[-1].outcome == "completed"
        assert build_document(shop.publisher.records) == shop.document()

    @pytest.mark.parametrize(
        "fault",
        [{"fail_calls": -1}, {"truncate_body": True}, {"html_body": True}, {"throttle_calls": -1}],
        ids=lambda fault: next(iter(fault)),
    )
    async def test_a_lasting_fault_is_postponed(self, open_shop: Any, fault: Any, request: Any) -> None:
        number = abs(hash(request.node.name)) % 10**6
        shop = await open_shop(f"stays-{number}.myshopify.com", products=5)
        shop.control("PUT", "/faults", fault)
        (late,) = await shop.run_full_sync(steps=1)
        assert late.outcome == "postponed"
        await shop.handle_incremental(shop.connection, [shop.build_request(products=["gid://shopify/Product/1"])])
        assert shop.publisher.progress[-1].outcome == "postponed"
        assert shop.publisher.progress[-1].throttled is ("throttle_calls" in fault)
        assert shop.publisher.records == []

    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            ({"search_warnings": True}, "search"),
            ({"deny_scopes": ["read_products"]}, "ACCESS_DENIED"),
        ],
        ids=["search", "denied"],
    )
    async def test_what_is_hopeless_fails_the_sync(self, open_shop: Any, fault: Any, reason: str, request: Any) -> None:
        number = abs(hash(request.node.name)) % 10**6
        shop = await open_shop(f"fails-{number}.myshopify.com", products=5)
        shop.control("PUT", "/faults", fault)
        (failed,) = await shop.run_full_sync()
        assert (failed.outcome, failed.retryable) == ("failed", False)
        assert reason in failed.reason
        assert shop.publisher.select(FullReadCompleted) == []

    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            ({"version": "2026-04"}, "served in API version 2026-04, in which collections are missing"),
            *[
                ({"fail_calls": -1, "fail_status": status}, reason)
                for status, reason in ((402, "frozen"), (403, "not open to this app"), (404, "not reachable"))
            ],
            ({"fail_calls": -1, "fail_status": 423}, "locked"),
        ],
        ids=["version", "402", "403", "404", "423"],
    )
    async def test_a_closed_shop_is_asked_once_and_its_webhooks_cause_no_call(
        self, open_shop: Any, fault: Any, reason: str, request: Any
    ) -> None:
        number = abs(hash(request.node.name)) % 10**6
        shop = await open_shop(f"closed-{number}.myshopify.com", products=5)
        shop.control("PUT", "/faults", fault)
        webhook = shop.build_request(products=["gid://shopify/Product/1"])
        for _ in range(3):
            await shop.handle_incremental(shop.connection, [webhook])
        events = shop.publisher.progress
        assert [(e.outcome, e.reason, e.calls, e.remembered) for e in events] == [
            ("blocked", reason, 1, False),
            ("blocked", reason, 0, True),
            ("blocked", reason, 0, True),
        ]
        (probe,) = await shop.run_full_sync()
        assert (probe.outcome, probe.reason, probe.cursor, probe.calls) == ("blocked", reason, None, 1)
        shop.control("PUT", "/faults", {})
        assert (await shop.run_full_sync())[-1].outcome == "completed"
        shop.publisher.messages.clear()
        await shop.handle_incremental(shop.connection, [webhook])
        assert (shop.publisher.progress, len(shop.publisher.records) > 0) == ([], True)

    @pytest.mark.parametrize("fault", [{"hang_seconds": 2}, {"hang_mid_body_seconds": 2}], ids=["silent", "half"])
    async def test_what_hangs_is_given_up_in_time(self, open_shop: Any, fault: Any) -> None:
        shop = await open_shop(f"hangs-{len(str(fault))}.myshopify.com", products=1)
        shop.control("PUT", "/faults", fault)
        token, variables = shop.tokens.tokens[shop.connection].token, {"query": "id:>0"}
        async with open_client(shop.sandbox.url + "/shops/{shop}", "2026-10", trace=trace_call) as client:
            with pytest.raises(TransientError, match="TimeoutError"):
                await client.post(shop.name, token, COUNT_PRODUCTS, variables, seconds=0.2)

    async def test_what_is_denied_is_no_tombstone(self, open_shop: Any) -> None:
        shop = await open_shop("denied.myshopify.com", products=5)
        await shop.run_full_sync()
        gid = next(r.id for r in shop.publisher.records if r.resource == "products")
        shop.publisher.messages.clear()
        shop.control("PUT", "/faults", {"deny_scopes": ["read_inventory"]})
        await shop.handle_incremental(shop.connection, [shop.build_request(products=[gid])])
        assert shop.publisher.records == []
        assert shop.publisher.progress or shop.publisher.select(IncrementalReadCompleted)[0].unreadable

    async def test_ids_charged_one_by_one_bring_the_same(self, open_shop: Any, build_document: Any) -> None:
        shop = await open_shop(
            "linear.myshopify.com", products=60, variants=12, locations=5, collections=3, discounts=8, plan="enterprise"
        )
        shop.control("PUT", "/faults", {"nodes_cost": "linear"})
        progressed = await shop.run_full_sync(patient=True)
        assert progressed[-1].outcome == "completed", progressed[-1].reason
        assert build_document(shop.publisher.records) == shop.document()
        assert shop.control("GET", "/statistics")["throttled"] == 0

    @pytest.mark.parametrize(("lie", "listed", "counted"), [({"count_offset": 7}, 40, 47), ({"lists": "half"}, 20, 40)])
    async def test_a_list_that_goes_on_differing_from_its_count_is_published_so(
        self, open_shop: Any, lie: dict[str, Any], listed: int, counted: int
    ) -> None:
        shop = await open_shop(f"lie-{listed}.myshopify.com", products=40, collections=0, discounts=0)
        shop.control("PUT", "/faults", lie)
        progressed = await shop.run_full_sync()
        waits = [p.reason for p in progressed if (p.reason or "").startswith("products")]
        assert waits == [f"products: the platform lists {listed} and counts {counted}"] * 4
        (products,) = [event for event in shop.publisher.select(IdsListed) if event.resource == "products"]
        assert (len(products.ids), products.count) == (listed, counted)
        assert progressed[-1].outcome == "completed", "whether it succeeded is the writer's to decide"

    async def test_a_revoked_token_is_reported(self, open_shop: Any) -> None:
        shop = await open_shop("revoked.myshopify.com", products=5)
        old = shop.tokens.tokens[shop.connection]
        shop.tokens.replacement = replace(old, token=shop.sandbox.install(shop.name))
        shop.tokens.tokens[shop.connection] = replace(old, token="stolen")
        assert (await shop.run_full_sync())[-1].outcome == "completed"
        assert len(shop.tokens.reported) == 1

    async def test_a_token_of_another_shop_fails_the_sync(self, open_shop: Any) -> None:
        shop = await open_shop("mine.myshopify.com", products=1)
        other = "shopify:theirs.myshopify.com"
        shop.tokens.tokens[other] = replace(shop.tokens.tokens[shop.connection], connection=other)
        async with open_client(f"{shop.sandbox.url}/shops/{shop.name}", "2026-10", trace=trace_call) as misled:
            handle = FullSyncHandler(replace(shop.dependencies, source=ShopifySource(misled)), seconds=5)
            request = FullSyncStepRequested(
                sync_id=uuid4(), connection=other, epoch=1, cause="connect", step=0, cursor=None, requested_at=0
            )
            await handle(other, [request])
        assert "another shop" in shop.publisher.progress[-1].reason
        assert shop.publisher.records == []
