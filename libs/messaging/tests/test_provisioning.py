"""How topics are made: nothing that was said outlives the seven days that receipts promise."""

import asyncio
from uuid import uuid4

import pytest

from contracts.topics import CONNECTION_CHANGED, PARTITIONS, RETENTION_MS, Topic, list_topics
from messaging.brokers import Brokers
from messaging.provisioning import build_config, provision
from messaging.publisher import EventPublisher

TOPICS = list_topics(("shopify", "facebook"))


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_no_message_lives_longer_than_seven_days(topic: object) -> None:
    made = build_config(topic)  # type: ignore[arg-type]
    age = int(made.get("retention.ms") or made["max.compaction.lag.ms"])
    assert age + int(made["segment.ms"]) < RETENTION_MS
    assert age > 0.9 * RETENTION_MS


def test_only_the_last_state_of_a_connection_is_kept() -> None:
    compacted = [topic.name for topic in TOPICS if build_config(topic)["cleanup.policy"] == "compact"]
    assert compacted == [CONNECTION_CHANGED]


def test_a_state_that_another_follows_is_there_for_who_was_down_for_days() -> None:
    (compacted,) = [made for made in map(build_config, TOPICS) if made["cleanup.policy"] == "compact"]
    days = 24 * 3600 * 1000
    assert 3 * days <= int(compacted["min.compaction.lag.ms"]) < int(compacted["max.compaction.lag.ms"])


@pytest.mark.integration
async def test_a_broker_takes_them(kafka: str) -> None:
    await provision(Brokers(kafka), TOPICS)
    await provision(Brokers(kafka), TOPICS)


@pytest.mark.integration
async def test_ten_that_start_at_once_make_them_together(kafka: str) -> None:
    brokers, kind = Brokers(kafka), uuid4().hex[:8]
    topics = tuple(Topic(f"{kind}.{number}") for number in range(10))
    await asyncio.gather(*(provision(brokers, topics) for _ in range(10)))
    async with EventPublisher(brokers, source="test") as publisher:
        assert [await publisher.count_partitions(topic.name) for topic in topics] == [PARTITIONS] * 10
