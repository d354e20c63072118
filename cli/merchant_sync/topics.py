"""Create the product's Kafka topics on the stack's own broker, before any service starts."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from contracts.topics import list_topics
from merchant_sync.parts import StackError
from messaging.brokers import Brokers
from messaging.errors import UnavailableError
from messaging.provisioning import create_missing_topics
from platforms.registry import DESTINATIONS, PLATFORMS


def create_topics(brokers: Brokers) -> None:
    """Create those of the product's Kafka topics that do not exist. Raises StackError when that fails."""
    try:
        # In a thread of its own, because the caller's thread may run an event loop already.
        with ThreadPoolExecutor(1) as thread:
            topics = list_topics(PLATFORMS, DESTINATIONS)
            thread.submit(lambda: asyncio.run(create_missing_topics(brokers, topics))).result()
    except UnavailableError as error:
        raise StackError(f"The topics could not be created: {error}") from None
