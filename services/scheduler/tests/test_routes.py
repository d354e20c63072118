"""The read API: who may read it, and what the operator sees."""

from hashlib import sha256
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from contracts.events import ConnectionChanged
from ledger_fixture import SHOP, Ledger, build_progress, build_request, build_result, build_upload
from scheduler.routes.ledger import build_ledger_routes

pytestmark = pytest.mark.integration
KEYS = {"gateway": "g" * 32, "operator": "o" * 32, "shopify-fetcher": "f" * 32}
CALLERS = {sha256(key.encode()).hexdigest(): caller for caller, key in KEYS.items()}


async def fetch(ledger: Ledger, path: str, caller: str = "operator") -> httpx.Response:
    app = FastAPI()
    app.include_router(build_ledger_routes(ledger.database, CALLERS, lambda _: 3600))
    headers = {"Authorization": f"Bearer {KEYS[caller]}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://scheduler") as http:
        return await http.get(path, headers=headers)


async def test_the_operator_reads_what_the_gateway_may_read_and_the_lists_besides(ledger: Ledger) -> None:
    sync_id = await ledger.start_full_sync()
    for path in (f"/syncs/{sync_id}", f"/connections/{SHOP}", "/overview", "/connections"):
        for_gateway = 200 if path.count("/") == 2 else 403
        answers = [(await fetch(ledger, path, caller)).status_code for caller in KEYS]
        assert answers == [for_gateway, 200, 401], path


async def test_connections_are_listed_by_name_in_pages(ledger: Ledger) -> None:
    for name, state in (("shopify:a", "connected"), ("shopify:b", "uninstalled"), ("facebook:1", "connected")):
        event = ConnectionChanged(connection=name, revision=1, epoch=1, state=state)
        await ledger.connections(name, [event])

    async def list_names(query: str) -> list[str]:
        return [item["connection"] for item in (await fetch(ledger, f"/connections{query}")).json()["connections"]]

    assert await list_names("") == ["facebook:1", "shopify:a", "shopify:b"]
    assert await list_names("?state=connected&limit=1") == ["facebook:1"]
    assert await list_names("?state=connected&after=facebook:1") == ["shopify:a"]
    assert await list_names("?platform=shopify&state=uninstalled") == ["shopify:b"]
    assert (await fetch(ledger, "/connections?limit=501")).status_code == 422


async def test_the_overview_shows_failures_and_freshness(ledger: Ledger) -> None:
    bad, good, open_id = await ledger.start_full_sync(cause="manual"), uuid4(), uuid4()
    await ledger.requests(SHOP, [build_request(good), build_request(open_id)])
    before = await read_overview(ledger)
    assert (before["freshness"][0]["never_synced"], before["freshness"][0]["p95"]) == (1, None)
    await ledger.data_stored(SHOP, [build_result(good, sequence=3), build_upload(3)])
    await ledger.progress(SHOP, [build_progress(bad, "failed", step=1, retryable=False, reason="gone")])
    overview = await read_overview(ledger)
    assert [(item["state"], item["syncs"]) for item in overview["current"]["open_syncs"]] == [("queued", 1)]
    assert overview["current"]["connections"] == [{"platform": "shopify", "state": "connected", "connections": 1}]
    assert sorted((item["state"], item["syncs"]) for item in overview["finished"]) == [("failed", 1), ("success", 1)]
    assert [(item["sync_id"], item["reason"]) for item in overview["failures"]] == [(str(bad), "gone")]
    (fresh,) = overview["freshness"]
    assert (fresh["connections"], fresh["never_synced"]) == (1, 0)
    assert 0 <= fresh["p95"] <= fresh["oldest"] < 60


async def test_a_manual_request_is_a_manual_full_sync(ledger: Ledger) -> None:
    sync_id = uuid4()
    event = ConnectionChanged(
        connection=SHOP, revision=1, epoch=1, state="connected", wanted_sync=sync_id, wanted_cause="manual"
    )
    await ledger.connections(SHOP, [event])
    sync = (await fetch(ledger, f"/syncs/{sync_id}")).json()
    assert (sync["cause"], sync["mode"]) == ("manual", "full")


async def test_a_connection_says_which_of_its_events_was_handled_last(ledger: Ledger) -> None:
    for revision in (1, 4):
        await ledger.change_connection(revision=revision)
        assert (await fetch(ledger, f"/connections/{SHOP}")).json()["revision"] == revision


async def read_overview(ledger: Ledger) -> dict[str, Any]:
    overview: dict[str, Any] = (await fetch(ledger, "/overview")).json()
    return overview


async def test_a_sync_shows_what_it_waits_for_and_until_when(ledger: Ledger) -> None:
    sync_id = await ledger.start_full_sync()
    assert (await fetch(ledger, f"/syncs/{sync_id}")).json()["wait"] is None
    until = 4_000_000_000_000
    for step, throttled in ((1, True), (2, False)):
        event = build_progress(sync_id, "postponed", step=step, cursor="c", not_before=until, throttled=throttled)
        await ledger.progress(SHOP, [event.model_copy(update={"reason": "HTTP 429 of the platform"})])
        assert (await fetch(ledger, f"/syncs/{sync_id}")).json()["wait"] == {
            "until": until,
            "is_rate_limit": throttled,
        }
        await ledger.execute("UPDATE syncs SET due_at = now()")
        await ledger.dispatch()


async def test_a_success_names_what_it_has_left_out(ledger: Ledger) -> None:
    sync_id = await ledger.start_full_sync()
    await ledger.data_stored(SHOP, [build_result(sync_id, left_out={"p7": "its form is not known"}), build_upload(1)])
    view = (await fetch(ledger, f"/syncs/{sync_id}")).json()
    assert (view["state"], view["left_out"]) == ("success", {"p7": "its form is not known"})


async def test_a_name_with_slashes_is_read_as_it_is_and_escaped(ledger: Ledger) -> None:
    name = "shopify:a.test/1/syncs"
    await ledger.connections(name, [ConnectionChanged(connection=name, revision=1, epoch=1, state="connected")])
    for path in (name, quote(name, safe="")):
        document = (await fetch(ledger, f"/connections/{path}")).json()
        assert (document["connection"], document["poll_pause_seconds"]) == (name, 3600)
