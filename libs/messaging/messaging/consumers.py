"""Starts and stops the Kafka consumers of a service."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import CollectorRegistry

from messaging.keyed_consumer import KeyedConsumer
from messaging.metrics import ConsumerMetrics


@asynccontextmanager
async def run_consumers(consumers: Sequence[KeyedConsumer[Any]], registry: CollectorRegistry) -> AsyncIterator[None]:
    """Run `consumers` while the context lasts, and register their metrics in `registry`.

    When the context ends, all consumers stop concurrently. Each lets the batches of messages that are being handled
    finish, for some seconds at most, and commits the offsets of finished messages. Raises `UnavailableError` when a
    consumer cannot connect.
    """
    registry.register(ConsumerMetrics(consumers))
    try:
        for consumer in consumers:
            await consumer.start()
        yield
    finally:
        await asyncio.gather(*(consumer.stop() for consumer in consumers))
