"""Disconnecting and erasure: their effects, who may request them, and that an interrupted request is finished."""

import asyncio
import hmac
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from gateway.app import get_time_ms
from gateway.applications import create_erasure_service
from gateway.connections import Connection, EncryptedTokens, apply_redaction, build_changed_event
from gateway.erasure.deletion_requests import RequestKind
from gateway.erasure.routes import create_callback_routes
from gateway.erasure.service import ErasureService
from gateway.pages.views import ConnectionView
from gateway.webhooks.refusals import REFUSALS_PER_CLIENT
from platform_sdk.errors import RequestRejectedError
from platforms.facebook.tests.fake_graph import APP_SECRET

NAME = "shopify:acme.myshopify.com"
HERE = {"Sec-Fetch-Site": "same-origin"}
SHOP = {"shop_id": 1, "shop_domain": "acme.myshopify.com"}
CUSTOMER = {**SHOP, "customer": {"id": 7, "email": "ada@example.com", "phone": "555"}}


def build_page(name: str, granted_by: str | None, merchant: UUID) -> Connection:
    tokens = EncryptedTokens("k1.encrypted")
    return Connection(
        f"facebook:{name}", merchant, "connected", 1, 1, ("pages_show_list",), 5, None, tokens, granted_by
    )


def test_a_redacted_connection_keeps_only_its_name_and_epoch() -> None:
    before = build_page("1", "person-ada", uuid4())
    after = apply_redaction(before)
    assert after == Connection(before.name, None, "redacted", 2, 2, (), 0, None, None, redacted_epoch=2)
    event = build_changed_event(after, "facebook/1/page_data.json")
    assert event.model_dump(exclude_defaults=True) == {
        "connection": before.name,
        "revision": 2,
        "epoch": 2,
        "state": "redacted",
        "redacted_epoch": 2,
    }


pytestmark = pytest.mark.integration


async def fetch_form_token(browser: httpx.AsyncClient) -> str:
    """Fetches the form token from the connections page."""
    response = await browser.get("/connections", headers={"Accept": "text/html"})
    match = re.search(r'name="form_token" value="(\w+)"', response.text)
    assert match is not None
    return match[1]


async def post(browser: httpx.AsyncClient, action: str, name: str = NAME, **headers: str) -> httpx.Response:
    """Sends the form of a button on the connections page."""
    fields = {"form_token": await fetch_form_token(browser)}
    return await browser.post(f"/connections/{name}/{action}", data=fields, headers=HERE | headers)


async def list_receipts(world: Any) -> list[Any]:
    async with world.database.transaction() as tx:
        return list(await tx.execute(text("SELECT * FROM deletion_requests ORDER BY requested_at")))


async def find_merchant(world: Any) -> str:
    """Finds the merchant of the shop."""
    return str((await world.stores.connections.find(NAME)).merchant)


@pytest.fixture
async def connected(world: Any) -> Any:
    await world.connect()
    await world.drain_outbox()
    return world


async def test_a_merchant_disconnects(connected: Any) -> None:
    response = await post(connected.browser, "disconnect")
    assert (response.status_code, response.headers["location"]) == (303, "/connections")
    (event,) = await connected.drain_outbox()
    assert (event.state, event.epoch) == ("uninstalled", 2)
    assert connected.shopify.uninstalled_accounts == ["acme.myshopify.com"]
    assert "k1." not in await connected.dump_database()
    (connection,) = (await connected.browser.get("/connections")).json()["connections"]
    assert connection["state"] == "uninstalled"
    assert (await post(connected.browser, "disconnect")).status_code == 303
    assert await connected.drain_outbox() == []


async def test_a_merchants_deletion_leaves_only_name_and_epoch(connected: Any) -> None:
    merchant = await find_merchant(connected)
    state = await connected.start_login(connected.create_browser())
    session = dict(connected.browser.cookies)
    response = await post(connected.browser, "delete")
    assert response.status_code == 303
    assert connected.shopify.uninstalled_accounts == ["acme.myshopify.com"]
    event = (await connected.drain_outbox())[-1]
    assert (event.state, event.epoch, event.merchant, event.object_key, event.scopes) == ("redacted", 2, None, None, ())
    dump = await connected.dump_database()
    assert merchant not in dump
    assert "k1." not in dump
    for table in ("merchants", "sessions", "proofs", "webhook_checks", "oauth_states", "outbox"):
        assert await connected.count_rows(table) == 0, table
    assert (await connected.browser.get(connected.build_callback(state))).status_code == 400
    stale = connected.create_browser()
    stale.cookies.update(session)
    assert (await stale.get("/connections")).status_code == 401


async def test_the_receipt_shows_when_everything_is_erased(connected: Any) -> None:
    address = (await post(connected.browser, "delete")).headers["location"]
    stranger = connected.create_browser()
    document = (await stranger.get(address)).json()
    assert (document["state"], document["connections"]) == (
        "under way",
        [{"connection": NAME, "state": "being erased"}],
    )
    connected.scheduler.is_unavailable = True
    assert (await stranger.get(address)).json()["connections"][0]["state"] == "not known now"
    connected.scheduler.is_unavailable = False
    connected.scheduler.connections[NAME] = ConnectionView(connection=NAME, epoch=2, erased_at=1)
    document = (await stranger.get(address)).json()
    assert (document["state"], document["connections"][0]["state"]) == ("carried out", "erased")
    assert address == f"/deletions/{document['confirmation_code']}"
    assert document["confirmation_code"].isalnum()
    week = 7 * 24 * 3600 * 1000
    assert week <= document["messages_until"] - document["asked_at"] < week + 10_000
    html = (await connected.create_browser("text/html").get(address)).text
    assert "within seven days" in html
    assert document["confirmation_code"] in html
    for code in ("0" * 32, "%00", "%E2%82%AC"):
        assert (await stranger.get(f"/deletions/{code}")).status_code == 404


async def test_an_unavailable_platform_delays_no_deletion(connected: Any) -> None:
    connected.shopify.down = True
    assert (await post(connected.browser, "delete")).status_code == 303
    assert [event.state for event in await connected.drain_outbox()] == ["redacted"]


async def test_a_token_that_cannot_be_decrypted_delays_no_deletion(connected: Any) -> None:
    async with connected.database.transaction() as tx:
        await tx.execute(text("UPDATE connections SET access_token = 'lost.key'"))
    assert (await post(connected.browser, "delete")).status_code == 303
    assert [event.state for event in await connected.drain_outbox()] == ["redacted"]


async def test_nobody_disconnects_or_deletes_the_connections_of_others(connected: Any) -> None:
    other = connected.create_browser()
    await connected.connect(other, shop="other")
    await connected.drain_outbox()
    for action in ("disconnect", "delete"):
        assert (await post(other, action)).status_code == 404
        assert (await post(other, action, "shopify:nobody.myshopify.com")).status_code == 404
        assert (await connected.create_browser().post(f"/connections/{NAME}/{action}", headers=HERE)).status_code == 401
    assert await connected.drain_outbox() == []
    assert await list_receipts(connected) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {},
    ],
)
async def test_only_our_own_page_may_send_the_form(connected: Any, headers: dict[str, str]) -> None:
    fields = {"form_token": await fetch_form_token(connected.browser)}
    response = await connected.browser.post(f"/connections/{NAME}/delete", data=fields, headers=headers)
    assert response.status_code == 403
    assert await connected.drain_outbox() == []


async def test_a_form_without_this_sessions_token_is_refused(connected: Any) -> None:
    other = connected.create_browser()
    await connected.connect(other, shop="other")
    await connected.drain_outbox()
    others_token, session = await fetch_form_token(other), connected.browser.cookies["session_id"]
    for token in ("", others_token, session, "ü"):
        response = await connected.browser.post(
            f"/connections/{NAME}/delete", data={"form_token": token} if token else {}, headers=HERE
        )
        assert response.status_code == 403
    for body in (b"form_token=\xff", b"x" * 20_000, b"form_token=a&form_token=b"):
        response = await connected.browser.post(f"/connections/{NAME}/delete", content=body, headers=HERE)
        assert response.status_code == 400
    assert await connected.drain_outbox() == []


async def test_over_plain_http_the_origin_header_identifies_our_own_form(connected: Any) -> None:
    fields, headers = {"form_token": await fetch_form_token(connected.browser)}, {"Origin": "http://gateway.test"}
    response = await connected.browser.post(f"/connections/{NAME}/disconnect", data=fields, headers=headers)
    assert response.status_code == 303


async def test_the_page_asks_for_confirmation_and_needs_no_script(connected: Any) -> None:
    html = (await connected.browser.get("/connections", headers={"Accept": "text/html"})).text
    for action in ("disconnect", "delete"):
        form = rf'<details class="{action}">.*?<form action="/connections/shopify%3Aacme[^"]*/{action}" method="post">'
        assert re.search(form, html, re.DOTALL)
    assert "cannot be undone" in html


async def test_a_merchant_with_another_connection_is_kept(connected: Any) -> None:
    await connected.connect(shop="other")
    await connected.drain_outbox()
    assert (await post(connected.browser, "delete")).status_code == 303
    names = [
        connection["connection"] for connection in (await connected.browser.get("/connections")).json()["connections"]
    ]
    assert names == ["shopify:other.myshopify.com"]


async def test_a_connection_made_after_a_deletion_keeps_its_higher_epoch(connected: Any) -> None:
    merchant = await find_merchant(connected)
    address = (await post(connected.browser, "delete")).headers["location"]
    document = await connected.connect(connected.create_browser())
    assert document["user_uuid"] != merchant
    assert [(event.state, event.epoch, event.redacted_epoch) for event in await connected.drain_outbox()] == [
        ("redacted", 2, 2),
        ("connected", 2, 2),
    ]
    receipt = (await connected.browser.get(address)).json()
    assert (receipt["state"], receipt["connections"][0]["state"]) == ("under way", "being erased")
    connected.scheduler.connections[NAME] = ConnectionView(connection=NAME, epoch=2, erased_at=1)
    receipt = (await connected.browser.get(address)).json()
    assert (receipt["state"], receipt["connections"][0]["state"]) == ("carried out", "connected again")


async def test_the_end_of_an_earlier_deletion_does_not_complete_a_later_one(connected: Any) -> None:
    await post(connected.browser, "delete")
    await connected.connect()
    connected.scheduler.connections[NAME] = ConnectionView(connection=NAME, epoch=2, erased_at=1)
    address = (await post(connected.browser, "delete")).headers["location"]
    document = (await connected.create_browser().get(address)).json()
    assert (document["state"], document["connections"][0]["state"]) == ("under way", "being erased")
    connected.scheduler.connections[NAME] = ConnectionView(connection=NAME, epoch=3, erased_at=2)
    assert (await connected.create_browser().get(address)).json()["state"] == "carried out"


async def test_a_probe_started_after_a_deletion_stores_nothing(connected: Any) -> None:
    await post(connected.browser, "delete")
    await connected.stores.webhook_checks.save_initial_checks(NAME, uuid4(), status={"status": "pending"}, result=None)
    assert await connected.count_rows("webhook_checks") == 0


async def test_an_uninstall_after_a_deletion_changes_nothing(connected: Any) -> None:
    await post(connected.browser, "delete")
    await connected.drain_outbox()
    body = b'{"id": 1, "myshopify_domain": "acme.myshopify.com"}'
    assert (await connected.deliver("app/uninstalled", body)).status_code == 200
    assert await connected.drain_outbox() == []


async def test_no_merchant_person_or_customer_is_logged(
    connected: Any, capsys: pytest.CaptureFixture[str], callbacks: Any
) -> None:
    merchant = await find_merchant(connected)
    await add_connections(connected, build_page("1", "person-ada", UUID(merchant)))
    await callbacks.post("/facebook/data-deletion", data={"signed_request": "good.person-ada"})
    await post(connected.browser, "delete")
    await connected.deliver("customers/redact", json.dumps(CUSTOMER).encode())
    output = capsys.readouterr().out
    assert "connection redacted" in output
    for private in (merchant, "person-ada", "ada@example.com", (await list_receipts(connected))[0].code):
        assert private not in output


async def test_a_failed_read_of_a_receipt_does_not_log_its_code(
    connected: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async with connected.database.transaction() as tx:
        await tx.execute(text("LOCK TABLE deletion_requests IN ACCESS EXCLUSIVE MODE"))
        request = asyncio.create_task(connected.browser.get(f"/deletions/{'c0de' * 8}"))
        condition = "FROM pg_locks WHERE relation = 'deletion_requests'::regclass AND NOT granted"
        victim = text(f"SELECT pg_terminate_backend(pid) {condition}")
        while not (await tx.execute(victim)).all():
            await asyncio.sleep(0.01)
        assert (await request).status_code == 503
    output = capsys.readouterr().out
    assert "/deletions/{code}" in output
    assert "c0de" not in output


# Requests of the platform about an account or its customers.


async def deliver_redaction(world: Any, topic: str = "shop/redact", body: Any = SHOP, **headers: str) -> int:
    status: int = (await world.deliver(topic, json.dumps(body).encode(), **headers)).status_code
    return status


async def test_a_shop_without_the_app_is_redacted_once(connected: Any) -> None:
    connected.shopify.revoke_tokens()
    for _ in range(3):
        assert await deliver_redaction(connected, X_Shopify_Webhook_Id="w-1") == 200
    assert [event.state for event in await connected.drain_outbox()] == ["redacted"]
    (receipt,) = await list_receipts(connected)
    assert (receipt.kind, receipt.connections) == ("account deletion", [NAME])
    assert receipt.executed_at is not None
    await create_erasure_service(connected.parts).run_once()
    assert await connected.drain_outbox() == []


async def test_a_shop_where_the_app_is_installed_again_keeps_its_data(connected: Any) -> None:
    assert await deliver_redaction(connected) == 200
    assert await connected.drain_outbox() == []
    assert await list_receipts(connected) == []


async def test_an_executed_redaction_is_not_repeated_on_a_later_connection(connected: Any) -> None:
    connected.shopify.revoke_tokens()
    assert await deliver_redaction(connected, X_Shopify_Webhook_Id="w-1") == 200
    await connected.connect()
    await post(connected.browser, "disconnect")
    await connected.drain_outbox()
    assert await deliver_redaction(connected, X_Shopify_Webhook_Id="w-1") == 200
    assert await connected.drain_outbox() == []


async def test_a_redaction_waits_until_the_platform_can_be_checked(connected: Any) -> None:
    connected.shopify.down = True
    assert await deliver_redaction(connected) == 503
    assert await connected.drain_outbox() == []
    connected.shopify.down = False
    connected.shopify.hanging = True
    await connected.expire_token()
    assert await deliver_redaction(connected) == 503
    assert await list_receipts(connected) == []


async def test_an_unresponsive_shop_is_redacted_when_the_request_is_newer_than_the_grant(connected: Any) -> None:
    connected.shopify.down = True
    requested_at = datetime.now(UTC) + timedelta(days=2)
    assert await deliver_redaction(connected, X_Shopify_Triggered_At=requested_at.isoformat()) == 200
    assert [event.state for event in await connected.drain_outbox()] == ["redacted"]


async def test_a_malformed_connection_name_is_404(connected: Any) -> None:
    assert (await post(connected.browser, "delete", "%00")).status_code == 404


async def test_a_disconnected_shop_is_redacted_without_a_check(connected: Any) -> None:
    await post(connected.browser, "disconnect")
    connected.shopify.down = True
    assert await deliver_redaction(connected) == 200
    assert [event.state for event in await connected.drain_outbox()] == ["uninstalled", "redacted"]


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("shop/redact", {"shop_id": 1}),
        ("shop/redact", {**SHOP, "shop_domain": "other.myshopify.com"}),
        ("shop/redact", {"id": 1, "myshopify_domain": "acme.myshopify.com"}),
        ("shop/redact", CUSTOMER),
        ("customers/redact", {**CUSTOMER, "shop_domain": "other.myshopify.com"}),
        ("customers/data_request", {}),
    ],
)
async def test_only_a_signed_body_about_this_shop_is_accepted(connected: Any, topic: str, body: Any) -> None:
    connected.shopify.revoke_tokens()
    assert await deliver_redaction(connected, topic, body) == 400
    assert await deliver_redaction(connected, topic, SHOP, X_Shopify_Hmac_Sha256="AAAA") == 401
    assert await connected.drain_outbox() == []
    assert await list_receipts(connected) == []


@pytest.mark.parametrize(
    ("topic", "kind"), [("customers/redact", "customer deletion"), ("customers/data_request", "customer data")]
)
async def test_a_customers_request_gets_one_receipt_and_no_data_is_stored(
    connected: Any, topic: str, kind: str
) -> None:
    for _ in range(2):
        assert await deliver_redaction(connected, topic, CUSTOMER, X_Shopify_Webhook_Id="w-1") == 200
    (receipt,) = await list_receipts(connected)
    assert (receipt.kind, receipt.connections) == (kind, [NAME])
    assert "ada@example.com" not in await connected.dump_database()
    document = (await connected.create_browser().get(f"/deletions/{receipt.code}")).json()
    assert (document["state"], document["connections"]) == ("carried out", [])
    assert document["message"].startswith("No data of customers is kept")
    assert await connected.drain_outbox() == []


# Requests of a person through the platform.


def parse_user(signed_request: str) -> tuple[str, int]:
    """Takes the place of a platform's verification of signed requests."""
    if not signed_request.startswith("good."):
        raise RequestRejectedError(400, "the signed request is not Facebook's")
    return signed_request.split(".")[1], get_time_ms()


@pytest.fixture
async def callbacks(world: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client that sends Facebook's callbacks."""
    app = FastAPI()
    app.include_router(
        create_callback_routes(
            create_erasure_service(world.parts),
            "facebook",
            parse_signed_request=parse_user,
            origin="https://gateway.test",
            refusals=world.parts.refusals,
        )
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway.test") as client:
        yield client


async def add_connections(world: Any, *rows: Connection) -> None:
    for row in rows:
        async with world.stores.connections.lock(row.name) as locked:
            await locked.save_and_notify(row)
    await world.drain_outbox()


@pytest.fixture
async def world_with_pages(world: Any) -> Any:
    """A gateway with two pages of Ada and one of Bob, all of one merchant."""
    merchant = uuid4()
    await add_connections(
        world,
        build_page("1", "person-ada", merchant),
        build_page("2", "person-ada", merchant),
        build_page("3", "bob", merchant),
    )
    return world


async def test_deauthorizing_disconnects_only_the_persons_own_pages(world_with_pages: Any, callbacks: Any) -> None:
    response = await callbacks.post("/facebook/deauthorize", data={"signed_request": "good.person-ada"})
    assert response.status_code == 200
    events = await world_with_pages.drain_outbox()
    assert [(event.connection, event.state, event.epoch) for event in events] == [
        ("facebook:1", "uninstalled", 2),
        ("facebook:2", "uninstalled", 2),
    ]


async def test_a_persons_deletion_redacts_only_her_pages_even_after_deauthorizing(
    world_with_pages: Any, callbacks: Any
) -> None:
    await callbacks.post("/facebook/deauthorize", data={"signed_request": "good.person-ada.1"})
    await world_with_pages.drain_outbox()
    response = await callbacks.post("/facebook/data-deletion", data={"signed_request": "good.person-ada.2"})
    document = response.json()
    assert set(document) == {"url", "confirmation_code"}
    assert document["url"] == f"https://gateway.test/deletions/{document['confirmation_code']}"
    assert [(event.connection, event.state, event.epoch) for event in await world_with_pages.drain_outbox()] == [
        ("facebook:1", "redacted", 3),
        ("facebook:2", "redacted", 3),
    ]
    assert "person-ada" not in await world_with_pages.dump_database()
    receipt = (await world_with_pages.browser.get(document["url"].removeprefix("https://gateway.test"))).json()
    assert [connection["connection"] for connection in receipt["connections"]] == ["facebook:1", "facebook:2"]


async def test_a_repeated_signed_request_is_executed_once(world_with_pages: Any, callbacks: Any) -> None:
    first = await callbacks.post("/facebook/data-deletion", data={"signed_request": "good.person-ada"})
    await add_connections(world_with_pages, build_page("1", "person-ada", uuid4()))
    again = await callbacks.post("/facebook/data-deletion", data={"signed_request": "good.person-ada"})
    assert again.json() == first.json()
    assert await world_with_pages.drain_outbox() == []


async def test_a_person_without_stored_data_gets_a_receipt_too(world_with_pages: Any, callbacks: Any) -> None:
    document = (await callbacks.post("/facebook/data-deletion", data={"signed_request": "good.eve"})).json()
    receipt = (await world_with_pages.browser.get(f"/deletions/{document['confirmation_code']}")).json()
    assert (receipt["state"], receipt["connections"]) == ("carried out", [])


@pytest.mark.parametrize("path", ["deauthorize", "data-deletion"])
@pytest.mark.parametrize("fields", [{"signed_request": "forged.ada"}, {}, {"signed_request": "good." + "a" * 20_000}])
async def test_a_forged_request_is_400(world_with_pages: Any, callbacks: Any, path: str, fields: Any) -> None:
    assert (await callbacks.post(f"/facebook/{path}", data=fields)).status_code == 400
    assert await world_with_pages.drain_outbox() == []
    assert await list_receipts(world_with_pages) == []


# A shop and pages of one merchant, with Facebook's real signatures.


def sign_request(user: str, secret: str = APP_SECRET, issued_ms: int | None = None) -> str:
    issued_at = (get_time_ms() if issued_ms is None else issued_ms) // 1000
    payload = encode(json.dumps({"user_id": user, "algorithm": "HMAC-SHA256", "issued_at": issued_at}).encode())
    return f"{encode(hmac.digest(secret.encode(), payload.encode(), 'sha256'))}.{payload}"


def encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


async def test_a_merchant_who_deletes_her_pages_keeps_her_shop(connected: Any) -> None:
    await connected.connect_pages()
    pages = ["facebook:1001", "facebook:1002"]
    connected.graph.subscribed = {"1001": ["name"], "1002": ["name"]}
    assert (await post(connected.browser, "delete", pages[0])).status_code == 303
    assert list(connected.graph.subscribed) == ["1002"]
    forged = {"signed_request": sign_request(connected.graph.user, "another secret")}
    assert (await connected.browser.post("/facebook/data-deletion", data=forged)).status_code == 400
    await connected.drain_outbox()
    form = {"signed_request": sign_request(connected.graph.user)}
    document = (await connected.browser.post("/facebook/data-deletion", data=form)).json()
    assert [(event.connection, event.state) for event in await connected.drain_outbox()] == [(pages[1], "redacted")]
    assert document["url"].startswith("http://gateway.test/deletions/")
    assert connected.graph.user not in await connected.dump_database()
    names = [
        connection["connection"] for connection in (await connected.browser.get("/connections")).json()["connections"]
    ]
    assert names == [NAME]


async def test_forged_signed_requests_and_challenges_of_a_client_are_limited_and_honest_ones_never(
    connected: Any,
) -> None:
    connected.restart(connected.settings.model_copy(update={"trusted_proxies": (ip_network("127.0.0.0/8"),)}))

    async def send(client: str, path: str, secret: str = "another secret") -> httpx.Response:
        headers = {"X-Forwarded-For": client}
        if path == "webhook":
            wrong = {"hub.mode": "subscribe", "hub.challenge": "7", "hub.verify_token": "guessed"}
            return await connected.create_browser().get("/facebook/webhook", params=wrong, headers=headers)
        form = {"signed_request": sign_request(connected.graph.user, secret)}
        return await connected.create_browser().post(f"/facebook/{path}", data=form, headers=headers)

    paths = ("deauthorize", "data-deletion", "webhook")
    sent = [await send("198.51.100.7", paths[number % 3]) for number in range(REFUSALS_PER_CLIENT.burst)]
    assert {response.status_code for response in sent} == {400, 403}
    for path in paths:
        # One more refusal a second is answered with its reason, so that of several some are one too many.
        refused = [response for _ in range(20) if (response := await send("198.51.100.7", path)).status_code == 429]
        assert refused and {response.headers["retry-after"] for response in refused} == {"1"}, path
    assert (await send("198.51.100.8", "deauthorize")).status_code == 400
    assert (await send("198.51.100.7", "data-deletion", APP_SECRET)).status_code == 200


async def test_another_encoding_of_a_signature_is_not_a_second_request(connected: Any) -> None:
    signature, _, payload = sign_request(connected.graph.user).partition(".")
    codes = set()
    for variant in (signature, signature + "="):
        form = {"signed_request": f"{variant}.{payload}"}
        codes.add((await connected.browser.post("/facebook/data-deletion", data=form)).json()["confirmation_code"])
    assert len(codes) == 1


async def test_pages_granted_after_the_request_are_kept(connected: Any) -> None:
    await connected.connect_pages()
    await connected.drain_outbox()
    form = {"signed_request": sign_request(connected.graph.user, issued_ms=0)}
    for path in ("deauthorize", "data-deletion"):
        assert (await connected.browser.post(f"/facebook/{path}", data=form)).status_code == 200
    assert await connected.drain_outbox() == []


async def test_facebooks_callbacks_are_404_where_facebook_is_not_configured(connected: Any, no_facebook: Any) -> None:
    connected.restart(connected.settings, facebook=no_facebook)
    form = {"signed_request": sign_request("4004", "")}
    for path in ("deauthorize", "data-deletion"):
        assert (await connected.create_browser().post(f"/facebook/{path}", data=form)).status_code == 404


class InterruptedStore:
    """A store whose process is killed when it locks the connection `at`."""

    def __init__(self, store: Any, at: str) -> None:
        self._store = store
        self._at = at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncIterator[Any]:
        if name == self._at:
            raise KeyboardInterrupt
        async with self._store.lock(name) as locked:
            yield locked


async def test_an_interrupted_deletion_is_finished_by_the_periodic_task(world_with_pages: Any) -> None:
    interrupted: Any = InterruptedStore(world_with_pages.stores.connections, "facebook:2")
    erasure = ErasureService(replace(world_with_pages.stores, connections=interrupted), None, {})  # type: ignore[arg-type] # no token is tried here
    with pytest.raises(KeyboardInterrupt):
        await erasure.handle_person_request(
            "facebook", "person-ada", RequestKind.PERSON_DELETION, "r", requested_at=get_time_ms()
        )
    assert [event.connection for event in await world_with_pages.drain_outbox()] == ["facebook:1"]
    (receipt,) = await list_receipts(world_with_pages)
    document = (await world_with_pages.browser.get(f"/deletions/{receipt.code}")).json()
    assert (document["state"], {connection["state"] for connection in document["connections"]}) == (
        "under way",
        {"being erased"},
    )
    await create_erasure_service(world_with_pages.parts).run_once()
    assert [event.connection for event in await world_with_pages.drain_outbox()] == ["facebook:2"]
    assert (await list_receipts(world_with_pages))[0].executed_at is not None
    await create_erasure_service(world_with_pages.parts).run_once()
    assert await world_with_pages.drain_outbox() == []


async def test_a_redaction_is_published_once_more_a_day_later(world_with_pages: Any, callbacks: Any) -> None:
    await callbacks.post("/facebook/data-deletion", data={"signed_request": "good.bob"})
    (first,) = await world_with_pages.drain_outbox()
    await create_erasure_service(world_with_pages.parts).run_once()
    assert await world_with_pages.drain_outbox() == []
    async with world_with_pages.database.transaction() as tx:
        await tx.execute(text("UPDATE deletion_requests SET executed_at = executed_at - interval '25 hours'"))
    for expected in ([first], []):
        await create_erasure_service(world_with_pages.parts).run_once()
        assert await world_with_pages.drain_outbox() == expected


async def test_receipts_are_kept_for_90_days(connected: Any) -> None:
    await post(connected.browser, "delete")
    async with connected.database.transaction() as tx:
        await tx.execute(text("UPDATE deletion_requests SET executed_at = executed_at - interval '89 days'"))
    await connected.stores.prune()
    assert await connected.count_rows("deletion_requests") == 1
    async with connected.database.transaction() as tx:
        await tx.execute(text("UPDATE deletion_requests SET executed_at = executed_at - interval '2 days'"))
    await connected.stores.prune()
    assert await connected.count_rows("deletion_requests") == 0
