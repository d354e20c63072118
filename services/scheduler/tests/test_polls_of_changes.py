"""Besides the polls that read everything, what has changed is read every few seconds where a platform has that."""

import pytest

from ledger_fixture import SHOP, Ledger, build_progress, build_result, build_upload

pytestmark = pytest.mark.integration
STATE = "seen: 7"
CHANGES_DUE = "UPDATE connections SET next_changes_at = now()"
POLL_DUE = "UPDATE connections SET next_poll_at = now(), poll_slot = now()"


@pytest.fixture
async def quick(ledger: Ledger) -> Ledger:
    """A ledger whose only connection is read every 30 seconds; it has been read whole."""
    ledger.changes_seconds = 30
    await succeed(ledger, await ledger.start_full_sync())
    return ledger


async def succeed(ledger: Ledger, sync_id: object, *, changed: int = 0) -> None:
    step = (await ledger.get_sync(sync_id))["step"]  # type: ignore[arg-type]
    await ledger.progress(SHOP, [build_progress(sync_id, "completed", step=step)])  # type: ignore[arg-type]
    result = build_result(sync_id, object_check=1, state=STATE)  # type: ignore[arg-type]
    await ledger.data_stored(SHOP, [result, build_upload(1, object_check=1)])
    await ledger.execute(f"UPDATE syncs SET changed = {changed} WHERE sync_id = '{sync_id}'")


async def poll(ledger: Ledger, due: str = CHANGES_DUE) -> dict[str, object]:
    """Let a poll be due, and return the step that it requests."""
    await ledger.execute(due)
    await ledger.dispatch()
    (step,) = await ledger.pop_messages()
    return step


async def test_what_has_changed_is_read_by_continuing_the_full_sync_before(quick: Ledger) -> None:
    step = await poll(quick)
    assert (step["cause"], step["previous_state"]) == ("poll", STATE)


async def test_the_gateway_is_not_asked_at_each_poll_of_changes(quick: Ledger) -> None:
    before = quick.gateway.calls
    await poll(quick)
    assert quick.gateway.calls == before


async def test_a_poll_of_changes_is_followed_by_the_next_one(quick: Ledger) -> None:
    await quick.execute(CHANGES_DUE)
    assert await quick.dispatcher.start_polls_of_changes() == 1
    assert await quick.dispatcher.start_polls_of_changes() == 0
    await quick.execute(CHANGES_DUE)
    assert await quick.dispatcher.start_polls_of_changes() == 1


async def test_no_poll_of_changes_waits_behind_an_open_full_sync(quick: Ledger) -> None:
    await poll(quick)
    await quick.execute(CHANGES_DUE)
    await quick.dispatch()
    assert len(await quick.list_full_syncs("running")) == 1
    assert await quick.list_full_syncs("queued") == []


async def test_the_poll_of_the_cron_expression_reads_everything(quick: Ledger) -> None:
    step = await poll(quick, POLL_DUE)
    assert (step["cause"], step["previous_state"]) == ("whole_poll", None)


async def test_a_whole_poll_follows_a_running_poll_of_changes(quick: Ledger) -> None:
    running = await poll(quick)
    await quick.execute(POLL_DUE)
    await quick.dispatch()
    (queued,) = await quick.list_full_syncs("queued")
    assert queued["cause"] == "whole_poll"
    await succeed(quick, running["sync_id"])
    await quick.dispatch()
    (step,) = [message for message in await quick.pop_messages() if message.get("step")]
    assert (step["sync_id"], step["previous_state"]) == (str(queued["sync_id"]), None)


async def test_a_blocked_account_is_asked_by_its_probe_alone(quick: Ledger) -> None:
    await quick.execute(f"UPDATE connections SET blocked = 'away', next_changes_at = now() WHERE connection = '{SHOP}'")
    assert await quick.dispatcher.start_polls_of_changes() == 1
    assert await quick.list_full_syncs("queued") == []


async def test_a_disconnected_account_is_not_polled(quick: Ledger) -> None:
    await quick.change_connection(revision=2, epoch=2, state="uninstalled")
    assert await quick.dispatcher.start_polls_of_changes() == 0


async def test_a_platform_without_it_has_no_polls_of_changes(ledger: Ledger) -> None:
    await ledger.change_connection()
    assert await ledger.dispatcher.start_polls_of_changes() == 0


async def test_polls_that_found_nothing_are_forgotten_but_the_latest_and_those_that_found_something(
    quick: Ledger,
) -> None:
    found, nothing, latest = [(await poll(quick))["sync_id"]], [], []
    await succeed(quick, found[0], changed=3)
    for kept in (nothing, latest):
        kept.append((await poll(quick))["sync_id"])
        await succeed(quick, kept[0])
    await quick.execute("UPDATE syncs SET finished_at = finished_at - interval '6 minutes'")
    await quick.dispatcher.handle_silent_and_prune_syncs()
    left = {str(sync["sync_id"]) for sync in await quick.list_full_syncs("success") if sync["cause"] == "poll"}
    assert left == {*found, *latest}
