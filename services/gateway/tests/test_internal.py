"""The endpoints for operators: starting syncs and checking a connection."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from contracts.events import SyncRequested
from gateway.connections import CONNECT, MANUAL
from gateway.pages.views import SyncView
from messaging.outbox import OutboxRelay

NAME = "shopify:acme.myshopify.com"
SYNC = f"/internal/connections/{NAME}/sync"
pytestmark = pytest.mark.integration


async def call_endpoint(world: Any, path: str = SYNC, caller: str = "operator", **body: Any) -> httpx.Response:
    response: httpx.Response = await world.call_internal(path, body, caller)
    return response


async def test_each_call_requests_a_new_full_sync_with_its_cause(world: Any) -> None:
    await world.connect()
    (connected,) = await world.drain_outbox()
    first, second = await call_endpoint(world), await call_endpoint(world)
    events = await world.drain_outbox()
    assert [str(event.wanted_sync) for event in events] == [first.json()["sync_id"], second.json()["sync_id"]]
    assert len({connected.wanted_sync, *(event.wanted_sync for event in events)}) == 3
    assert (connected.wanted_cause, {event.wanted_cause for event in events}) == (CONNECT, {MANUAL})
    assert {event.epoch for event in events} == {connected.epoch}
    await world.connect()
    assert [event.wanted_cause for event in await world.drain_outbox()] == [CONNECT]


async def test_records_are_requested_by_the_ids_that_the_fetcher_uses(world: Any) -> None:
    await world.connect()
    await world.drain_outbox()
    response = await call_endpoint(world, records={"products": ["7", "gid://shopify/Product/8"]})
    relay = world.kafka
    await OutboxRelay(world.database.transaction, relay, source="gateway").publish_batch()
    ((topic, key, body, headers),) = relay.sent
    event = SyncRequested.model_validate_json(body)
    assert (topic, key) == ("sync.requested.shopify", NAME.encode())
    assert dict(headers)["ce_id"].decode() == str(event.sync_id)
    assert (str(event.sync_id), event.cause) == (response.json()["sync_id"], MANUAL)
    assert event.records == {"products": ("gid://shopify/Product/7", "gid://shopify/Product/8")}


@pytest.mark.parametrize("records", [{"orders": ["7"]}, {"products": ["seven"]}, {"products": []}, {}])
async def test_a_request_that_names_no_valid_record_is_refused(world: Any, records: dict[str, list[str]]) -> None:
    await world.connect()
    await world.drain_outbox()
    response = await call_endpoint(world, records=records)
    assert response.status_code == 400 and response.json()["reason"]
    assert await world.drain_outbox() == []


async def test_an_operator_allows_the_deletions_that_were_stopped_and_starts_the_sync_that_makes_them(
    world: Any,
) -> None:
    path, guarded = f"/internal/connections/{NAME}/deletions", str(uuid4())
    await world.connect()
    await world.drain_outbox()
    assert (await call_endpoint(world, path, "scheduler", guarded_sync=guarded)).status_code == 403
    response = await call_endpoint(world, path, guarded_sync=guarded, reason="the catalogue was cleaned up")
    (event,) = await world.drain_outbox()
    assert (str(event.allowed_deletions), event.wanted_cause) == (guarded, "manual")
    assert response.json() == {"sync_id": str(event.wanted_sync)}


async def test_an_operator_cancels_a_full_sync_of_the_connection_that_has_it(world: Any) -> None:
    running, ended = (
        SyncView(sync_id=uuid4(), connection=NAME, cause="manual", mode="full", state=state)
        for state in ("running", "success")
    )
    world.scheduler.syncs = {sync.sync_id: sync for sync in (running, ended)}

    async def cancel(sync: SyncView, name: str = NAME, caller: str = "operator") -> httpx.Response:
        return await call_endpoint(world, f"/internal/connections/{name}/syncs/{sync.sync_id}/cancel", caller)

    assert (await cancel(running, caller="scheduler")).status_code == 403
    assert (await cancel(running, "shopify:other.myshopify.com")).status_code == 404
    refused = await cancel(ended)
    assert (refused.status_code, refused.json()["reason"]) == (409, "it has ended already")
    assert (await cancel(running)).json() == {"sync_id": str(running.sync_id), "state": "cancelled"}
    assert world.scheduler.cancelled == [(NAME, running.sync_id)]


async def test_only_a_connected_connection_is_synced_and_only_for_the_operator(world: Any) -> None:
    assert (await call_endpoint(world)).status_code == 404
    await world.connect()
    for caller in ("scheduler", "shopify-fetcher"):
        assert (await call_endpoint(world, caller=caller)).status_code == 403
        assert (await world.fetch_checkup(caller=caller)).status_code == 403
    assert (await world.request_token("operator")).status_code == 403
    assert (await call_endpoint(world, f"/internal/connections/{NAME}/assert", sync_id=str(uuid4()))).status_code == 403
    async with world.database.transaction() as tx:
        await tx.execute(text("UPDATE connections SET state = 'reauthorise'"))
    response = await call_endpoint(world)
    assert (response.status_code, response.json()) == (409, {"state": "reauthorise"})


async def test_a_checkup_names_missing_subscriptions_and_creates_none(world: Any) -> None:
    await world.connect()
    before = (await world.fetch_checkup()).json()
    assert before["status"] == "failed" and "PRODUCTS_UPDATE" in before["missing"]
    assert world.shopify.subscriptions == []
    await call_endpoint(world, f"/internal/connections/{NAME}/assert", "scheduler", sync_id=str(uuid4()))
    after = (await world.fetch_checkup()).json()
    assert (after["status"], after["missing"]) == ("success", [])


async def test_a_pages_checkup_succeeds_once_its_webhooks_are_subscribed(world: Any) -> None:
    connected = await world.connect_pages()
    name = connected["pages"]["data"][0]["connection"]
    assert (await world.fetch_checkup(name)).json()["status"] == "failed"
    await world.call_internal(f"/internal/connections/{name}/assert", {"sync_id": str(uuid4())}, "scheduler")
    assert (await world.fetch_checkup(name)).json()["status"] == "success"
