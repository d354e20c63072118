"""What waits in the scheduler's tables goes on in its own trace; a walk's trace begins where the walk does."""

from uuid import uuid4

import pytest
from sqlalchemy import text

from ledger_stand import SHOP, Ledger, progressed, request
from messaging import tracing
from otlp_receiver import run_receiver

pytestmark = pytest.mark.integration


async def said_by(ledger: Ledger) -> list[str | None]:
    """The spans that have said what is in the outbox."""
    async with ledger.database.transaction() as tx:
        return list((await tx.execute(text("DELETE FROM outbox RETURNING traceparent"))).scalars())


async def test_a_postponed_request_is_said_again_in_its_own_trace(ledger: Ledger) -> None:
    await ledger.connected()
    asked = uuid4()
    await ledger.requests(SHOP, [request(asked)])
    with run_receiver() as receiver, tracing.export_traces("scheduler", receiver.url):
        with tracing.start_span("postponing", "consumer", {}):
            postponing = tracing.get_traceparent()
            event = progressed(asked, "postponed", records={"products": ("p1",)}, not_before=1, throttled=True)
            await ledger.progress(SHOP, [event])
        await ledger.dispatched()
        assert await said_by(ledger) == [postponing]


async def test_a_walk_begins_a_trace_which_its_first_step_carries(ledger: Ledger) -> None:
    want = uuid4()
    with run_receiver() as receiver:
        with tracing.export_traces("scheduler", receiver.url):
            with tracing.start_span("handling", "consumer", {}):
                await ledger.connected(want=want)
            await ledger.dispatched()
        (said,) = await said_by(ledger)
    begun = next(span for span in receiver.spans if span.name == "take on walk")
    call = next(span for span in receiver.spans if span.name == "POST")
    assert (begun.parent, begun.sync_id) == ("", str(want))
    assert said is not None and said.split("-")[1:3] == [begun.trace, begun.id]
    assert call.parent == begun.id


async def test_without_traces_nothing_is_kept_of_them(ledger: Ledger) -> None:
    await ledger.connected(want=uuid4())
    await ledger.dispatched()
    assert await said_by(ledger) == [None]
