"""The topics of the product on the stack's own broker, made before any service starts."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from contracts.topics import list_topics
from merchant_sync.parts import StackError
from messaging.brokers import Brokers
from messaging.errors import KafkaUnavailableError
from messaging.provisioning import provision

PLATFORMS = ("shopify", "facebook")


def make(brokers: Brokers) -> None:
    """Make the topics that are missing; a StackError when the broker refuses.

    In a thread of its own, for the caller's may run a loop already.
    """
    try:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(lambda: asyncio.run(provision(brokers, list_topics(PLATFORMS)))).result()
    except KafkaUnavailableError as error:
        raise StackError(f"The topics could not be made: {error}") from None
