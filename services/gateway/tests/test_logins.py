"""Logins at Shopify: states, browsers, merchants, and that a refused login stores nothing."""

import asyncio
import time
from typing import Any

import pytest

from gateway.connections import derive_wanted_sync

pytestmark = pytest.mark.integration

ACCOUNT, NAME = "acme.myshopify.com", "shopify:acme.myshopify.com"


async def is_nothing_stored(world: Any) -> bool:
    return [await world.count_rows(table) for table in ("connections", "merchants", "sessions", "outbox")] == [0] * 4


async def test_a_merchant_connects_a_shop(world: Any) -> None:
    document = await world.connect()
    assert document["connection"] == NAME
    assert document["sync_url"] == f"/syncs/{document['sync_id']}"
    assert document["missing_scopes"] == []
    (event,) = await world.drain_outbox()
    assert (event.state, event.epoch, event.revision) == ("connected", 1, 1)
    assert str(event.merchant) == document["user_uuid"]
    assert str(event.wanted_sync) == document["sync_id"]
    assert event.object_key == f"{ACCOUNT}/shopify_data.json"
    assert "read_products" in event.scopes


async def test_a_state_is_used_once(world: Any) -> None:
    state = await world.start_login()
    cookies = dict(world.browser.cookies)
    assert (await world.browser.get(world.build_callback(state))).status_code == 200
    world.browser.cookies.update(cookies)
    again = await world.browser.get(world.build_callback(state))
    assert again.status_code == 400
    assert "used already" in again.json()["reason"]


async def test_concurrent_callbacks_use_a_state_once(world: Any) -> None:
    state = await world.start_login()
    responses = await asyncio.gather(*(world.browser.get(world.build_callback(state)) for _ in range(5)))
    assert sorted(response.status_code for response in responses) == [200, 400, 400, 400, 400]


async def test_another_browsers_state_is_refused(world: Any) -> None:
    state = await world.start_login()
    other = world.create_browser()
    await world.start_login(other)
    assert (await other.get(world.build_callback(state))).status_code == 400
    assert await is_nothing_stored(world)
    assert (await world.browser.get(world.build_callback(state))).status_code == 200


async def test_another_shops_state_is_refused(world: Any) -> None:
    state = await world.start_login(shop="acme")
    assert (await world.browser.get(world.build_callback(state, account="other.myshopify.com"))).status_code == 400
    assert await is_nothing_stored(world)


async def test_logins_in_two_tabs_do_not_interfere(world: Any) -> None:
    first, second = await world.start_login(shop="acme"), await world.start_login(shop="other")
    assert (await world.browser.get(world.build_callback(first))).status_code == 200
    assert (await world.browser.get(world.build_callback(second, account="other.myshopify.com"))).status_code == 200


async def test_a_used_code_and_an_unavailable_shopify_store_nothing(world: Any) -> None:
    refused = await world.browser.get(world.build_callback(await world.start_login(), code="used"))
    assert (refused.status_code, refused.json()["status"]) == (400, "error")
    world.shopify.down = True
    unavailable = await world.browser.get(world.build_callback(await world.start_login()))
    assert (unavailable.status_code, unavailable.json()["status"]) == (502, "error")
    assert await is_nothing_stored(world)


async def test_a_cancelled_consent_and_an_old_callback_are_refused(world: Any) -> None:
    cancelled = await world.browser.get(world.build_callback(await world.start_login(), error="access_denied"))
    assert "cancelled" in cancelled.json()["reason"]
    old = await world.browser.get(
        world.build_callback(await world.start_login(), timestamp=str(int(time.time()) - 400))
    )
    assert old.status_code == 400
    assert await is_nothing_stored(world)


@pytest.mark.parametrize(
    "name", ["evil.com%23.myshopify.com", "evil.com%2F.myshopify.com", "acme%0A", "a.b", "%E2%84%AAacme", "a%20b"]
)
async def test_evil_shop_names_are_refused(world: Any, name: str) -> None:
    response = await world.browser.get(f"/shopify/{name}/login")
    assert response.status_code == 400
    assert "acme.myshopify.com" in response.json()["reason"]
    assert await world.count_rows("oauth_states") == 0
    assert (await world.browser.get(f"/shopify/login?shop={name}")).status_code in (303, 400)


async def test_a_browser_gets_html_pages(world: Any) -> None:
    browser = world.create_browser("text/html,application/xhtml+xml,*/*;q=0.8")
    bad = await browser.get("/shopify/login?shop=a.b%26c")
    assert bad.status_code == 400
    assert 'id="again" href="/?shop=a.b%26c"' in bad.text
    assert 'value="a.b&amp;c"' in (await browser.get("/?shop=a.b%26c")).text
    done = await browser.get(world.build_callback(await world.start_login(browser)))
    assert (done.status_code, done.headers["location"]) == (303, "/connected?connection=shopify%3Aacme.myshopify.com")
    good = await browser.get(done.headers["location"])
    assert good.status_code == 200
    for fragment in ('class="user_uuid"', 'class="sync_url"', 'id="state"', 'id="webhook_test"'):
        assert fragment in good.text
    assert "script-src 'nonce-" in good.headers["content-security-policy"]
    assert good.headers["cache-control"] == "no-store"


async def test_the_cookies_are_protected(world: Any, make_shopify: Any) -> None:
    world.restart(world.settings, shopify=make_shopify(shopify_redirect_uri="https://gateway.test/shopify/callback"))
    response = await world.create_browser().get("/shopify/acme/login")
    cookie = response.headers["set-cookie"]
    assert all(part in cookie for part in ("__Host-login_", "HttpOnly", "SameSite=lax", "Secure", "Path=/;"))
    assert response.headers["strict-transport-security"] == "max-age=31536000"


async def test_over_plain_http_browsers_are_not_told_to_use_https(world: Any) -> None:
    assert "strict-transport-security" not in (await world.browser.get("/")).headers


async def test_connecting_an_account_again_keeps_its_merchant(world: Any) -> None:
    first = await world.connect()
    elsewhere = world.create_browser()
    second = await world.connect(elsewhere)
    assert second["user_uuid"] == first["user_uuid"]
    assert second["sync_id"] != first["sync_id"]
    before, after = await world.drain_outbox()
    assert (before.epoch, after.epoch) == (1, 1)
    (shown,) = (await elsewhere.get("/connections")).json()["connections"]
    assert shown["user_uuid"] == first["user_uuid"]


async def test_each_login_starts_a_new_session(world: Any) -> None:
    await world.connect()
    old = world.browser.cookies["session_id"]
    await world.connect()
    assert world.browser.cookies["session_id"] != old
    thief = world.create_browser()
    thief.cookies.set("session_id", old)
    assert (await thief.get("/connections")).status_code == 401


async def test_a_missing_scope_is_named(world: Any) -> None:
    world.shopify.scopes_granted = ("read_products", "read_inventory", "read_locations")
    document = await world.connect()
    assert document["missing_scopes"] == [{"scope": "read_discounts", "costs": ["discounts"]}]


async def test_tokens_that_do_not_expire_work_too(world: Any) -> None:
    world.shopify.expiring = False
    await world.connect()
    token = (await world.request_token()).json()
    assert token["expires_at"] is None
    assert token["access_token"] in world.shopify.valid_access_tokens


def test_each_revision_and_time_has_its_own_sync_id() -> None:
    assert derive_wanted_sync(NAME, 1, 1000) == derive_wanted_sync(NAME, 1, 1000)
    assert len({derive_wanted_sync(NAME, revision, moment) for revision in (1, 2) for moment in (1000, 2000)}) == 4


async def test_a_state_or_cookie_is_no_webhook_signature(world: Any) -> None:
    state = await world.start_login()
    for value in (state, *world.browser.cookies.values()):
        response = await world.deliver("products/update", b'{"id": 7}', X_Shopify_Hmac_Sha256=value)
        assert response.status_code == 401


async def test_expired_states_are_pruned(world: Any) -> None:
    await world.stores.oauth_states.create(
        state_hash=b"1", browser_hash=b"2", connection=NAME, purpose="connect", seconds=-1
    )
    await world.stores.oauth_states.create(
        state_hash=b"3", browser_hash=b"4", connection=NAME, purpose="connect", seconds=60
    )
    assert not await world.stores.oauth_states.consume(state_hash=b"1", browser_hash=b"2", connection=NAME)
    await world.stores.prune()
    assert await world.count_rows("oauth_states") == 1


async def test_the_home_pages_form_goes_on_by_a_page_in_a_browser_and_by_a_redirect_elsewhere(world: Any) -> None:
    browser = world.create_browser("text/html,application/xhtml+xml,*/*;q=0.8")
    assert "form-action 'self'" in (await browser.get("/")).headers["content-security-policy"]

    page = await browser.get("/shopify/login?shop=acme")
    assert page.status_code == 200
    target = "/shopify/acme.myshopify.com/login"
    assert f'<meta http-equiv="refresh" content="0; url={target}">' in page.text
    assert f'<a class="button" id="continue" href="{target}">' in page.text

    redirect = await world.browser.get("/shopify/login?shop=acme")
    assert (redirect.status_code, redirect.headers["location"]) == (303, target)
