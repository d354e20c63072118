"""Signing in: states, browsers, merchants, and what a refused login leaves behind (nothing)."""

import asyncio
import time
from typing import Any

import pytest

from gateway.connections import derive_wanted_sync

pytestmark = pytest.mark.integration

ACCOUNT, NAME = "acme.myshopify.com", "shopify:acme.myshopify.com"


async def nothing_is_stored(world: Any) -> bool:
    return [await world.rows(table) for table in ("connections", "merchants", "sessions", "outbox")] == [0] * 4


async def test_a_merchant_connects_a_shop(world: Any) -> None:
    document = await world.connect()
    assert document["connection"] == NAME
    assert document["sync_url"] == f"/syncs/{document['sync_id']}"
    assert document["missing_scopes"] == []
    (said,) = await world.said()
    assert (said.state, said.epoch, said.revision) == ("connected", 1, 1)
    assert str(said.merchant) == document["user_uuid"]
    assert str(said.wanted_sync) == document["sync_id"]
    assert said.object_key == f"{ACCOUNT}/shopify_data.json"
    assert "read_products" in said.scopes


async def test_a_state_is_used_once(world: Any) -> None:
    state = await world.started()
    cookies = dict(world.browser.cookies)
    assert (await world.browser.get(world.callback(state))).status_code == 200
    world.browser.cookies.update(cookies)
    again = await world.browser.get(world.callback(state))
    assert again.status_code == 400
    assert "used already" in again.json()["reason"]


async def test_two_answers_at_once_use_a_state_once(world: Any) -> None:
    state = await world.started()
    answers = await asyncio.gather(*(world.browser.get(world.callback(state)) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400]


async def test_another_browsers_state_is_refused(world: Any) -> None:
    state = await world.started()
    other = world.new_browser()
    await world.started(other)
    assert (await other.get(world.callback(state))).status_code == 400
    assert await nothing_is_stored(world)
    assert (await world.browser.get(world.callback(state))).status_code == 200


async def test_another_shops_state_is_refused(world: Any) -> None:
    state = await world.started(shop="acme")
    assert (await world.browser.get(world.callback(state, account="other.myshopify.com"))).status_code == 400
    assert await nothing_is_stored(world)


async def test_two_tabs_do_not_meet(world: Any) -> None:
    first, second = await world.started(shop="acme"), await world.started(shop="other")
    assert (await world.browser.get(world.callback(first))).status_code == 200
    assert (await world.browser.get(world.callback(second, account="other.myshopify.com"))).status_code == 200


async def test_a_used_code_and_a_silent_shopify_store_nothing(world: Any) -> None:
    refused = await world.browser.get(world.callback(await world.started(), code="used"))
    assert (refused.status_code, refused.json()["status"]) == (400, "error")
    world.shopify.down = True
    away = await world.browser.get(world.callback(await world.started()))
    assert (away.status_code, away.json()["status"]) == (502, "error")
    assert await nothing_is_stored(world)


async def test_a_cancelled_consent_and_an_old_answer_are_refused(world: Any) -> None:
    cancelled = await world.browser.get(world.callback(await world.started(), error="access_denied"))
    assert "cancelled" in cancelled.json()["reason"]
    old = await world.browser.get(world.callback(await world.started(), timestamp=str(int(time.time()) - 400)))
    assert old.status_code == 400
    assert await nothing_is_stored(world)


@pytest.mark.parametrize(
    "name", ["evil.com%23.myshopify.com", "evil.com%2F.myshopify.com", "acme%0A", "a.b", "%E2%84%AAacme", "a%20b"]
)
async def test_evil_shop_names_are_refused(world: Any, name: str) -> None:
    answer = await world.browser.get(f"/shopify/{name}/login")
    assert answer.status_code == 400
    assert "acme.myshopify.com" in answer.json()["reason"]
    assert await world.rows("oauth_states") == 0
    assert (await world.browser.get(f"/shopify/login?shop={name}")).status_code in (303, 400)


async def test_a_browser_gets_pages(world: Any) -> None:
    browser = world.new_browser("text/html,application/xhtml+xml,*/*;q=0.8")
    bad = await browser.get("/shopify/a.b/login")
    assert bad.status_code == 400
    assert 'id="again" href="/"' in bad.text
    good = await browser.get(world.callback(await world.started(browser)))
    assert good.status_code == 200
    for shown in ('id="user_uuid"', 'id="sync_url"', 'id="state"', 'id="webhook_test"'):
        assert shown in good.text
    assert "script-src 'nonce-" in good.headers["content-security-policy"]
    assert good.headers["cache-control"] == "no-store"


async def test_the_cookies_are_out_of_reach(world: Any, make_shopify: Any) -> None:
    world.restart(world.settings, shopify=make_shopify(shopify_redirect_uri="https://gateway.test/shopify/callback"))
    answer = await world.new_browser().get("/shopify/acme/login")
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=lax", "Secure", "Path=/shopify/callback"))


async def test_the_same_merchant_signs_in_from_anywhere(world: Any) -> None:
    first = await world.connect()
    elsewhere = world.new_browser()
    second = await world.connect(elsewhere)
    assert second["user_uuid"] == first["user_uuid"]
    assert second["sync_id"] != first["sync_id"]
    before, after = await world.said()
    assert (before.epoch, after.epoch) == (1, 1)
    assert (await elsewhere.get("/connections")).json()["user_uuid"] == first["user_uuid"]


async def test_a_new_shop_joins_the_sessions_merchant(world: Any) -> None:
    first = await world.connect()
    second = await world.connect(shop="other")
    assert second["user_uuid"] == first["user_uuid"]
    connections = (await world.browser.get("/connections")).json()["connections"]
    assert [connection["connection"] for connection in connections] == [NAME, "shopify:other.myshopify.com"]


async def test_a_session_moves_to_the_shops_merchant(world: Any) -> None:
    first = await world.connect(shop="acme")
    other = world.new_browser()
    second = await world.connect(other, shop="other")
    assert first["user_uuid"] != second["user_uuid"]
    assert (await world.connect(other, shop="acme"))["user_uuid"] == first["user_uuid"]
    names = [one["connection"] for one in (await other.get("/connections")).json()["connections"]]
    assert names == [NAME]


async def test_a_session_is_a_new_one_after_each_login(world: Any) -> None:
    await world.connect()
    old = world.browser.cookies["session_id"]
    await world.connect()
    assert world.browser.cookies["session_id"] != old
    thief = world.new_browser()
    thief.cookies.set("session_id", old)
    assert (await thief.get("/connections")).status_code == 401


async def test_a_missing_scope_is_named(world: Any) -> None:
    world.shopify.scopes_granted = ("read_products", "read_inventory", "read_locations")
    document = await world.connect()
    assert document["missing_scopes"] == [{"scope": "read_discounts", "costs": ["discounts"]}]


async def test_tokens_that_do_not_expire_work_too(world: Any) -> None:
    world.shopify.expiring = False
    await world.connect()
    token = (await world.token()).json()
    assert token["expires_at"] is None
    assert token["access_token"] in world.shopify.good_access


def test_the_wanted_sync_is_the_revisions() -> None:
    assert derive_wanted_sync(NAME, 1, 1000) == derive_wanted_sync(NAME, 1, 1000)
    assert len({derive_wanted_sync(NAME, revision, moment) for revision in (1, 2) for moment in (1000, 2000)}) == 4


async def test_a_state_or_cookie_is_no_webhook_signature(world: Any) -> None:
    state = await world.started()
    for stolen in (state, *world.browser.cookies.values()):
        answer = await world.deliver("products/update", b'{"id": 7}', X_Shopify_Hmac_Sha256=stolen)
        assert answer.status_code == 401


async def test_what_has_expired_is_pruned(world: Any) -> None:
    await world.stores.oauth_states.create(state_hash=b"1", browser_hash=b"2", connection=NAME, seconds=-1)
    await world.stores.oauth_states.create(state_hash=b"3", browser_hash=b"4", connection=NAME, seconds=60)
    assert not await world.stores.oauth_states.consume(state_hash=b"1", browser_hash=b"2", connection=NAME)
    await world.stores.prune()
    assert await world.rows("oauth_states") == 1
