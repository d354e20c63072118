"""A bench for tests of consumers: a topic of its own, a publisher, and consumers whose handler is the test's."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer

from contracts.events import Event
from contracts.topics import get_dead_letter_topic
from messaging.brokers import Brokers
from messaging.dead_letters import DeadLetterPublisher
from messaging.key_workers import Handler
from messaging.keyed_consumer import ConsumerLimits, KeyedConsumer
from messaging.publisher import EventPublisher, OutboundMessage


class Note(Event):
    text: str


class Bench:
    """A topic of its own, a publisher, and consumers."""

    def __init__(self, servers: str, topic: str, publisher: EventPublisher) -> None:
        self.servers, self.topic, self.publisher = servers, topic, publisher

    async def publish(self, key: str, *texts: str) -> None:
        await self.publisher.send_all([OutboundMessage(self.topic, key, Note(text=t), str(uuid4())) for t in texts])

    def create_consumer(
        self,
        handle: Handler[Note],
        *,
        servers: str = "",
        pattern: str | None = None,
        group: str = "test",
        threshold: int = 25,
        limits: ConsumerLimits = ConsumerLimits(),
        parse: Callable[[bytes], Any] = Note.model_validate_json,
        process_name: str | None = None,
    ) -> KeyedConsumer[Note]:
        """Create a member of `group`; `threshold` is that of its circuit breaker."""
        return KeyedConsumer(
            Brokers(servers or self.servers),
            *([] if pattern else [self.topic]),
            pattern=pattern,
            group=group,
            parse=parse,
            handle=handle,
            dead_letters=DeadLetterPublisher(self.publisher, threshold=threshold),
            limits=limits,
            process_name=process_name,
        )

    @asynccontextmanager
    async def run_consumer(
        self, handle: Handler[Note], *, grace: float = 0.5, **options: Any
    ) -> AsyncIterator[KeyedConsumer[Note]]:
        """Run a consumer of `create_consumer`."""
        consumer = self.create_consumer(handle, **options)
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop(grace)

    async def read_dead_letters(self) -> list[bytes | None]:
        topic = get_dead_letter_topic(self.topic)
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=self.servers, auto_offset_reset="earliest")
        await consumer.start()
        try:
            batches = await consumer.getmany(timeout_ms=1500)
            return [record.value for records in batches.values() for record in records]
        finally:
            await consumer.stop()


async def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)
