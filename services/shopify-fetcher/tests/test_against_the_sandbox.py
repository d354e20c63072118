"""The real client and both lanes against a sandbox of its own: everything that is there comes out."""

from dataclasses import replace
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from connector.handlers import FullSyncHandler, IncrementalHandler
from contracts.events import (
    FullReadCompleted,
    FullSyncStepRequested,
    IncrementalReadCompleted,
    RangeCompleted,
    RecordsPage,
)
from shopify_fetcher.answers import Unwell
from shopify_fetcher.client import open_client
from shopify_fetcher.documents import COUNT_PRODUCTS
from shopify_fetcher.kinds import KINDS
from shopify_fetcher.platform import ShopifySource

ALL = ("read_products", "read_inventory", "read_locations", "read_discounts")


async def test_a_walk_brings_the_whole_shop(open_shop: Any, rebuilt: Any) -> None:
    shop = await open_shop(
        "whole.myshopify.com",
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
    progressed = await shop.walk()
    assert [p.outcome for p in progressed] == ["completed"], progressed[-1].reason
    assert rebuilt(shop.voice.records) == shop.document()
    ended = shop.voice.events(FullReadCompleted)
    assert ended[0].windows == (("shop", 0), ("locations", 0), ("products", 0), ("collections", 0), ("discounts", 0))
    products = next(w for w in shop.voice.events(RangeCompleted) if w.resource == "products")
    assert (products.sent, products.count_before, products.count_after) == (600, 600, 600)


async def test_a_walk_cut_into_many_steps_brings_the_same(open_shop: Any, rebuilt: Any) -> None:
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
    progressed = await shop.walk()
    assert {p.outcome for p in progressed} == {"advanced", "completed"}
    assert len(progressed) > 10
    assert max(len(p.cursor) for p in progressed if p.cursor) < 4_000
    assert rebuilt(shop.voice.records) == shop.document()


async def test_every_step_may_run_twice(open_shop: Any, rebuilt: Any) -> None:
    shop = await open_shop("twice.myshopify.com", seconds=0.0001, products=30, collections=3, discounts=8)
    source, cursor, outcome = uuid4(), None, ""
    while outcome != "completed":
        await shop.walk(cursor=cursor, sync_id=source, steps=1)
        (last,) = await shop.walk(cursor=cursor, sync_id=source, steps=1)
        outcome, cursor = last.outcome, last.cursor
    windows = shop.voice.events(RangeCompleted)
    assert len(windows) > len(by_name := {w.resource: w for w in windows})
    assert all(w == by_name[w.resource] for w in windows), "said twice, it was not the same"
    assert rebuilt(shop.voice.records) == shop.document()


@pytest.mark.parametrize("left_out", ["read_inventory", "read_locations", "read_discounts", "read_products"])
async def test_what_no_scope_allows_is_left_out_and_said(open_shop: Any, rebuilt: Any, left_out: str) -> None:
    scopes = ",".join(scope for scope in ALL if scope != left_out)
    name = left_out.replace("_", "-")
    shop = await open_shop(f"{name}.myshopify.com", scopes=scopes, products=20, collections=3, discounts=8)
    assert (await shop.walk())[-1].outcome == "completed"
    (ended,) = shop.voice.events(FullReadCompleted)
    assert set(ended.left_out.values()) == {f"scope {left_out} was not granted"}
    assert ended.dependents == (() if left_out in ("read_inventory", "read_products") else ("inventory",))
    if left_out != "read_products":  # what discounts apply to has no names then, and the document leaves it out
        assert rebuilt(shop.voice.records) == shop.document()


def scoped(shop: Any, *without: str) -> Any:
    """The shop's access with all scopes but these."""
    return replace(shop.tokens.known[shop.connection], scopes=frozenset(ALL) - set(without))


async def walk_until(shop: Any, resource: str) -> Any:
    """Walk in short steps until `resource` is being walked; gives the last step's end."""
    source, last = uuid4(), None
    while last is None or f'"resource\\":\\"{resource}' not in last.cursor:
        (last,) = await shop.walk(cursor=last and last.cursor, sync_id=source, steps=1)
    return last


async def test_scopes_granted_since_the_token_was_remembered_count_from_the_walks_beginning(
    open_shop: Any, rebuilt: Any
) -> None:
    shop = await open_shop("granted.myshopify.com", products=5, collections=1, discounts=4)
    shop.tokens.granted = scoped(shop)
    shop.tokens.known[shop.connection] = scoped(shop, "read_inventory", "read_discounts")
    assert (await shop.walk())[-1].outcome == "completed"
    (ended,) = shop.voice.events(FullReadCompleted)
    assert (ended.left_out, ended.dependents) == ({}, ("inventory",))
    assert rebuilt(shop.voice.records) == shop.document()


async def test_records_are_not_refused_for_a_scope_that_was_granted_since(open_shop: Any) -> None:
    shop = await open_shop("granted-since.myshopify.com", discounts=2)
    await shop.walk()
    gids = [r.id for r in shop.voice.records if r.resource == "discounts"]
    shop.tokens.granted = scoped(shop)
    shop.tokens.known[shop.connection] = scoped(shop, "read_discounts")
    await shop.quick_lane(shop.connection, [shop.wish(discounts=gids)])
    assert shop.voice.events(IncrementalReadCompleted)[0].failed == {}


async def test_records_are_asked_for_by_the_scopes_that_are_left(open_shop: Any) -> None:
    shop = await open_shop("lost-since.myshopify.com", products=2)
    await shop.walk()
    gids = [r.id for r in shop.voice.records if r.resource == "products"]
    shop.tokens.granted = scoped(shop, "read_inventory")
    shop.control("PUT", "/faults", {"deny_scopes": ["read_inventory"]})
    await shop.quick_lane(shop.connection, [shop.wish(products=gids)])
    assert shop.voice.events(IncrementalReadCompleted)[0].failed == {}


@pytest.mark.parametrize(
    ("lost", "at", "left_out"),
    [
        ("read_discounts", "collections", {"discounts"}),
        ("read_products", "products", {"products", "inventory", "collections"}),
        ("read_inventory", "products", {"inventory"}),
        ("read_locations", "products", set()),
    ],
)
async def test_what_may_be_read_no_more_is_left_out_of_the_walk(
    open_shop: Any, lost: str, at: str, left_out: set[str]
) -> None:
    name = f"lost-{lost.replace('_', '-')}.myshopify.com"
    shop = await open_shop(name, seconds=0.0001, products=300, collections=2, discounts=4)
    last = await walk_until(shop, at)
    shop.tokens.granted = scoped(shop, lost)
    shop.control("PUT", "/faults", {"deny_scopes": [lost]})
    assert (await shop.walk(cursor=last.cursor, sync_id=last.sync_ids[0]))[-1].outcome == "completed"
    (ended,) = shop.voice.events(FullReadCompleted)
    assert ended.left_out == dict.fromkeys(left_out, f"scope {lost} was not granted")
    assert ended.dependents == (() if "inventory" in left_out else ("inventory",))
    walked = {resource for resource, _ in ended.windows}
    assert walked | set(ended.dependents) | left_out == {"shop", "locations", *KINDS}
    assert not walked & left_out


async def test_what_a_walk_has_passed_before_it_was_granted_is_left_out(open_shop: Any) -> None:
    shop = await open_shop("late-grant.myshopify.com", seconds=0.0001, products=5, collections=1, discounts=4)
    shop.tokens.known[shop.connection] = scoped(shop, "read_products")
    last = await walk_until(shop, "discounts")
    shop.tokens.known[shop.connection] = scoped(shop)
    assert (await shop.walk(cursor=last.cursor, sync_id=last.sync_ids[0]))[-1].outcome == "completed"
    (ended,) = shop.voice.events(FullReadCompleted)
    assert ended.left_out.keys() == {"products", "inventory", "collections"}
    assert ended.dependents == ()


async def test_one_window_is_walked_again_by_itself(open_shop: Any) -> None:
    shop = await open_shop("again.myshopify.com", products=20, collections=3)
    await shop.walk()
    first = next(w for w in shop.voice.events(RangeCompleted) if w.resource == "products")
    (done,) = await shop.walk(cursor=first.again, sync_id=first.source)
    assert done.outcome == "completed"
    again = shop.voice.events(RangeCompleted)[-1]
    assert (again.resource, again.window, again.attempt, again.sent) == ("products", 0, 2, 20)
    assert len(shop.voice.events(FullReadCompleted)) == 1, "the writer has the walk's marker already"


async def test_a_shop_of_more_than_25000_products_is_walked_in_windows(open_shop: Any) -> None:
    shop = await open_shop(
        "huge.myshopify.com", products=25_600, variants=1, locations=1, media=0, metafields=0, description_bytes=110
    )
    assert (await shop.walk())[-1].outcome == "completed"
    windows = [w for w in shop.voice.events(RangeCompleted) if w.resource == "products"]
    assert len(windows) == 2
    assert sum(w.sent for w in windows) == 25_600
    assert all(w.sent == w.count_before == w.count_after for w in windows)
    products = {r.id for r in shop.voice.records if r.resource == "products"}
    assert len(products) == 25_600


async def test_10000_webhooks_over_2500_products_are_few_calls_and_no_throttle(open_shop: Any) -> None:
    shop = await open_shop("burst.myshopify.com", products=2_500, variants=5, plan="standard")
    listed = shop.sandbox.http.get(f"/control/shops/{shop.name}/products?limit=2500").json()["products"]
    gids = [product["gid"] for product in listed]
    chosen = Random(1)
    requests = [shop.wish(products=[chosen.choice(gids)]) for _ in range(10_000)]
    for start in range(0, 10_000, 4_000):
        await shop.bring(requests[start : start + 4_000])
    statistics = shop.control("GET", "/statistics")
    assert statistics["calls"] <= 60
    assert statistics["throttled"] == 0
    settled = {sync_id for event in shop.voice.events(IncrementalReadCompleted) for sync_id in event.sync_ids}
    assert settled == {request.sync_id for request in requests}


async def test_what_webhooks_ask_for_is_read(open_shop: Any) -> None:
    shop = await open_shop("reads.myshopify.com", products=5, collections=2, discounts=4)
    await shop.walk()
    walked = {(r.resource, r.id): r for r in shop.voice.records}
    asked = {resource: [i for r, i in walked if r == resource] for resource in {r for r, _ in walked}}
    asked["products"].append("gid://shopify/Product/999999999")
    shop.voice.said.clear()
    await shop.quick_lane(shop.connection, [shop.wish(**asked)])
    read = {(r.resource, r.id): r for r in shop.voice.records}
    gone = read.pop(("products", "gid://shopify/Product/999999999"))
    assert (gone.body, gone.part) == (None, None)
    assert read.keys() == walked.keys()
    assert all(read[key].body == walked[key].body for key in walked), "two ways of reading must say the same"
    assert shop.voice.events(IncrementalReadCompleted)[0].failed == {}


async def test_a_long_record_is_read_over_several_tries(open_shop: Any, rebuilt: Any) -> None:
    shop = await open_shop("long.myshopify.com", products=3, discounts=8, big_discount_codes=3_000)
    await shop.walk()
    whole = rebuilt(shop.voice.records)
    discounts = sorted({r.id for r in shop.voice.records if r.resource == "discounts"})
    others = [r for r in shop.voice.records if r.resource != "discounts"]
    shop.voice.said.clear()
    lane = IncrementalHandler(shop.platform, shop.tokens, shop.voice, seconds=0.0001)
    request, tries = shop.wish(discounts=discounts), 0
    while not shop.voice.events(IncrementalReadCompleted):
        await lane(shop.connection, [request])
        tries += 1
        if shop.voice.progressed:
            last = shop.voice.progressed[-1]
            request = request.model_copy(update={"cursor": last.cursor, "attempt": last.attempt + 1})
    assert tries > 5
    assert len({page.source for page in shop.voice.events(RecordsPage)}) == 1
    assert rebuilt([*others, *shop.voice.records]) == whole


async def test_a_delivery_for_an_id_of_another_kind_fails_alone(open_shop: Any) -> None:
    shop = await open_shop("kinds.myshopify.com", products=1)
    odd = shop.wish(products=["gid://shopify/Collection/1"])
    unknown = shop.wish(orders=["gid://shopify/Order/1"])
    await shop.quick_lane(shop.connection, [odd, unknown])
    (settled,) = shop.voice.events(IncrementalReadCompleted)
    assert set(settled.failed) == {"gid://shopify/Collection/1", "gid://shopify/Order/1"}


@pytest.mark.parametrize("name", ["evil.com/x.myshopify.com", "a@b.myshopify.com", "UPPER.myshopify.com", "127.0.0.1"])
async def test_no_token_is_sent_to_a_host_that_is_no_shop(open_shop: Any, name: str) -> None:
    shop = await open_shop("hosts.myshopify.com", products=1)
    other = f"shopify:{name}"
    shop.tokens.known[other] = replace(shop.tokens.known[shop.connection], connection=other)
    await shop.quick_lane(other, [shop.wish(products=["gid://shopify/Product/1"])])
    assert shop.voice.progressed[-1].reason == "not the name of a shop"
    assert shop.control("GET", "/statistics")["calls"] == 0


class TestMisbehaving:
    """Every answer that is none."""

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
    async def test_what_passes_is_waited_out(self, open_shop: Any, rebuilt: Any, fault: Any, request: Any) -> None:
        number = abs(hash(request.node.name)) % 10**6
        shop = await open_shop(f"passes-{number}.myshopify.com", products=5, collections=1, discounts=2)
        shop.control("PUT", "/faults", fault)
        progressed = await shop.walk(patient=True)
        assert progressed[-1].outcome == "completed"
        assert rebuilt(shop.voice.records) == shop.document()

    @pytest.mark.parametrize(
        "fault",
        [{"fail_calls": -1}, {"truncate_body": True}, {"html_body": True}, {"throttle_calls": -1}],
        ids=lambda fault: next(iter(fault)),
    )
    async def test_what_does_not_pass_is_postponed(self, open_shop: Any, fault: Any, request: Any) -> None:
        number = abs(hash(request.node.name)) % 10**6
        shop = await open_shop(f"stays-{number}.myshopify.com", products=5)
        shop.control("PUT", "/faults", fault)
        (late,) = await shop.walk(steps=1)
        assert late.outcome == "postponed"
        await shop.quick_lane(shop.connection, [shop.wish(products=["gid://shopify/Product/1"])])
        assert shop.voice.progressed[-1].outcome == "postponed"
        assert shop.voice.progressed[-1].throttled is ("throttle_calls" in fault)
        assert shop.voice.records == []

    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            ({"version": "2026-04"}, "collections are missing"),
            ({"search_warnings": True}, "search"),
            ({"fail_calls": -1, "fail_status": 402}, "frozen"),
            ({"deny_scopes": ["read_products"]}, "ACCESS_DENIED"),
        ],
        ids=["version", "search", "frozen", "denied"],
    )
    async def test_what_is_hopeless_fails_the_walk(self, open_shop: Any, fault: Any, reason: str, request: Any) -> None:
        number = abs(hash(request.node.name)) % 10**6
        shop = await open_shop(f"fails-{number}.myshopify.com", products=5)
        shop.control("PUT", "/faults", fault)
        (failed,) = await shop.walk()
        assert (failed.outcome, failed.retry) == ("failed", False)
        assert reason in failed.reason
        assert shop.voice.events(FullReadCompleted) == []

    @pytest.mark.parametrize("fault", [{"hang_seconds": 2}, {"hang_mid_body_seconds": 2}], ids=["silent", "half"])
    async def test_what_hangs_is_given_up_in_time(self, open_shop: Any, fault: Any) -> None:
        shop = await open_shop(f"hangs-{len(str(fault))}.myshopify.com", products=1)
        shop.control("PUT", "/faults", fault)
        token, variables = shop.tokens.known[shop.connection].token, {"query": "id:>0"}
        async with open_client(shop.sandbox.url + "/shops/{shop}", "2026-10") as client:
            with pytest.raises(Unwell, match="TimeoutError"):
                await client.post(shop.name, token, COUNT_PRODUCTS, variables, seconds=0.2)

    async def test_what_is_denied_is_not_gone(self, open_shop: Any) -> None:
        shop = await open_shop("denied.myshopify.com", products=5)
        await shop.walk()
        gid = next(r.id for r in shop.voice.records if r.resource == "products")
        shop.voice.said.clear()
        shop.control("PUT", "/faults", {"deny_scopes": ["read_inventory"]})
        await shop.quick_lane(shop.connection, [shop.wish(products=[gid])])
        assert shop.voice.records == []
        assert shop.voice.progressed or shop.voice.events(IncrementalReadCompleted)[0].failed

    async def test_ids_charged_one_by_one_bring_the_same(self, open_shop: Any, rebuilt: Any) -> None:
        shop = await open_shop(
            "linear.myshopify.com", products=60, variants=12, locations=5, collections=3, discounts=8, plan="enterprise"
        )
        shop.control("PUT", "/faults", {"nodes_cost": "linear"})
        progressed = await shop.walk(patient=True)
        assert progressed[-1].outcome == "completed", progressed[-1].reason
        assert rebuilt(shop.voice.records) == shop.document()
        assert shop.control("GET", "/statistics")["throttled"] == 0

    async def test_half_a_list_is_told_by_the_counts(self, open_shop: Any) -> None:
        shop = await open_shop("half.myshopify.com", products=40)
        shop.control("PUT", "/faults", {"count_offset": 7})
        await shop.walk()
        products = next(w for w in shop.voice.events(RangeCompleted) if w.resource == "products")
        assert (products.sent, products.count_before, products.count_after) == (40, 47, 47)

    async def test_a_revoked_token_is_reported(self, open_shop: Any) -> None:
        shop = await open_shop("revoked.myshopify.com", products=5)
        old = shop.tokens.known[shop.connection]
        shop.tokens.renewed = replace(old, token=shop.sandbox.install(shop.name))
        shop.tokens.known[shop.connection] = replace(old, token="stolen")
        assert (await shop.walk())[-1].outcome == "completed"
        assert len(shop.tokens.reported) == 1

    async def test_a_token_of_another_shop_fails_the_walk(self, open_shop: Any) -> None:
        shop = await open_shop("mine.myshopify.com", products=1)
        other = "shopify:theirs.myshopify.com"
        shop.tokens.known[other] = replace(shop.tokens.known[shop.connection], connection=other)
        async with open_client(f"{shop.sandbox.url}/shops/{shop.name}", "2026-10") as misled:
            lane = FullSyncHandler(ShopifySource(misled), shop.tokens, shop.voice, seconds=5)
            request = FullSyncStepRequested(
                sync_id=uuid4(), connection=other, epoch=1, cause="connect", step=0, cursor=None, requested_at=0
            )
            await lane(other, [request])
        assert "another shop" in shop.voice.progressed[-1].reason
        assert shop.voice.records == []
