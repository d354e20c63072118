"""The ledger over HTTP: who may read it, and what an operator sees of it."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from contracts.events import ConnectionChanged
from ledger_stand import SHOP, Ledger, progressed, request, upload, verdict
from scheduler.routes.reads import reads

pytestmark = pytest.mark.integration
KEYS = {"gateway": "g" * 20, "operator": "o" * 20, "shopify-fetcher": "f" * 20}


async def get(ledger: Ledger, path: str, caller: str = "operator") -> httpx.Response:
    app = FastAPI()
    app.include_router(reads(ledger.database, KEYS))
    headers = {"Authorization": f"Bearer {KEYS[caller]}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://scheduler") as http:
        return await http.get(path, headers=headers)


async def test_the_operator_reads_what_the_gateway_may_and_the_whole_besides(ledger: Ledger) -> None:
    walk = await ledger.walking()
    for path in (f"/syncs/{walk}", f"/connections/{SHOP}", "/overview", "/connections"):
        gateways = 200 if path.count("/") == 2 else 403
        answers = [(await get(ledger, path, caller)).status_code for caller in KEYS]
        assert answers == [gateways, 200, 401], path


async def test_connections_are_listed_by_name_in_pages(ledger: Ledger) -> None:
    for name, state in (("shopify:a", "connected"), ("shopify:b", "uninstalled"), ("facebook:1", "connected")):
        event = ConnectionChanged(connection=name, revision=1, epoch=1, state=state)
        await ledger.connections(name, [event])

    async def names(query: str) -> list[str]:
        return [one["connection"] for one in (await get(ledger, f"/connections{query}")).json()["connections"]]

    assert await names("") == ["facebook:1", "shopify:a", "shopify:b"]
    assert await names("?state=connected&limit=1") == ["facebook:1"]
    assert await names("?state=connected&after=facebook:1") == ["shopify:a"]
    assert await names("?platform=shopify&state=uninstalled") == ["shopify:b"]
    assert (await get(ledger, "/connections?limit=501")).status_code == 422


async def test_the_overview_tells_what_failed_what_is_fresh_and_what_is_not_uploaded_yet(ledger: Ledger) -> None:
    good, bad, open_one = uuid4(), uuid4(), uuid4()
    await ledger.connected()
    await ledger.requests(SHOP, [request(good), request(bad), request(open_one)])
    before = await seen(ledger)
    assert (before["freshness"][0]["never"], before["freshness"][0]["p95"]) == (1, None)
    await ledger.stored(SHOP, [verdict(good, change=3)])
    await ledger.progress(SHOP, [progressed(bad, "failed", retry=False, reason="gone")])
    told = await seen(ledger)
    assert [(one["state"], one["syncs"]) for one in told["now"]["open"]] == [("queued", 1)]
    assert told["now"]["connections"] == [{"platform": "shopify", "state": "connected", "connections": 1}]
    assert sorted((one["state"], one["syncs"]) for one in told["ended"]) == [("failed", 1), ("success", 1)]
    assert [(one["sync_id"], one["reason"]) for one in told["failed"]] == [(str(bad), "gone")]
    (fresh,) = told["freshness"]
    assert (fresh["connections"], fresh["never"]) == (1, 0)
    assert 0 <= fresh["p95"] <= fresh["oldest"] < 60
    assert [(one["platform"], one["snapshots"]) for one in told["dirty"]] == [("shopify", 1)]
    await ledger.stored(SHOP, [upload(3)])
    assert (await seen(ledger))["dirty"] == []


async def test_a_manual_wish_is_a_manual_walk(ledger: Ledger) -> None:
    want = uuid4()
    event = ConnectionChanged(
        connection=SHOP, revision=1, epoch=1, state="connected", wanted_sync=want, wanted_cause="manual"
    )
    await ledger.connections(SHOP, [event])
    shown = (await get(ledger, f"/syncs/{want}")).json()
    assert (shown["cause"], shown["mode"]) == ("manual", "full")


async def seen(ledger: Ledger) -> dict[str, Any]:
    told: dict[str, Any] = (await get(ledger, "/overview")).json()
    return told
