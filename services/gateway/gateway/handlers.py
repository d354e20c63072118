"""Kafka in: only the short look of the webhook test, and whether a broker is there at all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from gateway.selftests import Seen
from messaging.errors import KafkaAway


@asynccontextmanager
async def watching(bootstrap_servers: str, topic: str) -> AsyncIterator[Seen]:
    """Watch all partitions of `topic` from their present ends, as a member of no group. Raises `KafkaAway`."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap_servers, group_id=None, auto_offset_reset="latest", enable_auto_commit=False
    )
    try:
        await consumer.start()
        for partition in consumer.assignment():
            await consumer.position(partition)

        async def seen(sync_id: UUID, seconds: float) -> bool:
            return await _seen(consumer, str(sync_id).encode(), seconds)

        yield seen
    except KafkaError as error:
        raise KafkaAway(repr(error)) from error
    finally:
        await consumer.stop()


async def _seen(consumer: AIOKafkaConsumer, sync_id: bytes, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            async for message in consumer:
                if ("ce_id", sync_id) in message.headers:
                    return True
    return False


async def broker_trouble(bootstrap_servers: str) -> str | None:
    """None when one of the brokers takes a connection, else what is wrong."""
    said = "no broker is named"
    for server in bootstrap_servers.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            async with asyncio.timeout(2):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except (OSError, ValueError) as error:
            said = f"{server}: {error or type(error).__name__}"
        else:
            writer.close()
            return None
    return said
