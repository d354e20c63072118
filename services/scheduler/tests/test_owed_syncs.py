"""After a 2xx to a webhook its request never just fails: a full sync that begins later is owed for the change."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.events import DataStored, SyncResult
from ledger_fixture import SHOP, Ledger, build_progress, build_result
from scheduler.store import full_syncs

pytestmark = pytest.mark.integration

Fail = Callable[[Ledger, UUID], Awaitable[None]]
"""Lets a sync fail in one of the ways in which syncs fail for good."""


async def report(ledger: Ledger, sync_id: UUID, outcome: str, **fields: Any) -> None:
    step = (await ledger.get_sync(sync_id))["step"] or None
    await ledger.progress(SHOP, [build_progress(sync_id, outcome, step=step, reason="no", **fields)])


async def refuse(ledger: Ledger, sync_id: UUID) -> None:
    await report(ledger, sync_id, "failed", retryable=False)


async def fail_five_times(ledger: Ledger, sync_id: UUID) -> None:
    await ledger.execute("UPDATE syncs SET attempts = 5")
    await report(ledger, sync_id, "failed", attempt=5)


async def postpone_twenty_times(ledger: Ledger, sync_id: UUID) -> None:
    await ledger.execute("UPDATE syncs SET attempts = 19")
    await report(ledger, sync_id, "postponed", attempt=20, not_before=1)


async def find_incomplete(ledger: Ledger, sync_id: UUID) -> None:
    await ledger.execute("UPDATE syncs SET attempts = 5")
    result = SyncResult(sync_ids=(sync_id,), status="failed", sequence=1, reason="no")
    await ledger.data_stored(SHOP, [DataStored(connection=SHOP, epoch=1, sequence=1, results=(result,))])


async def dead_letter(ledger: Ledger, sync_id: UUID) -> None:
    await ledger.dead_letters(SHOP, [{"sync_ids": [str(sync_id)]}])


async def keep_silent(ledger: Ledger, _sync_id: UUID) -> None:
    await ledger.execute("UPDATE syncs SET attempts = 5, progressed_at = now() - interval '1 day'")
    await ledger.dispatcher.handle_silent_and_prune_syncs()


async def send_no_result(ledger: Ledger, sync_id: UUID) -> None:
    await report(ledger, sync_id, "completed")
    await ledger.execute("UPDATE syncs SET progressed_at = now() - interval '2 hours'")
    await ledger.dispatcher.handle_silent_and_prune_syncs()


async def answer_no_step(ledger: Ledger, sync_id: UUID) -> None:
    await ledger.execute(f"UPDATE syncs SET attempts = 20, due_at = now() WHERE sync_id = '{sync_id}'")
    await ledger.dispatch()


COMMON: list[Fail] = [refuse, fail_five_times, postpone_twenty_times, find_incomplete, dead_letter]


@pytest.mark.parametrize("fail", [*COMMON, keep_silent])
async def test_a_webhook_that_failed_for_good_waits_for_a_full_sync_and_ends_with_it(
    ledger: Ledger, fail: Fail
) -> None:
    await ledger.change_connection()
    sync_id = await ledger.request_webhook()
    await fail(ledger, sync_id)
    owed, row = await ledger.get_owed(), await ledger.get_sync(sync_id)
    assert (row["state"] in ("queued", "running"), row["coalesced_into"]) == (True, owed["sync_id"])
    assert row["reason"], "it is said why the request could not be read by itself"
    await ledger.make_owed_due()
    await ledger.dispatch()
    await ledger.complete_full_sync(owed["sync_id"])
    assert (await ledger.get_sync(sync_id))["state"] == "success"


@pytest.mark.parametrize("fail", [*COMMON, send_no_result, answer_no_step])
async def test_an_owed_full_sync_that_fails_hands_its_webhooks_to_the_next_one(ledger: Ledger, fail: Fail) -> None:
    await ledger.change_connection()
    webhook = await ledger.request_webhook()
    await refuse(ledger, webhook)
    first = (await ledger.get_owed())["sync_id"]
    await ledger.make_owed_due()
    await ledger.dispatch()
    await fail(ledger, first)
    assert (await ledger.get_sync(first))["state"] == "failed"
    second = await ledger.get_owed()
    assert (second["sync_id"] != first, (await ledger.get_sync(webhook))["coalesced_into"]) == (
        True,
        second["sync_id"],
    )
    assert round((second["due_at"] - datetime.now(UTC)).total_seconds() / 60) == 2


@pytest.mark.parametrize("cause", ["connect", "subscriptions", "owed"])
@pytest.mark.parametrize("is_coalesced", [False, True])
@pytest.mark.parametrize("fail", [*COMMON, send_no_result, answer_no_step])
async def test_a_full_sync_that_brings_what_nothing_else_brings_is_followed_until_one_succeeds(
    ledger: Ledger, fail: Fail, *, is_coalesced: bool, cause: str
) -> None:
    full_sync, coalesced = await ledger.start_full_sync(cause="manual"), uuid4()
    async with ledger.database.transaction() as tx:
        await full_syncs.open_or_coalesce(tx, coalesced, SHOP, 1, "poll")
    bringing = coalesced if is_coalesced else full_sync
    await ledger.execute(f"UPDATE syncs SET cause = '{cause}' WHERE sync_id = '{bringing}'")
    for _ in range(2):
        await fail(ledger, full_sync)
        assert await ledger.get_state(full_sync) == "failed"
        full_sync = (await ledger.get_owed())["sync_id"]
        await ledger.make_owed_due()
        await ledger.dispatch()
    await ledger.complete_full_sync(full_sync)
    assert await ledger.list_full_syncs("queued") == []


@pytest.mark.parametrize("cause", ["manual", "poll"])
async def test_a_poll_that_fails_is_repeated_by_the_next_one_alone(ledger: Ledger, cause: str) -> None:
    full_sync = await ledger.start_full_sync(cause="manual")
    await ledger.execute(f"UPDATE syncs SET cause = '{cause}'")
    await refuse(ledger, full_sync)
    assert await ledger.list_full_syncs("queued") == []


async def test_what_a_sign_in_cancelled_is_brought_by_the_full_sync_after_it_however_often_that_fails(
    ledger: Ledger,
) -> None:
    await ledger.complete_full_sync(await ledger.start_full_sync())
    webhook, wanted = await ledger.request_webhook(), uuid4()
    await ledger.change_connection(revision=2, state="reauthorise")
    assert await ledger.get_state(webhook) == "cancelled"
    await ledger.change_connection(revision=3, wanted_sync=wanted)
    await ledger.dispatch()
    await refuse(ledger, wanted)
    assert (await ledger.get_owed())["cause"] == "owed"


async def test_a_full_sync_whose_start_meets_the_end_of_a_sign_in_takes_no_new_one_with_it(ledger: Ledger) -> None:
    await ledger.change_connection()
    webhook, wanted = await ledger.request_webhook(), uuid4()
    await refuse(ledger, webhook)
    await ledger.change_connection(revision=3, wanted_sync=wanted)
    ledger.gateway.status, ledger.gateway.body = 409, {"state": "reauthorise"}
    await ledger.dispatch()
    owed = await ledger.get_owed()
    assert (await ledger.get_state(wanted), (await ledger.get_sync(webhook))["coalesced_into"]) == (
        "cancelled",
        owed["sync_id"],
    )


async def test_a_webhook_that_was_read_for_an_earlier_epoch_is_read_again(ledger: Ledger) -> None:
    await ledger.change_connection(epoch=2)
    webhook = await ledger.request_webhook()
    await ledger.data_stored(SHOP, [build_result(webhook, "cancelled", reason="connected again")])
    assert (await ledger.get_sync(webhook))["coalesced_into"] == (await ledger.get_owed())["sync_id"]


async def test_owed_full_syncs_come_later_and_later_within_a_day(ledger: Ledger) -> None:
    await ledger.change_connection()
    waits = []
    for _ in range(12):
        await refuse(ledger, await ledger.request_webhook())
        owed = await ledger.get_owed()
        waits.append(round((owed["due_at"] - datetime.now(UTC)).total_seconds() / 60))
        await ledger.make_owed_due()
        await ledger.dispatch()
        await ledger.complete_full_sync(owed["sync_id"])
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440]


async def test_an_owed_full_sync_begins_after_the_running_one(ledger: Ledger) -> None:
    running = await ledger.start_full_sync()
    webhook = await ledger.request_webhook()
    await refuse(ledger, webhook)
    owed = (await ledger.get_owed())["sync_id"]
    await ledger.make_owed_due()
    await ledger.dispatch()
    assert await ledger.pop_messages() == [], "the running one may have read the record before it changed"
    await ledger.complete_full_sync(running)
    assert (await ledger.get_sync(webhook))["state"] == "running"
    await ledger.dispatch()
    assert [message["sync_id"] for message in await ledger.pop_messages()] == [str(owed)]


async def test_webhooks_that_fail_share_one_owed_full_sync(ledger: Ledger) -> None:
    await ledger.change_connection()
    webhooks = [await ledger.request_webhook(f"p{number}") for number in range(5)]
    for webhook in webhooks:
        await refuse(ledger, webhook)
    owed = await ledger.get_owed()
    assert {(await ledger.get_sync(webhook))["coalesced_into"] for webhook in webhooks} == {owed["sync_id"]}


async def test_a_failure_that_is_reported_twice_owes_once(ledger: Ledger) -> None:
    await ledger.change_connection()
    webhook = await ledger.request_webhook()
    await refuse(ledger, webhook)
    await ledger.make_owed_due()
    await ledger.dispatch()
    for fail in (refuse, dead_letter, find_incomplete):
        await fail(ledger, webhook)
    assert await ledger.list_full_syncs("queued") == []


async def test_a_poll_does_not_wait_for_the_owed_full_sync_that_does_its_work(ledger: Ledger) -> None:
    await ledger.change_connection()
    await refuse(ledger, await ledger.request_webhook())
    await ledger.execute("UPDATE connections SET next_poll_at = now()")
    await ledger.dispatch()
    assert len(await ledger.pop_messages()) == 1


@pytest.mark.parametrize("state", ["uninstalled", "reauthorise"])
async def test_nothing_is_owed_once_the_connection_has_ended(ledger: Ledger, state: str) -> None:
    await ledger.change_connection()
    webhook = await ledger.request_webhook()
    await ledger.change_connection(revision=2, state=state)
    late = await ledger.request_webhook("p2")
    await refuse(ledger, late)
    assert [(await ledger.get_sync(one))["state"] for one in (webhook, late)] == ["cancelled", "failed"]
    assert await ledger.list_full_syncs("queued") == []


async def test_a_webhook_that_a_full_sync_had_to_read_says_nothing_about_how_fast_webhooks_are(ledger: Ledger) -> None:
    await ledger.change_connection()
    await refuse(ledger, await ledger.request_webhook())
    owed = (await ledger.get_owed())["sync_id"]
    await ledger.make_owed_due()
    await ledger.dispatch()
    await ledger.complete_full_sync(owed)
    upload = {
        "key": "k",
        "outcome": "uploaded",
        "sequence": 1,
        "stored_at": round(datetime.now(UTC).timestamp() * 1000),
    }
    await ledger.data_stored(
        SHOP, [DataStored.model_validate({"connection": SHOP, "epoch": 1, "sequence": 1, "upload": upload})]
    )
    count = ledger.registry.get_sample_value("merchant_sync_webhook_to_snapshot_seconds_count", {"platform": "shopify"})
    assert count == 0
