"""Create the Kafka clients that the operator's commands use."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from merchant_sync.access import Access
from merchant_sync.parts import StackError
from messaging.brokers import Brokers
from messaging.errors import UnavailableError
from messaging.publisher import EventPublisher
from service.settings import KafkaSettings

SOURCE = "operator"


def _build_brokers(access: Access) -> Brokers:
    """Return the addresses and the login of Kafka's brokers, from the settings of the installation.

    Raises StackError for incomplete or invalid settings.
    """
    access.require_settings("KAFKA_BOOTSTRAP_SERVERS")
    lower_case = ((name.lower(), value) for name, value in access.settings.items())
    given: dict[str, Any] = {name: value for name, value in lower_case if name.startswith("kafka_")}
    try:
        return KafkaSettings(**given).build_brokers()
    except ValidationError as error:
        raise StackError("; ".join(str(problem["msg"]) for problem in error.errors())) from None


@asynccontextmanager
async def create_admin(access: Access) -> AsyncIterator[AIOKafkaAdminClient]:
    """Yield a started Kafka admin client. Kafka errors, also in the `with` block, are raised as UnavailableError."""
    admin = AIOKafkaAdminClient(**_build_brokers(access).client_options, request_timeout_ms=15_000)
    try:
        await admin.start()
        yield admin
    except KafkaError as error:
        raise UnavailableError(f"Kafka: {describe_error(error)}") from error
    finally:
        await admin.close()


@asynccontextmanager
async def create_consumer(access: Access) -> AsyncIterator["AIOKafkaConsumer[bytes, bytes]"]:
    """Yield a started Kafka consumer without a group; it commits no offsets.

    Kafka errors, also in the `with` block, are raised as UnavailableError.
    """
    consumer: AIOKafkaConsumer[bytes, bytes] = AIOKafkaConsumer(
        **_build_brokers(access).client_options, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        await consumer.start()
        # Lets a task of aiokafka begin: stop() raises CancelledError when it cancels one that has not.
        await asyncio.sleep(0)
        yield consumer
    except KafkaError as error:
        raise UnavailableError(f"Kafka: {describe_error(error)}") from error
    finally:
        await consumer.stop()


@asynccontextmanager
async def create_publisher(access: Access) -> AsyncIterator[EventPublisher]:
    """Yield a started publisher of messages. Each send returns once Kafka has acknowledged the message.

    Raises UnavailableError when Kafka does not answer.
    """
    async with EventPublisher(_build_brokers(access), source=SOURCE) as publisher:
        yield publisher


async def list_partitions(admin: AIOKafkaAdminClient, topics: Iterable[str]) -> list[TopicPartition]:
    """Return the partitions of `topics`. Topics that do not exist are left out."""
    described: list[dict[str, Any]] = await admin.describe_topics(list(topics))
    return [
        TopicPartition(topic["topic"], partition["partition"])
        for topic in described
        for partition in topic["partitions"]
    ]


async def read_to_present_end(
    consumer: "AIOKafkaConsumer[bytes, bytes]", partitions: list[TopicPartition]
) -> AsyncIterator["ConsumerRecord[bytes, bytes]"]:
    """Yield all messages that these partitions contain now. Messages that are published later are not waited for."""
    if not partitions:
        return
    ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
    starts: dict[TopicPartition, int] = await consumer.beginning_offsets(partitions)
    remaining = {partition for partition in partitions if starts[partition] < ends[partition]}
    consumer.assign(sorted(remaining))
    while remaining:
        fetched = await consumer.getmany(*remaining, timeout_ms=500, max_records=500)
        for records in fetched.values():
            for record in records:
                if record.offset < ends[TopicPartition(record.topic, record.partition)]:
                    yield record
        remaining = {partition for partition in remaining if await consumer.position(partition) < ends[partition]}


def describe_error(error: KafkaError) -> str:
    """Return a Kafka error as text."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")
