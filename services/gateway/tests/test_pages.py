"""The pages of merchants: their own syncs and connections only, and a clear message while a part is unavailable."""

import asyncio
import re
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.pages.views import (
    BlockView,
    ConnectionView,
    SyncView,
    UploadView,
    UploadWaitView,
    build_queued_sync,
    build_sync_document,
)

NAME = "shopify:acme.myshopify.com"
OK, WAIT = {"status": "success", "message": "m"}, {"status": "pending", "message": "m"}


def build_sync(state: str, **more: Any) -> SyncView:
    return SyncView(
        **{"sync_id": uuid4(), "connection": NAME, "cause": "connect", "mode": "full", "state": state} | more
    )


def list_statuses(view: SyncView, status: Any = OK, test: Any = OK, now: int = 0) -> list[str | None]:
    document = build_sync_document(view, status=status, result=test, now=now)
    names = ("webhook_status", "webhook_test", "polling_test", "upload_status")
    return [document[name]["status"] if document[name] else None for name in names]


def test_the_four_parts_are_merged() -> None:
    stored = UploadView(key="k", outcome="unchanged")
    assert list_statuses(build_queued_sync(uuid4(), NAME, 1), WAIT, WAIT) == ["pending"] * 4
    assert list_statuses(build_sync("running")) == ["success", "success", "pending", "pending"]
    assert list_statuses(build_sync("storing", upload_wait=UploadWaitView(since=1))) == [*["success"] * 3, "pending"]
    assert list_statuses(build_sync("success", upload=stored)) == ["success"] * 4
    assert list_statuses(build_sync("failed", reason="r"), WAIT) == ["failed", "success", "failed", "failed"]
    running = build_sync("running", mode="incremental")
    assert list_statuses(running, None, None) == [None, None, None, "pending"]


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        (UploadWaitView(since=1), "stored, but not in the bucket yet: its upload is due"),
        (UploadWaitView(since=1, next_attempt_at=500), "stored, but not in the bucket yet: its upload is due"),
        (
            UploadWaitView(since=1, next_attempt_at=43_200_000),
            "the pace of uploads allows the next one at 12:00:00 UTC",
        ),
        (
            UploadWaitView(since=1, next_attempt_at=43_200_000, reason="AccessDenied: no"),
            "the upload failed, and is tried again at 12:00:00 UTC",
        ),
        (
            UploadWaitView(since=1, next_attempt_at=500, reason="SlowDown"),
            "the upload failed, and is tried again now",
        ),
        (UploadWaitView(since=1, needs_full_sync=True), "it is uploaded after the first complete full sync"),
    ],
)
def test_a_storing_sync_says_in_words_what_it_waits_for(wait: UploadWaitView, words: str) -> None:
    document = build_sync_document(build_sync("storing", upload_wait=wait), status=OK, result=OK, now=1_000)
    assert document["upload_status"]["status"] == "pending"
    assert words in document["upload_status"]["message"]
    assert "reason" not in document["upload_wait"], "the bucket's words are the operator's"


def test_a_full_sync_says_what_it_has_skipped_and_left_out() -> None:
    sync = build_sync(
        "storing", skipped_resources={"discounts": "no scope"}, left_out={"p7": "unknown", "p8": "unknown"}
    )
    document = build_sync_document(sync, status=OK, result=OK, now=0)
    assert document["polling_test"]["message"].endswith("; skipped: discounts; 2 left out")


@pytest.mark.parametrize(
    ("outcome", "words"),
    [("uploaded", "k was uploaded with"), ("unchanged", "k held this sync's data already"), ("restored", "lost or")],
)
def test_only_an_upload_of_this_syncs_data_is_said_to_be_one(outcome: str, words: str) -> None:
    sync = build_sync("success", upload=UploadView(key="k", outcome=outcome))
    document = build_sync_document(sync, status=OK, result=OK, now=0)
    assert words in document["upload_status"]["message"]


def test_an_interrupted_probe_does_not_stay_pending() -> None:
    sent = {"status": "pending", "message": "m", "sent_at": 1_000}
    assert list_statuses(build_sync("running"), test=sent, now=60_000)[1] == "pending"
    assert list_statuses(build_sync("running"), test=sent, now=62_000)[1] == "failed"


@pytest.mark.integration
async def test_a_sync_is_shown_to_its_own_merchant_alone(world: Any) -> None:
    connected = await world.connect()
    other = world.create_browser()
    await world.connect(other, shop="other")
    assert (await world.browser.get(connected["sync_url"])).json()["state"] == "queued"
    for browser in (other, world.create_browser()):
        assert (await browser.get(connected["sync_url"])).status_code == 404
    webhook = build_sync("running", mode="incremental", cause="webhook")
    world.scheduler.syncs[webhook.sync_id] = webhook
    assert (await world.browser.get(f"/syncs/{webhook.sync_id}")).json()["cause"] == "webhook"
    assert (await other.get(f"/syncs/{webhook.sync_id}")).status_code == 404
    for unknown in (uuid4(), "7", "..%2Finternal"):
        assert (await world.browser.get(f"/syncs/{unknown}")).status_code == 404


@pytest.mark.integration
async def test_the_schedulers_state_is_shown_once_it_knows_the_sync(world: Any) -> None:
    connected = await world.connect()
    running = build_sync("running", sync_id=UUID(connected["sync_id"]), records=250)
    world.scheduler.syncs[running.sync_id] = running
    document = (await world.browser.get(connected["sync_url"])).json()
    assert (document["state"], document["records"]) == ("running", 250)
    assert document["webhook_status"]["status"] == "pending"


@pytest.mark.integration
async def test_an_unavailable_scheduler_is_reported(world: Any) -> None:
    connected = await world.connect()
    world.scheduler.is_unavailable = True
    assert (await world.browser.get(connected["sync_url"])).json()["state"] == "unknown"
    assert (await world.browser.get(f"/syncs/{uuid4()}")).status_code == 503
    (connection,) = (await world.browser.get("/connections")).json()["connections"]
    assert connection["scheduler_away"]


@pytest.mark.integration
async def test_the_connections_page_shows_the_latest_syncs(world: Any) -> None:
    await world.connect()
    latest = build_sync("success", cause="poll", requested_at=1_795_500_000_000)
    world.scheduler.connections[NAME] = ConnectionView(
        connection=NAME, next_poll_at=1_795_600_000_000, last_sync=latest, syncs=[latest]
    )
    (connection,) = (await world.browser.get("/connections")).json()["connections"]
    assert (connection["next_poll_at"], connection["syncs"][0]["cause"]) == (1_795_600_000_000, "poll")
    page = world.create_browser("text/html")
    page.cookies.update(dict(world.browser.cookies))
    text = (await page.get("/connections")).text
    assert f"/syncs/{latest.sync_id}" in text
    # Without scripts, too, times are words and not milliseconds.
    assert re.findall(r"<time[^>]*>([^<]*)</time>", text) == ["2026-11-25 09:46 UTC", "2026-11-24 06:00 UTC"]


@pytest.mark.integration
async def test_a_blocked_account_and_what_waits_for_it_are_shown_in_words(world: Any) -> None:
    connected = await world.connect()
    owed, block = uuid4(), BlockView(reason="frozen", since=1_795_500_000_000, next_attempt_at=1_795_600_000_000)
    world.scheduler.connections[NAME] = ConnectionView(connection=NAME, blocked=block)
    (connection,) = (await world.browser.get("/connections")).json()["connections"]
    assert (connection["state"], connection["blocked"]["reason"]) == ("connected", "frozen")
    sync_id = UUID(connected["sync_id"])
    world.scheduler.syncs[sync_id] = build_sync("queued", sync_id=sync_id, coalesced_into=owed, reason="it waits")
    page = world.create_browser("text/html")
    page.cookies.update(dict(world.browser.cookies))
    text = (await page.get("/connections")).text
    assert "its platform answers that the account is frozen" in text
    assert 'asked again at <time data-ms="1795600000000">' in text
    assert f'href="/syncs/{owed}"' in (await page.get(f"/syncs/{sync_id}")).text


@pytest.mark.integration
async def test_the_connections_page_says_what_is_stored_and_what_is_not(world: Any) -> None:
    await world.connect()
    page = world.create_browser("text/html")
    page.cookies.update(dict(world.browser.cookies))
    world.scheduler.connections[NAME] = ConnectionView(
        connection=NAME, upload_wait=UploadWaitView(since=1, reason="403")
    )
    text = (await page.get("/connections")).text
    assert ("Stored as" in text, "nothing yet" in text, "the upload failed" in text) == (False, True, True)
    upload = UploadView(key="acme.myshopify.com/shopify_data.json", outcome="uploaded")
    world.scheduler.connections[NAME] = ConnectionView(connection=NAME, upload=upload)
    text = (await page.get("/connections")).text
    assert ("Stored as" in text, "nothing yet" in text, "The newest data" in text) == (True, False, False)


@pytest.mark.integration
async def test_the_connections_page_shows_a_failed_full_sync_beside_the_latest_syncs(world: Any) -> None:
    await world.connect()
    page = world.create_browser("text/html")
    page.cookies.update(dict(world.browser.cookies))
    failed, latest = build_sync("failed", reason="the shop is closed"), build_sync("success", mode="incremental")
    world.scheduler.connections[NAME] = ConnectionView(connection=NAME, last_full_sync=failed, syncs=[latest])
    text = (await page.get("/connections")).text
    assert f'<a href="/syncs/{failed.sync_id}">full sync</a>' in text
    assert "the shop is closed" in text
    world.scheduler.connections[NAME] = ConnectionView(connection=NAME, last_full_sync=latest, syncs=[latest])
    assert "The last" not in (await page.get("/connections")).text


@pytest.mark.integration
async def test_what_a_sync_has_left_out_is_named_on_its_page(world: Any) -> None:
    connected = await world.connect()
    sync_id = UUID(connected["sync_id"])
    left_out = {"gid://shopify/Product/7": "its form is not known"}
    world.scheduler.syncs[sync_id] = build_sync("success", sync_id=sync_id, left_out=left_out)
    page = world.create_browser("text/html")
    page.cookies.update(dict(world.browser.cookies))
    text = (await page.get(f"/syncs/{sync_id}")).text
    assert "<dt>Left out</dt><dd>gid://shopify/Product/7: its form is not known</dd>" in text


@pytest.mark.integration
async def test_the_front_page_links_to_the_login(world: Any, make_settings: Any) -> None:
    document = (await world.browser.get("/")).json()
    assert document["status"] == "ok"
    assert "/shopify/{account}/login" in document["message"]
    page = await world.create_browser("text/html").get("/?shop=%3Cb%3E")
    assert 'action="/shopify/login"' in page.text
    assert "<b>" not in page.text
    assert "sandbox" not in page.text
    world.restart(make_settings(sandbox_url="http://sandbox.test"))
    assert "http://sandbox.test" in (await world.create_browser("text/html").get("/")).text


@pytest.mark.integration
async def test_only_named_origins_may_read(world: Any, make_settings: Any) -> None:
    origin = {"Origin": "https://app.example"}
    assert "access-control-allow-origin" not in (await world.browser.get("/", headers=origin)).headers
    world.restart(make_settings(cors_allowed_origins="https://app.example"))
    browser = world.create_browser()
    response = await browser.get("/", headers=origin)
    assert response.headers["access-control-allow-origin"] == "https://app.example"
    other = await browser.get("/", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


@pytest.mark.integration
async def test_the_public_readiness_check_hides_error_details(world: Any) -> None:
    async def fail_check() -> str | None:
        return 'connection to "10.0.0.7" failed: role "gateway"'

    async def pass_check() -> str | None:
        return None

    world.restart(world.settings, {"postgres": fail_check, "kafka": pass_check})
    response = await world.create_browser().get("/ready")
    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "parts": {"postgres": "does not answer", "kafka": "ok"}}
    assert "10.0.0.7" in (await world.service.get("/ready")).json()["parts"]["postgres"]


async def test_strangers_who_ask_for_readiness_open_no_connection_each(world_without_database: Any) -> None:
    runs = 0

    async def check_kafka() -> None:
        nonlocal runs
        runs += 1

    world = world_without_database
    world.restart(world.settings, {"kafka": check_kafka})
    responses = await asyncio.gather(*(world.create_browser().get("/ready") for _ in range(20)))
    assert [response.json()["parts"] for response in responses] == [{"kafka": "ok"}] * 20
    assert runs == 1
    await world.service.get("/ready")
    assert runs == 2, "the internal one looks each time"
