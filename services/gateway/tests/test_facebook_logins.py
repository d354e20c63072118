"""Connecting the pages of a merchant: logins, owners, deliveries, rejected tokens, and a gateway without Facebook."""

import asyncio
import hmac
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
import stamina

from gateway.tokens.service import hash_token
from platforms.facebook.tests.fake_graph import ALL_PERMISSIONS, APP_SECRET, GraphError

pytestmark = pytest.mark.integration


def build_entry(page: str = "1001", **more: Any) -> dict[str, Any]:
    return {"id": page, "time": 1_795_500_000, "changes": [{"field": "name", "value": "Café"}], **more}


def build_batch(*entries: Any) -> bytes:
    return json.dumps({"object": "page", "entry": entries}).encode()


def build_headers(body: bytes, secret: str = APP_SECRET) -> list[tuple[bytes, bytes]]:
    mac = hmac.digest(secret.encode(), body, "sha256").hex()
    return [(b"content-type", b"application/json"), (b"x-hub-signature-256", f"sha256={mac}".encode())]


PAGE = "facebook:1001"


@pytest.fixture(autouse=True)
def _retry_without_pause() -> Iterator[None]:
    """Makes retries follow each other without a pause."""
    with stamina.set_testing(True, attempts=3):
        yield


async def is_nothing_stored(world: Any) -> bool:
    return [await world.count_rows(table) for table in ("connections", "merchants", "sessions", "outbox")] == [0] * 4


async def deliver(world: Any, body: bytes, secret: str = APP_SECRET) -> Any:
    return await world.create_browser().post("/facebook/webhook", content=body, headers=build_headers(body, secret))


async def fetch_sync(world: Any, sync_id: str) -> Any:
    return (await world.browser.get(f"/syncs/{sync_id}")).json()


async def test_a_merchant_connects_pages(world: Any) -> None:
    document = await world.connect_pages()
    assert document["declined_permissions"] == []
    first, second = document["pages"]["data"]
    assert (first["id"], first["name"], first["connection"]) == ("1001", "Acme Café", PAGE)
    events = await world.drain_outbox()
    assert [(event.connection, event.state, event.epoch) for event in events] == [
        (PAGE, "connected", 1),
        ("facebook:1002", "connected", 1),
    ]
    assert [str(event.wanted_sync) for event in events] == [first["sync_id"], second["sync_id"]]
    assert {str(event.merchant) for event in events} == {document["user_uuid"]}
    assert events[0].object_key == "facebook/1001/page_data.json"
    row = await world.stores.connections.find(PAGE)
    assert row.granted_by == world.graph.user
    sync = await fetch_sync(world, first["sync_id"])
    assert (sync["state"], sync["webhook_test"]["status"]) == ("queued", "pending")


async def test_a_session_shows_a_shop_and_pages_that_belong_to_merchants_of_their_own(world: Any) -> None:
    shop = await world.connect()
    session = world.browser.cookies["session_id"]
    pages = await world.connect_pages()
    assert pages["user_uuid"] != shop["user_uuid"]
    assert world.browser.cookies["session_id"] != session
    connections = (await world.browser.get("/connections")).json()["connections"]
    names = [connection["connection"] for connection in connections]
    assert names == [PAGE, "facebook:1002", "shopify:acme.myshopify.com"]
    assert [one["user_uuid"] for one in connections] == [pages["user_uuid"]] * 2 + [shop["user_uuid"]]
    assert connections[0]["login_url"] == "/facebook/login"
    assert connections[0]["prove_url"] == "/facebook/prove"


async def test_each_consent_starts_a_new_cookie_and_the_old_one_is_worth_nothing(world: Any) -> None:
    await world.connect_pages()
    old = world.browser.cookies["session_id"]
    await world.connect_pages()
    assert await world.count_rows("sessions") == 1
    thief = world.create_browser()
    thief.cookies.set("session_id", old)
    assert (await thief.get("/connections")).status_code == 401


async def test_connected_pages_keep_their_merchant_and_new_ones_of_a_consent_get_one(world: Any) -> None:
    world.graph.pages = {"1001": "One"}
    first = await world.connect_pages()
    other = world.create_browser()
    world.graph.pages = {"1001": "One", "1002": "Two", "1003": "Three"}
    again = await world.connect_pages(other)
    assert again["user_uuid"] == first["user_uuid"]
    owners = [str((await world.stores.connections.find(f"facebook:{page}")).merchant) for page in (1001, 1002, 1003)]
    assert owners[0] == first["user_uuid"]
    assert owners[1] == owners[2] != owners[0]


async def test_signing_in_at_pages_proves_those_that_are_connected_and_stores_no_token(world: Any) -> None:
    world.graph.pages = {"1001": "One"}
    await world.connect_pages()
    before = await world.stores.connections.find(PAGE)
    world.graph.pages = {"1001": "One", "1002": "Two"}
    other = world.create_browser()
    state = parse_qs(urlsplit((await other.get("/facebook/prove")).headers["location"]).query)["state"][0]
    response = await other.get(world.build_pages_callback(state))
    assert (response.status_code, response.json()) == (200, {"proved": [PAGE]})
    assert await world.stores.connections.find(PAGE) == before
    assert await world.stores.connections.find("facebook:1002") is None


async def test_two_hundred_pages_are_connected_at_once(world: Any) -> None:
    world.graph.pages = {str(1000 + number): f"Page {number}" for number in range(200)}
    document = await world.connect_pages()
    assert len({page["sync_id"] for page in document["pages"]["data"]}) == 200
    assert len(await world.drain_outbox()) == 200
    documents = await asyncio.gather(world.connect_pages(), world.connect_pages(world.create_browser()))
    assert {other["user_uuid"] for other in documents} == {document["user_uuid"]}


async def test_a_state_is_used_once_and_in_its_own_browser(world: Any) -> None:
    state = await world.start_pages_login()
    other = world.create_browser()
    await world.start_pages_login(other)
    assert (await other.get(world.build_pages_callback(state))).status_code == 400
    assert (await world.browser.get(world.build_pages_callback("invented"))).status_code == 400
    assert await is_nothing_stored(world)
    cookies = dict(world.browser.cookies)
    assert (await world.browser.get(world.build_pages_callback(state))).status_code == 200
    world.browser.cookies.update(cookies)
    again = await world.browser.get(world.build_pages_callback(state))
    assert (again.status_code, "used already" in again.json()["reason"]) == (400, True)


async def test_a_shopify_state_is_refused_by_facebooks_callback(world: Any) -> None:
    state = await world.start_login()
    assert (await world.browser.get(world.build_pages_callback(state))).status_code == 400
    assert state not in await world.dump_database()


async def test_a_failed_login_stores_nothing_and_names_the_reason(world: Any) -> None:
    async def fail_login(**more: str) -> tuple[int, str]:
        response = await world.browser.get(world.build_pages_callback(await world.start_pages_login(), **more))
        assert await is_nothing_stored(world)
        return response.status_code, response.json()["reason"]

    for path in ("code=c", "state=s", ""):
        response = await world.browser.get(f"/facebook/callback?{path}")
        assert (response.status_code, "is missing" in response.json()["reason"]) == (400, True)
    assert (await fail_login(error="access_denied"))[0] == 400
    assert (await fail_login(code="used"))[0] == 400
    world.graph.token_app_id = "999999999999999"
    assert (await fail_login())[0] == 400
    world.graph.token_app_id = "123456789012345"
    world.graph.granted = ("pages_show_list",)
    assert (await fail_login())[0] == 400
    world.graph.granted, world.graph.pages = ALL_PERMISSIONS, {}
    assert "no page was chosen" in (await fail_login())[1]
    world.graph.down = True
    assert (await fail_login())[0] == 502
    world.graph.down = False
    world.graph.errors = {"me/accounts": GraphError(2, "down", status=500)}
    assert (await fail_login())[0] == 502


async def test_a_browser_gets_html_pages_and_a_link_to_request_permissions_again(world: Any) -> None:
    browser = world.create_browser("text/html,*/*;q=0.8")
    world.graph.granted = ("pages_manage_metadata", "pages_show_list")
    incomplete = await browser.get(world.build_pages_callback(await world.start_pages_login(browser)))
    assert incomplete.status_code == 400
    assert "pages_read_engagement" in incomplete.text
    assert 'href="/facebook/login?again=1"' in incomplete.text
    response = await browser.get("/facebook/login?again=1")
    assert "auth_type=rerequest" in response.headers["location"]
    world.graph.granted = ("pages_read_engagement", "pages_show_list")
    world.graph.pages = {"1001": "<b>Café</b>"}
    complete = await browser.get(
        world.build_pages_callback(await world.start_pages_login(browser)), follow_redirects=True
    )
    assert complete.url.path == "/connected"
    assert "&lt;b&gt;Café" in complete.text
    assert "pages_manage_metadata: webhooks left out" in complete.text
    assert "pages_messaging: nothing that is read left out" in complete.text
    assert "2027-02-22" in complete.text
    (page,) = (await world.connect_pages())["pages"]["data"]
    assert (await browser.get(f"/syncs/{page['sync_id']}")).status_code == 200
    assert 'id="connect_facebook"' in (await browser.get("/")).text


async def test_a_declined_permission_is_named(world: Any) -> None:
    world.graph.granted = tuple(name for name in ALL_PERMISSIONS if name != "pages_messaging")
    assert (await world.connect_pages())["declined_permissions"] == ["pages_messaging"]


async def test_a_webhook_challenge_is_returned_as_plain_text(world: Any) -> None:
    parameters = {"hub.mode": "subscribe", "hub.challenge": "<b>7</b>", "hub.verify_token": "the verify token"}
    response = await world.browser.get("/facebook/webhook", params=parameters)
    assert (response.status_code, response.text) == (200, "<b>7</b>")
    assert response.headers["content-type"].startswith("text/plain")
    response = await world.browser.get("/facebook/webhook", params=parameters | {"hub.verify_token": "x"})
    assert (response.status_code, "7" in response.text) == (403, False)
    assert (await world.browser.get("/facebook/webhook")).status_code == 403


async def test_a_batch_requests_syncs_of_connected_pages_only(world: Any) -> None:
    await world.connect_pages()
    body = build_batch(*(build_entry(str(1001 + number % 4), time=number) for number in range(1000)))
    response = await deliver(world, body)
    assert (response.status_code, response.json()) == (200, {"status": "success"})
    requests = world.kafka.requests
    assert len(requests) == 500
    assert {request.connection for request in requests} == {PAGE, "facebook:1002"}
    assert {request.cause for request in requests} == {"webhook"}
    ids = {request.sync_id for request in requests}
    await deliver(world, body, "facebook's former secret")
    assert {request.sync_id for request in world.kafka.requests} == ids
    assert (await deliver(world, body, "another")).status_code == 401
    assert (await deliver(world, body[:-1])).status_code == 400
    world.kafka.is_unavailable = True
    assert (await deliver(world, body)).status_code == 503


async def test_a_batch_about_many_pages_needs_one_query(facebook: Any, make_route: Any) -> None:
    route = make_route(facebook)
    body = build_batch(*(build_entry(str(2000 + number), changes=[]) for number in range(50)))
    response = await route.client.post("/facebook/webhook", content=body, headers=build_headers(body))
    assert (response.status_code, route.load_count, len(route.loaded_names)) == (200, 1, 50)
    assert route.delivery_counts == {("page", "dropped: not connected"): 50}


async def test_the_first_sync_subscribes_and_sends_a_probe(world: Any) -> None:
    (page, _) = (await world.connect_pages())["pages"]["data"]
    body = {"sync_id": page["sync_id"], "first": True}
    response = await world.call_internal(f"/internal/connections/{PAGE}/assert", body, "scheduler")
    assert (response.status_code, response.json()["status"]) == (200, "success")
    assert response.json()["topics"]["name"] == {"status": "success", "message": "registered"}
    assert world.graph.subscribed["1001"] == list(world.facebook_settings.facebook_subscribed_fields)
    while (sync := await fetch_sync(world, page["sync_id"]))["webhook_test"]["status"] == "pending":
        pass
    assert sync["webhook_test"]["status"] == "success"
    assert [(request.cause, request.connection) for request in world.kafka.requests] == [("probe", "facebook:0")]


async def test_a_rejected_page_token_requires_a_new_login_for_that_page_only(world: Any) -> None:
    await world.connect_pages()
    response = await world.request_token("facebook-fetcher", PAGE)
    assert (response.status_code, response.json()["expires_at"]) == (200, None)
    token = response.json()["access_token"]
    assert (await world.request_token("shopify-fetcher", PAGE)).status_code == 403
    body = {"connection": PAGE, "access_token_sha256": hash_token(token)}
    response = await world.call_internal("/internal/tokens/refused", body, "facebook-fetcher")
    assert (response.status_code, response.json()) == (409, {"state": "reauthorise"})
    states = [(event.connection, event.state) for event in await world.drain_outbox()]
    assert states[2:] == [(PAGE, "reauthorise")]
    assert (await world.request_token("facebook-fetcher", "facebook:1002")).status_code == 200
    await world.connect_pages()
    assert (await world.request_token("facebook-fetcher", PAGE)).json()["epoch"] == 1


async def test_subscribing_with_a_rejected_token_requires_a_new_login(world: Any) -> None:
    await world.connect_pages()
    world.graph.valid_tokens.clear()
    response = await world.call_internal(f"/internal/connections/{PAGE}/assert", {"sync_id": str(uuid4())}, "scheduler")
    assert (response.status_code, response.json()) == (409, {"state": "reauthorise"})


async def test_no_response_log_or_row_holds_a_token_or_a_code(world: Any, capsys: pytest.CaptureFixture[str]) -> None:
    browser = world.create_browser("text/html")
    outputs = [(await browser.get(world.build_pages_callback(await world.start_pages_login(browser)))).text]
    outputs.append(json.dumps(await world.connect_pages()))
    outputs += [(await browser.get(path)).text for path in ("/", "/connections")]
    body = {"sync_id": str(uuid4()), "first": True}
    outputs.append((await world.call_internal(f"/internal/connections/{PAGE}/assert", body, "scheduler")).text)
    await world.parts.apis["facebook"].exchange_code("", world.graph.create_code())
    used = world.graph.create_code()
    for _ in range(2):
        outputs.append(
            (await browser.get(world.build_pages_callback(await world.start_pages_login(browser), code=used))).text
        )
    world.graph.valid_tokens.clear()
    outputs.append((await world.call_internal(f"/internal/connections/{PAGE}/assert", body, "scheduler")).text)
    world.graph.down = True
    outputs.append((await browser.get(world.build_pages_callback(await world.start_pages_login(browser)))).text)
    world.graph.down = False
    captured = capsys.readouterr()
    outputs += [await world.dump_database(), captured.out, captured.err]
    outputs.append(repr(await world.parts.apis["facebook"].exchange_code("", world.graph.create_code())))
    for secret in (*world.graph.secrets, "secret-", APP_SECRET, "the verify token"):
        assert all(secret not in text for text in outputs)


async def test_without_facebook_everything_else_works_and_its_login_names_the_missing_settings(
    world: Any, no_facebook: Any
) -> None:
    await world.connect()
    await world.connect_pages()
    world.restart(world.settings, facebook=no_facebook)
    browser = world.create_browser("text/html")
    browser.cookies.update(dict(world.browser.cookies))
    login = await browser.get("/facebook/login")
    assert login.status_code == 503
    assert "FACEBOOK_APP_ID" in login.text
    assert (await browser.get("/facebook/callback?code=c&state=s")).status_code == 404
    assert (await browser.get("/facebook/webhook")).status_code == 404
    assert (await deliver(world, build_batch(build_entry()))).status_code == 404
    assert PAGE in (await browser.get("/connections")).text
    assert "facebook" not in (await browser.get("/")).text
    response = await world.call_internal(f"/internal/connections/{PAGE}/assert", {"sync_id": str(uuid4())}, "scheduler")
    assert response.status_code == 424
    assert (await world.connect(world.create_browser(), shop="other"))["connection"] == "shopify:other.myshopify.com"
