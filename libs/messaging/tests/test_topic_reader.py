"""`TopicReader` against a real Kafka: whole topics, from their beginning or their end, without a consumer group."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from consumer_bench import Bench, wait_until
from contracts.topics import PARTITIONS, Topic
from messaging.brokers import Brokers
from messaging.errors import UnavailableError
from messaging.provisioning import create_missing_topics
from messaging.publisher import EventPublisher
from messaging.topic_reader import Headers, TopicReader, TopicSubscription

pytestmark = pytest.mark.integration


class Collected:
    """A handler that keeps the texts of all messages, and refuses those that are `poison`."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self.headers: list[Headers] = []

    @property
    def texts(self) -> set[str]:
        return {text for _, text in self.messages}

    def __call__(self, key: str, body: bytes | None, headers: Headers) -> None:
        text = (body or b"").decode().removeprefix('{"text":"').removesuffix('"}')
        if text == "poison":
            raise ValueError("not a note")
        self.messages.append((key, text))
        self.headers.append(headers)


@asynccontextmanager
async def read(bench: Bench, collected: Collected, *, from_beginning: bool = True) -> AsyncIterator[TopicReader]:
    reader = TopicReader(
        Brokers(bench.servers), TopicSubscription(bench.topic, collected, from_beginning), client_id="reader"
    )
    try:
        await reader.start()
        yield reader
    finally:
        await reader.stop()


async def test_all_partitions_are_read_from_the_beginning_and_then_followed(bench: Bench) -> None:
    keys = [f"a:{number}" for number in range(3 * PARTITIONS)]
    for key in keys:
        await bench.publish(key, "early")
    collected = Collected()
    async with read(bench, collected) as reader:
        await asyncio.wait_for(reader.wait_until_caught_up(), 20)
        assert sorted(collected.messages) == sorted((key, "early") for key in keys)
        await bench.publish("a:1", "late")
        await wait_until(lambda: collected.messages[-1] == ("a:1", "late"))
        assert collected.headers[-1]["ce_subject"] == b"a:1"


async def test_two_readers_both_receive_every_message(bench: Bench) -> None:
    first, second = Collected(), Collected()
    await bench.publish("a", "one")
    async with read(bench, first), read(bench, second):
        await wait_until(lambda: first.texts == second.texts == {"one"})


async def test_a_reader_from_the_end_gets_only_what_follows(bench: Bench) -> None:
    await bench.publish("a", "early")
    collected = Collected()
    async with read(bench, collected, from_beginning=False) as reader:
        assert reader.is_caught_up
        await bench.publish("a", "late")
        await wait_until(lambda: collected.texts != set())
        assert collected.texts == {"late"}


async def test_a_message_that_breaks_the_contract_is_skipped_and_counted(bench: Bench) -> None:
    await bench.publish("a", "one", "poison", "two")
    collected = Collected()
    async with read(bench, collected) as reader:
        await asyncio.wait_for(reader.wait_until_caught_up(), 20)
        assert collected.messages == [("a", "one"), ("a", "two")]
        assert reader.skipped == {bench.topic: 1}
        assert reader.health_error is None


async def test_a_reader_is_not_healthy_before_it_has_caught_up(bench: Bench) -> None:
    await bench.publish("a", "one")
    reader = TopicReader(Brokers(bench.servers), TopicSubscription(bench.topic, Collected(), True), client_id="reader")
    await reader.start()
    try:
        # No message can have been handled: the reading task has not had its turn since `start` returned.
        assert reader.health_error == "reads what is known: 1 partitions are left"
        await asyncio.wait_for(reader.wait_until_caught_up(), 20)
        assert reader.health_error is None
    finally:
        await reader.stop()


async def test_a_topic_that_does_not_exist_is_unavailable(bench: Bench) -> None:
    bench.topic = f"missing.{uuid4().hex[:8]}"
    with pytest.raises(UnavailableError, match=bench.topic):
        async with read(bench, Collected()):
            pass


async def test_a_reader_without_kafka_raises_that_it_is_unavailable(bench: Bench) -> None:
    bench.servers = "127.0.0.1:1"
    with pytest.raises(UnavailableError, match="Kafka"):
        async with read(bench, Collected()):
            pass


@asynccontextmanager
async def administer(servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def test_a_reader_goes_on_after_its_topic_was_truncated(bench: Bench) -> None:
    await bench.publish("a", "one", "two")
    collected = Collected()
    async with read(bench, collected) as reader, administer(bench.servers) as admin:
        await wait_until(lambda: collected.texts == {"one", "two"})
        partitions = [TopicPartition(bench.topic, number) for number in range(PARTITIONS)]
        await admin.delete_records({partition: RecordsToDelete(before_offset=-1) for partition in partitions})
        # As if it had fallen behind: what was at its position is gone.
        for partition in partitions:
            reader._consumer.seek(partition, 0)
        await bench.publish("a", "three")
        await wait_until(lambda: "three" in collected.texts)
        assert [text for _, text in collected.messages] == ["one", "two", "three"]
        assert reader.health_error is None


async def test_a_reader_reads_a_topic_that_was_made_anew_from_its_beginning(bench: Bench) -> None:
    collected = Collected()
    await bench.publish("a", "one", "two", "three")
    async with read(bench, collected) as reader, administer(bench.servers) as admin:
        await wait_until(lambda: len(collected.messages) == 3)
        await admin.delete_topics([bench.topic])
        await make_topic(bench)
        # A producer of its own: one that knew the old topic needs its time to find the new one.
        async with EventPublisher(Brokers(bench.servers), source="test") as publisher:
            await publisher.send_raw(bench.topic, b"a", b'{"text":"anew"}', [])
        await wait_until(lambda: ("a", "anew") in collected.messages, seconds=60)
        assert reader.skipped.total() == 0


async def make_topic(bench: Bench) -> None:
    """Make the topic again, once its deletion is done."""
    async with asyncio.timeout(30):
        while True:
            try:
                await create_missing_topics(Brokers(bench.servers), (Topic(bench.topic),))
                async with EventPublisher(Brokers(bench.servers), source="test") as publisher:
                    if await publisher.count_partitions(bench.topic) == PARTITIONS:
                        return
            except UnavailableError:
                await asyncio.sleep(0.2)


class FailingConsumer:
    """A consumer of aiokafka whose polls fail."""

    async def getmany(self, **_options: Any) -> dict[object, list[object]]:
        raise UnicodeDecodeError("utf-8", b"", 0, 1, "broken")


async def test_a_poll_that_fails_is_shown_and_does_not_end_reading(bench: Bench) -> None:
    reader = TopicReader(Brokers(bench.servers), TopicSubscription(bench.topic, Collected(), True), client_id="reader")
    polling = asyncio.create_task(reader._poll_continuously(FailingConsumer()))
    await wait_until(lambda: reader.health_error is not None and "UnicodeDecodeError" in reader.health_error)
    assert not polling.done()
    polling.cancel()
