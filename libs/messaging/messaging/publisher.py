"""Publishes events. A message counts as published only when all in-sync replicas have acknowledged it."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

from contracts.events import Event
from contracts.headers import build_headers
from contracts.topics import MAX_MESSAGE_BYTES
from messaging import tracing
from messaging.brokers import Brokers
from messaging.errors import InvalidMessageError, UnavailableError
from messaging.instrumentation import describe_send


@dataclass(frozen=True)
class OutboundMessage:
    """A message to send. Its `key` is the name of the merchant's connection.

    `event_id` identifies the event: a message that is sent twice has the same id both times.
    """

    topic: str
    key: str
    event: Event
    event_id: str
    traceparent: str | None = None
    """The span that causes the message, as the value of a `traceparent` header. None means the current span."""


Headers = Sequence[tuple[str, bytes]]
"""The headers of a message, as pairs of name and value."""

_DEFAULT_PARTITIONER = DefaultPartitioner()


@lru_cache(maxsize=10_000)
def select_partition(key: bytes, partitions: tuple[int, ...]) -> int:
    """Return the number of the partition for messages with `key`. `partitions` are all partitions of the topic.

    The result is the same as that of Kafka's default partitioner, which other clients use.
    """
    # Cached, because the hash is slow in Python and the same keys occur often.
    return int(_DEFAULT_PARTITIONER(key, list(partitions), list(partitions)))


def select_producer_partition(key: bytes | None, partitions: list[int], available: list[int]) -> int:
    """Return the number of the partition for a message with `key`; a random one when `key` is None.

    `partitions` are all partitions of the topic, and `available` are those that can be written now. A random one is
    taken from `available` if there are any. aiokafka's producer calls this function as its `partitioner`.
    """
    if key is None:
        return int(_DEFAULT_PARTITIONER(key, partitions, available))
    return select_partition(key, tuple(partitions))


class EventPublisher:
    """Sends messages with an idempotent aiokafka producer: its retries send no message twice.

    It sends at once instead of waiting for more messages, and waits until all in-sync replicas have acknowledged.
    `source` is the name of the service that sends. Use the publisher as a context manager; entering it raises
    `UnavailableError` when Kafka does not answer.
    """

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
            # A burst of one connection goes to one partition. With the default of 16 KiB the senders that wait for
            # room in its batch wake each other again and again.
            max_batch_size=128 * 1024,
            partitioner=select_producer_partition,
            max_request_size=MAX_MESSAGE_BYTES,
            request_timeout_ms=30_000,
        )

    async def __aenter__(self) -> Self:
        try:
            await self._producer.start()
        except KafkaError as error:
            await self._producer.stop()
            raise await self._brokers.explain_error(error) from error
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._producer.stop()

    async def send(self, message: OutboundMessage) -> None:
        """Send one message and wait until Kafka has acknowledged it.

        Raises `UnavailableError` when Kafka does not answer, and `InvalidMessageError` for a message above 16 MiB.
        """
        await self.send_all([message])

    async def send_all(self, messages: Iterable[OutboundMessage]) -> None:
        """Send messages in order and wait until Kafka has acknowledged all. Raises the same errors as `send`."""
        listed = list(messages)
        name, attributes = describe_send(",".join(sorted({message.topic for message in listed})), len(listed))
        with tracing.start_span(name, "producer", attributes):
            await self._wait_for_acks([await self._enqueue(message) for message in listed])

    async def count_partitions(self, topic: str) -> int:
        """Return the number of partitions of a topic. Raises `UnavailableError` when Kafka does not answer."""
        try:
            return len(await self._producer.partitions_for(topic))
        except KafkaError as error:
            raise UnavailableError(f"Kafka: {error!r}") from error

    def create_batch(self) -> BatchBuilder:
        """Return an empty batch for `send_batch`. Its `append` adds a message, or returns None if the batch is full."""
        return self._producer.create_batch()

    async def send_batch(self, batch: BatchBuilder, topic: str, partition: int) -> None:
        """Send a batch from `create_batch` to one partition, and wait until Kafka has acknowledged it.

        Raises `UnavailableError` when Kafka does not answer.
        """
        try:
            await (await self._producer.send_batch(batch, topic, partition=partition))
        except KafkaError as error:
            raise UnavailableError(f"Kafka: {error!r}") from error

    async def send_raw(self, topic: str, key: bytes | None, body: bytes | None, headers: Headers) -> None:
        """Send a message whose body is already encoded, and wait until Kafka has acknowledged it.

        The outbox relay and the publisher of dead letters use this method. Raises the same errors as `send`.
        """
        try:
            await self._producer.send_and_wait(topic, value=body, key=key, headers=list(headers))
        except MessageSizeTooLargeError as error:
            raise InvalidMessageError(str(error)) from error
        except KafkaError as error:
            raise UnavailableError(f"Kafka: {error!r}") from error

    async def _enqueue(self, message: OutboundMessage) -> "asyncio.Future[object]":
        headers = build_headers(message.event, source=self._source, event_id=message.event_id, subject=message.key)
        headers += tracing.build_trace_headers(message.traceparent or tracing.get_traceparent())
        body = message.event.model_dump_json(exclude_defaults=False).encode()
        try:
            acknowledged: asyncio.Future[object] = await self._producer.send(
                message.topic, value=body, key=message.key.encode(), headers=headers
            )
        except MessageSizeTooLargeError as error:
            raise InvalidMessageError(f"{type(message.event).__name__} of {message.key}: {error}") from error
        except KafkaError as error:
            raise UnavailableError(f"Kafka: {error!r}") from error
        return acknowledged

    async def _wait_for_acks(self, futures: Sequence["asyncio.Future[object]"]) -> None:
        try:
            await asyncio.gather(*futures)
        except KafkaError as error:
            raise UnavailableError(f"Kafka: {error!r}") from error
