"""What an operator may ask of the internal listener: syncs started, and a look at how a connection stands."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from contracts.events import SyncRequested
from gateway.connections import CONNECT, MANUAL
from messaging.outbox import OutboxRelay

NAME = "shopify:acme.myshopify.com"
SYNC = f"/internal/connections/{NAME}/sync"
pytestmark = pytest.mark.integration


async def asked(world: Any, path: str = SYNC, caller: str = "operator", **body: Any) -> httpx.Response:
    answer: httpx.Response = await world.ask(path, body, caller)
    return answer


async def test_a_full_sync_is_wished_for_anew_each_time_and_says_why(world: Any) -> None:
    await world.connect()
    (connected,) = await world.said()
    first, second = await asked(world), await asked(world)
    wished = await world.said()
    assert [str(event.wanted_sync) for event in wished] == [first.json()["sync_id"], second.json()["sync_id"]]
    assert len({connected.wanted_sync, *(event.wanted_sync for event in wished)}) == 3
    assert (connected.wanted_cause, {event.wanted_cause for event in wished}) == (CONNECT, {MANUAL})
    assert {event.epoch for event in wished} == {connected.epoch}
    await world.connect()
    assert [event.wanted_cause for event in await world.said()] == [CONNECT]


async def test_records_are_asked_of_the_fetcher_by_the_ids_that_it_reads(world: Any) -> None:
    await world.connect()
    await world.said()
    told = await asked(world, records={"products": ["7", "gid://shopify/Product/8"]})
    relay = world.kafka
    await OutboxRelay(world.database.transaction, relay, source="gateway").publish_batch()
    ((topic, key, body, headers),) = relay.sent
    event = SyncRequested.model_validate_json(body)
    assert (topic, key) == ("sync.requested.shopify", NAME.encode())
    assert dict(headers)["ce_id"].decode() == str(event.sync_id)
    assert (str(event.sync_id), event.cause) == (told.json()["sync_id"], MANUAL)
    assert event.records == {"products": ("gid://shopify/Product/7", "gid://shopify/Product/8")}


@pytest.mark.parametrize("records", [{"orders": ["7"]}, {"products": ["seven"]}, {"products": []}, {}])
async def test_what_names_no_record_is_refused(world: Any, records: dict[str, list[str]]) -> None:
    await world.connect()
    await world.said()
    answer = await asked(world, records=records)
    assert answer.status_code == 400 and answer.json()["reason"]
    assert await world.said() == []


async def test_only_a_live_connection_is_synced_and_only_for_the_operator(world: Any) -> None:
    assert (await asked(world)).status_code == 404
    await world.connect()
    for caller in ("scheduler", "shopify-fetcher"):
        assert (await asked(world, caller=caller)).status_code == 403
        assert (await world.checkup(caller=caller)).status_code == 403
    assert (await world.token("operator")).status_code == 403
    assert (await asked(world, f"/internal/connections/{NAME}/assert", sync_id=str(uuid4()))).status_code == 403
    async with world.database.transaction() as tx:
        await tx.execute(text("UPDATE connections SET state = 'reauthorise'"))
    answer = await asked(world)
    assert (answer.status_code, answer.json()) == (409, {"state": "reauthorise"})


async def test_a_checkup_names_what_is_not_subscribed_and_subscribes_nothing(world: Any) -> None:
    await world.connect()
    before = (await world.checkup()).json()
    assert before["status"] == "failed" and "PRODUCTS_UPDATE" in before["missing"]
    assert world.shopify.subscribed == []
    await asked(world, f"/internal/connections/{NAME}/assert", "scheduler", sync_id=str(uuid4()))
    after = (await world.checkup()).json()
    assert (after["status"], after["missing"]) == ("success", [])


async def test_a_pages_checkup_looks_at_both_levels_and_changes_neither(world: Any) -> None:
    connected = await world.connect_pages()
    name = connected["pages"]["data"][0]["connection"]
    assert (await world.checkup(name)).json()["status"] == "failed"
    await world.ask(f"/internal/connections/{name}/assert", {"sync_id": str(uuid4())}, "scheduler")
    assert (await world.checkup(name)).json()["status"] == "success"
