"""What merchants see: their own syncs and connections, nobody else's, and an honest word when a part is away."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.pages.views import ConnectionView, SyncView, UploadView, build_queued_sync, build_sync_document

NAME = "shopify:acme.myshopify.com"
OK, WAIT = {"status": "success", "message": "m"}, {"status": "pending", "message": "m"}


def sync(state: str, **more: Any) -> SyncView:
    return SyncView(
        **{"sync_id": uuid4(), "connection": NAME, "cause": "connect", "mode": "full", "state": state} | more
    )


def parts(view: SyncView, status: Any = OK, test: Any = OK, now: int = 0) -> list[str | None]:
    document = build_sync_document(view, status=status, result=test, now=now)
    names = ("webhook_status", "webhook_test", "polling_test", "upload_status")
    return [document[name]["status"] if document[name] else None for name in names]


def test_the_four_parts_are_merged() -> None:
    stored = UploadView(key="k", outcome="unchanged")
    assert parts(build_queued_sync(uuid4(), NAME, 1), WAIT, WAIT) == ["pending"] * 4
    assert parts(sync("running")) == ["success", "success", "pending", "pending"]
    assert parts(sync("success")) == ["success", "success", "success", "pending"]
    assert parts(sync("success", upload=stored)) == ["success"] * 4
    assert parts(sync("failed", reason="r"), WAIT) == ["failed", "success", "failed", "failed"]
    assert parts(sync("success", upload=UploadView(key="k", outcome="failed"))) == [*["success"] * 3, "failed"]
    assert parts(sync("success", mode="incremental"), None, None) == [None, None, None, "pending"]


def test_a_test_that_was_cut_off_does_not_stay_pending() -> None:
    sent = {"status": "pending", "message": "m", "sent_at": 1_000}
    assert parts(sync("running"), test=sent, now=60_000)[1] == "pending"
    assert parts(sync("running"), test=sent, now=62_000)[1] == "failed"


@pytest.mark.integration
async def test_a_sync_is_shown_to_its_own_merchant_alone(world: Any) -> None:
    connected = await world.connect()
    other = world.new_browser()
    await world.connect(other, shop="other")
    assert (await world.browser.get(connected["sync_url"])).json()["state"] == "queued"
    for browser in (other, world.new_browser()):
        assert (await browser.get(connected["sync_url"])).status_code == 404
    webhook = sync("running", mode="incremental", cause="webhook")
    world.scheduler.syncs[webhook.sync_id] = webhook
    assert (await world.browser.get(f"/syncs/{webhook.sync_id}")).json()["cause"] == "webhook"
    assert (await other.get(f"/syncs/{webhook.sync_id}")).status_code == 404
    for unknown in (uuid4(), "7", "..%2Finternal"):
        assert (await world.browser.get(f"/syncs/{unknown}")).status_code == 404


@pytest.mark.integration
async def test_the_schedulers_word_wins_once_it_knows_the_sync(world: Any) -> None:
    connected = await world.connect()
    known = sync("running", sync_id=UUID(connected["sync_id"]), records=250)
    world.scheduler.syncs[known.sync_id] = known
    document = (await world.browser.get(connected["sync_url"])).json()
    assert (document["state"], document["records"]) == ("running", 250)
    assert document["webhook_status"]["status"] == "pending"


@pytest.mark.integration
async def test_a_scheduler_that_is_away_is_said_to_be(world: Any) -> None:
    connected = await world.connect()
    world.scheduler.away = True
    assert (await world.browser.get(connected["sync_url"])).json()["state"] == "unknown"
    assert (await world.browser.get(f"/syncs/{uuid4()}")).status_code == 503
    (shown,) = (await world.browser.get("/connections")).json()["connections"]
    assert shown["scheduler_away"]


@pytest.mark.integration
async def test_the_connections_page_shows_the_latest_syncs(world: Any) -> None:
    await world.connect()
    latest = sync("success", cause="poll", requested_at=1_795_500_000_000)
    world.scheduler.connections[NAME] = ConnectionView(
        connection=NAME, next_poll_at=1_795_600_000_000, last_sync=latest, syncs=[latest]
    )
    (shown,) = (await world.browser.get("/connections")).json()["connections"]
    assert (shown["next_poll_at"], shown["syncs"][0]["cause"]) == (1_795_600_000_000, "poll")
    page = world.new_browser("text/html")
    page.cookies.update(dict(world.browser.cookies))
    assert f"/syncs/{latest.sync_id}" in (await page.get("/connections")).text


@pytest.mark.integration
async def test_the_front_page_names_the_way_in(world: Any, make_settings: Any) -> None:
    document = (await world.browser.get("/")).json()
    assert document["status"] == "ok"
    assert "/shopify/{account}/login" in document["message"]
    page = await world.new_browser("text/html").get("/?shop=%3Cb%3E")
    assert 'action="/shopify/login"' in page.text
    assert "<b>" not in page.text
    assert "sandbox" not in page.text
    world.restart(make_settings(sandbox_url="http://sandbox.test"))
    assert "http://sandbox.test" in (await world.new_browser("text/html").get("/")).text


@pytest.mark.integration
async def test_only_named_origins_may_read(world: Any, make_settings: Any) -> None:
    origin = {"Origin": "https://app.example"}
    assert "access-control-allow-origin" not in (await world.browser.get("/", headers=origin)).headers
    world.restart(make_settings(cors_allowed_origins="https://app.example"))
    browser = world.new_browser()
    answer = await browser.get("/", headers=origin)
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    other = await browser.get("/", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


@pytest.mark.integration
async def test_strangers_hear_which_part_is_away_and_no_drivers_words(world: Any) -> None:
    async def away() -> str | None:
        return 'connection to "10.0.0.7" failed: role "gateway"'

    async def well() -> str | None:
        return None

    world.restart(world.settings, {"postgres": away, "kafka": well})
    answer = await world.new_browser().get("/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "parts": {"postgres": "does not answer", "kafka": "ok"}}
    assert "10.0.0.7" in (await world.service.get("/ready")).json()["parts"]["postgres"]
