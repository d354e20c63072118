"""Traces and log fields of batches from a real Kafka."""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

import pytest
import structlog
from aiokafka import AIOKafkaConsumer

from contracts.events import SyncRequested
from contracts.topics import Topic, get_dead_letter_topic
from messaging import tracing
from messaging.brokers import Brokers
from messaging.dead_letters import DeadLetterPublisher
from messaging.keyed_consumer import KeyedConsumer
from messaging.provisioning import create_missing_topics
from messaging.publisher import EventPublisher, OutboundMessage
from otlp_receiver import run_receiver

pytestmark = pytest.mark.integration
SHOP = "shopify:acme.myshopify.com"


def build_request() -> SyncRequested:
    return SyncRequested(sync_id=uuid4(), connection=SHOP, epoch=1, cause="webhook", records={}, requested_at=1)


async def test_a_batch_is_handled_in_the_trace_of_its_first_message(kafka: str) -> None:
    topic, requests, lines = f"notes.{uuid4().hex[:8]}", [build_request() for _ in range(3)], list[dict[str, object]]()
    await create_missing_topics(Brokers(kafka), (Topic(topic), Topic(get_dead_letter_topic(topic))))
    done = asyncio.Event()

    async def handle(_key: str, events: Sequence[SyncRequested]) -> None:
        lines.append(structlog.contextvars.get_contextvars() | {"trace_id": tracing.get_trace_id()})
        if len(events) < len(requests):
            done.set()
        raise ValueError("neither the batch nor one of its messages can be handled")

    with run_receiver() as receiver, tracing.export_traces("a-service", receiver.url):
        async with EventPublisher(Brokers(kafka), source="test") as publisher:
            for request in requests:
                with tracing.start_span("cause", "internal", {"request": str(request.sync_id)}, caused_by=()):
                    await publisher.send(OutboundMessage(topic, SHOP, request, str(request.sync_id)))
            dead_letters = DeadLetterPublisher(publisher)
            consumer = KeyedConsumer(
                Brokers(kafka),
                topic,
                group="test",
                parse=SyncRequested.model_validate_json,
                handle=handle,
                dead_letters=dead_letters,
            )
            await consumer.start()
            async with asyncio.timeout(30):
                await done.wait()
                while dead_letters.count < len(requests):
                    await asyncio.sleep(0.02)
            await consumer.stop(grace=0.5)
    sends = {span.trace: span for span in receiver.spans if span.name == f"send {topic}"}
    traces = [next(s.trace for s in receiver.spans if s.attributes.get("request") == str(r.sync_id)) for r in requests]
    batch, *alone = [span for span in receiver.spans if span.name == f"process {topic}"]
    assert (batch.trace, batch.parent) == (traces[0], sends[traces[0]].id)
    assert [trace for trace, _ in batch.links] == traces[1:]
    assert batch.failed and batch.attributes["error.type"] == "ValueError"
    assert {(span.trace, span.parent) for span in alone} == {(trace, sends[trace].id) for trace in traces}
    for line, span in zip(lines, [batch, *alone], strict=True):
        assert line["connection"] == SHOP
        assert (line["sync_id"], line["trace_id"]) == (span.sync_id, span.trace)
    assert await read_dead_letter_traces(kafka, topic) == set(traces)


async def read_dead_letter_traces(kafka: str, topic: str) -> set[str]:
    """Return the trace ids of the dead letters of a topic."""
    consumer = AIOKafkaConsumer(get_dead_letter_topic(topic), bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        batches = await consumer.getmany(timeout_ms=2000)
        headers = [record.headers for records in batches.values() for record in records]
        return {traceparent.split("-")[1] for traceparent in tracing.extract_traceparents(headers)}
    finally:
        await consumer.stop()
