"""Runs the consumers of a service."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import CollectorRegistry

from messaging.keyed_consumer import KeyedConsumer
from messaging.metrics import ConsumerMetrics


@asynccontextmanager
async def run_consumers(consumers: Sequence[KeyedConsumer[Any]], registry: CollectorRegistry) -> AsyncIterator[None]:
    """Consume while the context lasts, and show the consumers' metrics in `registry`.

    At the end all consumers stop at the same time: running batches may finish and finished offsets are committed.
    Raises `UnavailableError` when a consumer cannot connect.
    """
    registry.register(ConsumerMetrics(consumers))
    try:
        for consumer in consumers:
            await consumer.start()
        yield
    finally:
        await asyncio.gather(*(consumer.stop() for consumer in consumers))
