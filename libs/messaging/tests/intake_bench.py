"""What tests of intakes stand on: a topic of its own, a publisher, and intakes that hand batches to the test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer
from faststream.kafka import KafkaBroker

from contracts.events import Event
from contracts.topics import get_dead_letter_topic
from messaging.dead_letters import DeadLetterPublisher
from messaging.keyed_consumer import KeyedConsumer
from messaging.publisher import EventPublisher, OutboundMessage


class Said(Event):
    text: str


class Bench:
    """A topic of its own, a publisher, and an intake that hands batches to whatever the test is about."""

    def __init__(self, servers: str, topic: str, publisher: EventPublisher) -> None:
        self.servers, self.topic, self.publisher = servers, topic, publisher

    async def say(self, key: str, *texts: str) -> None:
        await self.publisher.send_all([OutboundMessage(self.topic, key, Said(text=t), str(uuid4())) for t in texts])

    @asynccontextmanager
    async def taking(
        self, handle: Callable[[str, Sequence[Said]], Awaitable[None]], **options: Any
    ) -> AsyncIterator[KeyedConsumer[Said]]:
        broker = KafkaBroker(self.servers, logger=None, allow_auto_create_topics=False)
        letters = DeadLetterPublisher(self.publisher, threshold=options.pop("fuse", 25))
        grace = options.pop("grace", 0.5)
        intake = KeyedConsumer(
            broker,
            self.topic,
            group="test",
            parse=Said.model_validate_json,
            handle=handle,
            dead_letters=letters,
            **options,
        )
        await broker.start()
        try:
            yield intake
        finally:
            await intake.stop(grace)
            await broker.stop()

    async def buried(self) -> list[bytes | None]:
        topic = get_dead_letter_topic(self.topic)
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=self.servers, auto_offset_reset="earliest")
        await consumer.start()
        try:
            batches = await consumer.getmany(timeout_ms=1500)
            return [record.value for records in batches.values() for record in records]
        finally:
            await consumer.stop()


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)
