"""Gathering against a real Kafka: order, words, sizes; and against a Kafka that gives none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.topics import Topic
from messaging.batching_producer import LARGEST_BATCH, BatchingProducer
from messaging.brokers import Brokers
from messaging.errors import KafkaUnavailableError, UnavailableError
from messaging.provisioning import provision
from messaging.publisher import Batch, EventPublisher

HEADERS = [("ce_id", b"1")]


class Words:
    """Gives messages and counts what is heard of them."""

    def __init__(self, gathering: BatchingProducer, topic: str) -> None:
        self._gathering = gathering
        self._topic = topic
        self._expected = 0
        self.heard: list[UnavailableError | None] = []
        self.all_heard = asyncio.Event()

    def give(self, key: bytes, body: bytes, *, dropped: bool = False) -> None:
        self._expected += not dropped
        self._gathering.send(self._topic, key, body, HEADERS, self._told, lambda: dropped)

    def _told(self, word: UnavailableError | None) -> None:
        self.heard.append(word)
        if len(self.heard) == self._expected:
            self.all_heard.set()


@pytest.fixture
async def words(kafka: str) -> AsyncIterator[Words]:
    topic = f"gathered.{uuid4().hex[:8]}"
    await provision(Brokers(kafka), (Topic(topic),))
    async with EventPublisher(Brokers(kafka), source="test") as publisher:
        gathering = BatchingProducer(publisher)
        await gathering.prepare([topic])
        words = Words(gathering, topic)
        yield words


async def stored(servers: str, topic: str) -> dict[bytes, list[bytes]]:
    """All bodies of a topic by key, in their order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(12)])
        found: dict[bytes, list[bytes]] = {}
        while batches := await consumer.getmany(timeout_ms=700):
            for records in batches.values():
                for record in records:
                    found.setdefault(record.key, []).append(record.value)
    finally:
        await consumer.stop()
    return found


@pytest.mark.integration
async def test_each_keys_messages_keep_their_order_and_each_hears_its_word(kafka: str, words: Words) -> None:
    sent: dict[bytes, list[bytes]] = {}
    for number in range(3 * LARGEST_BATCH):
        key, body = b"k%d" % (number % 7), b"%d" % number
        sent.setdefault(key, []).append(body)
        words.give(key, body)
        if number % 100 == 0:
            await asyncio.sleep(0.002)
    await asyncio.wait_for(words.all_heard.wait(), 20)
    assert set(words.heard) == {None}
    assert await stored(kafka, words._topic) == sent


@pytest.mark.integration
async def test_what_nobody_waits_for_any_more_is_not_sent(kafka: str, words: Words) -> None:
    words.give(b"k", b"1")
    words.give(b"k", b"2", dropped=True)
    words.give(b"k", b"3")
    await asyncio.wait_for(words.all_heard.wait(), 20)
    assert await stored(kafka, words._topic) == {b"k": [b"1", b"3"]}


@pytest.mark.integration
async def test_what_fills_more_than_a_batch_is_sent_as_well(kafka: str, words: Words) -> None:
    bodies = [b"%d" % number + b"x" * 90_000 for number in range(5)] + [b"y" * 300_000, b"z"]
    for body in bodies:
        words.give(b"k", body)
    await asyncio.wait_for(words.all_heard.wait(), 20)
    assert await stored(kafka, words._topic) == {b"k": bodies}


class NoWord:
    """A Kafka that loses every batch after the first."""

    def __init__(self, publisher: EventPublisher) -> None:
        self._publisher = publisher
        self.sent = 0

    async def count_partitions(self, topic: str) -> int:
        return 12

    def create_batch(self) -> Batch:
        return self._publisher.create_batch()

    async def send_batch(self, batch: Batch, topic: str, partition: int) -> None:
        self.sent += 1
        if self.sent > 1:
            raise KafkaUnavailableError("no broker")


async def test_what_kafka_has_not_got_is_said_to_be_so_and_the_next_is_tried() -> None:
    kafka = NoWord(EventPublisher(Brokers("nowhere:1"), source="test"))
    gathering = BatchingProducer(kafka)
    await gathering.prepare(["t"])
    words = Words(gathering, "t")
    for body in (b"1", b"2", b"3"):
        words.give(b"k", body)
        words.all_heard.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(words.all_heard.wait(), 1)
    assert [type(word) for word in words.heard] == [type(None), KafkaUnavailableError, KafkaUnavailableError]
