"""The ledger against a real PostgreSQL: steps, results, retries, polls, epochs, in any order and twice."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from contracts.events import ConnectionChanged, DataStored, SyncRequested, SyncResult, SyncTotals
from ledger_fixture import SHOP, Ledger, build_progress, build_request, build_result, build_upload
from messaging.errors import UnknownConnectionError
from scheduler.store import syncs

pytestmark = pytest.mark.integration


async def test_webhooks_are_ensured_before_the_first_step_of_a_full_sync_is_requested(ledger: Ledger) -> None:
    sync_id = uuid4()
    await ledger.change_connection(wanted_sync=sync_id)
    assert await ledger.pop_messages() == []
    await ledger.dispatch()
    assert ledger.gateway.paths == [f"/internal/connections/{quote(SHOP, safe='')}/assert".encode()]
    messages = await ledger.pop_messages()
    assert [(m["topic"], m["step"], m["cursor"]) for m in messages] == [("sync.requested.shopify.full", 1, None)]
    assert (await ledger.get_sync(sync_id))["state"] == "running"


async def test_a_step_that_ran_twice_advances_the_full_sync_once(ledger: Ledger) -> None:
    sync_id = await ledger.start_full_sync()
    event = build_progress(sync_id, "advanced", step=1, cursor="c1")
    await ledger.progress(SHOP, [event, event])
    await ledger.progress(SHOP, [event])
    assert [(m["step"], m["cursor"]) for m in await ledger.pop_messages()] == [(2, "c1")]


async def test_a_full_sync_succeeds_only_by_the_writers_result(ledger: Ledger) -> None:
    sync_id = await ledger.start_full_sync()
    await ledger.progress(SHOP, [build_progress(sync_id, "completed", step=1)])
    assert (await ledger.get_sync(sync_id))["state"] == "running"
    await ledger.data_stored(SHOP, [build_result(sync_id), build_upload(1)])
    assert (await ledger.get_sync(sync_id))["state"] == "success"


async def test_an_incomplete_id_range_is_read_again_once_however_often_the_result_is_repeated(ledger: Ledger) -> None:
    sync_id = await ledger.start_full_sync()
    result = build_result(sync_id, "incomplete", retry_cursors=("w1",), reason="counts differ")
    await ledger.data_stored(SHOP, [result])
    assert await ledger.pop_messages() == []
    await ledger.progress(SHOP, [build_progress(sync_id, "completed", step=1)])
    assert [(m["step"], m["cursor"]) for m in await ledger.pop_messages()] == [(2, "w1")]
    await ledger.data_stored(SHOP, [result])
    await ledger.progress(SHOP, [build_progress(sync_id, "completed", step=2)])
    assert await ledger.pop_messages() == []
    await ledger.data_stored(SHOP, [build_result(sync_id)])
    assert (await ledger.get_sync(sync_id))["state"] == "storing"


async def test_a_throttled_step_waits_until_the_time_it_was_given(ledger: Ledger) -> None:
    sync_id = await ledger.start_full_sync()
    later = int((datetime.now(UTC) + timedelta(hours=1)).timestamp() * 1000)
    await ledger.progress(
        SHOP, [build_progress(sync_id, "postponed", step=1, cursor="c1", not_before=later, throttled=True)]
    )
    await ledger.dispatch()
    assert await ledger.pop_messages() == []
    await ledger.execute("UPDATE syncs SET due_at = now()")
    await ledger.dispatch()
    assert [(m["step"], m["cursor"]) for m in await ledger.pop_messages()] == [(2, "c1")]
    sync = await ledger.get_sync(sync_id)
    assert (sync["throttled"], sync["reason"]) == (1, "the rate limit")


async def test_a_failing_full_sync_is_tried_five_times_and_then_fails_with_the_reason(ledger: Ledger) -> None:
    sync_id = await ledger.start_full_sync()
    for step in range(1, 6):
        await ledger.progress(SHOP, [build_progress(sync_id, "failed", step=step, reason="HTTP 500")])
        await ledger.execute("UPDATE syncs SET due_at = now() WHERE due_at IS NOT NULL")
        await ledger.dispatch()
    row = await ledger.get_sync(sync_id)
    assert (row["state"], row["reason"], row["attempts"]) == ("failed", "HTTP 500", 5)


async def test_a_second_full_sync_is_coalesced_into_the_open_one_and_ends_with_it(ledger: Ledger) -> None:
    sync_id, second_id = await ledger.start_full_sync(), uuid4()
    await ledger.change_connection(revision=2, wanted_sync=second_id, wanted_cause="manual")
    await ledger.dispatch()
    assert await ledger.pop_messages() == []
    await ledger.data_stored(SHOP, [build_result(sync_id)])
    assert [await ledger.get_state(one) for one in (sync_id, second_id)] == ["storing", "storing"]
    await ledger.data_stored(SHOP, [build_upload(1)])
    assert [await ledger.get_state(one) for one in (sync_id, second_id)] == ["success", "success"]


async def test_a_rise_of_epoch_cancels_what_is_open_and_starts_anew(ledger: Ledger) -> None:
    sync_id, second_id = await ledger.start_full_sync(), uuid4()
    await ledger.change_connection(revision=2, epoch=2, wanted_sync=second_id)
    assert (await ledger.get_sync(sync_id))["state"] == "cancelled"
    await ledger.dispatch()
    assert [(m["sync_id"], m["epoch"]) for m in await ledger.pop_messages()] == [(str(second_id), 2)]


async def test_an_uninstalled_connection_has_no_open_syncs_and_no_polls(ledger: Ledger) -> None:
    sync_id, request_id = await ledger.start_full_sync(), uuid4()
    await ledger.requests(SHOP, [build_request(request_id)])
    later = int((datetime.now(UTC) + timedelta(hours=1)).timestamp() * 1000)
    await ledger.progress(
        SHOP, [build_progress(request_id, "postponed", records={"products": ("p1",)}, not_before=later)]
    )
    await ledger.change_connection(revision=2, epoch=2, state="uninstalled")
    await ledger.execute("UPDATE connections SET next_poll_at = now()")
    await ledger.execute("UPDATE delayed_requests SET not_before = now()")
    await ledger.dispatch()
    assert await ledger.pop_messages() == []
    assert {(await ledger.get_sync(i))["state"] for i in (sync_id, request_id)} == {"cancelled"}


async def test_a_result_that_comes_before_its_request_is_not_undone_by_it(ledger: Ledger) -> None:
    await ledger.change_connection()
    request_id = uuid4()
    await ledger.data_stored(SHOP, [build_result(request_id)])
    await ledger.requests(SHOP, [build_request(request_id)])
    row = await ledger.get_sync(request_id)
    assert (row["state"], row["cause"]) == ("storing", "webhook")


async def test_data_of_an_unknown_connection_is_held(ledger: Ledger) -> None:
    with pytest.raises(UnknownConnectionError):
        await ledger.data_stored(SHOP, [build_result(uuid4())])


async def test_a_probe_of_the_webhook_address_makes_no_sync(ledger: Ledger) -> None:
    await ledger.change_connection()
    probe = uuid4()
    await ledger.requests(SHOP, [build_request(probe, cause="probe")])
    async with ledger.database.transaction() as tx:
        assert await syncs.get(tx, probe) is None


async def test_a_postponed_request_is_published_again_at_its_time_for_all_syncs_coalesced_into_it(
    ledger: Ledger,
) -> None:
    await ledger.change_connection()
    first_id, second_id = uuid4(), uuid4()
    await ledger.requests(SHOP, [build_request(first_id), build_request(second_id, "p2")])
    event = build_progress(first_id, "postponed", records={"products": ("p1", "p2")}, cursor="inside", not_before=1)
    event = event.model_copy(update={"sync_ids": (first_id, second_id), "throttled": True})
    await ledger.progress(SHOP, [event])
    await ledger.dispatch()
    (message,) = await ledger.pop_messages()
    assert (message["sync_id"], message["coalesced_sync_ids"], message["cursor"]) == (
        str(first_id),
        [str(second_id)],
        "inside",
    )
    assert message["records"] == {"products": ["p1", "p2"]}


async def test_records_to_verify_become_one_request_however_often_the_event_is_repeated(ledger: Ledger) -> None:
    await ledger.change_connection()
    event = DataStored(
        connection=SHOP, epoch=1, sequence=1, records_to_verify={"products": ("p9",)}, verification_id=uuid4()
    )
    await ledger.data_stored(SHOP, [event])
    await ledger.data_stored(SHOP, [event])
    (message,) = await ledger.pop_messages()
    assert (message["cause"], message["records"]) == ("reconcile", {"products": ["p9"]})


async def test_records_to_verify_later_are_requested_when_their_time_has_come(ledger: Ledger) -> None:
    await ledger.change_connection()
    event = DataStored(
        connection=SHOP,
        epoch=1,
        sequence=1,
        records_to_verify={"products": ("p9",)},
        verification_id=uuid4(),
        verify_not_before=int((datetime.now(UTC) + timedelta(minutes=1)).timestamp() * 1000),
    )
    await ledger.data_stored(SHOP, [event])
    await ledger.data_stored(SHOP, [event])
    await ledger.dispatch()
    assert await ledger.pop_messages() == [], "a minute later"
    await ledger.execute("UPDATE delayed_requests SET not_before = not_before - interval '1 minute'")
    await ledger.dispatch()
    (message,) = await ledger.pop_messages()
    assert (message["cause"], message["records"]) == ("reconcile", {"products": ["p9"]})


async def test_counters_never_fall(ledger: Ledger) -> None:
    sync_id = await ledger.start_full_sync()
    for pages in (3, 1, 2):
        totals = SyncTotals(read_id=sync_id, pages=pages, records=pages * 10)
        await ledger.data_stored(SHOP, [DataStored(connection=SHOP, epoch=1, sequence=1, totals=(totals,))])
    row = await ledger.get_sync(sync_id)
    assert (row["pages"], row["records"]) == (3, 30)


async def test_two_schedulers_start_each_poll_once(ledger: Ledger) -> None:
    await ledger.change_connection()
    await ledger.execute("UPDATE connections SET next_poll_at = now(), poll_slot = now()")
    other = Ledger(ledger.database)
    started = [await ledger.dispatcher.start_polls(), await other.dispatcher.start_polls()]
    assert started == [1, 0]
    await ledger.dispatch()
    (message,) = await ledger.pop_messages()
    assert message["cause"] == "poll"


async def test_a_full_sync_begins_without_its_webhooks_after_three_attempts(ledger: Ledger) -> None:
    ledger.gateway.status = 503
    sync_id = uuid4()
    await ledger.change_connection(wanted_sync=sync_id)
    for _ in range(3):
        assert await ledger.pop_messages() == []
        await ledger.execute("UPDATE syncs SET due_at = now()")
        await ledger.dispatch()
    assert ledger.gateway.calls == 3
    assert [m["step"] for m in await ledger.pop_messages()] == [1]


async def start_without_webhooks(ledger: Ledger) -> UUID:
    """Start the first full sync while the gateway cannot ensure the subscriptions; returns the sync's id."""
    ledger.gateway.status = 503
    sync_id = uuid4()
    await ledger.change_connection(wanted_sync=sync_id)
    for _ in range(3):
        await ledger.execute("UPDATE syncs SET due_at = now()")
        await ledger.dispatch()
    await ledger.pop_messages()
    return sync_id


async def retry_webhooks(ledger: Ledger) -> None:
    await ledger.execute("UPDATE connections SET webhooks_due_at = now() WHERE webhooks_due_at IS NOT NULL")
    await ledger.dispatch()


async def list_full_syncs(ledger: Ledger) -> list[tuple[str, str]]:
    async with ledger.database.transaction() as tx:
        rows = await tx.execute(text("SELECT cause, state FROM syncs WHERE mode = 'full' ORDER BY requested_at"))
        return [(row.cause, row.state) for row in rows]


async def test_subscriptions_that_a_full_sync_began_without_are_tried_again_and_the_gap_is_read(ledger: Ledger) -> None:
    sync_id = await start_without_webhooks(ledger)
    await ledger.data_stored(SHOP, [build_result(sync_id)])
    await ledger.dispatch()
    assert ledger.gateway.calls == 3, "the retry is not due yet"
    await retry_webhooks(ledger)
    assert ledger.gateway.calls == 4
    assert await list_full_syncs(ledger) == [("connect", "storing")]
    ledger.gateway.status = 200
    await retry_webhooks(ledger)
    assert await list_full_syncs(ledger) == [("connect", "storing"), ("subscriptions", "queued")]
    await ledger.dispatch()
    (message,) = await ledger.pop_messages()
    assert (message["cause"], message["step"]) == ("subscriptions", 1)
    calls = ledger.gateway.calls
    await retry_webhooks(ledger)
    assert ledger.gateway.calls == calls, "the subscriptions are there"


async def test_the_gap_is_read_only_after_the_full_sync_that_has_it(ledger: Ledger) -> None:
    sync_id = await start_without_webhooks(ledger)
    ledger.gateway.status = 200
    await retry_webhooks(ledger)
    assert await list_full_syncs(ledger) == [("connect", "running")]
    calls = ledger.gateway.calls
    await retry_webhooks(ledger)
    await ledger.data_stored(SHOP, [build_result(sync_id)])
    await retry_webhooks(ledger)
    assert await list_full_syncs(ledger) == [("connect", "storing"), ("subscriptions", "queued")]
    assert ledger.gateway.calls == calls, "the subscriptions were ensured once"


async def test_a_new_epoch_ends_the_retries_of_the_old_one(ledger: Ledger) -> None:
    await start_without_webhooks(ledger)
    calls = ledger.gateway.calls
    await ledger.change_connection(revision=2, epoch=2, state="uninstalled")
    await ledger.change_connection(revision=3, epoch=2)
    await retry_webhooks(ledger)
    assert ledger.gateway.calls == calls


async def test_a_poll_without_subscriptions_does_not_shorten_the_wait(ledger: Ledger) -> None:
    sync_id = await start_without_webhooks(ledger)
    await ledger.data_stored(SHOP, [build_result(sync_id)])
    for _ in range(3):
        await retry_webhooks(ledger)
    await ledger.execute("UPDATE connections SET next_poll_at = now()")
    await ledger.dispatch()
    for _ in range(3):
        await ledger.execute("UPDATE syncs SET due_at = now() WHERE state = 'queued'")
        await ledger.dispatch()
    async with ledger.database.transaction() as tx:
        row = (await tx.execute(text("SELECT unsubscribed_sync, webhook_attempts FROM connections"))).one()
    assert tuple(row) == (sync_id, 4)


async def test_the_retries_of_subscriptions_come_later_and_later_and_never_end(ledger: Ledger) -> None:
    await start_without_webhooks(ledger)
    waits = []
    for _ in range(6):
        async with ledger.database.transaction() as tx:
            sql = "SELECT extract(epoch FROM webhooks_due_at - now()) / 60 FROM connections"
            waits.append(round((await tx.execute(text(sql))).scalar_one()))
        await retry_webhooks(ledger)
    assert waits == [5, 10, 20, 40, 60, 60]


async def test_subscriptions_of_a_connection_that_ended_are_not_tried_again(ledger: Ledger) -> None:
    await start_without_webhooks(ledger)
    ledger.gateway.status, ledger.gateway.body = 409, {"state": "uninstalled"}
    await retry_webhooks(ledger)
    calls = ledger.gateway.calls
    await retry_webhooks(ledger)
    assert ledger.gateway.calls == calls


async def test_two_schedulers_retry_subscriptions_once(ledger: Ledger) -> None:
    await start_without_webhooks(ledger)
    await ledger.execute("UPDATE connections SET webhooks_due_at = now()")
    other = Ledger(ledger.database)
    await ledger.dispatch()
    await other.dispatch()
    assert (ledger.gateway.calls, other.gateway.calls) == (4, 0)


async def test_a_connection_that_ended_cancels_its_waiting_full_sync(ledger: Ledger) -> None:
    ledger.gateway.status, ledger.gateway.body = 409, {"state": "reauthorise"}
    sync_id = uuid4()
    await ledger.change_connection(wanted_sync=sync_id)
    await ledger.dispatch()
    row = await ledger.get_sync(sync_id)
    reason = "the sign-in is no longer accepted, and the merchant has to sign in again"
    assert (row["state"], row["reason"]) == ("cancelled", reason)


async def test_a_full_sync_waits_with_the_reason_that_the_gateway_gives_in_words(ledger: Ledger) -> None:
    reason = "the sign-in at Shopify could not be refreshed: Shopify does not answer"
    ledger.gateway.status, ledger.gateway.body = 424, {"reason": reason, "retry_after": "30"}
    sync_id = uuid4()
    await ledger.change_connection(wanted_sync=sync_id)
    await ledger.dispatch()
    assert (await ledger.get_sync(sync_id))["reason"] == reason


async def test_a_silent_step_is_requested_again(ledger: Ledger) -> None:
    await ledger.start_full_sync()
    await ledger.execute("UPDATE syncs SET progressed_at = now() - interval '16 minutes'")
    await ledger.dispatcher.handle_silent_and_prune_syncs()
    await ledger.dispatch()
    assert [m["step"] for m in await ledger.pop_messages()] == [2]


async def test_a_dead_letter_fails_the_sync_that_it_names(ledger: Ledger) -> None:
    sync_id = await ledger.start_full_sync()
    await ledger.dead_letters(SHOP, [{"read_id": str(sync_id)}, {"nothing": 1}])
    row = await ledger.get_sync(sync_id)
    assert row["state"] == "failed"
    assert "dead-lettered" in row["reason"]


async def test_requests_that_ended_a_week_ago_are_deleted(ledger: Ledger) -> None:
    await ledger.change_connection()
    old, fresh = uuid4(), uuid4()
    await ledger.requests(SHOP, [build_request(old), build_request(fresh)])
    await ledger.data_stored(SHOP, [build_result(old), build_result(fresh)])
    await ledger.execute(f"UPDATE syncs SET finished_at = now() - interval '8 days' WHERE sync_id = '{old}'")
    async with ledger.database.transaction() as tx:
        await syncs.prune(tx)
        assert await syncs.get(tx, old) is None
        assert await syncs.get(tx, fresh) is not None


async def test_throttles_use_up_no_attempts_and_other_postponements_end_after_twenty(ledger: Ledger) -> None:
    sync_id = await ledger.start_full_sync()
    step = 1
    for throttled in [True] * 30 + [False] * 19:
        event = build_progress(
            sync_id, "postponed", step=step, cursor="c", not_before=1, reason="later", throttled=throttled
        )
        await ledger.progress(SHOP, [event])
        await ledger.dispatch()
        step += 1
    row = await ledger.get_sync(sync_id)
    assert (row["state"], row["reason"], row["throttled"]) == ("failed", "later", 30)


async def test_a_sign_in_during_a_full_sync_is_read_by_one_that_begins_after_it(ledger: Ledger) -> None:
    running, wanted, manual = await ledger.start_full_sync(), uuid4(), uuid4()
    await ledger.change_connection(revision=2, wanted_sync=wanted)
    await ledger.change_connection(revision=3, wanted_sync=manual, wanted_cause="manual")
    await ledger.dispatch()
    assert await ledger.pop_messages() == []
    await ledger.complete_full_sync(running)
    assert [await ledger.get_state(one) for one in (running, wanted)] == ["success", "queued"]
    assert (await ledger.get_sync(manual))["coalesced_into"] == wanted
    await ledger.dispatch()
    assert [m["sync_id"] for m in await ledger.pop_messages()] == [str(wanted)]


async def test_a_sign_in_is_left_to_a_full_sync_that_has_not_begun_and_a_start_under_way_begins_anew(
    ledger: Ledger,
) -> None:
    first, wanted = uuid4(), uuid4()
    await ledger.change_connection(wanted_sync=first, wanted_cause="manual")
    ledger.gateway.on_call = lambda: ledger.change_connection(revision=2, wanted_sync=wanted)
    await ledger.dispatch()
    assert (await ledger.get_sync(wanted))["coalesced_into"] == first
    assert await ledger.pop_messages() == [], "its subscriptions were compared before the sign-in"
    await ledger.dispatch()
    assert [m["sync_id"] for m in await ledger.pop_messages()] == [str(first)]
    assert ledger.gateway.calls == 2


async def test_a_start_that_fails_does_not_delay_the_one_that_a_sign_in_made_anew(ledger: Ledger) -> None:
    ledger.gateway.status = 503
    ledger.gateway.on_call = lambda: ledger.change_connection(revision=2, wanted_sync=uuid4())
    await ledger.change_connection(wanted_sync=uuid4(), wanted_cause="manual")
    await ledger.dispatch()
    ledger.gateway.status = 200
    await ledger.dispatch()
    assert len(await ledger.pop_messages()) == 1


async def test_each_full_sync_that_events_of_one_batch_request_is_entered(ledger: Ledger) -> None:
    await ledger.complete_full_sync(await ledger.start_full_sync())
    wanted, manual = uuid4(), uuid4()
    events = [
        ConnectionChanged(connection=SHOP, revision=2, epoch=1, state="reauthorise"),
        ConnectionChanged(connection=SHOP, revision=3, epoch=1, state="connected", wanted_sync=wanted),
        ConnectionChanged(
            connection=SHOP, revision=4, epoch=1, state="connected", wanted_sync=manual, wanted_cause="manual"
        ),
    ]
    await ledger.connections(SHOP, events)
    await ledger.connections(SHOP, events)
    row = await ledger.get_sync(wanted)
    assert (row["cause"], row["coalesced_into"]) == ("connect", None)
    assert (await ledger.get_sync(manual))["coalesced_into"] == wanted


async def test_a_postponement_that_arrives_before_its_request_is_not_lost(ledger: Ledger) -> None:
    await ledger.change_connection()
    request_id = uuid4()
    await ledger.progress(SHOP, [build_progress(request_id, "postponed", records={"products": ("p1",)}, not_before=1)])
    await ledger.requests(SHOP, [build_request(request_id)])
    await ledger.dispatch()
    assert [(m["sync_id"], m["records"]) for m in await ledger.pop_messages()] == [
        (str(request_id), {"products": ["p1"]})
    ]
    assert (await ledger.get_sync(request_id))["cause"] == "webhook"


async def test_a_postponed_request_keeps_its_attempts(ledger: Ledger) -> None:
    await ledger.change_connection()
    request_id = uuid4()
    await ledger.requests(SHOP, [build_request(request_id)])
    for _ in range(8):
        event = build_progress(
            request_id, "postponed", records={"products": ("p1",)}, not_before=1, throttled=True, reason="t"
        )
        await ledger.progress(SHOP, [event])
        await ledger.dispatch()
        (message,) = await ledger.pop_messages()
        await ledger.requests(SHOP, [SyncRequested.model_validate(message)])
    assert (await ledger.get_sync(request_id))["attempts"] == 1


async def test_a_full_sync_without_a_result_fails_after_an_hour(ledger: Ledger) -> None:
    sync_id = await ledger.start_full_sync()
    await ledger.progress(SHOP, [build_progress(sync_id, "completed", step=1)])
    await ledger.execute("UPDATE syncs SET progressed_at = now() - interval '2 hours'")
    await ledger.dispatcher.handle_silent_and_prune_syncs()
    assert (await ledger.get_sync(sync_id))["reason"] == "no result came within an hour"


async def test_a_dead_lettered_result_fails_its_syncs_and_a_malformed_dead_letter_fails_nothing(ledger: Ledger) -> None:
    sync_id = await ledger.start_full_sync()
    dead_letters = [
        {"epoch": None, "sync_id": "not-an-id-but-36-characters-long----"},
        {"results": [{"sync_ids": [str(sync_id)]}, None], "sync_ids": 7},
    ]
    await ledger.dead_letters(SHOP, dead_letters)
    assert (await ledger.get_sync(sync_id))["state"] == "failed"


async def test_a_cancelled_sync_whose_request_was_not_received_is_not_entered(ledger: Ledger) -> None:
    await ledger.change_connection()
    unknown_id = uuid4()
    await ledger.data_stored(SHOP, [build_result(unknown_id, "cancelled")])
    async with ledger.database.transaction() as tx:
        assert await syncs.get(tx, unknown_id) is None


async def test_a_record_that_can_never_be_read_fails_its_own_request_alone(ledger: Ledger) -> None:
    await ledger.change_connection()
    good, bad = uuid4(), uuid4()
    await ledger.requests(SHOP, [build_request(good), build_request(bad, "p2")])
    failed = SyncResult(sync_ids=(good, bad), status="failed", sequence=1, reason="p2 cannot be read")
    await ledger.data_stored(SHOP, [DataStored(connection=SHOP, epoch=1, sequence=1, results=(failed,))])
    await ledger.execute("UPDATE delayed_requests SET not_before = now()")
    await ledger.dispatch()
    products = sorted(m["records"]["products"] for m in await ledger.pop_messages())
    assert products == [["p1"], ["p2"]]
