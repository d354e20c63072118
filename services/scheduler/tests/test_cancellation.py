"""Cancelling a full sync on request: what it ends, and that no reported change is lost with it."""

from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from contracts.events import ConnectionChanged
from ledger_fixture import SHOP, Ledger, build_progress, build_request, build_result, build_upload
from scheduler.routes.cancellation import build_cancellation_route
from scheduler.routes.ledger import build_ledger_routes
from scheduler.store import full_syncs, owed_syncs

pytestmark = pytest.mark.integration
KEYS = {"gateway": "g" * 32, "operator": "o" * 32}
BRINGS_CHANGES = (
    "it brings changes that were made or reported while they could not be read, and nothing else brings them"
)
CALLERS = {sha256(key.encode()).hexdigest(): caller for caller, key in KEYS.items()}


async def cancel(
    ledger: Ledger, sync_id: UUID, *, connection: str = SHOP, caller: str = "gateway"
) -> tuple[int, str | None]:
    """Ask for the cancellation; return the status of the answer, and the reason of a refusal."""
    app = FastAPI()
    app.include_router(build_cancellation_route(ledger.database, CALLERS, ledger.metrics.record_transaction))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://scheduler") as http:
        headers = {"Authorization": f"Bearer {KEYS[caller]}"}
        answer = await http.post(f"/connections/{connection}/syncs/{sync_id}/cancel", headers=headers)
    return answer.status_code, answer.json().get("detail")


async def test_a_running_full_sync_is_cancelled_with_what_was_coalesced_into_it(ledger: Ledger) -> None:
    first, second = await ledger.start_full_sync(cause="manual"), uuid4()
    await ledger.change_connection(revision=2, wanted_sync=second, wanted_cause="manual")
    assert await cancel(ledger, first) == (200, None)
    assert await cancel(ledger, first) == (200, None), "a second request changes nothing"
    assert [await ledger.get_state(one) for one in (first, second)] == ["cancelled", "cancelled"]
    await ledger.progress(SHOP, [build_progress(first, "advanced", step=1, cursor="c1")])
    await ledger.dispatch()
    assert await ledger.pop_messages() == []


async def test_a_start_that_fails_meanwhile_does_not_change_a_cancelled_sync(ledger: Ledger) -> None:
    sync_id = await ledger.start_full_sync(cause="manual")
    async with ledger.database.transaction() as tx:
        starting = await full_syncs.lock(tx, SHOP, sync_id)
    assert starting is not None
    await cancel(ledger, sync_id)
    async with ledger.database.transaction() as tx:
        await full_syncs.postpone(tx, starting, None, datetime.now(UTC), attempts=2, reason="no answer")
    row = await ledger.get_sync(sync_id)
    assert (row["reason"], row["due_at"], row["attempts"]) == ("it was cancelled on request", None, 1)


async def test_a_new_full_sync_may_follow_a_cancelled_one_at_once(ledger: Ledger) -> None:
    first, second = await ledger.start_full_sync(cause="manual"), uuid4()
    await cancel(ledger, first)
    await ledger.change_connection(revision=2, wanted_sync=second, wanted_cause="manual")
    await ledger.dispatch()
    assert await ledger.get_state(second) == "running"


async def test_a_cancelled_sync_is_no_success_although_the_writer_has_stored_it(ledger: Ledger) -> None:
    sync_id = await ledger.start_full_sync(cause="manual")
    await cancel(ledger, sync_id)
    await ledger.data_stored(SHOP, [build_result(sync_id, object_check=1)])
    row = await ledger.get_sync(sync_id)
    assert (row["state"], row["reason"]) == ("cancelled", "it was cancelled on request")
    assert row["fully_read"], "the snapshot may be built all the same"


async def test_what_is_stored_or_has_ended_cannot_be_cancelled(ledger: Ledger) -> None:
    sync_id = await ledger.start_full_sync(cause="manual")
    await ledger.data_stored(SHOP, [build_result(sync_id)])
    assert await cancel(ledger, sync_id) == (409, "its data is stored already, and is being uploaded")
    await ledger.data_stored(SHOP, [build_upload(1)])
    assert await cancel(ledger, sync_id) == (409, "it has ended already")
    assert await ledger.get_state(sync_id) == "success"


async def test_a_sync_that_brings_changes_that_nothing_else_brings_cannot_be_cancelled(ledger: Ledger) -> None:
    first, request, other = await ledger.start_full_sync(cause="manual"), uuid4(), uuid4()
    await ledger.requests(SHOP, [build_request(request)])
    assert await cancel(ledger, request) == (409, BRINGS_CHANGES)
    for cause in ("connect", "subscriptions", "owed"):
        await ledger.execute(f"UPDATE syncs SET cause = '{cause}' WHERE sync_id = '{first}'")
        assert await cancel(ledger, first) == (409, BRINGS_CHANGES), cause
    for cause in ("manual", "poll"):
        await ledger.execute(f"UPDATE syncs SET cause = '{cause}' WHERE sync_id = '{first}'")
        async with ledger.database.transaction() as tx:
            await full_syncs.open_or_coalesce(tx, other, SHOP, 1, "subscriptions")
        assert await cancel(ledger, first) == (409, BRINGS_CHANGES), "another one was coalesced into it"
    assert await ledger.get_state(first) == "running"


async def test_a_full_sync_that_reads_what_somebody_asked_for_by_name_cannot_be_cancelled(ledger: Ledger) -> None:
    await ledger.change_connection()
    named, full = uuid4(), uuid4()
    await ledger.requests(SHOP, [build_request(named, cause="manual")])
    async with ledger.database.transaction() as tx:
        await full_syncs.open_or_coalesce(tx, full, SHOP, 1, "poll")
        await owed_syncs.coalesce(tx, SHOP, full, [named])
    assert await cancel(ledger, full) == (409, BRINGS_CHANGES)


async def test_a_sync_says_whether_it_can_be_cancelled(ledger: Ledger) -> None:
    app = FastAPI()
    app.include_router(build_ledger_routes(ledger.database, CALLERS, lambda _: 3600))
    sync_id = await ledger.start_full_sync(cause="manual")
    obstacles = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://scheduler") as http:
        for cause in ("manual", "connect"):
            await ledger.execute(f"UPDATE syncs SET cause = '{cause}'")
            answer = await http.get(f"/syncs/{sync_id}", headers={"Authorization": f"Bearer {KEYS['gateway']}"})
            obstacles.append(answer.json()["cancel_obstacle"])
    assert obstacles == [None, BRINGS_CHANGES]


async def test_the_full_sync_that_asks_a_closed_account_cannot_be_cancelled(ledger: Ledger) -> None:
    sync_id = await ledger.start_full_sync(cause="manual")
    await ledger.progress(SHOP, [build_progress(sync_id, "blocked", step=1, reason="frozen")])
    assert await cancel(ledger, sync_id) == (409, "it finds out when the account is open again at its platform")


async def test_what_another_full_sync_does_is_cancelled_there(ledger: Ledger) -> None:
    first, second = await ledger.start_full_sync(cause="manual"), uuid4()
    await ledger.change_connection(revision=2, wanted_sync=second, wanted_cause="manual")
    assert await cancel(ledger, second) == (409, f"the full sync {first} does its work; cancel that one")


async def test_only_the_gateway_cancels_and_only_a_sync_of_the_connection_that_it_names(ledger: Ledger) -> None:
    sync_id = await ledger.start_full_sync(cause="manual")
    assert (await cancel(ledger, sync_id, caller="operator"))[0] == 401
    assert (await cancel(ledger, sync_id, connection="shopify:other.myshopify.com"))[0] == 404
    assert (await cancel(ledger, uuid4()))[0] == 404
    assert await ledger.get_state(sync_id) == "running"


async def test_a_sync_of_a_connection_with_slashes_in_its_name_is_cancelled(ledger: Ledger) -> None:
    name, sync_id = "shopify:a.test/1/b", uuid4()
    event = ConnectionChanged(
        connection=name, revision=1, epoch=1, state="connected", wanted_sync=sync_id, wanted_cause="manual"
    )
    await ledger.connections(name, [event])
    assert await cancel(ledger, sync_id, connection=quote(name, safe="")) == (200, None)
    assert await cancel(ledger, sync_id, connection=name) == (200, None)
