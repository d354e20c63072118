"""Connecting by credentials: checks, storage, the form, and a platform without webhooks."""

import re
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from gateway.app import get_time_ms
from gateway.pages.times import format_pause
from gateway.pages.views import ConnectionView

pytestmark = pytest.mark.integration

NAME = "warehouse:stock"
GOOD = {"database": "stock", "password": "a password of the warehouse"}
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


async def is_nothing_stored(world: Any) -> bool:
    return [await world.count_rows(table) for table in ("connections", "merchants", "sessions", "outbox")] == [0] * 4


async def connect(world: Any, browser: httpx.AsyncClient | None = None, **changes: str) -> httpx.Response:
    return await (browser or world.browser).post("/warehouse/connect", json={**GOOD, **changes})


async def open_form(browser: httpx.AsyncClient) -> str:
    """Opens the form in this browser and returns its token."""
    page = await browser.get("/warehouse/connect")
    assert page.status_code == 200
    match = re.search(r'name="form_token" value="(\w+)"', page.text)
    assert match is not None
    return match[1]


async def test_good_credentials_connect_an_account_as_a_consent_does(world: Any) -> None:
    response = await connect(world)
    assert response.status_code == 200, response.text
    document = response.json()
    (account,) = document["connections"]
    assert (account["connection"], account["title"]) == (NAME, "The stock")
    (event,) = await world.drain_outbox()
    assert (event.connection, event.state, event.epoch) == (NAME, "connected", 1)
    assert (str(event.merchant), str(event.wanted_sync)) == (document["user_uuid"], account["sync_id"])
    assert event.object_key == "warehouse/stock/data.json"
    assert (await world.browser.get(f"/syncs/{account['sync_id']}")).json()["state"] == "queued"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"password": "wrong"}, "Password is not the one of this database"),
        ({"password": ""}, "Password is missing"),
        ({"database": "  "}, "Database is missing"),
    ],
)
async def test_wrong_credentials_store_nothing_and_name_the_reason(
    world: Any, changes: dict[str, str], reason: str
) -> None:
    response = await connect(world, **changes)
    assert (response.status_code, response.json()["reason"]) == (400, reason)
    assert await is_nothing_stored(world)
    assert "session_id" not in world.browser.cookies


async def test_nothing_is_stored_while_the_platform_is_unavailable(world: Any) -> None:
    world.warehouse.down = True
    assert (await connect(world)).status_code == 502
    assert await is_nothing_stored(world)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"database": 7, "password": "x"}', b"{", b'{"a": "' + b"x" * 20_000 + b'"}']
)
async def test_a_malformed_body_is_refused_before_the_platform_is_called(world: Any, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    assert (await world.browser.post("/warehouse/connect", content=body, headers=headers)).status_code == 400
    assert world.warehouse.checks == 0


async def test_a_person_connects_with_the_form(world: Any) -> None:
    browser = world.create_browser("text/html")
    token = await open_form(browser)
    page = await browser.get("/warehouse/connect")
    assert 'type="password"' in page.text and "its name" in page.text
    token = await open_form(browser)
    response = await browser.post("/warehouse/connect", data={**GOOD, "form_token": token}, headers=SAME_ORIGIN)
    assert (response.status_code, response.headers["location"]) == (303, "/connected?connection=warehouse%3Astock")
    shown = await browser.get(response.headers["location"])
    assert "Connected: The stock" in shown.text and "polled only" in shown.text
    assert (await browser.get("/connections")).status_code == 200


async def test_a_refused_form_is_shown_again_with_the_reason_and_without_the_secret(world: Any) -> None:
    browser = world.create_browser("text/html")
    token = await open_form(browser)
    wrong = {"database": "stock", "password": "a wrong secret", "form_token": token}
    response = await browser.post("/warehouse/connect", data=wrong, headers=SAME_ORIGIN)
    assert response.status_code == 400
    assert "Password is not the one of this database" in response.text
    assert 'value="stock"' in response.text
    assert "a wrong secret" not in response.text
    assert await is_nothing_stored(world)
    match = re.search(r'name="form_token" value="(\w+)"', response.text)
    assert match is not None
    form = {**GOOD, "form_token": match[1]}
    assert (await browser.post("/warehouse/connect", data=form, headers=SAME_ORIGIN)).status_code == 303


async def test_only_our_own_form_in_the_same_browser_is_accepted(world: Any) -> None:
    browser, other = world.create_browser(), world.create_browser("text/html")
    token = await open_form(other)
    for form, headers in (
        (GOOD, SAME_ORIGIN),
        ({**GOOD, "form_token": token}, SAME_ORIGIN),
        ({**GOOD, "form_token": "00"}, SAME_ORIGIN),
    ):
        response = await browser.post("/warehouse/connect", data=form, headers=headers)
        assert response.status_code == 403
    for headers in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        form = {**GOOD, "form_token": token}
        assert (await other.post("/warehouse/connect", data=form, headers=headers)).status_code == 403
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert (await browser.post("/warehouse/connect", json=GOOD, headers=cross)).status_code == 403
    assert world.warehouse.checks == 0
    assert await is_nothing_stored(world)


async def test_a_connected_account_keeps_its_merchant_and_a_new_account_gets_one_of_its_own(world: Any) -> None:
    shop = await world.connect()
    session = world.browser.cookies["session_id"]
    first = (await connect(world)).json()
    assert first["user_uuid"] != shop["user_uuid"]
    assert world.browser.cookies["session_id"] != session
    stranger = world.create_browser()
    assert (await connect(world, stranger)).json()["user_uuid"] == first["user_uuid"]


async def test_credentials_prove_a_connected_account_and_store_nothing(world: Any) -> None:
    unknown = await world.browser.post("/warehouse/prove", json=GOOD)
    assert (unknown.status_code, unknown.json()["reason"]) == (
        404,
        "this database is not connected here; connect it first",
    )
    assert await is_nothing_stored(world)
    await connect(world)
    before = await world.stores.connections.find(NAME)
    other = world.create_browser()
    proved = await other.post("/warehouse/prove", json=GOOD)
    assert (proved.status_code, proved.json()) == (200, {"proved": [NAME]})
    assert await world.stores.connections.find(NAME) == before
    assert [one["connection"] for one in (await other.get("/connections")).json()["connections"]] == [NAME]


async def test_only_the_platforms_own_fetcher_gets_the_token(world: Any) -> None:
    await connect(world)
    response = await world.request_token("warehouse-fetcher", NAME)
    assert (response.status_code, response.json()["access_token"]) == (200, GOOD["password"])
    assert (await world.request_token("shopify-fetcher", NAME)).status_code == 403


async def test_the_secret_is_stored_encrypted(world: Any) -> None:
    await connect(world)
    assert GOOD["password"] not in await world.dump_database()


async def test_a_platform_without_webhooks_is_shown_as_polled_only(world: Any) -> None:
    await connect(world)
    (document,) = (await world.browser.get("/connections")).json()["connections"]
    assert (document["polled_only"], document["has_webhooks"]) == (True, False)
    assert (document["login_url"], document["account_url"]) == ("/warehouse/connect", "https://warehouse.test/stock")
    page = world.create_browser("text/html")
    page.cookies.update(dict(world.browser.cookies))
    html = (await page.get("/connections")).text
    assert "Read at regular times: the platform has no webhooks, so changes arrive with the next read." in html
    world.scheduler.connections[NAME] = ConnectionView(connection=NAME, poll_pause_seconds=3600)
    html = (await page.get("/connections")).text
    assert "Read at least once an hour: the platform has no webhooks" in html
    assert "so that changes arrive before the next poll" in html and "Changes arrive without this" not in html
    (document,) = (await world.browser.get("/connections")).json()["connections"]
    assert document["poll_pause_seconds"] == 3600
    assert (await world.create_browser().post("/warehouse/webhook", content=b"{}")).status_code == 404
    assert (await world.browser.get("/warehouse/webhook")).status_code == 404


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "at regular times"),
        (30, "at least every 30 seconds"),
        (60, "at least once a minute"),
        (900, "at least every 15 minutes"),
        (3600, "at least once an hour"),
        (5400, "at least every 2 hours"),
        (86_400, "at least once a day"),
        (259_200, "at least every 3 days"),
    ],
)
def test_how_often_an_account_is_read_is_said_in_words(seconds: int | None, words: str) -> None:
    assert format_pause(seconds) == words


async def test_ensuring_subscriptions_of_a_platform_without_webhooks_succeeds(world: Any) -> None:
    await connect(world)
    sync_id = uuid4()
    path = f"/internal/connections/{NAME}/assert"
    response = await world.call_internal(path, {"sync_id": str(sync_id), "first": True}, "scheduler")
    assert response.json() == {"status": "success", "message": "not supported: polled only", "topics": {}}
    stored = await world.stores.webhook_checks.find(sync_id)
    assert (stored.webhook_status["status"], stored.probe_result["status"]) == ("success", "success")
    assert (await world.fetch_checkup(NAME)).json()["status"] == "success"
    assert world.kafka.sent == []


async def test_the_first_sync_of_a_platform_without_webhooks_waits_for_no_delivery(world: Any) -> None:
    (account,) = (await connect(world)).json()["connections"]
    document = (await world.browser.get(f"/syncs/{account['sync_id']}")).json()
    assert document["webhook_test"] == {"status": "success", "message": "not supported: polled only"}


@pytest.mark.parametrize(("days", "is_warned"), [(None, False), (15, False), (13, True), (-1, True)])
async def test_the_end_of_access_is_shown_and_warned_of_two_weeks_before(
    world: Any, days: int | None, is_warned: bool
) -> None:
    ends_at = None if days is None else get_time_ms() + days * 86_400_000
    world.warehouse.readable_until = ends_at
    await connect(world)
    (document,) = (await world.browser.get("/connections")).json()["connections"]
    assert (document["readable_until"], document["ends_soon"]) == (ends_at, is_warned)
    assert (await world.fetch_checkup(NAME)).json()["access_ends_at"] == (ends_at if is_warned else None)
    page = world.create_browser("text/html")
    page.cookies.update(dict(world.browser.cookies))
    shown = (await page.get("/connections")).text
    assert ("Access until" in shown, "Its access ends on" in shown) == (ends_at is not None, is_warned)


async def test_disconnecting_removes_the_token(world: Any) -> None:
    merchant = UUID((await connect(world)).json()["user_uuid"])
    row = await world.stores.connections.find(NAME)
    assert row.merchant == merchant
    page = world.create_browser("text/html")
    page.cookies.update(dict(world.browser.cookies))
    match = re.search(r'name="form_token" value="(\w+)"', (await page.get("/connections")).text)
    assert match is not None
    response = await page.post(f"/connections/{NAME}/disconnect", data={"form_token": match[1]}, headers=SAME_ORIGIN)
    assert response.status_code == 303
    assert (await world.request_token("warehouse-fetcher", NAME)).status_code == 409
    assert world.warehouse.api.valid_tokens == set()


async def test_both_routes_are_described_with_the_fields(world: Any) -> None:
    operations = (await world.browser.get("/docs/openapi.json")).json()["paths"]["/warehouse/connect"]
    content = operations["post"]["requestBody"]["content"]
    assert list(content["application/json"]["schema"]["properties"]) == ["database", "password"]
    assert "form_token" in content["application/x-www-form-urlencoded"]["schema"]["properties"]
    assert set(operations["post"]["responses"]) == {"200", "303", "400", "403", "429", "431", "502", "503"}
    fields = (await world.browser.get("/warehouse/connect")).json()["fields"]
    assert [(field["name"], field["secret"]) for field in fields] == [("database", False), ("password", True)]
