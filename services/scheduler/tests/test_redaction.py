"""Redaction: name, epoch, revision and state stay, nothing is entered any more, and its completion is shown."""

import asyncio
from collections.abc import Iterable
from hashlib import sha256
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from contracts.events import ConnectionChanged, DataStored, Erasure, SyncTotals
from ledger_fixture import SHOP, Ledger, build_progress, build_request, build_result, build_upload
from messaging.errors import UnknownConnectionError
from scheduler.routes.ledger import build_ledger_routes

pytestmark = pytest.mark.integration
KEY = "k" * 32


async def start_work(ledger: Ledger) -> tuple[UUID, UUID]:
    """Start a full sync, and let a request wait; returns their ids."""
    sync_id, request_id = await ledger.start_full_sync(), uuid4()
    await ledger.requests(SHOP, [build_request(request_id)])
    await ledger.data_stored(SHOP, [build_upload(7)])
    await ledger.progress(
        SHOP, [build_progress(request_id, "postponed", records={"products": ("p1",)}, not_before=2**42)]
    )
    return sync_id, request_id


async def redact(ledger: Ledger, *, revision: int = 2, epoch: int = 2) -> None:
    await ledger.change_connection(revision=revision, epoch=epoch, state="redacted")


async def count_rows(ledger: Ledger) -> dict[str, int]:
    counts = {}
    async with ledger.database.transaction() as tx:
        for table in ("syncs", "steps", "delayed_requests"):
            counts[table] = (await tx.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()
    return {table: count for table, count in counts.items() if count}


def build_erasure(at: int, *, epoch: int = 2) -> DataStored:
    return DataStored(connection=SHOP, epoch=epoch, sequence=0, erasure=Erasure(object_keys=("k",), erased_at=at))


async def read_connection(ledger: Ledger) -> dict[str, object]:
    app = FastAPI()
    app.include_router(
        build_ledger_routes(ledger.database, {sha256(KEY.encode()).hexdigest(): "gateway"}, lambda _: 3600)
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://scheduler") as http:
        answer = await http.get(f"/connections/{SHOP}", headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status_code == 200
    body: dict[str, object] = answer.json()
    return body


async def test_a_redaction_deletes_what_was_done_and_what_waits(ledger: Ledger) -> None:
    await start_work(ledger)
    await redact(ledger)
    assert await count_rows(ledger) == {}
    async with ledger.database.transaction() as tx:
        row = (await tx.execute(text("SELECT * FROM connections"))).mappings().one()
    assert {name: value for name, value in row.items() if value is not None} == {
        "connection": SHOP,
        "revision": 2,
        "epoch": 2,
        "state": "redacted",
        "redacted_epoch": 2,
        "fully_read": False,
        "upload_sequence": -1,
        "upload_check": 0,
        "webhook_attempts": 0,
        "refused_probes": 0,
    }


async def test_later_events_about_a_redacted_connection_enter_nothing(ledger: Ledger) -> None:
    sync_id, request_id = await start_work(ledger)
    await redact(ledger)
    unknown_id = uuid4()
    await ledger.requests(SHOP, [build_request(request_id), build_request(unknown_id)])
    await ledger.progress(
        SHOP, [build_progress(sync_id, "advanced", step=1, cursor="c"), build_progress(request_id, "failed")]
    )
    verification = DataStored(
        connection=SHOP, epoch=1, sequence=1, records_to_verify={"products": ("p9",)}, verification_id=uuid4()
    )
    totals = DataStored(connection=SHOP, epoch=1, sequence=1, totals=(SyncTotals(read_id=sync_id, pages=1),))
    events: Iterable[DataStored] = (
        build_result(sync_id),
        build_result(unknown_id),
        build_result(request_id, "failed"),
        build_upload(9),
        verification,
        totals,
    )
    await ledger.data_stored(SHOP, list(events))
    await ledger.dead_letters(SHOP, [{"sync_id": str(request_id)}])
    await ledger.dispatch()
    assert await count_rows(ledger) == {}
    assert await ledger.pop_messages() == []
    assert (await read_connection(ledger))["syncs"] == []


async def test_a_request_that_is_being_entered_is_deleted_as_well(ledger: Ledger) -> None:
    await ledger.change_connection()
    await asyncio.gather(*(ledger.requests(SHOP, [build_request(uuid4())]) for _ in range(5)), redact(ledger))
    assert await count_rows(ledger) == {}


async def test_a_redacted_connection_is_polled_no_more(ledger: Ledger) -> None:
    await ledger.change_connection()
    await redact(ledger)
    await ledger.execute("UPDATE connections SET next_poll_at = now(), poll_slot = now()")
    assert await ledger.dispatcher.start_polls() == 0
    await ledger.dispatcher.reschedule_polls()
    assert await count_rows(ledger) == {}


@pytest.mark.parametrize("state", ["reauthorise", "uninstalled"])
async def test_a_connection_that_is_not_connected_is_polled_no_more(ledger: Ledger, state: str) -> None:
    await ledger.change_connection()
    await ledger.change_connection(revision=2, epoch=2, state=state)
    await ledger.execute("UPDATE connections SET next_poll_at = now(), poll_slot = now()")
    assert await ledger.dispatcher.start_polls() == 0


async def test_it_is_shown_when_a_redaction_was_completed(ledger: Ledger) -> None:
    await start_work(ledger)
    await redact(ledger)
    body = await read_connection(ledger)
    assert (body["state"], body["epoch"], body["erased_at"], body["next_poll_at"]) == ("redacted", 2, None, None)
    await ledger.data_stored(SHOP, [build_erasure(1_234)])
    assert (await read_connection(ledger))["erased_at"] == 1_234
    await redact(ledger)
    await redact(ledger, revision=3)
    assert (await read_connection(ledger))["erased_at"] == 1_234


async def test_an_erasure_is_held_until_its_redaction_was_received(ledger: Ledger) -> None:
    await ledger.change_connection()
    with pytest.raises(UnknownConnectionError):
        await ledger.data_stored(SHOP, [build_erasure(1_234)])
    await redact(ledger)
    await ledger.data_stored(SHOP, [build_erasure(1_234)])
    assert (await read_connection(ledger))["erased_at"] == 1_234


async def test_an_erasure_does_not_complete_a_later_redaction(ledger: Ledger) -> None:
    await ledger.change_connection()
    await redact(ledger)
    await ledger.data_stored(SHOP, [build_erasure(1_234)])
    await ledger.change_connection(revision=3, epoch=2)
    assert (await read_connection(ledger))["erased_at"] == 1_234
    await redact(ledger, revision=4, epoch=3)
    await ledger.data_stored(SHOP, [build_erasure(1_234)])
    assert (await read_connection(ledger))["erased_at"] is None
    await ledger.data_stored(SHOP, [build_erasure(5_678, epoch=3)])
    assert (await read_connection(ledger))["erased_at"] == 5_678


async def test_later_events_of_before_a_redaction_enter_nothing_once_the_account_is_connected_again(
    ledger: Ledger,
) -> None:
    sync_id, request_id = await start_work(ledger)
    await redact(ledger)
    await ledger.change_connection(revision=3, epoch=2)
    verified = {"records_to_verify": {"products": ("p9",)}, "verification_id": uuid4()}
    await ledger.requests(SHOP, [build_request(request_id), build_request(uuid4())])
    await ledger.progress(SHOP, [build_progress(sync_id, "advanced", step=1, cursor="c")])
    await ledger.data_stored(
        SHOP,
        [
            build_result(sync_id),
            build_result(request_id, "failed", reason="a record of before"),
            build_result(uuid4(), "cancelled"),
            build_upload(9),
            DataStored(connection=SHOP, epoch=1, sequence=1, **verified),
            DataStored(connection=SHOP, epoch=1, sequence=1, totals=(SyncTotals(read_id=sync_id, pages=1),)),
        ],
    )
    await ledger.dead_letters(SHOP, [{"sync_id": str(request_id)}])
    assert await count_rows(ledger) == {}
    assert await ledger.pop_messages() == []
    body = await read_connection(ledger)
    assert (body["syncs"], body["upload"]) == ([], None)


async def test_a_redaction_that_was_missed_is_made_up_for_by_a_later_state(ledger: Ledger) -> None:
    await start_work(ledger)
    later = ConnectionChanged(connection=SHOP, revision=4, epoch=3, state="connected", redacted_epoch=2)
    await ledger.connections(SHOP, [later])
    assert await count_rows(ledger) == {}
    body = await read_connection(ledger)
    assert (body["upload"], body["syncs"], body["next_poll_at"] is not None) == (None, [], True)
    await ledger.data_stored(SHOP, [build_upload(9), build_erasure(1_234, epoch=2)])
    body = await read_connection(ledger)
    assert (body["upload"], body["erased_at"]) == (None, 1_234)


async def test_a_redaction_that_was_not_missed_deletes_nothing_that_was_entered_since(ledger: Ledger) -> None:
    await ledger.change_connection()
    await redact(ledger)
    await ledger.connections(
        SHOP, [ConnectionChanged(connection=SHOP, revision=3, epoch=2, state="connected", redacted_epoch=2)]
    )
    await ledger.requests(SHOP, [build_request(uuid4()).model_copy(update={"epoch": 2})])
    await ledger.connections(
        SHOP, [ConnectionChanged(connection=SHOP, revision=4, epoch=2, state="connected", redacted_epoch=2)]
    )
    assert await count_rows(ledger) == {"syncs": 1}


async def test_an_erasure_does_not_complete_a_later_redaction_of_an_account_that_is_connected_again(
    ledger: Ledger,
) -> None:
    await ledger.change_connection()
    await redact(ledger)
    await ledger.change_connection(revision=3, epoch=2)
    await redact(ledger, revision=4, epoch=3)
    await ledger.change_connection(revision=5, epoch=3)
    await ledger.data_stored(SHOP, [build_erasure(1_234)])
    assert (await read_connection(ledger))["erased_at"] is None
    await ledger.data_stored(SHOP, [build_erasure(5_678, epoch=3)])
    assert (await read_connection(ledger))["erased_at"] == 5_678


async def test_an_account_that_is_connected_again_starts_clean(ledger: Ledger) -> None:
    await start_work(ledger)
    sync_id = uuid4()
    states = (("redacted", 2, None), ("connected", 3, sync_id))
    await ledger.connections(
        SHOP,
        [
            ConnectionChanged(connection=SHOP, revision=revision, epoch=2, state=state, wanted_sync=wanted)
            for state, revision, wanted in states
        ],
    )
    assert await count_rows(ledger) == {"syncs": 1}
    await ledger.dispatch()
    assert [(m["sync_id"], m["epoch"]) for m in await ledger.pop_messages()] == [(str(sync_id), 2)]
    assert (await read_connection(ledger))["next_poll_at"] is not None
    await ledger.data_stored(SHOP, [build_upload(9)])
    async with ledger.database.transaction() as tx:
        assert (await tx.execute(text("SELECT upload_sequence FROM connections"))).scalar() == -1
