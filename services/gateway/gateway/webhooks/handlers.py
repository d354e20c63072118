"""Kafka in: only the short look of the webhook test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from gateway.webhooks.probe import Seen
from messaging.brokers import Brokers


@asynccontextmanager
async def watching(brokers: Brokers, topic: str) -> AsyncIterator[Seen]:
    """Watch all partitions of `topic` from their present ends, as a member of no group. Raises `KafkaAway`."""
    consumer = AIOKafkaConsumer(
        topic, **brokers.client_options, group_id=None, auto_offset_reset="latest", enable_auto_commit=False
    )
    try:
        await consumer.start()
        for partition in consumer.assignment():
            await consumer.position(partition)

        async def seen(sync_id: UUID, seconds: float) -> bool:
            return await _seen(consumer, str(sync_id).encode(), seconds)

        yield seen
    except KafkaError as error:
        raise await brokers.explain(error) from error
    finally:
        await consumer.stop()


async def _seen(consumer: AIOKafkaConsumer, sync_id: bytes, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            async for message in consumer:
                if ("ce_id", sync_id) in message.headers:
                    return True
    return False
