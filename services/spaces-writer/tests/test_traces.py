"""The trace of a change includes the build and the PUT that bring it into the bucket, in whichever process and when."""

from uuid import uuid4

import pytest

from messaging import tracing
from otlp_receiver import run_receiver
from writer_builders import (
    SHOP,
    make_full_read_completed,
    make_page,
    make_product,
    make_range_completed,
    make_redaction,
)
from writer_harness import Writer

pytestmark = pytest.mark.integration


async def complete_first_read(writer: Writer) -> None:
    """Complete the first full read and upload its snapshot."""
    read_id = uuid4()
    await writer.ingest(
        make_page(make_product(1, read_at=10), read_id=read_id),
        make_range_completed(read_id, 1),
        make_full_read_completed(read_id, 5),
    )
    await writer.build(SHOP)


async def change_product(writer: Writer, read_at: int) -> str:
    """Ingest a page that changes the snapshot, and return the traceparent of its span."""
    with tracing.start_span(f"change {read_at}", "consumer", {}, caused_by=()):
        await writer.ingest(make_page(make_product(1, read_at=read_at, title=f"at {read_at}")))
        return tracing.get_traceparent() or ""


async def test_a_build_belongs_to_its_first_change_and_is_linked_to_the_others(writer: Writer) -> None:
    with run_receiver() as receiver, tracing.export_traces("spaces-writer", receiver.url):
        await complete_first_read(writer)
        changes = [await change_product(writer, read_at) for read_at in (10_000, 20_000, 30_000)]
        await writer.build(SHOP)
        assert await writer.query_scalar("SELECT count(*) FROM trace_links") == 0
        later = await change_product(writer, 40_000)
        await writer.build(SHOP)
        tracing.get_tracer().close()  # type: ignore[union-attr]
        _, together, alone = (span for span in receiver.spans if span.name == "build snapshot")
    first, *others = (traceparent.split("-")[2] for traceparent in changes)
    assert (together.parent, [link for _, link in together.links]) == (first, others)
    assert (alone.parent, alone.links) == (later.split("-")[2], ())


async def test_the_put_after_a_failed_one_belongs_to_the_same_trace(writer: Writer) -> None:
    with run_receiver() as receiver, tracing.export_traces("spaces-writer", receiver.url):
        await complete_first_read(writer)
        cause = await change_product(writer, 10_000)
        writer.bucket.is_unavailable = True
        await writer.build(SHOP)
        writer.bucket.is_unavailable = False
        await writer.build(SHOP)
        tracing.get_tracer().close()  # type: ignore[union-attr]
        _, failed, stored = (span for span in receiver.spans if span.name == "build snapshot")
    assert failed.attributes["merchant_sync.outcome"] == "failed"
    assert stored.attributes["merchant_sync.outcome"] == "uploaded"
    assert {failed.parent, stored.parent} == {cause.split("-")[2]}


async def test_an_enqueued_event_names_the_span_that_enqueued_it(writer: Writer) -> None:
    read_id = uuid4()
    read = [
        make_page(make_product(1, read_at=10), read_id=read_id),
        make_range_completed(read_id, 1),
        make_full_read_completed(read_id, 5),
    ]
    with (
        run_receiver() as receiver,
        tracing.export_traces("a", receiver.url),
        tracing.start_span("handling", "consumer", {}),
    ):
        await writer.incremental_handler(SHOP, read)
        assert await writer.query_scalar("SELECT traceparent FROM outbox") == tracing.get_traceparent() is not None


async def test_a_redaction_deletes_trace_links_and_without_traces_there_are_none(writer: Writer) -> None:
    await complete_first_read(writer)
    await change_product(writer, 10_000)
    assert await writer.query_scalar("SELECT count(*) FROM trace_links") == 0
    with run_receiver() as receiver, tracing.export_traces("spaces-writer", receiver.url):
        await change_product(writer, 20_000)
    assert await writer.query_scalar("SELECT count(*) FROM trace_links") == 1
    await writer.update_connection(make_redaction(SHOP))
    assert await writer.query_scalar("SELECT count(*) FROM trace_links") == 0
