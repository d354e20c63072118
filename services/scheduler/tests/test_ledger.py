"""The ledger against a real PostgreSQL: steps, verdicts, retries, polls, epochs, in any order and twice."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from contracts.events import DataStored, SyncProgressed, SyncRequested, SyncResult, SyncTotals
from ledger_stand import SHOP, Ledger, progressed, request, upload, verdict
from messaging.errors import UnknownConnectionError
from scheduler.store import syncs

pytestmark = pytest.mark.integration


async def test_subscriptions_are_asserted_before_a_walks_first_step_is_asked_for(ledger: Ledger) -> None:
    want = uuid4()
    await ledger.connected(want=want)
    assert await ledger.said() == []
    await ledger.dispatched()
    assert ledger.answer.asked == 1
    said = await ledger.said()
    assert [(m["topic"], m["step"], m["cursor"]) for m in said] == [("sync.requested.shopify.full", 1, None)]
    assert (await ledger.sync(want))["state"] == "running"


async def test_a_step_that_ran_twice_advances_the_walk_once(ledger: Ledger) -> None:
    want = await ledger.walking()
    done = progressed(want, "advanced", step=1, cursor="c1")
    await ledger.progress(SHOP, [done, done])
    await ledger.progress(SHOP, [done])
    assert [(m["step"], m["cursor"]) for m in await ledger.said()] == [(2, "c1")]


async def test_a_walk_succeeds_only_by_the_writers_verdict(ledger: Ledger) -> None:
    want = await ledger.walking()
    await ledger.progress(SHOP, [progressed(want, "completed", step=1)])
    assert (await ledger.sync(want))["state"] == "running"
    await ledger.stored(SHOP, [verdict(want)])
    assert (await ledger.sync(want))["state"] == "success"


async def test_an_incomplete_walk_goes_again_once_however_often_it_is_said(ledger: Ledger) -> None:
    want = await ledger.walking()
    bad = verdict(want, "incomplete", again=("w1",), reason="counts differ")
    await ledger.stored(SHOP, [bad])
    assert await ledger.said() == []
    await ledger.progress(SHOP, [progressed(want, "completed", step=1)])
    assert [(m["step"], m["cursor"]) for m in await ledger.said()] == [(2, "w1")]
    await ledger.stored(SHOP, [bad])
    await ledger.progress(SHOP, [progressed(want, "completed", step=2)])
    assert await ledger.said() == []
    await ledger.stored(SHOP, [verdict(want)])
    assert (await ledger.sync(want))["state"] == "success"


async def test_a_throttled_step_waits_until_the_time_it_was_given(ledger: Ledger) -> None:
    want = await ledger.walking()
    later = int((datetime.now(UTC) + timedelta(hours=1)).timestamp() * 1000)
    await ledger.progress(SHOP, [progressed(want, "postponed", step=1, cursor="c1", not_before=later, throttled=True)])
    await ledger.dispatched()
    assert await ledger.said() == []
    await ledger.run("UPDATE syncs SET due_at = now()")
    await ledger.dispatched()
    assert [(m["step"], m["cursor"]) for m in await ledger.said()] == [(2, "c1")]
    assert (await ledger.sync(want))["throttled"] == 1


async def test_a_failing_walk_is_tried_five_times_and_then_says_why(ledger: Ledger) -> None:
    want = await ledger.walking()
    for step in range(1, 6):
        await ledger.progress(SHOP, [progressed(want, "failed", step=step, reason="HTTP 500")])
        await ledger.run("UPDATE syncs SET due_at = now() WHERE due_at IS NOT NULL")
        await ledger.dispatched()
    row = await ledger.sync(want)
    assert (row["state"], row["reason"], row["attempts"]) == ("failed", "HTTP 500", 5)


async def test_a_second_wish_is_covered_by_the_open_walk_and_ends_with_it(ledger: Ledger) -> None:
    want, second = await ledger.walking(), uuid4()
    await ledger.connected(revision=2, want=second)
    await ledger.dispatched()
    assert await ledger.said() == []
    await ledger.stored(SHOP, [verdict(want)])
    assert (await ledger.sync(second))["state"] == "success"


async def test_a_rise_of_epoch_cancels_what_is_open_and_starts_anew(ledger: Ledger) -> None:
    want, anew = await ledger.walking(), uuid4()
    await ledger.connected(revision=2, epoch=2, want=anew)
    assert (await ledger.sync(want))["state"] == "cancelled"
    await ledger.dispatched()
    assert [(m["sync_id"], m["epoch"]) for m in await ledger.said()] == [(str(anew), 2)]


async def test_an_uninstalled_connection_has_no_open_syncs_and_no_polls(ledger: Ledger) -> None:
    want, asked = await ledger.walking(), uuid4()
    await ledger.requests(SHOP, [request(asked)])
    later = int((datetime.now(UTC) + timedelta(hours=1)).timestamp() * 1000)
    await ledger.progress(SHOP, [progressed(asked, "postponed", records={"products": ("p1",)}, not_before=later)])
    await ledger.connected(revision=2, epoch=2, state="uninstalled")
    await ledger.run(["UPDATE connections SET next_poll_at = now()", " UPDATE delayed SET not_before = now()"][0])
    await ledger.dispatched()
    assert await ledger.said() == []
    assert {(await ledger.sync(i))["state"] for i in (want, asked)} == {"cancelled"}


async def test_a_verdict_that_comes_before_its_request_is_not_undone_by_it(ledger: Ledger) -> None:
    await ledger.connected()
    asked = uuid4()
    await ledger.stored(SHOP, [verdict(asked)])
    await ledger.requests(SHOP, [request(asked)])
    row = await ledger.sync(asked)
    assert (row["state"], row["cause"]) == ("success", "webhook")


async def test_a_word_on_a_connection_not_heard_of_is_held(ledger: Ledger) -> None:
    with pytest.raises(UnknownConnectionError):
        await ledger.stored(SHOP, [verdict(uuid4())])


async def test_the_test_of_the_webhook_address_makes_no_sync(ledger: Ledger) -> None:
    await ledger.connected()
    probe = uuid4()
    await ledger.requests(SHOP, [request(probe, cause="test")])
    async with ledger.database.transaction() as tx:
        assert await syncs.get(tx, probe) is None


async def test_a_postponed_request_is_said_again_at_its_time_for_all_that_it_covers(ledger: Ledger) -> None:
    await ledger.connected()
    one, two = uuid4(), uuid4()
    await ledger.requests(SHOP, [request(one), request(two, "p2")])
    event = SyncProgressed(
        connection=SHOP, epoch=1, outcome="postponed", sync_ids=(one, two), records={"products": ("p1", "p2")},
        cursor="inside", not_before=1, throttled=True,
    )  # fmt: skip
    await ledger.progress(SHOP, [event])
    await ledger.dispatched()
    (message,) = await ledger.said()
    assert (message["sync_id"], message["covers"], message["cursor"]) == (str(one), [str(two)], "inside")
    assert message["records"] == {"products": ["p1", "p2"]}


async def test_a_refused_request_fails_at_once_and_says_why(ledger: Ledger) -> None:
    await ledger.connected()
    asked = uuid4()
    await ledger.requests(SHOP, [request(asked)])
    await ledger.progress(SHOP, [progressed(asked, "failed", reason="the connection is reauthorise", retry=False)])
    row = await ledger.sync(asked)
    assert (row["state"], row["reason"]) == ("failed", "the connection is reauthorise")


async def test_what_the_writer_wants_becomes_one_request_however_often_it_is_said(ledger: Ledger) -> None:
    await ledger.connected()
    wish = DataStored(
        connection=SHOP, epoch=1, sequence=1, records_to_verify={"products": ("p9",)}, verification_id=uuid4()
    )
    await ledger.stored(SHOP, [wish])
    await ledger.stored(SHOP, [wish])
    (message,) = await ledger.said()
    assert (message["cause"], message["records"]) == ("reconcile", {"products": ["p9"]})


async def test_a_sync_is_uploaded_when_the_bucket_holds_its_change(ledger: Ledger) -> None:
    want = await ledger.walking()
    await ledger.stored(SHOP, [verdict(want, change=7), upload(6)])
    assert (await ledger.sync(want))["uploaded"] is False
    await ledger.stored(SHOP, [upload(8)])
    assert (await ledger.sync(want))["uploaded"] is True


async def test_a_request_that_changed_nothing_is_uploaded_by_what_is_already_there(ledger: Ledger) -> None:
    await ledger.connected()
    asked = uuid4()
    await ledger.stored(SHOP, [upload(8)])
    await ledger.stored(SHOP, [verdict(asked, change=8)])
    assert (await ledger.sync(asked))["uploaded"] is True


async def test_a_walk_waits_for_the_look_at_the_object_that_follows_it(ledger: Ledger) -> None:
    want = await ledger.walking()
    await ledger.stored(SHOP, [upload(8)])
    await ledger.stored(SHOP, [verdict(want, change=8)])
    assert (await ledger.sync(want))["uploaded"] is False
    await ledger.stored(SHOP, [upload(8, "restored")])
    assert '"restored"' in (await ledger.sync(want))["upload"]


async def test_a_failed_upload_is_shown_until_one_succeeds(ledger: Ledger) -> None:
    want = await ledger.walking()
    await ledger.stored(SHOP, [verdict(want, change=7), upload(-1, "failed")])
    row = await ledger.sync(want)
    assert '"failed"' in row["upload"]
    await ledger.stored(SHOP, [upload(7)])
    assert '"uploaded"' in (await ledger.sync(want))["upload"]


async def test_counters_never_fall(ledger: Ledger) -> None:
    want = await ledger.walking()
    for pages in (3, 1, 2):
        totals = SyncTotals(read_id=want, pages=pages, records=pages * 10)
        await ledger.stored(SHOP, [DataStored(connection=SHOP, epoch=1, sequence=1, totals=(totals,))])
    row = await ledger.sync(want)
    assert (row["pages"], row["records"]) == (3, 30)


async def test_two_schedulers_start_each_poll_once(ledger: Ledger) -> None:
    await ledger.connected()
    await ledger.run("UPDATE connections SET next_poll_at = now(), poll_slot = now()")
    other = Ledger(ledger.database)
    started = [await ledger.dispatcher.start_polls(), await other.dispatcher.start_polls()]
    assert started == [1, 0]
    await ledger.dispatched()
    (message,) = await ledger.said()
    assert message["cause"] == "poll"


async def test_a_walk_begins_without_its_subscriptions_after_three_tries(ledger: Ledger) -> None:
    ledger.answer.status = 503
    want = uuid4()
    await ledger.connected(want=want)
    for _ in range(3):
        assert await ledger.said() == []
        await ledger.run("UPDATE syncs SET due_at = now()")
        await ledger.dispatched()
    assert ledger.answer.asked == 3
    assert [m["step"] for m in await ledger.said()] == [1]


async def test_a_connection_that_ended_cancels_its_waiting_walk(ledger: Ledger) -> None:
    ledger.answer.status, ledger.answer.body = 409, {"state": "reauthorise"}
    want = uuid4()
    await ledger.connected(want=want)
    await ledger.dispatched()
    row = await ledger.sync(want)
    assert (row["state"], row["reason"]) == ("cancelled", "the connection is reauthorise")


async def test_a_step_of_which_nothing_is_heard_is_asked_for_again(ledger: Ledger) -> None:
    await ledger.walking()
    await ledger.run("UPDATE syncs SET progressed_at = now() - interval '16 minutes'")
    await ledger.dispatcher.sweep()
    await ledger.dispatched()
    assert [m["step"] for m in await ledger.said()] == [2]


async def test_a_dead_letter_fails_the_sync_that_it_names(ledger: Ledger) -> None:
    want = await ledger.walking()
    await ledger.dead_letters(SHOP, [{"source": str(want)}, {"nothing": 1}])
    row = await ledger.sync(want)
    assert row["state"] == "failed"
    assert "dead-lettered" in row["reason"]


async def test_requests_that_ended_a_week_ago_are_forgotten(ledger: Ledger) -> None:
    await ledger.connected()
    old, fresh = uuid4(), uuid4()
    await ledger.requests(SHOP, [request(old), request(fresh)])
    await ledger.stored(SHOP, [verdict(old), verdict(fresh)])
    await ledger.run(f"UPDATE syncs SET finished_at = now() - interval '8 days' WHERE sync_id = '{old}'")
    async with ledger.database.transaction() as tx:
        await syncs.prune(tx)
        assert await syncs.get(tx, old) is None
        assert await syncs.get(tx, fresh) is not None


async def test_throttles_use_up_no_tries_and_stumbles_end_after_twenty(ledger: Ledger) -> None:
    want = await ledger.walking()
    step = 1
    for throttled in [True] * 30 + [False] * 19:
        event = progressed(want, "postponed", step=step, cursor="c", not_before=1, reason="later", throttled=throttled)
        await ledger.progress(SHOP, [event])
        await ledger.dispatched()
        step += 1
    row = await ledger.sync(want)
    assert (row["state"], row["reason"], row["throttled"]) == ("failed", "later", 30)


async def test_a_postponed_request_keeps_its_tries(ledger: Ledger) -> None:
    await ledger.connected()
    asked = uuid4()
    await ledger.requests(SHOP, [request(asked)])
    for _ in range(8):
        event = progressed(asked, "postponed", records={"products": ("p1",)}, not_before=1, throttled=True, reason="t")
        await ledger.progress(SHOP, [event])
        await ledger.dispatched()
        (message,) = await ledger.said()
        await ledger.requests(SHOP, [SyncRequested.model_validate(message)])
    assert (await ledger.sync(asked))["attempts"] == 1


async def test_a_walk_without_a_verdict_fails_after_an_hour(ledger: Ledger) -> None:
    want = await ledger.walking()
    await ledger.progress(SHOP, [progressed(want, "completed", step=1)])
    await ledger.run("UPDATE syncs SET progressed_at = now() - interval '2 hours'")
    await ledger.dispatcher.sweep()
    assert (await ledger.sync(want))["reason"] == "no verdict came within an hour"


async def test_a_dead_verdict_fails_the_syncs_in_it_and_a_malformed_letter_nothing(ledger: Ledger) -> None:
    want = await ledger.walking()
    letters = [
        {"epoch": None, "sync_id": "not-an-id-but-36-characters-long----"},
        {"verdicts": [{"sync_ids": [str(want)]}, None], "sync_ids": 7},
    ]
    await ledger.dead_letters(SHOP, letters)
    assert (await ledger.sync(want))["state"] == "failed"


async def test_what_was_cancelled_without_being_heard_of_is_not_entered(ledger: Ledger) -> None:
    await ledger.connected()
    stranger = uuid4()
    await ledger.stored(SHOP, [verdict(stranger, "cancelled")])
    async with ledger.database.transaction() as tx:
        assert await syncs.get(tx, stranger) is None


async def test_a_record_that_can_never_be_read_fails_its_own_request_alone(ledger: Ledger) -> None:
    await ledger.connected()
    good, bad = uuid4(), uuid4()
    await ledger.requests(SHOP, [request(good), request(bad, "p2")])
    failed = SyncResult(sync_ids=(good, bad), status="failed", sequence=1, reason="p2 cannot be read")
    await ledger.stored(SHOP, [DataStored(connection=SHOP, epoch=1, sequence=1, results=(failed,))])
    await ledger.run("UPDATE delayed SET not_before = now()")
    await ledger.dispatched()
    said = sorted(m["records"]["products"] for m in await ledger.said())
    assert said == [["p1"], ["p2"]]
