"""Kafka for the operator's commands: every client of theirs is made here."""

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
from messaging.errors import KafkaUnavailableError
from messaging.publisher import EventPublisher
from service.settings import KafkaSettings

SOURCE = "operator"


def _brokers(access: Access) -> Brokers:
    """Kafka as the settings have it. A StackError for settings that are not whole."""
    access.need("KAFKA_BOOTSTRAP_SERVERS")
    named = ((name.lower(), value) for name, value in access.settings.items())
    given: dict[str, Any] = {name: value for name, value in named if name.startswith("kafka_")}
    try:
        return KafkaSettings(**given).build_brokers()
    except ValidationError as error:
        raise StackError("; ".join(str(problem["msg"]) for problem in error.errors())) from None


@asynccontextmanager
async def administering(access: Access) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client. Raises `KafkaAway`, also for what goes wrong while it is used."""
    admin = AIOKafkaAdminClient(**_brokers(access).client_options, request_timeout_ms=15_000)
    try:
        await admin.start()
        yield admin
    except KafkaError as error:
        raise KafkaUnavailableError(said(error)) from error
    finally:
        await admin.close()


@asynccontextmanager
async def reading(access: Access) -> AsyncIterator["AIOKafkaConsumer[bytes, bytes]"]:
    """A consumer of no group, which commits nothing. Raises as `administering`."""
    consumer: AIOKafkaConsumer[bytes, bytes] = AIOKafkaConsumer(
        **_brokers(access).client_options, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        await consumer.start()
        yield consumer
    except KafkaError as error:
        raise KafkaUnavailableError(said(error)) from error
    finally:
        await consumer.stop()


@asynccontextmanager
async def publishing(access: Access) -> AsyncIterator[EventPublisher]:
    """A producer that counts nothing as said before Kafka has acknowledged it. Raises `KafkaAway`."""
    async with EventPublisher(_brokers(access), source=SOURCE) as publisher:
        yield publisher


async def partitions_of(admin: AIOKafkaAdminClient, topics: Iterable[str]) -> list[TopicPartition]:
    """The partitions of these topics, of those that there are."""
    described: list[dict[str, Any]] = await admin.describe_topics(list(topics))
    return [
        TopicPartition(topic["topic"], partition["partition"])
        for topic in described
        for partition in topic["partitions"]
    ]


async def up_to_now(
    consumer: "AIOKafkaConsumer[bytes, bytes]", partitions: list[TopicPartition]
) -> AsyncIterator["ConsumerRecord[bytes, bytes]"]:
    """All messages of these partitions from their beginnings to where they end now."""
    if not partitions:
        return
    ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
    starts: dict[TopicPartition, int] = await consumer.beginning_offsets(partitions)
    left = {partition for partition in partitions if starts[partition] < ends[partition]}
    consumer.assign(sorted(left))
    while left:
        found = await consumer.getmany(*left, timeout_ms=500, max_records=500)
        for records in found.values():
            for record in records:
                if record.offset < ends[TopicPartition(record.topic, record.partition)]:
                    yield record
        left = {partition for partition in left if await consumer.position(partition) < ends[partition]}


def said(error: KafkaError) -> str:
    """A Kafka error in words."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")
