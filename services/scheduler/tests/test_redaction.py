"""Redaction: name, epoch, revision and state stay, nothing is entered any more, and its end is shown."""

import asyncio
from collections.abc import Iterable
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from contracts.events import ConnectionChanged, DataStored, Erasure, SyncTotals
from ledger_stand import SHOP, Ledger, progressed, request, upload, verdict
from messaging.errors import UnknownConnectionError
from scheduler.routes.reads import reads

pytestmark = pytest.mark.integration
KEY = "sixteen-characters"


async def at_work(ledger: Ledger) -> tuple[UUID, UUID]:
    """A walk under way, and a request that waits."""
    walk, asked = await ledger.walking(), uuid4()
    await ledger.requests(SHOP, [request(asked)])
    await ledger.stored(SHOP, [upload(7)])
    await ledger.progress(SHOP, [progressed(asked, "postponed", records={"products": ("p1",)}, not_before=2**42)])
    return walk, asked


async def redact(ledger: Ledger, *, revision: int = 2, epoch: int = 2) -> None:
    await ledger.connected(revision=revision, epoch=epoch, state="redacted")


async def left(ledger: Ledger) -> dict[str, int]:
    counts = {}
    async with ledger.database.transaction() as tx:
        for table in ("syncs", "steps", "delayed"):
            counts[table] = (await tx.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()
    return {table: count for table, count in counts.items() if count}


def erased(at: int, *, epoch: int = 2) -> DataStored:
    return DataStored(connection=SHOP, epoch=epoch, sequence=0, erasure=Erasure(object_keys=("k",), erased_at=at))


async def shown(ledger: Ledger) -> dict[str, object]:
    app = FastAPI()
    app.include_router(reads(ledger.database, {"gateway": KEY}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://scheduler") as http:
        answer = await http.get(f"/connections/{SHOP}", headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status_code == 200
    body: dict[str, object] = answer.json()
    return body


async def test_a_redaction_leaves_nothing_of_what_was_done_or_waits(ledger: Ledger) -> None:
    await at_work(ledger)
    await redact(ledger)
    assert await left(ledger) == {}
    async with ledger.database.transaction() as tx:
        row = (await tx.execute(text("SELECT * FROM connections"))).mappings().one()
    assert {name: value for name, value in row.items() if value is not None} == {
        "connection": SHOP,
        "revision": 2,
        "epoch": 2,
        "state": "redacted",
        "upload_change": -1,
    }


async def test_what_is_said_later_of_a_redacted_connection_enters_nothing(ledger: Ledger) -> None:
    walk, asked = await at_work(ledger)
    await redact(ledger)
    stranger = uuid4()
    await ledger.requests(SHOP, [request(asked), request(stranger)])
    await ledger.progress(SHOP, [progressed(walk, "advanced", step=1, cursor="c"), progressed(asked, "failed")])
    wish = DataStored(
        connection=SHOP, epoch=1, sequence=1, records_to_verify={"products": ("p9",)}, verification_id=uuid4()
    )
    counted = DataStored(connection=SHOP, epoch=1, sequence=1, totals=(SyncTotals(read_id=walk, pages=1),))
    told: Iterable[DataStored] = (verdict(walk), verdict(stranger), verdict(asked, "failed"), upload(9), wish, counted)
    await ledger.stored(SHOP, list(told))
    await ledger.dead_letters(SHOP, [{"sync_id": str(asked)}])
    await ledger.dispatched()
    assert await left(ledger) == {}
    assert await ledger.said() == []
    assert (await shown(ledger))["syncs"] == []


async def test_a_request_that_is_being_entered_is_forgotten_with_the_rest(ledger: Ledger) -> None:
    await ledger.connected()
    await asyncio.gather(*(ledger.requests(SHOP, [request(uuid4())]) for _ in range(5)), redact(ledger))
    assert await left(ledger) == {}


async def test_a_redacted_connection_is_polled_no_more(ledger: Ledger) -> None:
    await ledger.connected()
    await redact(ledger)
    await ledger.run("UPDATE connections SET next_poll_at = now(), poll_slot = now()")
    assert await ledger.dispatcher.start_polls() == 0
    await ledger.dispatcher.plan_again()
    assert await left(ledger) == {}


@pytest.mark.parametrize("state", ["reauthorise", "uninstalled"])
async def test_a_connection_that_is_not_connected_is_polled_no_more(ledger: Ledger, state: str) -> None:
    await ledger.connected()
    await ledger.connected(revision=2, epoch=2, state=state)
    await ledger.run("UPDATE connections SET next_poll_at = now(), poll_slot = now()")
    assert await ledger.dispatcher.start_polls() == 0


async def test_it_is_shown_when_a_redaction_was_carried_out(ledger: Ledger) -> None:
    await at_work(ledger)
    await redact(ledger)
    body = await shown(ledger)
    assert (body["state"], body["epoch"], body["erased_at"], body["next_poll_at"]) == ("redacted", 2, None, None)
    await ledger.stored(SHOP, [erased(1_234)])
    assert (await shown(ledger))["erased_at"] == 1_234
    await redact(ledger)
    await redact(ledger, revision=3)
    assert (await shown(ledger))["erased_at"] == 1_234


async def test_an_erasure_is_held_until_its_redaction_has_been_heard_of(ledger: Ledger) -> None:
    await ledger.connected()
    with pytest.raises(UnknownConnectionError):
        await ledger.stored(SHOP, [erased(1_234)])
    await redact(ledger)
    await ledger.stored(SHOP, [erased(1_234)])
    assert (await shown(ledger))["erased_at"] == 1_234


async def test_an_erasure_says_nothing_of_a_later_redaction(ledger: Ledger) -> None:
    await ledger.connected()
    await redact(ledger)
    await ledger.stored(SHOP, [erased(1_234)])
    await ledger.connected(revision=3, epoch=2)
    assert (await shown(ledger))["erased_at"] == 1_234
    await redact(ledger, revision=4, epoch=3)
    await ledger.stored(SHOP, [erased(1_234)])
    assert (await shown(ledger))["erased_at"] is None
    await ledger.stored(SHOP, [erased(5_678, epoch=3)])
    assert (await shown(ledger))["erased_at"] == 5_678


async def test_a_connection_made_anew_starts_clean(ledger: Ledger) -> None:
    await at_work(ledger)
    want = uuid4()
    states = (("redacted", 2, None), ("connected", 3, want))
    await ledger.connections(
        SHOP,
        [
            ConnectionChanged(connection=SHOP, revision=revision, epoch=2, state=state, wanted_sync=wanted)
            for state, revision, wanted in states
        ],
    )
    assert await left(ledger) == {"syncs": 1}
    await ledger.dispatched()
    assert [(m["sync_id"], m["epoch"]) for m in await ledger.said()] == [(str(want), 2)]
    assert (await shown(ledger))["next_poll_at"] is not None
    await ledger.stored(SHOP, [upload(9)])
    async with ledger.database.transaction() as tx:
        assert (await tx.execute(text("SELECT upload_change FROM connections"))).scalar() == -1
