"""Settings of topics: no message outlives the seven days after which a deletion request is complete."""

import asyncio
from uuid import uuid4

import pytest

from contracts.topics import CONNECTION_CHANGED, PARTITIONS, RETENTION_MS, Topic, list_topics
from messaging.brokers import Brokers
from messaging.provisioning import build_config, create_missing_topics
from messaging.publisher import EventPublisher

TOPICS = list_topics(("shopify", "facebook"))


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_no_message_lives_longer_than_seven_days(topic: Topic) -> None:
    config = build_config(topic)
    age = int(config.get("retention.ms") or config["max.compaction.lag.ms"])
    assert age + int(config["segment.ms"]) < RETENTION_MS
    assert age > 0.9 * RETENTION_MS


def test_only_connections_are_compacted() -> None:
    compacted = [topic.name for topic in TOPICS if build_config(topic)["cleanup.policy"] == "compact"]
    assert compacted == [CONNECTION_CHANGED]


def test_a_service_that_was_down_for_three_days_still_reads_every_state_of_a_connection() -> None:
    (compacted,) = [config for config in map(build_config, TOPICS) if config["cleanup.policy"] == "compact"]
    days = 24 * 3600 * 1000
    assert 3 * days <= int(compacted["min.compaction.lag.ms"]) < int(compacted["max.compaction.lag.ms"])


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
