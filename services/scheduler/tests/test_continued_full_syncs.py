"""A full sync gets the state that the source has left with the one before, if that one may be continued."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.cursors import CursorState
from contracts.events import GuardedDeletions
from ledger_fixture import SHOP, Ledger, build_progress, build_result, build_upload

pytestmark = pytest.mark.integration
STATE = "seen: 7"
NOTHING = (None, None)


async def store_first(ledger: Ledger, *, state: str | None = STATE) -> UUID:
    """Let a first full sync succeed, whose source leaves a state."""
    sync_id = await ledger.start_full_sync()
    await succeed(ledger, sync_id, state=state)
    return sync_id


async def succeed(ledger: Ledger, sync_id: UUID, *, state: str | None = STATE) -> None:
    step = (await ledger.get_sync(sync_id))["step"]
    await ledger.progress(SHOP, [build_progress(sync_id, "completed", step=step)])
    await ledger.data_stored(
        SHOP, [build_result(sync_id, object_check=1, state=state), build_upload(1, object_check=1)]
    )


async def start(ledger: Ledger, *, cause: str = "manual", revision: int = 2, epoch: int = 1) -> UUID:
    """Request a full sync, and let it begin; its first step stays in the outbox."""
    sync_id = uuid4()
    await ledger.change_connection(revision=revision, epoch=epoch, wanted_sync=sync_id, wanted_cause=cause)
    await ledger.dispatch()
    return sync_id


async def pop_previous(ledger: Ledger) -> tuple[str | None, str | None]:
    """Return what the only requested step says of the full sync before."""
    (step,) = await pop_steps(ledger)
    return step["previous_sync"], step["previous_state"]


async def pop_steps(ledger: Ledger) -> list[dict[str, Any]]:
    return [message for message in await ledger.pop_messages() if message["topic"] == "sync.requested.shopify.full"]


async def test_a_first_full_sync_gets_no_state(ledger: Ledger) -> None:
    await start(ledger)
    assert await pop_previous(ledger) == NOTHING


async def test_each_step_of_a_full_sync_has_the_state_of_the_one_before(ledger: Ledger) -> None:
    first = await store_first(ledger)
    second = await start(ledger)
    assert await pop_previous(ledger) == (str(first), STATE)
    await ledger.progress(SHOP, [build_progress(second, "advanced", step=1, cursor="2")])
    assert await pop_previous(ledger) == (str(first), STATE)
    await ledger.progress(SHOP, [build_progress(second, "postponed", step=2, cursor="2", not_before=1)])
    await ledger.dispatch()
    assert await pop_previous(ledger) == (str(first), STATE)
    await ledger.progress(SHOP, [build_progress(second, "completed", step=3)])
    everything = CursorState(0, "everything").encode()
    await ledger.data_stored(SHOP, [build_result(second, "incomplete", retry_cursors=(everything,))])
    assert await pop_previous(ledger) == (str(first), STATE)
    await succeed(ledger, second, state="seen: 8")
    await start(ledger, revision=3)
    assert await pop_previous(ledger) == (str(second), "seen: 8")


async def test_a_poll_gets_the_state_too(ledger: Ledger) -> None:
    first = await store_first(ledger)
    await ledger.execute("UPDATE connections SET next_poll_at = now()")
    await ledger.dispatch()
    assert await pop_previous(ledger) == (str(first), STATE)


async def test_a_full_sync_without_a_state_is_continued_by_none(ledger: Ledger) -> None:
    await store_first(ledger)
    second = await start(ledger)
    await ledger.pop_messages()
    await succeed(ledger, second, state=None)
    await start(ledger, revision=3)
    assert await pop_previous(ledger) == NOTHING


async def test_after_a_sign_in_everything_is_read(ledger: Ledger) -> None:
    await store_first(ledger)
    await start(ledger, cause="connect")
    assert await pop_previous(ledger) == NOTHING


async def test_after_a_sign_in_that_a_waiting_full_sync_covers_everything_is_read(ledger: Ledger) -> None:
    await store_first(ledger)
    poll, sign_in = uuid4(), uuid4()
    await ledger.change_connection(revision=2, wanted_sync=poll, wanted_cause="manual")
    await ledger.change_connection(revision=3, wanted_sync=sign_in)
    assert (await ledger.get_sync(sign_in))["coalesced_into"] == poll
    await ledger.dispatch()
    assert await pop_previous(ledger) == NOTHING


async def test_a_full_sync_that_is_owed_for_an_incremental_one_reads_everything(ledger: Ledger) -> None:
    await store_first(ledger)
    request = await ledger.request_webhook()
    await ledger.progress(SHOP, [build_progress(request, "failed", retryable=False, reason="unreadable")])
    await ledger.make_owed_due()
    await ledger.dispatch()
    assert await pop_previous(ledger) == NOTHING


async def test_a_full_sync_with_which_an_incremental_one_ends_reads_everything(ledger: Ledger) -> None:
    await store_first(ledger)
    waiting = uuid4()
    await ledger.change_connection(revision=2, wanted_sync=waiting, wanted_cause="manual")
    request = await ledger.request_webhook()
    await ledger.progress(SHOP, [build_progress(request, "failed", retryable=False, reason="unreadable")])
    assert (await ledger.get_sync(request))["coalesced_into"] == waiting
    await ledger.dispatch()
    assert await pop_previous(ledger) == NOTHING


async def test_a_full_sync_after_a_failed_one_reads_everything_so_that_guarded_deletions_are_reached(
    ledger: Ledger,
) -> None:
    first = await store_first(ledger)
    second = await start(ledger)
    assert await pop_previous(ledger) == (str(first), STATE)
    await ledger.progress(SHOP, [build_progress(second, "completed", step=1)])
    guarded = GuardedDeletions(sync_id=second, records=100, stored=200)
    await ledger.data_stored(SHOP, [build_result(second, "failed", guarded_deletions=guarded)])
    await start(ledger, revision=3)
    assert await pop_previous(ledger) == NOTHING


@pytest.mark.parametrize("end", ["report", "dead letter", "cancellation"])
async def test_a_full_sync_after_one_that_ended_in_another_way_reads_everything(ledger: Ledger, end: str) -> None:
    await store_first(ledger)
    second = await start(ledger)
    await ledger.pop_messages()
    match end:
        case "report":
            await ledger.progress(SHOP, [build_progress(second, "failed", step=1, retryable=False, reason="refused")])
        case "dead letter":
            await ledger.dead_letters(SHOP, [{"connection": SHOP, "read_id": str(second)}])
        case _:
            await ledger.data_stored(SHOP, [build_result(second, "cancelled")])
    assert await ledger.get_state(second) in ("failed", "cancelled")
    await start(ledger, revision=3)
    assert await pop_previous(ledger) == NOTHING


async def test_a_result_that_comes_again_or_after_the_end_brings_no_state_back(ledger: Ledger) -> None:
    first = await store_first(ledger)
    second = await start(ledger)
    await ledger.pop_messages()
    await succeed(ledger, second, state="seen: 8")
    await ledger.data_stored(SHOP, [build_result(first, object_check=1, state=STATE)])
    third = await start(ledger, revision=3)
    assert await pop_previous(ledger) == (str(second), "seen: 8")
    await ledger.progress(SHOP, [build_progress(third, "failed", step=1, retryable=False, reason="refused")])
    await ledger.data_stored(SHOP, [build_result(third, object_check=2, state="seen: 9")])
    await start(ledger, revision=4)
    assert await pop_previous(ledger) == NOTHING


async def test_a_state_ends_with_the_epoch(ledger: Ledger) -> None:
    await store_first(ledger)
    await ledger.change_connection(revision=2, epoch=2, state="uninstalled")
    await start(ledger, revision=3, epoch=2)
    assert await pop_previous(ledger) == NOTHING


async def test_a_redaction_deletes_the_state(ledger: Ledger) -> None:
    await store_first(ledger)
    await start(ledger)
    await ledger.change_connection(revision=3, epoch=2, state="redacted")
    async with ledger.database.transaction() as tx:
        rows = await tx.exec_driver_sql("SELECT CAST(c AS text) FROM connections c")
        assert [STATE in row for row in rows.scalars()] == [False]
        assert (await tx.exec_driver_sql("SELECT count(*) FROM syncs")).scalar() == 0


async def test_a_full_sync_that_ends_keeps_no_copy_of_the_state(ledger: Ledger) -> None:
    await store_first(ledger)
    second = await start(ledger)
    assert (await ledger.get_sync(second))["previous_state"] == STATE
    await succeed(ledger, second)
    assert (await ledger.get_sync(second))["previous_state"] is None


async def test_a_full_sync_that_begins_again_after_a_block_has_the_state_of_its_last_beginning(ledger: Ledger) -> None:
    first = await store_first(ledger)
    second = await start(ledger)
    assert await pop_previous(ledger) == (str(first), STATE)
    await ledger.progress(SHOP, [build_progress(second, "blocked", step=1, reason="frozen")])
    assert await ledger.get_state(second) == "queued"
    await ledger.execute("UPDATE connections SET previous_sync = NULL, previous_state = NULL")
    await ledger.make_owed_due()
    await ledger.dispatch()
    assert await pop_previous(ledger) == NOTHING
