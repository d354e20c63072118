"""Syncs that readers of the data API request: one full sync however many ask, and each answer in the audit log."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from contracts.events import SyncRequested
from gateway.internal.sync_requests import MAX_RECORDS, REPEAT_SECONDS
from gateway.pages.views import SyncView
from messaging.outbox import OutboxRelay

NAME = "shopify:acme.myshopify.com"
KEY = {"id": str(uuid4()), "name": "the till of Jane"}
pytestmark = pytest.mark.integration


async def refresh(world: Any, name: str = NAME, caller: str = "data-api", **body: Any) -> httpx.Response:
    response: httpx.Response = await world.call_internal(f"/internal/connections/{name}/refresh", body, caller)
    return response


async def read(world: Any, **body: Any) -> tuple[str, str]:
    """Return the status and the sync's id of an accepted refresh."""
    response = await refresh(world, **body)
    assert response.status_code == 200, response.text
    return response.json()["status"], response.json()["sync_id"]


async def connect(world: Any) -> None:
    """Connect the shop, and let the scheduler have finished its first sync."""
    await world.connect()
    await world.drain_outbox()
    world.scheduler.show(revision=await load_revision(world))


async def load_revision(world: Any) -> int:
    return int((await world.stores.connections.find(NAME)).revision)


async def list_audit_log(world: Any) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = (await world.get_internal("/internal/audit", "operator")).json()["entries"]
    return entries


async def test_two_hundred_readers_at_once_are_one_full_sync(world: Any) -> None:
    await connect(world)
    answers = await asyncio.gather(*(read(world) for _ in range(200)))
    (event,) = await world.drain_outbox()
    assert sorted({status for status, _ in answers}) == ["in_progress", "started"]
    assert [status for status, _ in answers].count("started") == 1
    assert {sync_id for _, sync_id in answers} == {str(event.wanted_sync)}
    assert event.wanted_cause == "manual"


async def test_the_next_full_sync_may_start_once_the_scheduler_has_finished_the_last(world: Any) -> None:
    await connect(world)
    _, first = await read(world)
    assert await read(world) == ("in_progress", first), "the scheduler does not know it yet"
    sync = SyncView(sync_id=first, connection=NAME, cause="manual", mode="full", state="running")
    world.scheduler.show(revision=await load_revision(world), open_full_sync=sync)
    assert await read(world) == ("in_progress", first)
    world.scheduler.show(revision=await load_revision(world))
    status, second = await read(world)
    assert status == "started" and second != first


async def test_a_change_that_requests_no_sync_keeps_no_reader_waiting(world: Any) -> None:
    await connect(world)
    async with world.stores.connections.lock(NAME) as locked:
        await locked.move(uuid4())
    assert (await read(world))[0] == "started"


async def test_the_first_sync_of_a_new_connection_is_the_one_that_readers_get(world: Any) -> None:
    await world.connect()
    (connected,) = await world.drain_outbox()
    assert await read(world) == ("in_progress", str(connected.wanted_sync))
    assert await world.drain_outbox() == []


async def test_a_request_that_was_lost_with_a_broker_is_published_again_once_a_minute(world: Any) -> None:
    await connect(world)
    _, lost = await read(world)
    (event,) = await world.drain_outbox()
    async with world.database.transaction() as tx:
        earlier = text("UPDATE connections SET changed_at = changed_at - make_interval(secs => :seconds)")
        await tx.execute(earlier, {"seconds": REPEAT_SECONDS})
    assert [await read(world) for _ in range(3)] == [("in_progress", lost)] * 3
    assert await world.drain_outbox() == [event]


async def test_a_request_that_dies_before_its_commit_leaves_nothing_to_wait_for(world: Any) -> None:
    await connect(world)
    async with world.database.transaction() as tx:
        await tx.execute(text("ALTER TABLE audit_log ADD CONSTRAINT dies CHECK (actor <> 'reader')"))
    with pytest.raises(IntegrityError):
        await refresh(world)
    async with world.database.transaction() as tx:
        await tx.execute(text("ALTER TABLE audit_log DROP CONSTRAINT dies"))
    status, sync_id = await read(world)
    assert status == "started"
    assert [str(event.wanted_sync) for event in await world.drain_outbox()] == [sync_id]


async def test_records_are_read_anew_for_each_request_that_names_them(world: Any) -> None:
    await connect(world)
    answers = [await read(world, records={"products": ["7"]}) for _ in range(2)]
    assert [status for status, _ in answers] == ["started", "started"]
    await OutboxRelay(world.database.transaction, world.kafka, source="gateway").publish_batch()
    events = [SyncRequested.model_validate_json(body) for _, _, body, _ in world.kafka.sent]
    assert [str(event.sync_id) for event in events] == [sync_id for _, sync_id in answers]
    assert {(event.cause, str(event.records)) for event in events} == {
        ("manual", str({"products": ("gid://shopify/Product/7",)}))
    }


async def test_a_link_asks_as_itself(world: Any) -> None:
    await connect(world)
    response = await refresh(world, caller="linker")
    assert response.status_code == 200 and response.json()["status"] == "started"
    (entry,) = [one for one in await list_audit_log(world) if one["action"] == "request_sync"]
    assert (entry["actor"], entry["details"]) == ("link", {"sync_id": response.json()["sync_id"]})


@pytest.mark.parametrize(
    "records",
    [{}, {"products": []}, {"orders": ["7"]}, {"products": ["seven"]}, {"products": ["7"] * (MAX_RECORDS + 1)}],
    ids=["none", "empty", "unknown resource", "malformed", "too many"],
)
async def test_malformed_and_too_many_records_are_refused(world: Any, records: dict[str, list[str]]) -> None:
    await connect(world)
    response = await refresh(world, records=records)
    assert response.status_code == 400 and response.json()["reason"]
    assert await world.drain_outbox() == []


async def test_only_the_data_api_and_the_linker_may_ask_and_only_for_what_is_connected(world: Any) -> None:
    assert (await refresh(world)).status_code == 404
    await connect(world)
    for caller in ("operator", "scheduler", "shopify-fetcher"):
        assert (await refresh(world, caller=caller)).status_code == 403
    assert (await world.request_token("data-api")).status_code == 403
    async with world.database.transaction() as tx:
        await tx.execute(text("UPDATE connections SET state = 'reauthorise'"))
    for records in (None, {"products": ["7"]}):
        response = await refresh(world, records=records)
        assert response.status_code == 409
        assert response.json() == {"state": "reauthorise", "sign_in_url": "/shopify/acme.myshopify.com/login"}


async def test_a_scheduler_that_does_not_answer_is_reported(world: Any) -> None:
    await connect(world)
    world.scheduler.is_unavailable = True
    assert (await refresh(world)).status_code == 503
    assert await world.drain_outbox() == []


async def test_what_a_reader_starts_names_the_key_until_the_data_is_deleted(world: Any) -> None:
    await connect(world)
    _, started = await read(world, key=KEY)
    await read(world, key=KEY)
    _, records = await read(world, records={"products": ["7"]}, key=KEY)
    entries = [entry for entry in await list_audit_log(world) if entry["action"] == "request_sync"]
    details = {"key": KEY["id"], "name": KEY["name"]}
    assert [(entry["actor"], entry["details"]) for entry in entries] == [
        ("reader", {"sync_id": started, **details}),
        ("reader", {"sync_id": records, **details}),
    ]
    page = (await world.browser.get(f"/connections/{NAME}", headers={"Accept": "text/html"})).text
    assert "the till of Jane" in page
    async with world.stores.connections.lock(NAME) as locked:
        await locked.delete_related(None)
    assert "Jane" not in await world.dump_database()
    assert {entry["details"].get("key") for entry in await list_audit_log(world)} == {None, KEY["id"]}


async def test_what_an_operators_own_key_starts_names_the_key(world: Any) -> None:
    await connect(world)
    await read(world, key={"name": "warehouse"})
    assert (await list_audit_log(world))[-1]["details"]["name"] == "warehouse"
