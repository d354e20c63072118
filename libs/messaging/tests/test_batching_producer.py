"""`BatchingProducer` against a real Kafka: order, deliveries, sizes; and against one that loses batches."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.topics import Topic
from messaging.batching_producer import MAX_BATCH_MESSAGES, BatchingProducer
from messaging.brokers import Brokers
from messaging.errors import UnavailableError
from messaging.provisioning import create_missing_topics
from messaging.publisher import EventPublisher

HEADERS = [("ce_id", b"1")]


class Sender:
    """Sends messages to a topic and collects their deliveries."""

    def __init__(self, producer: BatchingProducer, topic: str) -> None:
        self._producer = producer
        self.topic = topic
        self._expected = 0
        self.deliveries: list[UnavailableError | None] = []
        self.all_delivered = asyncio.Event()

    def send(self, key: bytes, body: bytes, *, is_cancelled: bool = False) -> None:
        self._expected += not is_cancelled
        self._producer.send(self.topic, key, body, HEADERS, self._record_delivery, lambda: is_cancelled)

    def _record_delivery(self, error: UnavailableError | None) -> None:
        self.deliveries.append(error)
        if len(self.deliveries) == self._expected:
            self.all_delivered.set()


@pytest.fixture
async def sender(kafka: str) -> AsyncIterator[Sender]:
    topic = f"batches.{uuid4().hex[:8]}"
    await create_missing_topics(Brokers(kafka), (Topic(topic),))
    async with EventPublisher(Brokers(kafka), source="test") as publisher:
        producer = BatchingProducer(publisher)
        await producer.load_partitions([topic])
        yield Sender(producer, topic)


async def read_bodies(servers: str, topic: str) -> dict[bytes, list[bytes]]:
    """Return all bodies of a topic by key, in their order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(12)])
        bodies: dict[bytes, list[bytes]] = {}
        while batches := await consumer.getmany(timeout_ms=700):
            for records in batches.values():
                for record in records:
                    bodies.setdefault(record.key, []).append(record.value)
    finally:
        await consumer.stop()
    return bodies


@pytest.mark.integration
async def test_messages_of_a_key_keep_their_order_and_each_delivery_is_reported(kafka: str, sender: Sender) -> None:
    sent: dict[bytes, list[bytes]] = {}
    for number in range(3 * MAX_BATCH_MESSAGES):
        key, body = b"k%d" % (number % 7), b"%d" % number
        sent.setdefault(key, []).append(body)
        sender.send(key, body)
        if number % 100 == 0:
            await asyncio.sleep(0.002)
    await asyncio.wait_for(sender.all_delivered.wait(), 20)
    assert set(sender.deliveries) == {None}
    assert await read_bodies(kafka, sender.topic) == sent


@pytest.mark.integration
async def test_a_cancelled_message_is_not_sent(kafka: str, sender: Sender) -> None:
    sender.send(b"k", b"1")
    sender.send(b"k", b"2", is_cancelled=True)
    sender.send(b"k", b"3")
    await asyncio.wait_for(sender.all_delivered.wait(), 20)
    assert await read_bodies(kafka, sender.topic) == {b"k": [b"1", b"3"]}


@pytest.mark.integration
async def test_messages_that_exceed_the_size_of_a_batch_are_sent_in_several(kafka: str, sender: Sender) -> None:
    bodies = [b"%d" % number + b"x" * 90_000 for number in range(5)] + [b"y" * 300_000, b"z"]
    for body in bodies:
        sender.send(b"k", body)
    await asyncio.wait_for(sender.all_delivered.wait(), 20)
    assert await read_bodies(kafka, sender.topic) == {b"k": bodies}


class LossyPublisher(EventPublisher):
    """A publisher that loses every batch after the first."""

    batches = 0

    async def count_partitions(self, topic: str) -> int:
        return 12

    async def send_batch(self, batch: object, topic: str, partition: int) -> None:
        self.batches += 1
        if self.batches > 1:
            raise UnavailableError("no broker")


async def test_a_lost_batch_is_reported_and_the_next_one_is_tried() -> None:
    producer = BatchingProducer(LossyPublisher(Brokers("nowhere:1"), source="test"))
    await producer.load_partitions(["t"])
    sender = Sender(producer, "t")
    for body in (b"1", b"2", b"3"):
        sender.send(b"k", body)
        sender.all_delivered.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(sender.all_delivered.wait(), 1)
    assert [type(error) for error in sender.deliveries] == [type(None), UnavailableError, UnavailableError]
