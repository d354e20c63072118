"""A connection whose platform has closed the account: one probe, one owed full sync, no acknowledged change lost."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from contracts.events import DataStored
from ledger_fixture import SHOP, Ledger, build_progress, build_request, build_result, build_upload
from scheduler.store import connections

pytestmark = pytest.mark.integration

FROZEN = {"reason": "the account is frozen", "blocked": "frozen"}


async def get_row(ledger: Ledger) -> connections.LedgerConnection:
    async with ledger.database.transaction() as tx:
        row = await connections.get(tx, SHOP)
    assert row is not None
    return row


async def block(ledger: Ledger) -> UUID:
    """Let the read of a webhook be refused because of the account; returns its sync id."""
    await ledger.change_connection()
    sync_id = await ledger.request_webhook()
    await ledger.progress(SHOP, [build_progress(sync_id, "blocked", reason="frozen", records={"products": ("p1",)})])
    return sync_id


async def test_a_refused_webhook_waits_for_one_owed_full_sync_and_ends_with_it(ledger: Ledger) -> None:
    first = await block(ledger)
    later = [await ledger.request_webhook(f"p{number}") for number in range(3)]
    owed = await ledger.get_owed()
    assert owed["reason"] == "the account is frozen at its platform: this waits until it is open again"
    assert [(await ledger.get_sync(one))["coalesced_into"] for one in [first, *later]] == [owed["sync_id"]] * 4
    await ledger.dispatch()
    assert await ledger.pop_messages() == [], "nothing is requested before the probe is due"
    await ledger.make_owed_due()
    await ledger.dispatch()
    assert [(m["topic"], m["sync_id"], m["cursor"]) for m in await ledger.pop_messages()] == [
        ("sync.requested.shopify.full", str(owed["sync_id"]), None)
    ]
    await ledger.complete_full_sync(owed["sync_id"])
    assert (await get_row(ledger)).blocked is None
    assert [(await ledger.get_sync(one))["state"] for one in [first, *later]] == ["success"] * 4


async def test_a_delayed_request_is_not_published_while_its_account_is_closed(ledger: Ledger) -> None:
    await ledger.change_connection()
    waiting, sync_id = await ledger.request_webhook(), await ledger.request_webhook()
    postponed = build_progress(waiting, "postponed", reason="away", records={"products": ("p1",)}, not_before=1)
    await ledger.progress(SHOP, [postponed, build_progress(sync_id, "blocked", reason="locked")])
    await ledger.dispatch()
    assert await ledger.pop_messages() == []
    assert (await ledger.get_sync(waiting))["coalesced_into"] == (await ledger.get_owed())["sync_id"]


async def test_a_running_full_sync_that_had_read_something_ends_with_a_new_one(ledger: Ledger) -> None:
    running = await ledger.start_full_sync()
    await ledger.progress(SHOP, [build_progress(running, "advanced", step=1, cursor="c1")])
    await ledger.pop_messages()
    await ledger.progress(SHOP, [build_progress(running, "blocked", step=2, cursor="c2", reason="frozen")])
    owed = await ledger.get_owed()
    assert (owed["sync_id"] != running, owed["step"], owed["cursor"]) == (True, 0, None)
    assert (await ledger.get_sync(running))["coalesced_into"] == owed["sync_id"]
    await ledger.make_owed_due()
    await ledger.dispatch()
    await ledger.complete_full_sync(owed["sync_id"])
    assert (await ledger.get_sync(running))["state"] == "success"


async def test_a_webhook_that_is_refused_beside_a_running_full_sync_is_not_left_to_it(ledger: Ledger) -> None:
    running = await ledger.start_full_sync()
    sync_id = await ledger.request_webhook()
    await ledger.progress(SHOP, [build_progress(sync_id, "blocked", reason="frozen")])
    owed = await ledger.get_owed()
    assert owed["sync_id"] != running, "the running one may have read the record before it changed"
    await ledger.progress(SHOP, [build_progress(running, "advanced", step=1, cursor="c1")])
    assert await ledger.pop_messages() == []


async def test_probes_come_later_and_later_and_are_the_only_calls(ledger: Ledger) -> None:
    await block(ledger)
    ledger.gateway.status, ledger.gateway.body = 424, FROZEN
    waits, calls = [], []
    for _ in range(13):
        owed = await ledger.get_owed()
        waits.append(round((owed["due_at"] - datetime.now(UTC)).total_seconds() / 60))
        await ledger.request_webhook()
        await ledger.make_owed_due()
        await ledger.dispatch()
        calls.append(ledger.gateway.calls)
        assert await ledger.pop_messages() == []
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440]
    assert calls == list(range(1, 14))
    assert (len(await ledger.list_full_syncs("queued")), await ledger.list_full_syncs("running")) == (1, [])


async def test_a_probe_that_the_fetcher_saw_refused_begins_again_and_its_late_reports_are_ignored(
    ledger: Ledger,
) -> None:
    sync_id = await block(ledger)
    owed = (await ledger.get_owed())["sync_id"]
    await ledger.make_owed_due()
    await ledger.dispatch()
    await ledger.pop_messages()
    refusal = build_progress(owed, "blocked", step=1, reason="locked")
    await ledger.progress(SHOP, [refusal, refusal])
    again = await ledger.get_owed()
    assert (again["sync_id"], round((again["due_at"] - datetime.now(UTC)).total_seconds() / 60)) == (owed, 2)
    assert ((await get_row(ledger)).blocked, (await get_row(ledger)).refused_probes) == ("locked", 2)
    # The same step ran a second time, in another process, and that run found the account open.
    await ledger.progress(SHOP, [build_progress(owed, "advanced", step=1, cursor="c1")])
    assert (await get_row(ledger)).blocked == "locked"
    assert (await ledger.get_sync(sync_id))["coalesced_into"] == owed
    await ledger.make_owed_due()
    await ledger.dispatch()
    assert [(m["step"], m["cursor"]) for m in await ledger.pop_messages()] == [(3, None)]


async def start_probe(ledger: Ledger) -> UUID:
    """Let the owed full sync of the blocked connection begin; returns its id."""
    owed: UUID = (await ledger.get_owed())["sync_id"]
    await ledger.make_owed_due()
    await ledger.dispatch()
    await ledger.pop_messages()
    return owed


async def test_a_webhook_that_comes_while_the_probe_reads_is_read_after_it(ledger: Ledger) -> None:
    await block(ledger)
    owed = await start_probe(ledger)
    sync_id = await ledger.request_webhook("p9")
    remembered = build_progress(sync_id, "blocked", reason="frozen", remembered=True, records={"products": ("p9",)})
    await ledger.progress(SHOP, [remembered])
    await ledger.dispatch()
    assert await ledger.pop_messages() == [], "the probe is the only call"
    await ledger.complete_full_sync(owed)
    assert (await ledger.get_sync(sync_id))["state"] == "running"
    await ledger.dispatch()
    assert [(m["cause"], m["records"]) for m in await ledger.pop_messages()] == [("postponed", {"products": ["p9"]})]


async def test_a_refusal_that_is_delivered_again_after_the_probe_blocks_nothing(ledger: Ledger) -> None:
    sync_id = await block(ledger)
    owed = await start_probe(ledger)
    await ledger.data_stored(SHOP, [build_result(owed), build_upload(1)])
    await ledger.progress(SHOP, [build_progress(sync_id, "blocked", reason="frozen", records={"products": ("p1",)})])
    assert (await get_row(ledger)).blocked is None
    assert await ledger.list_full_syncs("queued") == []


def build_doubt(verification_id: UUID) -> DataStored:
    """Build the spaces-writer's wish to have a record read once more."""
    return DataStored(
        connection=SHOP, epoch=1, sequence=1, records_to_verify={"products": ("p7",)}, verification_id=verification_id
    )


async def test_a_record_in_doubt_is_read_again_after_the_probe_that_has_read_it(ledger: Ledger) -> None:
    await block(ledger)
    owed, verification = await start_probe(ledger), uuid4()
    await ledger.data_stored(SHOP, [build_doubt(verification)])
    await ledger.data_stored(SHOP, [build_doubt(verification)])
    await ledger.dispatch()
    assert await ledger.pop_messages() == [], "the probe is the only call"
    await ledger.complete_full_sync(owed)
    await ledger.dispatch()
    assert [(m["cause"], m["sync_id"], m["records"]) for m in await ledger.pop_messages()] == [
        ("reconcile", str(verification), {"products": ["p7"]})
    ]


async def test_a_record_in_doubt_waits_for_the_next_probe_if_this_one_is_refused(ledger: Ledger) -> None:
    await block(ledger)
    owed, verification = await start_probe(ledger), uuid4()
    await ledger.data_stored(SHOP, [build_doubt(verification)])
    step = (await ledger.get_sync(owed))["step"]
    await ledger.progress(SHOP, [build_progress(owed, "blocked", step=step, reason="frozen")])
    assert (await ledger.get_sync(verification))["coalesced_into"] == owed


async def test_a_record_in_doubt_is_left_to_a_probe_that_has_not_begun(ledger: Ledger) -> None:
    await block(ledger)
    verification = uuid4()
    await ledger.data_stored(SHOP, [build_doubt(verification)])
    assert (await ledger.get_sync(verification))["coalesced_into"] == (await ledger.get_owed())["sync_id"]
    await ledger.dispatch()
    assert await ledger.pop_messages() == []


async def test_what_a_fetcher_only_remembers_blocks_no_connection(ledger: Ledger) -> None:
    await ledger.change_connection()
    sync_id = await ledger.request_webhook()
    event = build_progress(sync_id, "blocked", reason="frozen", remembered=True, records={"products": ("p1",)})
    await ledger.progress(SHOP, [event])
    await ledger.dispatch()
    assert (await get_row(ledger)).blocked is None
    assert [(m["cause"], m["records"]) for m in await ledger.pop_messages()] == [("postponed", {"products": ["p1"]})]


async def test_a_refusal_that_arrives_before_its_request_blocks_and_the_request_waits(ledger: Ledger) -> None:
    await ledger.change_connection()
    sync_id = uuid4()
    await ledger.progress(SHOP, [build_progress(sync_id, "blocked", reason="frozen")])
    await ledger.requests(SHOP, [build_request(sync_id)])
    assert (await ledger.get_sync(sync_id))["coalesced_into"] == (await ledger.get_owed())["sync_id"]


async def test_a_refusal_whose_request_arrives_while_the_probe_reads_ends_with_the_probe(ledger: Ledger) -> None:
    await ledger.change_connection()
    sync_id = uuid4()
    await ledger.progress(SHOP, [build_progress(sync_id, "blocked", reason="frozen")])
    owed = await start_probe(ledger)
    await ledger.requests(SHOP, [build_request(sync_id)])
    await ledger.complete_full_sync(owed)
    row = await ledger.get_sync(sync_id)
    assert (row["state"], row["cause"]) == ("success", "webhook")


@pytest.mark.parametrize("state", ["uninstalled", "reauthorise", "redacted"])
async def test_the_end_of_a_connection_ends_its_block(ledger: Ledger, state: str) -> None:
    await block(ledger)
    await ledger.change_connection(revision=2, epoch=2, state=state)
    assert (await get_row(ledger)).blocked is None
    assert (await ledger.list_full_syncs("queued"), await ledger.list_full_syncs("running")) == ([], [])


async def test_a_result_that_comes_before_the_report_of_the_read_ends_the_block(ledger: Ledger) -> None:
    await block(ledger)
    owed = (await ledger.get_owed())["sync_id"]
    await ledger.make_owed_due()
    await ledger.dispatch()
    step = (await ledger.get_sync(owed))["step"]
    await ledger.data_stored(SHOP, [build_result(owed), build_upload(1)])
    await ledger.progress(SHOP, [build_progress(owed, "completed", step=step)])
    assert (await get_row(ledger)).blocked is None


async def test_a_probe_that_fails_leaves_another_one(ledger: Ledger) -> None:
    probe = await ledger.start_full_sync()
    await ledger.progress(SHOP, [build_progress(probe, "blocked", step=1, reason="frozen")])
    await ledger.make_owed_due()
    await ledger.dispatch()
    step = (await ledger.get_sync(probe))["step"]
    await ledger.progress(SHOP, [build_progress(probe, "failed", step=step, retryable=False, reason="HTTP 400")])
    owed = await ledger.get_owed()
    assert (owed["sync_id"] != probe, owed["state"]) == (True, "queued")
    assert (await get_row(ledger)).blocked == "frozen"


async def test_a_new_consent_ends_the_block_and_reads_at_once(ledger: Ledger) -> None:
    webhook, wanted = await block(ledger), uuid4()
    owed = (await ledger.get_owed())["sync_id"]
    await ledger.change_connection(revision=2, wanted_sync=wanted)
    assert (await get_row(ledger)).blocked is None
    await ledger.dispatch()
    assert [m["sync_id"] for m in await ledger.pop_messages()] == [str(owed)]
    await ledger.complete_full_sync(owed)
    assert [(await ledger.get_sync(one))["state"] for one in (webhook, wanted)] == ["success", "success"]


async def test_another_state_of_a_blocked_connection_changes_nothing_about_the_block(ledger: Ledger) -> None:
    wanted = await ledger.start_full_sync()
    await ledger.complete_full_sync(wanted)
    await ledger.progress(SHOP, [build_progress(await ledger.request_webhook(), "blocked", reason="frozen")])
    await ledger.change_connection(revision=2, wanted_sync=wanted)
    row = await get_row(ledger)
    assert (row.blocked, row.next_probe_at is not None and row.next_probe_at > datetime.now(UTC)) == ("frozen", True)


async def test_a_first_sync_of_a_closed_account_waits_for_it(ledger: Ledger) -> None:
    ledger.gateway.status, ledger.gateway.body = 424, FROZEN
    sync_id = uuid4()
    await ledger.change_connection(wanted_sync=sync_id)
    await ledger.dispatch()
    assert ((await ledger.get_owed())["sync_id"], (await get_row(ledger)).blocked) == (sync_id, "frozen")
    assert await ledger.pop_messages() == []


async def test_subscriptions_of_a_closed_account_are_not_retried_beside_the_probe(ledger: Ledger) -> None:
    await block(ledger)
    await ledger.execute("UPDATE connections SET unsubscribed_sync = gen_random_uuid(), webhooks_due_at = now()")
    await ledger.dispatch()
    assert ledger.gateway.calls == 0


async def test_a_refusal_about_an_earlier_epoch_blocks_nothing(ledger: Ledger) -> None:
    await ledger.change_connection(epoch=2)
    await ledger.progress(SHOP, [build_progress(uuid4(), "blocked", reason="frozen")])
    assert (await get_row(ledger)).blocked is None
