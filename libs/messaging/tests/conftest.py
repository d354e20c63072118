"""Fixtures of the tests of messaging."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from consumer_bench import Bench
from contracts.topics import Topic, get_dead_letter_topic
from messaging.brokers import Brokers
from messaging.provisioning import create_missing_topics
from messaging.publisher import EventPublisher


@pytest.fixture
async def bench(kafka: str) -> AsyncIterator[Bench]:
    """A bench with a topic of its own."""
    async with open_bench(kafka) as bench:
        yield bench


@pytest.fixture
async def other_bench(kafka: str) -> AsyncIterator[Bench]:
    """A bench with another topic."""
    async with open_bench(kafka) as bench:
        yield bench


@asynccontextmanager
async def open_bench(kafka: str) -> AsyncIterator[Bench]:
    topic = f"notes.{uuid4().hex[:8]}"
    await create_missing_topics(Brokers(kafka), (Topic(topic), Topic(get_dead_letter_topic(topic))))
    async with EventPublisher(Brokers(kafka), source="test") as publisher:
        yield Bench(kafka, topic, publisher)
