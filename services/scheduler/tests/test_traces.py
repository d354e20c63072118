"""Requests that wait in the scheduler's tables continue their own trace; a full sync begins a trace."""

from uuid import uuid4

import pytest
from sqlalchemy import text

from ledger_fixture import SHOP, Ledger, build_progress, build_request
from messaging import tracing
from otlp_receiver import run_receiver

pytestmark = pytest.mark.integration


async def pop_traceparents(ledger: Ledger) -> list[str | None]:
    """Delete the messages in the outbox; returns the traceparents of the spans that enqueued them."""
    async with ledger.database.transaction() as tx:
        return list((await tx.execute(text("DELETE FROM outbox RETURNING traceparent"))).scalars())


async def test_a_postponed_request_is_published_again_in_its_own_trace(ledger: Ledger) -> None:
    await ledger.change_connection()
    request_id = uuid4()
    await ledger.requests(SHOP, [build_request(request_id)])
    with run_receiver() as receiver, tracing.export_traces("scheduler", receiver.url):
        with tracing.start_span("postponing", "consumer", {}):
            postponing = tracing.get_traceparent()
            event = build_progress(request_id, "postponed", records={"products": ("p1",)}, not_before=1, throttled=True)
            await ledger.progress(SHOP, [event])
        await ledger.dispatch()
        assert await pop_traceparents(ledger) == [postponing]


async def test_a_full_sync_begins_a_trace_which_its_first_step_carries(ledger: Ledger) -> None:
    sync_id = uuid4()
    with run_receiver() as receiver:
        with tracing.export_traces("scheduler", receiver.url):
            with tracing.start_span("handling", "consumer", {}):
                await ledger.change_connection(wanted_sync=sync_id)
            await ledger.dispatch()
        (traceparent,) = await pop_traceparents(ledger)
    step_span = next(span for span in receiver.spans if span.name == "start full sync step")
    call = next(span for span in receiver.spans if span.name == "POST")
    assert (step_span.parent, step_span.sync_id) == ("", str(sync_id))
    assert traceparent is not None and traceparent.split("-")[1:3] == [step_span.trace, step_span.id]
    assert call.parent == step_span.id


async def test_without_traces_no_traceparent_is_stored(ledger: Ledger) -> None:
    await ledger.change_connection(wanted_sync=uuid4())
    await ledger.dispatch()
    assert await pop_traceparents(ledger) == [None]
