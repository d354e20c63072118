"""Publishing: nothing counts as said before Kafka has acknowledged it on all replicas."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.partitioner import DefaultPartitioner

from contracts.events import Event
from contracts.headers import build_headers
from contracts.topics import MAX_MESSAGE_BYTES
from messaging import tracing
from messaging.brokers import Brokers
from messaging.errors import KafkaUnavailableError, MessageTooLargeError
from messaging.instrumentation import describe_send


@dataclass(frozen=True)
class OutboundMessage:
    """A message ready to be sent: its topic, its key (the connection), the event, and the id of this saying."""

    topic: str
    key: str
    event: Event
    event_id: str
    traceparent: str | None = None
    """The span that wants it said, where that is not the present one."""


Headers = Sequence[tuple[str, bytes]]
"""A message's headers."""


class Batch(Protocol):
    """Messages of one partition that are sent together."""

    def append(self, *, timestamp: int | None, key: bytes, value: bytes, headers: Headers) -> object | None:
        """Add a message; None when the batch is full."""


_DEFAULT = DefaultPartitioner()


@lru_cache(maxsize=10_000)
def select_partition(key: bytes, partitions: tuple[int, ...]) -> int:
    """The partition that every Kafka client gives this key."""
    return int(_DEFAULT(key, list(partitions), list(partitions)))


def partition_of(key: bytes | None, partitions: list[int], available: list[int]) -> int:
    """The partition that every Kafka client gives this key, remembered: the hash is slow in Python, and keys recur."""
    if key is None:
        return int(_DEFAULT(key, partitions, available))
    return select_partition(key, tuple(partitions))


class EventPublisher:
    """A producer with `acks=all`, idempotent, without lingering. `source` is the service's name."""

    def __init__(self, brokers: Brokers, *, source: str) -> None:
        self._brokers = brokers
        self._source = source
        self._producer = AIOKafkaProducer(
            **brokers.client_options,
            client_id=source,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            compression_type="lz4",
            # Of one connection's burst much goes to one partition: at the default of 16 KiB those who wait for room
            # in its batch wake each other over and over.
            max_batch_size=128 * 1024,
            partitioner=partition_of,
            max_request_size=MAX_MESSAGE_BYTES,
            request_timeout_ms=30_000,
        )

    async def __aenter__(self) -> Self:
        try:
            await self._producer.start()
        except KafkaError as error:
            await self._producer.stop()
            raise await self._brokers.explain(error) from error
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._producer.stop()

    async def send(self, message: OutboundMessage) -> None:
        """Send one message and wait for Kafka's word. Raises `KafkaAway`, or `MessageTooLarge` above 16 MiB."""
        await self.send_all([message])

    async def send_all(self, messages: Iterable[OutboundMessage]) -> None:
        """Send messages in order and wait until Kafka has all of them. Errors as for `send`."""
        listed = list(messages)
        name, about = describe_send(",".join(sorted({message.topic for message in listed})), len(listed))
        with tracing.start_span(name, "producer", about):
            await self._confirmed([await self._enqueue(message) for message in listed])

    async def count_partitions(self, topic: str) -> int:
        """How many partitions a topic has. Raises `KafkaAway`."""
        try:
            return len(await self._producer.partitions_for(topic))
        except KafkaError as error:
            raise KafkaUnavailableError(repr(error)) from error

    def create_batch(self) -> Batch:
        """An empty batch, to be filled and given to `send_batch`."""
        batch: Batch = self._producer.create_batch()
        return batch

    async def send_batch(self, batch: Batch, topic: str, partition: int) -> None:
        """Send a batch and wait for Kafka's word on it. Raises `KafkaAway`."""
        try:
            await (await self._producer.send_batch(batch, topic, partition=partition))
        except KafkaError as error:
            raise KafkaUnavailableError(repr(error)) from error

    async def send_raw(self, topic: str, key: bytes | None, body: bytes | None, headers: Headers) -> None:
        """Send bytes that are already an event, as the outbox and dead letters do."""
        try:
            await self._producer.send_and_wait(topic, value=body, key=key, headers=list(headers))
        except MessageSizeTooLargeError as error:
            raise MessageTooLargeError(str(error)) from error
        except KafkaError as error:
            raise KafkaUnavailableError(repr(error)) from error

    async def _enqueue(self, message: OutboundMessage) -> "asyncio.Future[object]":
        headers = build_headers(message.event, source=self._source, event_id=message.event_id, subject=message.key)
        headers += tracing.build_trace_headers(message.traceparent or tracing.get_traceparent())
        body = message.event.model_dump_json(exclude_defaults=False).encode()
        try:
            sent: asyncio.Future[object] = await self._producer.send(
                message.topic, value=body, key=message.key.encode(), headers=headers
            )
        except MessageSizeTooLargeError as error:
            raise MessageTooLargeError(f"{type(message.event).__name__} of {message.key}: {error}") from error
        except KafkaError as error:
            raise KafkaUnavailableError(repr(error)) from error
        return sent

    async def _confirmed(self, sent: Sequence["asyncio.Future[object]"]) -> None:
        try:
            await asyncio.gather(*sent)
        except KafkaError as error:
            raise KafkaUnavailableError(repr(error)) from error
