"""No sync is a success before an upload contains its data; until then it is storing, neither open nor final."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from contracts.events import ConnectionChanged, DataStored, GuardedDeletions, MerchantDocument, SyncTotals
from ledger_fixture import SHOP, Ledger, build_progress, build_request, build_result, build_upload
from scheduler.routes.ledger import build_ledger_routes
from scheduler.use_cases.refresh_gauges import GaugeRefresher

pytestmark = pytest.mark.integration
KEY = "sixteen-characters"


def to_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


async def read(ledger: Ledger, path: str) -> dict[str, Any]:
    app = FastAPI()
    app.include_router(
        build_ledger_routes(ledger.database, {sha256(KEY.encode()).hexdigest(): "operator"}, lambda _: 3600)
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://scheduler") as http:
        answer = await http.get(path, headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


async def store_first_full_sync(ledger: Ledger, *, sequence: int = 1, object_check: int = 1) -> UUID:
    """Start a full sync, and let the writer report that its data is stored."""
    sync_id = await ledger.start_full_sync()
    await ledger.data_stored(SHOP, [build_result(sync_id, sequence=sequence, object_check=object_check)])
    return sync_id


async def test_a_full_sync_is_no_success_before_its_object_is_in_the_bucket(ledger: Ledger) -> None:
    sync_id = await store_first_full_sync(ledger, sequence=7)
    row = await ledger.get_sync(sync_id)
    assert (row["state"], row["finished_at"]) == ("storing", None)
    await ledger.data_stored(SHOP, [build_upload(7, object_check=1)])
    row = await ledger.get_sync(sync_id)
    assert (row["state"], row["finished_at"] is not None) == ("success", True)


async def test_an_upload_of_a_lower_sequence_ends_nothing_and_one_upload_ends_all_that_it_contains(
    ledger: Ledger,
) -> None:
    await ledger.change_connection()
    first, second, third = uuid4(), uuid4(), uuid4()
    results = [build_result(one, sequence=number) for one, number in ((first, 7), (second, 8), (third, 9))]
    await ledger.data_stored(SHOP, [*results, build_upload(6)])
    assert [await ledger.get_state(one) for one in (first, second, third)] == ["storing"] * 3
    await ledger.data_stored(SHOP, [build_upload(8)])
    assert [await ledger.get_state(one) for one in (first, second, third)] == ["success", "success", "storing"]


async def test_a_result_that_is_delivered_again_changes_nothing(ledger: Ledger) -> None:
    await ledger.change_connection()
    sync_id = uuid4()
    await ledger.data_stored(SHOP, [build_result(sync_id, sequence=7)])
    before = await ledger.get_sync(sync_id)
    await ledger.data_stored(SHOP, [build_result(sync_id, sequence=7)])
    assert await ledger.get_sync(sync_id) == before
    await ledger.data_stored(SHOP, [build_upload(7)])
    finished = await ledger.get_sync(sync_id)
    await ledger.data_stored(SHOP, [build_result(sync_id, sequence=7), build_upload(7)])
    assert await ledger.get_sync(sync_id) == finished


async def test_an_unchanged_incremental_sync_ends_by_the_recorded_upload_but_is_not_uploaded_by_it(
    ledger: Ledger,
) -> None:
    await ledger.change_connection()
    sync_id = uuid4()
    await ledger.data_stored(SHOP, [build_upload(8, stored_at=1_000)])
    await ledger.data_stored(SHOP, [build_result(sync_id, sequence=8)])
    sync = await read(ledger, f"/syncs/{sync_id}")
    assert (sync["state"], sync["upload"]["outcome"], sync["upload"]["stored_at"]) == ("success", "unchanged", 1_000)


async def test_a_failed_upload_does_not_hide_the_one_that_is_in_the_bucket(ledger: Ledger) -> None:
    await ledger.change_connection()
    sync_id = uuid4()
    await ledger.data_stored(SHOP, [build_upload(8), build_upload(8, "failed", reason="SlowDown")])
    await ledger.data_stored(SHOP, [build_result(sync_id, sequence=8)])
    sync = await read(ledger, f"/syncs/{sync_id}")
    assert (sync["state"], sync["upload"]["outcome"]) == ("success", "unchanged")


async def test_an_unchanged_full_sync_ends_only_by_the_look_at_the_object_that_it_requires(ledger: Ledger) -> None:
    sync_id = await ledger.start_full_sync()
    await ledger.data_stored(SHOP, [build_upload(8, object_check=3)])
    await ledger.data_stored(SHOP, [build_result(sync_id, sequence=8, object_check=4)])
    await ledger.data_stored(SHOP, [build_upload(9, object_check=3)])
    assert await ledger.get_state(sync_id) == "storing"
    await ledger.data_stored(SHOP, [build_upload(9, "restored", object_check=4)])
    sync = await read(ledger, f"/syncs/{sync_id}")
    assert (sync["state"], sync["upload"]["outcome"]) == ("success", "restored")


async def test_a_storing_full_sync_covers_no_later_one_and_blocks_none(ledger: Ledger) -> None:
    first = await store_first_full_sync(ledger)
    second = uuid4()
    await ledger.change_connection(revision=2, wanted_sync=second)
    await ledger.dispatch()
    assert [m["sync_id"] for m in await ledger.pop_messages()] == [str(second)]
    assert [await ledger.get_state(one) for one in (first, second)] == ["storing", "running"]
    await ledger.data_stored(SHOP, [build_upload(1, object_check=1)])
    assert [await ledger.get_state(one) for one in (first, second)] == ["success", "running"]


async def test_no_timeout_sweeps_a_storing_sync(ledger: Ledger) -> None:
    full, request = await store_first_full_sync(ledger), uuid4()
    await ledger.requests(SHOP, [build_request(request)])
    await ledger.data_stored(SHOP, [build_result(request, sequence=2)])
    await ledger.execute(
        "UPDATE syncs SET requested_at = now() - interval '100 days', progressed_at = now() - interval '100 days', "
        "stored_at = now() - interval '100 days', attempts = 100"
    )
    await ledger.dispatcher.handle_silent_and_prune_syncs()
    await ledger.dispatch()
    assert [await ledger.get_state(one) for one in (full, request)] == ["storing", "storing"]
    assert await ledger.pop_messages() == []


async def test_neither_a_fetchers_report_nor_a_dead_letter_ends_a_storing_sync(ledger: Ledger) -> None:
    sync_id = await store_first_full_sync(ledger)
    await ledger.progress(SHOP, [build_progress(sync_id, "failed", step=1, retryable=False, reason="late")])
    await ledger.dead_letters(SHOP, [{"connection": SHOP, "read_id": str(sync_id)}])
    totals = SyncTotals(read_id=sync_id, pages=3, records=30)
    await ledger.data_stored(SHOP, [build_upload(0).model_copy(update={"totals": (totals,), "upload": None})])
    row = await ledger.get_sync(sync_id)
    assert (row["state"], row["records"]) == ("storing", 30)


async def test_a_disconnect_ends_no_storing_sync_and_the_upload_that_follows_does(ledger: Ledger) -> None:
    sync_id = await store_first_full_sync(ledger)
    await ledger.change_connection(revision=2, epoch=2, state="uninstalled")
    assert await ledger.get_state(sync_id) == "storing"
    await ledger.data_stored(SHOP, [build_upload(1, object_check=1)])
    assert await ledger.get_state(sync_id) == "success"


async def test_a_disconnect_before_the_first_complete_read_ends_what_no_upload_would_end(ledger: Ledger) -> None:
    await ledger.start_full_sync()
    request = uuid4()
    await ledger.data_stored(SHOP, [build_result(request, sequence=1)])
    assert await ledger.get_state(request) == "storing"
    await ledger.change_connection(revision=2, epoch=2, state="uninstalled")
    row = await ledger.get_sync(request)
    assert (row["state"], "before its first complete full sync" in row["reason"]) == ("cancelled", True)


async def test_a_result_that_comes_after_such_a_disconnect_leaves_no_sync_without_an_end(ledger: Ledger) -> None:
    await ledger.start_full_sync()
    await ledger.change_connection(revision=2, epoch=2, state="uninstalled")
    late = uuid4()
    await ledger.data_stored(SHOP, [build_result(late, sequence=1)])
    assert await ledger.get_state(late) == "cancelled"


async def test_a_late_upload_of_before_a_new_sign_in_does_not_keep_a_sync_storing_for_ever(ledger: Ledger) -> None:
    await store_first_full_sync(ledger)
    await ledger.change_connection(revision=2, epoch=2, state="uninstalled")
    await ledger.change_connection(revision=3, epoch=2)
    await ledger.data_stored(SHOP, [build_upload(1, epoch=2, object_check=1)])
    request = uuid4()
    await ledger.data_stored(SHOP, [build_result(request, epoch=2, sequence=2)])
    assert (await read(ledger, f"/syncs/{request}"))["upload_wait"]["needs_full_sync"]
    await ledger.change_connection(revision=4, epoch=3, state="uninstalled")
    assert await ledger.get_state(request) == "cancelled"


async def test_a_disconnect_that_hides_a_sign_in_ends_what_no_upload_would_end(ledger: Ledger) -> None:
    await store_first_full_sync(ledger)
    await ledger.data_stored(SHOP, [build_upload(1, object_check=1)])
    request = uuid4()
    await ledger.data_stored(SHOP, [build_result(request, sequence=2)])
    events = [
        ConnectionChanged(connection=SHOP, revision=2, epoch=2, state="uninstalled"),
        ConnectionChanged(connection=SHOP, revision=3, epoch=2, state="connected"),
        ConnectionChanged(connection=SHOP, revision=4, epoch=3, state="uninstalled"),
    ]
    await ledger.connections(SHOP, events)
    assert await ledger.get_state(request) == "cancelled"


async def test_a_storing_sync_says_what_it_waits_for(ledger: Ledger) -> None:
    await ledger.start_full_sync()
    request, later = uuid4(), to_ms(datetime.now(UTC) + timedelta(minutes=5))
    await ledger.data_stored(SHOP, [build_result(request, sequence=1)])
    wait = (await read(ledger, f"/syncs/{request}"))["upload_wait"]
    assert (wait["needs_full_sync"], wait["reason"], wait["next_attempt_at"]) == (True, None, None)
    await ledger.execute("UPDATE connections SET full_read_epoch = epoch")
    await ledger.data_stored(SHOP, [build_upload(0, not_before=later)])
    wait = (await read(ledger, f"/syncs/{request}"))["upload_wait"]
    assert (wait["needs_full_sync"], wait["reason"], wait["next_attempt_at"]) == (False, None, later)
    await ledger.data_stored(SHOP, [build_upload(0, "failed", reason="SlowDown", not_before=later + 9)])
    wait = (await read(ledger, f"/syncs/{request}"))["upload_wait"]
    assert (wait["reason"], wait["next_attempt_at"]) == ("SlowDown", later + 9)
    connection = await read(ledger, f"/connections/{SHOP}")
    assert connection["upload_wait"] == wait
    await ledger.data_stored(SHOP, [build_upload(1)])
    assert (await read(ledger, f"/syncs/{request}"))["upload_wait"] is None
    assert (await read(ledger, f"/connections/{SHOP}"))["upload_wait"] is None


async def test_nothing_is_stored_as_anything_before_the_first_upload(ledger: Ledger) -> None:
    await store_first_full_sync(ledger)
    await ledger.data_stored(SHOP, [build_upload(-1, "failed", reason="SlowDown")])
    assert (await read(ledger, f"/connections/{SHOP}"))["upload"] is None
    await ledger.data_stored(SHOP, [build_upload(1, object_check=1)])
    assert (await read(ledger, f"/connections/{SHOP}"))["upload"]["key"] == "k"


async def test_the_overview_names_the_connections_behind_and_since_when_their_upload_was_due(ledger: Ledger) -> None:
    await store_first_full_sync(ledger)
    await ledger.data_stored(SHOP, [build_upload(0, "failed", reason="SlowDown")])
    await ledger.execute("UPDATE syncs SET stored_at = now() - interval '10 minutes'")
    (behind,) = (await read(ledger, "/overview"))["behind"]
    assert (behind["connection"], behind["syncs"], behind["wait"]["reason"]) == (SHOP, 1, "SlowDown")
    assert behind["overdue"] == pytest.approx(600, abs=30)
    # A failed upload does not put off the moment at which it was due, the pace of uploads does.
    later = to_ms(datetime.now(UTC) + timedelta(minutes=5))
    await ledger.data_stored(SHOP, [build_upload(0, "failed", reason="SlowDown", not_before=later)])
    assert (await read(ledger, "/overview"))["behind"][0]["overdue"] == pytest.approx(600, abs=30)
    await ledger.data_stored(SHOP, [build_upload(0, not_before=later)])
    assert (await read(ledger, "/overview"))["behind"][0]["overdue"] == pytest.approx(-300, abs=30)
    await ledger.data_stored(SHOP, [build_upload(1, object_check=1)])
    assert (await read(ledger, "/overview"))["behind"] == []


async def test_the_gauges_show_how_long_an_upload_is_overdue_and_none_before_it_may_be_made(ledger: Ledger) -> None:
    async def scrape() -> tuple[float | None, float | None]:
        await GaugeRefresher(ledger.database.transaction, ledger.metrics.set_gauges).refresh()
        names = ("merchant_sync_syncs_storing", "merchant_sync_upload_overdue_seconds")
        values = [ledger.registry.get_sample_value(name, {"platform": "shopify"}) for name in names]
        return values[0], values[1]

    assert await scrape() == (0, 0)
    await ledger.start_full_sync()
    await ledger.data_stored(SHOP, [build_result(uuid4(), sequence=1)])
    await ledger.execute("UPDATE syncs SET stored_at = now() - interval '10 minutes'")
    assert await scrape() == (1, 0)
    await ledger.execute("UPDATE connections SET full_read_epoch = epoch")
    assert await scrape() == (1, pytest.approx(600, abs=30))


def build_document(changed_at: int | None, *, epoch: int = 1, **fields: Any) -> DataStored:
    document = MerchantDocument(changed_at=changed_at, **fields)
    return DataStored(connection=SHOP, epoch=epoch, sequence=0, merchant_document=document)


async def test_a_merchants_document_that_is_behind_is_shown_as_an_object_of_the_connection_is(ledger: Ledger) -> None:
    await ledger.change_connection()
    changed_at = to_ms(datetime.now(UTC) - timedelta(minutes=10))
    await ledger.data_stored(SHOP, [build_document(changed_at)])
    (behind,) = (await read(ledger, "/overview"))["documents_behind"]
    wait = {"since": changed_at, "next_attempt_at": None, "reason": None, "needs_full_sync": False}
    assert (behind["connection"], behind["overdue"], behind["wait"]) == (SHOP, pytest.approx(600, abs=30), wait)
    await ledger.data_stored(SHOP, [build_document(changed_at, not_before=changed_at + 9, reason="SlowDown")])
    connection = await read(ledger, f"/connections/{SHOP}")
    assert connection["document_wait"] == {**wait, "next_attempt_at": changed_at + 9, "reason": "SlowDown"}
    await GaugeRefresher(ledger.database.transaction, ledger.metrics.set_gauges).refresh()
    overdue = ledger.registry.get_sample_value("merchant_sync_upload_overdue_seconds", {"platform": "shopify"})
    assert overdue == pytest.approx(600, abs=30)
    await ledger.data_stored(SHOP, [build_document(None)])
    assert (await read(ledger, "/overview"))["documents_behind"] == []
    assert (await read(ledger, f"/connections/{SHOP}"))["document_wait"] is None


async def test_a_merchants_document_that_still_names_a_redacted_connection_is_shown(ledger: Ledger) -> None:
    await ledger.change_connection()
    await ledger.change_connection(revision=2, epoch=2, state="redacted")
    changed_at = to_ms(datetime.now(UTC))
    await ledger.data_stored(SHOP, [build_document(changed_at, epoch=2, reason="SlowDown")])
    (behind,) = (await read(ledger, "/overview"))["documents_behind"]
    assert (behind["connection"], behind["wait"]["reason"]) == (SHOP, "SlowDown")


async def test_an_overview_with_a_limit_says_how_long_each_list_is(ledger: Ledger) -> None:
    await ledger.change_connection()
    for number in range(3):
        request = await ledger.request_webhook(f"p{number}")
        await ledger.execute(f"UPDATE syncs SET state = 'failed', finished_at = now() WHERE sync_id = '{request}'")
    await store_first_full_sync(ledger)
    limited, whole = await read(ledger, "/overview?limit=2"), await read(ledger, "/overview")
    assert (len(limited["failures"]), len(whole["failures"])) == (2, 3)
    totals = {"failures": 3, "blocked": 0, "failed_full_syncs": 0, "behind": 1, "documents_behind": 0}
    assert limited["totals"] == whole["totals"] == totals
    connection = await read(ledger, f"/connections/{SHOP}?syncs_limit=1")
    assert (len(connection["syncs"]), connection["sync_count"]) == (1, 4)


async def test_webhooks_do_not_push_a_failed_full_sync_out_of_sight(ledger: Ledger) -> None:
    failed = await ledger.start_full_sync(cause="manual")
    event = build_progress(failed, "failed", step=1, retryable=False, reason="the shop is closed")
    await ledger.progress(SHOP, [event])
    for number in range(30):
        await ledger.data_stored(SHOP, [build_result(uuid4(), sequence=number)])
    connection = await read(ledger, f"/connections/{SHOP}")
    assert str(failed) not in [sync["sync_id"] for sync in connection["syncs"]]
    assert (connection["last_full_sync"]["sync_id"], connection["last_full_sync"]["state"]) == (str(failed), "failed")
    await ledger.execute("UPDATE syncs SET finished_at = now() - interval '3 days' WHERE state = 'failed'")
    (listed,) = (await read(ledger, "/overview"))["failed_full_syncs"]
    assert (listed["sync_id"], listed["reason"]) == (str(failed), "the shop is closed")
    again = uuid4()
    await ledger.change_connection(revision=2, wanted_sync=again)
    assert (await read(ledger, f"/connections/{SHOP}"))["last_full_sync"]["sync_id"] == str(failed)
    await ledger.data_stored(SHOP, [build_result(again, sequence=40), build_upload(40)])
    assert (await read(ledger, f"/connections/{SHOP}"))["last_full_sync"]["state"] == "success"
    assert (await read(ledger, "/overview"))["failed_full_syncs"] == []


async def test_the_open_full_sync_of_a_connection_is_shown_however_many_syncs_came_after_it(ledger: Ledger) -> None:
    running, coalesced = await ledger.start_full_sync(cause="manual"), uuid4()
    await ledger.change_connection(revision=2, wanted_sync=coalesced, wanted_cause="manual")
    for number in range(30):
        await ledger.data_stored(SHOP, [build_result(uuid4(), sequence=number)])
    connection = await read(ledger, f"/connections/{SHOP}")
    assert str(running) not in [sync["sync_id"] for sync in connection["syncs"]]
    assert connection["open_full_sync"]["sync_id"] == str(running), "the other one has no work of its own"
    await ledger.progress(SHOP, [build_progress(running, "failed", step=1, retryable=False, reason="it is closed")])
    assert (await read(ledger, f"/connections/{SHOP}"))["open_full_sync"] is None


async def test_a_guarded_full_sync_names_how_many_records_it_would_delete(ledger: Ledger) -> None:
    sync_id = await ledger.start_full_sync()
    guarded = GuardedDeletions(sync_id=sync_id, records=100, stored=200)
    await ledger.data_stored(SHOP, [build_result(sync_id, guarded_deletions=guarded), build_upload(1)])
    assert (await read(ledger, f"/syncs/{sync_id}"))["guarded_records"] == 100
    expected = {"connection": SHOP, "sync_id": str(sync_id), "records": 100, "stored": 200}
    assert (await read(ledger, f"/connections/{SHOP}"))["guarded"] == expected
    assert (await read(ledger, "/overview"))["guarded"] == [expected]
    again = uuid4()
    await ledger.change_connection(revision=2, wanted_sync=again)
    await ledger.data_stored(SHOP, [build_result(uuid4(), sequence=2), build_result(again, sequence=2)])
    assert (await read(ledger, "/overview"))["guarded"] == []


async def test_a_disconnected_account_has_no_next_poll(ledger: Ledger) -> None:
    await ledger.change_connection()
    assert (await read(ledger, f"/connections/{SHOP}"))["next_poll_at"] is not None
    await ledger.change_connection(revision=2, epoch=2, state="uninstalled")
    assert (await read(ledger, f"/connections/{SHOP}"))["next_poll_at"] is None
    await ledger.change_connection(revision=3, epoch=2)
    assert (await read(ledger, f"/connections/{SHOP}"))["next_poll_at"] is not None
