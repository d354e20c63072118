"""The pages of merchants: their own syncs and connections only, and a clear message while a part is unavailable."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.pages.views import ConnectionView, SyncView, UploadView, build_queued_sync, build_sync_document

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
    assert list_statuses(build_sync("success")) == ["success", "success", "success", "pending"]
    assert list_statuses(build_sync("success", upload=stored)) == ["success"] * 4
    assert list_statuses(build_sync("failed", reason="r"), WAIT) == ["failed", "success", "failed", "failed"]
    assert list_statuses(build_sync("success", upload=UploadView(key="k", outcome="failed"))) == [
        *["success"] * 3,
        "failed",
    ]
    assert list_statuses(build_sync("success", mode="incremental"), None, None) == [None, None, None, "pending"]


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
    assert f"/syncs/{latest.sync_id}" in (await page.get("/connections")).text


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
