"""Settings of topics: no message outlives its topic's retention, after which a deletion request is complete."""

import asyncio
from uuid import uuid4

import pytest

from contracts.topics import (
    CONNECTION_CHANGED,
    KEY_CHANGED,
    LINK_CHANGED,
    PARTITIONS,
    RETENTION_MS,
    SYNC_CHANGED,
    Topic,
    list_topics,
)
from messaging.brokers import Brokers
from messaging.provisioning import build_config, create_missing_topics
from messaging.publisher import EventPublisher

TOPICS = list_topics(("shopify", "facebook"))


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_no_message_outlives_the_retention_of_its_topic(topic: Topic) -> None:
    config = build_config(topic)
    age = int(config.get("retention.ms") or config["max.compaction.lag.ms"])
    assert age + int(config["segment.ms"]) < topic.retention_ms <= RETENTION_MS
    assert age > 0.85 * topic.retention_ms


def test_only_states_of_connections_are_compacted() -> None:
    compacted = [topic.name for topic in TOPICS if build_config(topic)["cleanup.policy"] == "compact"]
    assert compacted == [CONNECTION_CHANGED, SYNC_CHANGED, KEY_CHANGED, LINK_CHANGED]


def test_a_service_that_was_down_for_three_days_still_reads_every_state_of_a_connection() -> None:
    config = next(build_config(topic) for topic in TOPICS if topic.name == CONNECTION_CHANGED)
    days = 24 * 3600 * 1000
    assert 3 * days <= int(config["min.compaction.lag.ms"]) < int(config["max.compaction.lag.ms"])


@pytest.mark.integration
async def test_topics_can_be_provisioned_twice(kafka: str) -> None:
    await create_missing_topics(Brokers(kafka), TOPICS)
    await create_missing_topics(Brokers(kafka), TOPICS)


@pytest.mark.integration
async def test_ten_processes_provision_at_once(kafka: str) -> None:
    brokers, prefix = Brokers(kafka), uuid4().hex[:8]
    topics = tuple(Topic(f"{prefix}.{number}") for number in range(10))
    await asyncio.gather(*(create_missing_topics(brokers, topics) for _ in range(10)))
    async with EventPublisher(brokers, source="test") as publisher:
        assert [await publisher.count_partitions(topic.name) for topic in topics] == [PARTITIONS] * 10
