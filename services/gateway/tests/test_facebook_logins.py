"""A merchant's pages: the consent from the login to the first syncs, whose they are, deliveries, and letting go of a
token; and what an installation without Facebook says."""

import asyncio
import hmac
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import stamina
from sqlalchemy import text

from gateway.connect.grants import choose_merchant
from gateway.tokens.service import hash_token
from platforms.facebook.tests.fake_graph import ALL_PERMISSIONS, APP_SECRET, RefusalError

pytestmark = pytest.mark.integration


def entry(page: str = "1001", **more: Any) -> dict[str, Any]:
    return {"id": page, "time": 1_795_500_000, "changes": [{"field": "name", "value": "Café"}], **more}


def batch(*entries: Any) -> bytes:
    return json.dumps({"object": "page", "entry": entries}).encode()


def signed(body: bytes, secret: str = APP_SECRET) -> list[tuple[bytes, bytes]]:
    mac = hmac.digest(secret.encode(), body, "sha256").hex()
    return [(b"content-type", b"application/json"), (b"x-hub-signature-256", f"sha256={mac}".encode())]


PAGE = "facebook:1001"


@pytest.fixture(autouse=True)
def _at_once() -> Iterator[None]:
    """Attempts follow each other without a pause."""
    with stamina.set_testing(True, attempts=3):
        yield


async def nothing_is_stored(world: Any) -> bool:
    return [await world.rows(table) for table in ("connections", "merchants", "sessions", "outbox")] == [0] * 4


async def deliver(world: Any, body: bytes, secret: str = APP_SECRET) -> Any:
    return await world.new_browser().post("/facebook/webhook", content=body, headers=signed(body, secret))


async def shown_sync(world: Any, sync_id: str) -> Any:
    return (await world.browser.get(f"/syncs/{sync_id}")).json()


async def test_a_merchant_connects_pages(world: Any) -> None:
    document = await world.connect_pages()
    assert document["declined_permissions"] == []
    first, second = document["pages"]["data"]
    assert (first["id"], first["name"], first["connection"]) == ("1001", "Acme Café", PAGE)
    said = await world.said()
    assert [(one.connection, one.state, one.epoch) for one in said] == [
        (PAGE, "connected", 1),
        ("facebook:1002", "connected", 1),
    ]
    assert [str(one.wanted_sync) for one in said] == [first["sync_id"], second["sync_id"]]
    assert {str(one.merchant) for one in said} == {document["user_uuid"]}
    assert said[0].object_key == "facebook/1001/page_data.json"
    row = await world.stores.connections.find(PAGE)
    assert row.granted_by == world.graph.user
    shown = await shown_sync(world, first["sync_id"])
    assert (shown["state"], shown["webhook_test"]["status"]) == ("queued", "pending")


async def test_a_shop_and_its_pages_are_one_merchants_in_one_session(world: Any) -> None:
    shop = await world.connect()
    session = world.browser.cookies["session_id"]
    pages = await world.connect_pages()
    assert pages["user_uuid"] == shop["user_uuid"]
    assert world.browser.cookies["session_id"] == session
    listed = (await world.browser.get("/connections")).json()["connections"]
    names = [one["connection"] for one in listed]
    assert names == [PAGE, "facebook:1002", "shopify:acme.myshopify.com"]
    assert listed[0]["login_url"] == "/facebook/login"


async def test_a_session_that_goes_on_lasts_from_now(world: Any) -> None:
    await world.connect_pages()
    session = world.browser.cookies["session_id"]
    async with world.database.transaction() as tx:
        await tx.execute(text("UPDATE sessions SET expires_at = now() + interval '5 seconds'"))
    await world.connect_pages()
    assert world.browser.cookies["session_id"] == session
    async with world.database.transaction() as tx:
        lasting = await tx.execute(text("SELECT count(*) FROM sessions WHERE expires_at > now() + interval '1 minute'"))
        assert lasting.scalar_one() == 1


def test_an_account_keeps_its_merchant_and_a_session_of_one_of_them_stands() -> None:
    session, first, second = uuid4(), uuid4(), uuid4()
    assert choose_merchant(session, []) == session
    assert choose_merchant(session, [first, session]) == session
    assert choose_merchant(session, [first, second]) == first
    assert choose_merchant(None, [first, second]) == first
    assert choose_merchant(None, []) not in (session, first, second)


async def test_known_pages_keep_their_merchant_and_new_ones_join_who_signs_in(world: Any) -> None:
    world.graph.pages = {"1001": "One"}
    first = await world.connect_pages()
    world.graph.pages = {"1002": "Two"}
    other = world.new_browser()
    second = await world.connect_pages(other)
    assert second["user_uuid"] != first["user_uuid"]
    world.graph.pages = {"1001": "One", "1002": "Two", "1003": "Three"}
    again = await world.connect_pages(other)
    assert again["user_uuid"] == second["user_uuid"]
    owners = [str((await world.stores.connections.find(f"facebook:{page}")).merchant) for page in (1001, 1002, 1003)]
    assert owners == [first["user_uuid"], second["user_uuid"], second["user_uuid"]]


async def test_a_strangers_session_moves_to_the_pages_merchant(world: Any) -> None:
    first = await world.connect_pages()
    other = world.new_browser()
    await world.connect(other)
    session = other.cookies["session_id"]
    assert (await world.connect_pages(other))["user_uuid"] == first["user_uuid"]
    assert other.cookies["session_id"] != session
    thief = world.new_browser()
    thief.cookies.set("session_id", session)
    assert (await thief.get("/connections")).status_code == 401


async def test_two_hundred_pages_are_connected_at_once(world: Any) -> None:
    world.graph.pages = {str(1000 + number): f"Page {number}" for number in range(200)}
    document = await world.connect_pages()
    assert len({page["sync_id"] for page in document["pages"]["data"]}) == 200
    assert len(await world.said()) == 200
    both = await asyncio.gather(world.connect_pages(), world.connect_pages(world.new_browser()))
    assert {one["user_uuid"] for one in both} == {document["user_uuid"]}


async def test_a_state_is_used_once_and_in_its_own_browser(world: Any) -> None:
    state = await world.pages_started()
    other = world.new_browser()
    await world.pages_started(other)
    assert (await other.get(world.pages_callback(state))).status_code == 400
    assert (await world.browser.get(world.pages_callback("invented"))).status_code == 400
    assert await nothing_is_stored(world)
    cookies = dict(world.browser.cookies)
    assert (await world.browser.get(world.pages_callback(state))).status_code == 200
    world.browser.cookies.update(cookies)
    again = await world.browser.get(world.pages_callback(state))
    assert (again.status_code, "used already" in again.json()["reason"]) == (400, True)


async def test_a_shops_state_is_none_of_facebooks(world: Any) -> None:
    state = await world.started()
    assert (await world.browser.get(world.pages_callback(state))).status_code == 400
    assert state not in await world.dump()


async def test_what_cannot_be_stored_is_not_and_says_why(world: Any) -> None:
    async def failed(**more: str) -> tuple[int, str]:
        answer = await world.browser.get(world.pages_callback(await world.pages_started(), **more))
        assert await nothing_is_stored(world)
        return answer.status_code, answer.json()["reason"]

    for path in ("code=c", "state=s", ""):
        answer = await world.browser.get(f"/facebook/callback?{path}")
        assert (answer.status_code, "is missing" in answer.json()["reason"]) == (400, True)
    assert (await failed(error="access_denied"))[0] == 400
    assert (await failed(code="used"))[0] == 400
    world.graph.tokens_app = "999999999999999"
    assert (await failed())[0] == 400
    world.graph.tokens_app = "123456789012345"
    world.graph.granted = ("pages_show_list",)
    assert (await failed())[0] == 400
    world.graph.granted, world.graph.pages = ALL_PERMISSIONS, {}
    assert "choose at least one page" in (await failed())[1]
    world.graph.down = True
    assert (await failed())[0] == 502
    world.graph.down = False
    world.graph.fails = {"me/accounts": RefusalError(2, "down", status=500)}
    assert (await failed())[0] == 502


async def test_a_browser_gets_pages_and_a_way_to_be_asked_again(world: Any) -> None:
    browser = world.new_browser("text/html,*/*;q=0.8")
    world.graph.granted = ("pages_manage_metadata", "pages_show_list")
    lacking = await browser.get(world.pages_callback(await world.pages_started(browser)))
    assert lacking.status_code == 400
    assert "pages_read_engagement" in lacking.text
    assert 'href="/facebook/login?again=1"' in lacking.text
    answer = await browser.get("/facebook/login?again=1")
    assert "auth_type=rerequest" in answer.headers["location"]
    world.graph.granted = ("pages_read_engagement", "pages_show_list")
    world.graph.pages = {"1001": "<b>Café</b>"}
    good = await browser.get(world.pages_callback(await world.pages_started(browser)))
    assert "&lt;b&gt;Café" in good.text
    assert "pages_manage_metadata: webhooks left out" in good.text
    assert "pages_messaging: nothing that is read left out" in good.text
    assert "2027-02-22" in good.text
    (page,) = (await world.connect_pages())["pages"]["data"]
    assert (await browser.get(f"/syncs/{page['sync_id']}")).status_code == 200
    assert 'id="connect_facebook"' in (await browser.get("/")).text


async def test_a_declined_permission_is_named(world: Any) -> None:
    world.graph.granted = tuple(name for name in ALL_PERMISSIONS if name != "pages_messaging")
    assert (await world.connect_pages())["declined_permissions"] == ["pages_messaging"]


async def test_the_webhooks_address_is_verified_in_plain_text(world: Any) -> None:
    asked = {"hub.mode": "subscribe", "hub.challenge": "<b>7</b>", "hub.verify_token": "the verify token"}
    answer = await world.browser.get("/facebook/webhook", params=asked)
    assert (answer.status_code, answer.text) == (200, "<b>7</b>")
    assert answer.headers["content-type"].startswith("text/plain")
    answer = await world.browser.get("/facebook/webhook", params=asked | {"hub.verify_token": "x"})
    assert (answer.status_code, "7" in answer.text) == (403, False)
    assert (await world.browser.get("/facebook/webhook")).status_code == 403


async def test_a_batch_asks_for_the_pages_that_are_connected(world: Any) -> None:
    await world.connect_pages()
    body = batch(*(entry(str(1001 + number % 4), time=number) for number in range(1000)))
    answer = await deliver(world, body)
    assert (answer.status_code, answer.json()) == (200, {"status": "success"})
    asked = world.kafka.requests
    assert len(asked) == 500
    assert {one.connection for one in asked} == {PAGE, "facebook:1002"}
    assert {one.cause for one in asked} == {"webhook"}
    ids = {one.sync_id for one in asked}
    await deliver(world, body, "facebook's former secret")
    assert {one.sync_id for one in world.kafka.requests} == ids
    assert (await deliver(world, body, "another")).status_code == 401
    assert (await deliver(world, body[:-1])).status_code == 400
    world.kafka.away = True
    assert (await deliver(world, body)).status_code == 503


async def test_a_batch_about_many_pages_costs_one_look_at_the_store(facebook: Any, make_route: Any) -> None:
    route = make_route(facebook)
    body = batch(*(entry(str(2000 + number), changes=[]) for number in range(50)))
    answer = await route.client.post("/facebook/webhook", content=body, headers=signed(body))
    assert (answer.status_code, route.looks, len(route.asked)) == (200, 1, 50)
    assert route.counted == {("page", "dropped: not connected"): 50}


async def test_the_first_sync_subscribes_and_tries_the_way(world: Any) -> None:
    (page, _) = (await world.connect_pages())["pages"]["data"]
    body = {"sync_id": page["sync_id"], "first": True}
    answer = await world.ask(f"/internal/connections/{PAGE}/assert", body, "scheduler")
    assert (answer.status_code, answer.json()["status"]) == (200, "success")
    assert answer.json()["topics"]["name"] == {"status": "success", "message": "registered"}
    assert world.graph.subscribed["1001"] == list(world.facebook_settings.facebook_subscribed_fields)
    while (shown := await shown_sync(world, page["sync_id"]))["webhook_test"]["status"] == "pending":
        pass
    assert shown["webhook_test"]["status"] == "success"
    assert [(one.cause, one.connection) for one in world.kafka.requests] == [("probe", "facebook:0")]


async def test_a_dead_page_token_asks_for_a_new_sign_in_and_touches_nothing_else(world: Any) -> None:
    await world.connect_pages()
    given = await world.token("facebook-fetcher", PAGE)
    assert (given.status_code, given.json()["expires_at"]) == (200, None)
    token = given.json()["access_token"]
    assert (await world.token("shopify-fetcher", PAGE)).status_code == 403
    body = {"connection": PAGE, "access_token_sha256": hash_token(token)}
    answer = await world.ask("/internal/tokens/refused", body, "facebook-fetcher")
    assert (answer.status_code, answer.json()) == (409, {"state": "reauthorise"})
    states = [(one.connection, one.state) for one in await world.said()]
    assert states[2:] == [(PAGE, "reauthorise")]
    assert (await world.token("facebook-fetcher", "facebook:1002")).status_code == 200
    await world.connect_pages()
    assert (await world.token("facebook-fetcher", PAGE)).json()["epoch"] == 1


async def test_an_assertion_that_meets_a_dead_token_asks_for_a_new_sign_in(world: Any) -> None:
    await world.connect_pages()
    world.graph.alive.clear()
    answer = await world.ask(f"/internal/connections/{PAGE}/assert", {"sync_id": str(uuid4())}, "scheduler")
    assert (answer.status_code, answer.json()) == (409, {"state": "reauthorise"})


async def test_no_response_log_or_row_holds_a_token_or_a_code(world: Any, capsys: pytest.CaptureFixture[str]) -> None:
    browser = world.new_browser("text/html")
    seen = [(await browser.get(world.pages_callback(await world.pages_started(browser)))).text]
    seen.append(json.dumps(await world.connect_pages()))
    seen += [(await browser.get(path)).text for path in ("/", "/connections")]
    body = {"sync_id": str(uuid4()), "first": True}
    seen.append((await world.ask(f"/internal/connections/{PAGE}/assert", body, "scheduler")).text)
    await world.parts.apis["facebook"].exchange_code("", world.graph.code())
    used = world.graph.code()
    for _ in range(2):
        seen.append((await browser.get(world.pages_callback(await world.pages_started(browser), code=used))).text)
    world.graph.alive.clear()
    seen.append((await world.ask(f"/internal/connections/{PAGE}/assert", body, "scheduler")).text)
    world.graph.down = True
    seen.append((await browser.get(world.pages_callback(await world.pages_started(browser)))).text)
    world.graph.down = False
    captured = capsys.readouterr()
    seen += [await world.dump(), captured.out, captured.err]
    seen.append(repr(await world.parts.apis["facebook"].exchange_code("", world.graph.code())))
    for secret in (*world.graph.secrets, "secret-", APP_SECRET, "the verify token"):
        assert all(secret not in text for text in seen)


async def test_without_facebook_the_rest_runs_and_its_login_says_so(world: Any, no_facebook: Any) -> None:
    await world.connect()
    await world.connect_pages()
    world.restart(world.settings, facebook=no_facebook)
    browser = world.new_browser("text/html")
    browser.cookies.update(dict(world.browser.cookies))
    login = await browser.get("/facebook/login")
    assert login.status_code == 503
    assert "FACEBOOK_APP_ID" in login.text
    assert (await browser.get("/facebook/callback?code=c&state=s")).status_code == 404
    assert (await browser.get("/facebook/webhook")).status_code == 404
    assert (await deliver(world, batch(entry()))).status_code == 404
    assert PAGE in (await browser.get("/connections")).text
    assert "facebook" not in (await browser.get("/")).text
    answer = await world.ask(f"/internal/connections/{PAGE}/assert", {"sync_id": str(uuid4())}, "scheduler")
    assert answer.status_code == 424
    assert (await world.connect(world.new_browser(), shop="other"))["connection"] == "shopify:other.myshopify.com"
