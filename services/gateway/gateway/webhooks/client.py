"""The remote calls of the webhook probe (a test delivery): its POST, and a Kafka consumer for its sync request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import httpx
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from gateway.webhooks.probe import WaitForSync
from messaging.brokers import Brokers
from platform_sdk.errors import TransientError

TIMEOUT = httpx.Timeout(5.0)


async def post_probe(http: httpx.AsyncClient, url: str, headers: dict[str, str], body: bytes) -> int:
    """POST the webhook probe (a test delivery) once, without following redirects, and return the HTTP status.

    Raises TransientError with the network error's text when there is no response. Each wait for the network ends after
    5 s.
    """
    try:
        response = await http.post(url, content=body, headers=headers, timeout=TIMEOUT, follow_redirects=False)
    except httpx.HTTPError as error:
        raise TransientError(str(error) or type(error).__name__) from error
    return response.status_code


@asynccontextmanager
async def watch_topic(brokers: Brokers, topic: str) -> AsyncIterator[WaitForSync]:
    """Consume all partitions of `topic` from their present ends, without a consumer group.

    Yields a function that waits for the sync request with a given sync id and returns whether it arrived in time.
    Raises UnavailableError when Kafka is unavailable.
    """
    consumer = AIOKafkaConsumer(
        topic, **brokers.client_options, group_id=None, auto_offset_reset="latest", enable_auto_commit=False
    )
    try:
        await consumer.start()
        for partition in consumer.assignment():
            await consumer.position(partition)

        async def wait_for_sync(sync_id: UUID, seconds: float) -> bool:
            return await _wait_for_event(consumer, str(sync_id).encode(), seconds)

        yield wait_for_sync
    except KafkaError as error:
        raise await brokers.explain_error(error) from error
    finally:
        await consumer.stop()


async def _wait_for_event(consumer: AIOKafkaConsumer, event_id: bytes, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            async for message in consumer:
                if ("ce_id", event_id) in message.headers:
                    return True
    return False
