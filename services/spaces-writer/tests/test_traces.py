"""A change's trace holds the compose and the PUT that bring it into the bucket, whoever composes and whenever."""

from uuid import uuid4

import pytest

from messaging import tracing
from otlp_receiver import run_receiver
from writer_builders import SHOP, page, product, redacted, walk_end, window_end
from writer_stand import Writer

pytestmark = pytest.mark.integration


async def walked(writer: Writer) -> None:
    """The first walk is good, and its snapshot is stored."""
    source = uuid4()
    await writer.take(page(product(1, read_at=10), source=source), window_end(source, 1), walk_end(source, 5))
    await writer.compose(SHOP)


async def changed(writer: Writer, read_at: int) -> str:
    """A page that changes the snapshot; the span that took it."""
    with tracing.start_span(f"change {read_at}", "consumer", {}, caused_by=()):
        await writer.take(page(product(1, read_at=read_at, title=f"at {read_at}")))
        return tracing.get_traceparent() or ""


async def test_a_compose_belongs_to_what_made_it_due_first_and_is_linked_to_the_others(writer: Writer) -> None:
    with run_receiver() as receiver, tracing.export_traces("spaces-writer", receiver.url):
        await walked(writer)
        changes = [await changed(writer, read_at) for read_at in (10_000, 20_000, 30_000)]
        await writer.compose(SHOP)
        assert await writer.scalar("SELECT count(*) FROM causes") == 0
        later = await changed(writer, 40_000)
        await writer.compose(SHOP)
        tracing.get_tracer().close()  # type: ignore[union-attr]
        _, together, alone = (span for span in receiver.spans if span.name == "compose snapshot")
    first, *others = (traceparent.split("-")[2] for traceparent in changes)
    assert (together.parent, [link for _, link in together.links]) == (first, others)
    assert (alone.parent, alone.links) == (later.split("-")[2], ())


async def test_a_bucket_that_was_away_loses_no_trace_its_put(writer: Writer) -> None:
    with run_receiver() as receiver, tracing.export_traces("spaces-writer", receiver.url):
        await walked(writer)
        cause = await changed(writer, 10_000)
        writer.bucket.away = True
        await writer.compose(SHOP)
        writer.bucket.away = False
        await writer.compose(SHOP)
        tracing.get_tracer().close()  # type: ignore[union-attr]
        _, failed, stored = (span for span in receiver.spans if span.name == "compose snapshot")
    assert failed.attributes["merchant_sync.outcome"] == "failed"
    assert stored.attributes["merchant_sync.outcome"] == "uploaded"
    assert {failed.parent, stored.parent} == {cause.split("-")[2]}


async def test_what_the_writer_says_names_the_span_that_says_it(writer: Writer) -> None:
    source = uuid4()
    walk = [page(product(1, read_at=10), source=source), window_end(source, 1), walk_end(source, 5)]
    with (
        run_receiver() as receiver,
        tracing.export_traces("a", receiver.url),
        tracing.start_span("handling", "consumer", {}),
    ):
        await writer.pages(SHOP, walk)
        assert await writer.scalar("SELECT traceparent FROM outbox") == tracing.get_traceparent() is not None


async def test_a_redaction_forgets_causes_and_without_traces_there_are_none(writer: Writer) -> None:
    await walked(writer)
    await changed(writer, 10_000)
    assert await writer.scalar("SELECT count(*) FROM causes") == 0
    with run_receiver() as receiver, tracing.export_traces("spaces-writer", receiver.url):
        await changed(writer, 20_000)
    assert await writer.scalar("SELECT count(*) FROM causes") == 1
    await writer.hear(redacted(SHOP))
    assert await writer.scalar("SELECT count(*) FROM causes") == 0
