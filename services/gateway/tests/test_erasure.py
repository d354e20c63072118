"""Letting go: what goes, what stays, who may ask, and that a request cut off in the middle is finished."""

import asyncio
import hmac
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from gateway.app import get_time_ms
from gateway.applications import create_erasure_service
from gateway.connections import Connection, EncryptedTokens, build_changed_event, redact
from gateway.erasure.deletion_requests import RequestKind
from gateway.erasure.routes import create_callback_routes
from gateway.erasure.service import ErasureService
from gateway.pages.views import ConnectionView
from platform_sdk.errors import RequestRejectedError
from platforms.facebook.tests.fake_graph import APP_SECRET

NAME = "shopify:acme.myshopify.com"
HERE = {"Sec-Fetch-Site": "same-origin"}
SHOP = {"shop_id": 1, "shop_domain": "acme.myshopify.com"}
CUSTOMER = {**SHOP, "customer": {"id": 7, "email": "ada@example.com", "phone": "555"}}


def page(name: str, granted_by: str | None, merchant: UUID) -> Connection:
    tokens = EncryptedTokens("k1.encrypted")
    return Connection(
        f"facebook:{name}", merchant, "connected", 1, 1, ("pages_show_list",), 5, None, tokens, granted_by
    )


def test_what_is_left_of_a_redacted_connection_is_its_name_and_epoch() -> None:
    before = page("1", "person-ada", uuid4())
    after = redact(before)
    assert after == Connection(before.name, None, "redacted", 2, 2, (), 0, None, None)
    said = build_changed_event(after, "facebook/1/page_data.json")
    assert said.model_dump(exclude_defaults=True) == {
        "connection": before.name,
        "revision": 2,
        "epoch": 2,
        "state": "redacted",
    }


pytestmark = pytest.mark.integration


async def token_of(browser: httpx.AsyncClient) -> str:
    """The form token of the page of connections."""
    shown = await browser.get("/connections", headers={"Accept": "text/html"})
    found = re.search(r'name="form_token" value="(\w+)"', shown.text)
    assert found is not None
    return found[1]


async def post(browser: httpx.AsyncClient, action: str, name: str = NAME, **headers: str) -> httpx.Response:
    """What the button on the page sends."""
    fields = {"form_token": await token_of(browser)}
    return await browser.post(f"/connections/{name}/{action}", data=fields, headers=HERE | headers)


async def receipts(world: Any) -> list[Any]:
    async with world.database.transaction() as tx:
        return list(await tx.execute(text("SELECT * FROM deletion_requests ORDER BY requested_at")))


@pytest.fixture
async def connected(world: Any) -> Any:
    await world.connect()
    await world.said()
    return world


async def test_a_merchant_disconnects(connected: Any) -> None:
    answer = await post(connected.browser, "disconnect")
    assert (answer.status_code, answer.headers["location"]) == (303, "/connections")
    (said,) = await connected.said()
    assert (said.state, said.epoch) == ("uninstalled", 2)
    assert connected.shopify.left == ["acme.myshopify.com"]
    assert "k1." not in await connected.dump()
    (shown,) = (await connected.browser.get("/connections")).json()["connections"]
    assert shown["state"] == "uninstalled"
    assert (await post(connected.browser, "disconnect")).status_code == 303
    assert await connected.said() == []


async def test_a_merchants_deletion_leaves_name_and_epoch(connected: Any) -> None:
    merchant = (await connected.browser.get("/connections")).json()["user_uuid"]
    state = await connected.started(connected.new_browser())
    session = dict(connected.browser.cookies)
    answer = await post(connected.browser, "delete")
    assert answer.status_code == 303
    assert connected.shopify.left == ["acme.myshopify.com"]
    said = (await connected.said())[-1]
    assert (said.state, said.epoch, said.merchant, said.object_key, said.scopes) == ("redacted", 2, None, None, ())
    left = await connected.dump()
    assert merchant not in left
    assert "k1." not in left
    for table in ("merchants", "sessions", "webhook_probes", "oauth_states", "outbox"):
        assert await connected.rows(table) == 0, table
    assert (await connected.browser.get(connected.callback(state))).status_code == 400
    stale = connected.new_browser()
    stale.cookies.update(session)
    assert (await stale.get("/connections")).status_code == 401


async def test_the_receipt_says_when_all_is_gone(connected: Any) -> None:
    address = (await post(connected.browser, "delete")).headers["location"]
    anyone = connected.new_browser()
    document = (await anyone.get(address)).json()
    assert (document["state"], document["connections"]) == (
        "under way",
        [{"connection": NAME, "state": "being erased"}],
    )
    connected.scheduler.away = True
    assert (await anyone.get(address)).json()["connections"][0]["state"] == "not known now"
    connected.scheduler.away = False
    connected.scheduler.connections[NAME] = ConnectionView(connection=NAME, epoch=2, erased_at=1)
    document = (await anyone.get(address)).json()
    assert (document["state"], document["connections"][0]["state"]) == ("carried out", "erased")
    assert address == f"/deletions/{document['confirmation_code']}"
    assert document["confirmation_code"].isalnum()
    week = 7 * 24 * 3600 * 1000
    assert week <= document["messages_until"] - document["asked_at"] < week + 10_000
    shown = (await connected.new_browser("text/html").get(address)).text
    assert "within seven days" in shown
    assert document["confirmation_code"] in shown
    for code in ("0" * 32, "%00", "%E2%82%AC"):
        assert (await anyone.get(f"/deletions/{code}")).status_code == 404


async def test_a_platform_that_is_away_holds_no_deletion_up(connected: Any) -> None:
    connected.shopify.down = True
    assert (await post(connected.browser, "delete")).status_code == 303
    assert [event.state for event in await connected.said()] == ["redacted"]


async def test_a_token_that_cannot_be_unsealed_holds_no_deletion_up(connected: Any) -> None:
    async with connected.database.transaction() as tx:
        await tx.execute(text("UPDATE connections SET access_token = 'lost.key'"))
    assert (await post(connected.browser, "delete")).status_code == 303
    assert [event.state for event in await connected.said()] == ["redacted"]


async def test_nobody_lets_go_of_what_is_anothers(connected: Any) -> None:
    other = connected.new_browser()
    await connected.connect(other, shop="other")
    await connected.said()
    for action in ("disconnect", "delete"):
        assert (await post(other, action)).status_code == 404
        assert (await post(other, action, "shopify:nobody.myshopify.com")).status_code == 404
        assert (await connected.new_browser().post(f"/connections/{NAME}/{action}", headers=HERE)).status_code == 401
    assert await connected.said() == []
    assert await receipts(connected) == []


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
    fields = {"form_token": await token_of(connected.browser)}
    answer = await connected.browser.post(f"/connections/{NAME}/delete", data=fields, headers=headers)
    assert answer.status_code == 403
    assert await connected.said() == []


async def test_a_form_without_this_sessions_token_is_refused(connected: Any) -> None:
    other = connected.new_browser()
    await connected.connect(other, shop="other")
    await connected.said()
    anothers, session = await token_of(other), connected.browser.cookies["session_id"]
    for token in ("", anothers, session, "ü"):
        answer = await connected.browser.post(
            f"/connections/{NAME}/delete", data={"form_token": token} if token else {}, headers=HERE
        )
        assert answer.status_code == 403
    for body in (b"form_token=\xff", b"x" * 20_000, b"form_token=a&form_token=b"):
        answer = await connected.browser.post(f"/connections/{NAME}/delete", content=body, headers=HERE)
        assert answer.status_code == 400
    assert await connected.said() == []


async def test_over_plain_http_the_origin_says_where_a_form_comes_from(connected: Any) -> None:
    fields, headers = {"form_token": await token_of(connected.browser)}, {"Origin": "http://gateway.test"}
    answer = await connected.browser.post(f"/connections/{NAME}/disconnect", data=fields, headers=headers)
    assert answer.status_code == 303


async def test_the_page_asks_before_it_deletes_and_needs_no_script(connected: Any) -> None:
    shown = (await connected.browser.get("/connections", headers={"Accept": "text/html"})).text
    for action in ("disconnect", "delete"):
        form = rf'<details class="{action}">.*?<form action="/connections/shopify%3Aacme[^"]*/{action}" method="post">'
        assert re.search(form, shown, re.DOTALL)
    assert "cannot be undone" in shown


async def test_a_merchant_with_another_connection_stays(connected: Any) -> None:
    await connected.connect(shop="other")
    await connected.said()
    assert (await post(connected.browser, "delete")).status_code == 303
    names = [one["connection"] for one in (await connected.browser.get("/connections")).json()["connections"]]
    assert names == ["shopify:other.myshopify.com"]


async def test_what_is_connected_anew_goes_on_at_its_higher_epoch(connected: Any) -> None:
    merchant = (await connected.browser.get("/connections")).json()["user_uuid"]
    address = (await post(connected.browser, "delete")).headers["location"]
    document = await connected.connect(connected.new_browser())
    assert document["user_uuid"] != merchant
    assert [(event.state, event.epoch) for event in await connected.said()] == [("redacted", 2), ("connected", 2)]
    receipt = (await connected.browser.get(address)).json()
    assert (receipt["state"], receipt["connections"][0]["state"]) == ("under way", "being erased")
    connected.scheduler.connections[NAME] = ConnectionView(connection=NAME, epoch=2, erased_at=1)
    receipt = (await connected.browser.get(address)).json()
    assert (receipt["state"], receipt["connections"][0]["state"]) == ("carried out", "connected again")


async def test_the_end_of_an_earlier_deletion_is_not_taken_for_this_ones(connected: Any) -> None:
    await post(connected.browser, "delete")
    await connected.connect()
    connected.scheduler.connections[NAME] = ConnectionView(connection=NAME, epoch=2, erased_at=1)
    address = (await post(connected.browser, "delete")).headers["location"]
    document = (await connected.new_browser().get(address)).json()
    assert (document["state"], document["connections"][0]["state"]) == ("under way", "being erased")
    connected.scheduler.connections[NAME] = ConnectionView(connection=NAME, epoch=3, erased_at=2)
    assert (await connected.new_browser().get(address)).json()["state"] == "carried out"


async def test_whoever_was_at_work_leaves_nothing_behind(connected: Any) -> None:
    await post(connected.browser, "delete")
    await connected.stores.webhook_probes.start(NAME, uuid4(), status={"status": "pending"}, result=None)
    assert await connected.rows("webhook_probes") == 0


async def test_an_uninstall_that_comes_after_a_deletion_changes_nothing(connected: Any) -> None:
    await post(connected.browser, "delete")
    await connected.said()
    body = b'{"id": 1, "myshopify_domain": "acme.myshopify.com"}'
    assert (await connected.deliver("app/uninstalled", body)).status_code == 200
    assert await connected.said() == []


async def test_no_merchant_holder_or_customer_is_logged(
    connected: Any, capsys: pytest.CaptureFixture[str], callbacks: Any
) -> None:
    merchant = (await connected.browser.get("/connections")).json()["user_uuid"]
    await add(connected, page("1", "person-ada", UUID(merchant)))
    await callbacks.post("/facebook/data-deletion", data={"signed_request": "good.person-ada"})
    await post(connected.browser, "delete")
    await connected.deliver("customers/redact", json.dumps(CUSTOMER).encode())
    said = capsys.readouterr().out
    assert "connection redacted" in said
    for private in (merchant, "person-ada", "ada@example.com", (await receipts(connected))[0].code):
        assert private not in said


async def test_a_receipt_that_cannot_be_read_now_is_not_logged_by_its_code(
    connected: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async with connected.database.transaction() as tx:
        await tx.execute(text("LOCK TABLE deletion_requests IN ACCESS EXCLUSIVE MODE"))
        asking = asyncio.create_task(connected.browser.get(f"/deletions/{'c0de' * 8}"))
        waiting = "FROM pg_locks WHERE relation = 'deletion_requests'::regclass AND NOT granted"
        victim = text(f"SELECT pg_terminate_backend(pid) {waiting}")
        while not (await tx.execute(victim)).all():
            await asyncio.sleep(0.01)
        assert (await asking).status_code == 503
    said = capsys.readouterr().out
    assert "/deletions/{code}" in said
    assert "c0de" not in said


# What the platform says of an account or its customers.


async def deliver_redaction(world: Any, topic: str = "shop/redact", body: Any = SHOP, **headers: str) -> int:
    status: int = (await world.deliver(topic, json.dumps(body).encode(), **headers)).status_code
    return status


async def test_a_shop_that_is_gone_is_redacted_once(connected: Any) -> None:
    connected.shopify.revoke_tokens()
    for _ in range(3):
        assert await deliver_redaction(connected, X_Shopify_Webhook_Id="w-1") == 200
    assert [event.state for event in await connected.said()] == ["redacted"]
    (receipt,) = await receipts(connected)
    assert (receipt.kind, receipt.connections) == ("account deletion", [NAME])
    assert receipt.executed_at is not None
    await create_erasure_service(connected.parts).run_once()
    assert await connected.said() == []


async def test_a_shop_where_the_app_is_installed_again_keeps_its_data(connected: Any) -> None:
    assert await deliver_redaction(connected) == 200
    assert await connected.said() == []
    assert await receipts(connected) == []


async def test_a_redaction_that_was_carried_out_is_not_repeated_on_what_came_after(connected: Any) -> None:
    connected.shopify.revoke_tokens()
    assert await deliver_redaction(connected, X_Shopify_Webhook_Id="w-1") == 200
    await connected.connect()
    await post(connected.browser, "disconnect")
    await connected.said()
    assert await deliver_redaction(connected, X_Shopify_Webhook_Id="w-1") == 200
    assert await connected.said() == []


async def test_whether_the_app_is_there_must_be_known(connected: Any) -> None:
    connected.shopify.down = True
    assert await deliver_redaction(connected) == 503
    assert await connected.said() == []
    connected.shopify.down = False
    connected.shopify.hanging = True
    await connected.expire()
    assert await deliver_redaction(connected) == 503
    assert await receipts(connected) == []


async def test_a_closed_shop_that_answers_nothing_is_redacted_when_asked_after_the_grant(connected: Any) -> None:
    connected.shopify.down = True
    asked = datetime.now(UTC) + timedelta(days=2)
    assert await deliver_redaction(connected, X_Shopify_Triggered_At=asked.isoformat()) == 200
    assert [event.state for event in await connected.said()] == ["redacted"]


async def test_no_button_is_there_for_a_name_that_is_none(connected: Any) -> None:
    assert (await connected.browser.post("/connections/%00/delete")).status_code == 404


async def test_a_disconnected_shop_is_redacted_untried(connected: Any) -> None:
    await post(connected.browser, "disconnect")
    connected.shopify.down = True
    assert await deliver_redaction(connected) == 200
    assert [event.state for event in await connected.said()] == ["uninstalled", "redacted"]


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
async def test_only_a_signed_body_about_this_shop_is_believed(connected: Any, topic: str, body: Any) -> None:
    connected.shopify.revoke_tokens()
    assert await deliver_redaction(connected, topic, body) == 400
    assert await deliver_redaction(connected, topic, SHOP, X_Shopify_Hmac_Sha256="AAAA") == 401
    assert await connected.said() == []
    assert await receipts(connected) == []


@pytest.mark.parametrize(
    ("topic", "kind"), [("customers/redact", "customer deletion"), ("customers/data_request", "customer data")]
)
async def test_what_a_customer_asks_is_receipted_once_and_kept_nowhere(connected: Any, topic: str, kind: str) -> None:
    for _ in range(2):
        assert await deliver_redaction(connected, topic, CUSTOMER, X_Shopify_Webhook_Id="w-1") == 200
    (receipt,) = await receipts(connected)
    assert (receipt.kind, receipt.connections) == (kind, [NAME])
    assert "ada@example.com" not in await connected.dump()
    document = (await connected.new_browser().get(f"/deletions/{receipt.code}")).json()
    assert (document["state"], document["connections"]) == ("carried out", [])
    assert document["message"].startswith("No data of customers is kept")
    assert await connected.said() == []


# What a person asks of the platform.


def user_of(signed_request: str) -> tuple[str, int]:
    """A platform's verification."""
    if not signed_request.startswith("good."):
        raise RequestRejectedError(400, "the signed request is not Facebook's")
    return signed_request.split(".")[1], get_time_ms()


@pytest.fixture
async def callbacks(world: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Facebook's hand."""
    app = FastAPI()
    app.include_router(
        create_callback_routes(
            create_erasure_service(world.parts), "facebook", parse_signed_request=user_of, origin="https://gateway.test"
        )
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway.test") as client:
        yield client


async def add(world: Any, *rows: Connection) -> None:
    for row in rows:
        async with world.stores.connections.lock(row.name) as held:
            await held.save(row)
    await world.said()


@pytest.fixture
async def held_pages(world: Any) -> Any:
    """Two pages of Ada's, one of Bob's, all one merchant's."""
    merchant = uuid4()
    await add(world, page("1", "person-ada", merchant), page("2", "person-ada", merchant), page("3", "bob", merchant))
    return world


async def test_a_person_who_takes_the_app_away_disconnects_her_pages_alone(held_pages: Any, callbacks: Any) -> None:
    answer = await callbacks.post("/facebook/deauthorize", data={"signed_request": "good.person-ada"})
    assert answer.status_code == 200
    said = await held_pages.said()
    assert [(event.connection, event.state, event.epoch) for event in said] == [
        ("facebook:1", "uninstalled", 2),
        ("facebook:2", "uninstalled", 2),
    ]


async def test_a_persons_deletion_redacts_her_pages_alone_even_after_she_took_the_app_away(
    held_pages: Any, callbacks: Any
) -> None:
    await callbacks.post("/facebook/deauthorize", data={"signed_request": "good.person-ada.1"})
    await held_pages.said()
    answer = await callbacks.post("/facebook/data-deletion", data={"signed_request": "good.person-ada.2"})
    told = answer.json()
    assert set(told) == {"url", "confirmation_code"}
    assert told["url"] == f"https://gateway.test/deletions/{told['confirmation_code']}"
    assert [(event.connection, event.state, event.epoch) for event in await held_pages.said()] == [
        ("facebook:1", "redacted", 3),
        ("facebook:2", "redacted", 3),
    ]
    assert "person-ada" not in await held_pages.dump()
    receipt = (await held_pages.browser.get(told["url"].removeprefix("https://gateway.test"))).json()
    assert [one["connection"] for one in receipt["connections"]] == ["facebook:1", "facebook:2"]


async def test_the_same_signed_request_is_carried_out_once(held_pages: Any, callbacks: Any) -> None:
    first = await callbacks.post("/facebook/data-deletion", data={"signed_request": "good.person-ada"})
    await add(held_pages, page("1", "person-ada", uuid4()))
    again = await callbacks.post("/facebook/data-deletion", data={"signed_request": "good.person-ada"})
    assert again.json() == first.json()
    assert await held_pages.said() == []


async def test_a_person_of_whom_nothing_is_held_gets_a_receipt_too(held_pages: Any, callbacks: Any) -> None:
    told = (await callbacks.post("/facebook/data-deletion", data={"signed_request": "good.eve"})).json()
    receipt = (await held_pages.browser.get(f"/deletions/{told['confirmation_code']}")).json()
    assert (receipt["state"], receipt["connections"]) == ("carried out", [])


@pytest.mark.parametrize("path", ["deauthorize", "data-deletion"])
@pytest.mark.parametrize("fields", [{"signed_request": "forged.ada"}, {}, {"signed_request": "good." + "a" * 20_000}])
async def test_a_forged_request_is_400(held_pages: Any, callbacks: Any, path: str, fields: Any) -> None:
    assert (await callbacks.post(f"/facebook/{path}", data=fields)).status_code == 400
    assert await held_pages.said() == []
    assert await receipts(held_pages) == []


# A shop and pages of one merchant, by Facebook's own signatures.


def signed_request(user: str, secret: str = APP_SECRET, made: int | None = None) -> str:
    issued_at = (get_time_ms() if made is None else made) // 1000
    about = encoded(json.dumps({"user_id": user, "algorithm": "HMAC-SHA256", "issued_at": issued_at}).encode())
    return f"{encoded(hmac.digest(secret.encode(), about.encode(), 'sha256'))}.{about}"


def encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


async def test_a_merchant_who_deletes_her_pages_keeps_her_shop(connected: Any) -> None:
    await connected.connect_pages()
    pages = ["facebook:1001", "facebook:1002"]
    connected.graph.subscribed = {"1001": ["name"], "1002": ["name"]}
    assert (await post(connected.browser, "delete", pages[0])).status_code == 303
    assert list(connected.graph.subscribed) == ["1002"]
    forged = {"signed_request": signed_request(connected.graph.user, "another secret")}
    assert (await connected.browser.post("/facebook/data-deletion", data=forged)).status_code == 400
    await connected.said()
    asked = {"signed_request": signed_request(connected.graph.user)}
    told = (await connected.browser.post("/facebook/data-deletion", data=asked)).json()
    assert [(event.connection, event.state) for event in await connected.said()] == [(pages[1], "redacted")]
    assert told["url"].startswith("http://gateway.test/deletions/")
    assert connected.graph.user not in await connected.dump()
    names = [one["connection"] for one in (await connected.browser.get("/connections")).json()["connections"]]
    assert names == [NAME]


async def test_one_signature_written_otherwise_is_no_second_request(connected: Any) -> None:
    signature, _, about = signed_request(connected.graph.user).partition(".")
    codes = set()
    for written in (signature, signature + "="):
        asked = {"signed_request": f"{written}.{about}"}
        codes.add((await connected.browser.post("/facebook/data-deletion", data=asked)).json()["confirmation_code"])
    assert len(codes) == 1


async def test_what_was_granted_after_a_request_was_made_stays(connected: Any) -> None:
    await connected.connect_pages()
    await connected.said()
    asked = {"signed_request": signed_request(connected.graph.user, made=0)}
    for path in ("deauthorize", "data-deletion"):
        assert (await connected.browser.post(f"/facebook/{path}", data=asked)).status_code == 200
    assert await connected.said() == []


async def test_where_facebook_is_not_configured_it_asks_nothing(connected: Any, no_facebook: Any) -> None:
    connected.restart(connected.settings, facebook=no_facebook)
    asked = {"signed_request": signed_request("4004", "")}
    for path in ("deauthorize", "data-deletion"):
        assert (await connected.new_browser().post(f"/facebook/{path}", data=asked)).status_code == 404


class Dying:
    """A store whose process is killed when it locks `at`."""

    def __init__(self, store: Any, at: str) -> None:
        self._store = store
        self._at = at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncIterator[Any]:
        if name == self._at:
            raise KeyboardInterrupt
        async with self._store.lock(name) as held:
            yield held


async def test_a_deletion_that_was_cut_off_is_finished_by_the_loop(held_pages: Any) -> None:
    dying: Any = Dying(held_pages.stores.connections, "facebook:2")
    erasure = ErasureService(replace(held_pages.stores, connections=dying), None, {})  # type: ignore[arg-type] # no token is tried here
    with pytest.raises(KeyboardInterrupt):
        await erasure.handle_person_request(
            "facebook", "person-ada", RequestKind.PERSON_DELETION, "r", requested_at=get_time_ms()
        )
    assert [event.connection for event in await held_pages.said()] == ["facebook:1"]
    (receipt,) = await receipts(held_pages)
    shown = (await held_pages.browser.get(f"/deletions/{receipt.code}")).json()
    assert (shown["state"], {one["state"] for one in shown["connections"]}) == ("under way", {"being erased"})
    await create_erasure_service(held_pages.parts).run_once()
    assert [event.connection for event in await held_pages.said()] == ["facebook:2"]
    assert (await receipts(held_pages))[0].executed_at is not None
    await create_erasure_service(held_pages.parts).run_once()
    assert await held_pages.said() == []


async def test_a_day_later_a_redaction_is_said_once_more(held_pages: Any, callbacks: Any) -> None:
    await callbacks.post("/facebook/data-deletion", data={"signed_request": "good.bob"})
    (before,) = await held_pages.said()
    await create_erasure_service(held_pages.parts).run_once()
    assert await held_pages.said() == []
    async with held_pages.database.transaction() as tx:
        await tx.execute(text("UPDATE deletion_requests SET executed_at = executed_at - interval '25 hours'"))
    for expected in ([before], []):
        await create_erasure_service(held_pages.parts).run_once()
        assert await held_pages.said() == expected


async def test_receipts_are_kept_for_90_days(connected: Any) -> None:
    await post(connected.browser, "delete")
    async with connected.database.transaction() as tx:
        await tx.execute(text("UPDATE deletion_requests SET executed_at = executed_at - interval '89 days'"))
    await connected.stores.prune()
    assert await connected.rows("deletion_requests") == 1
    async with connected.database.transaction() as tx:
        await tx.execute(text("UPDATE deletion_requests SET executed_at = executed_at - interval '2 days'"))
    await connected.stores.prune()
    assert await connected.rows("deletion_requests") == 0
