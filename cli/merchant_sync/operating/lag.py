"""Compute consumer lag: how many messages of each topic a group has not consumed yet."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aiokafka import TopicPartition

from merchant_sync.access import Access
from merchant_sync.operating import brokers


@dataclass(frozen=True)
class Lag:
    """The lag of one consumer group on one topic: how many messages the group has not consumed yet."""

    group: str
    topic: str
    messages: int


def load_lags(access: Access) -> list[Lag]:
    """Return how many messages wait for each consumer group now. Raises UnavailableError when Kafka is unavailable."""
    return asyncio.run(_load_lags(access))


async def _load_lags(access: Access) -> list[Lag]:
    async with brokers.create_admin(access) as admin, brokers.create_consumer(access) as consumer:
        groups = sorted({group[0] for group in await admin.list_consumer_groups()})
        committed = {group: await admin.list_consumer_group_offsets(group) for group in groups}
        topics = {partition.topic for partitions in committed.values() for partition in partitions}
        partitions = await brokers.list_partitions(admin, sorted(topics)) if topics else []
        ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions) if partitions else {}
        starts: dict[TopicPartition, int] = await consumer.beginning_offsets(partitions) if partitions else {}
    offsets = {
        group: {partition: commit.offset for partition, commit in commits.items()}
        for group, commits in committed.items()
    }
    return [lag for group in groups for lag in compute_lags(group, offsets[group], starts, ends)]


def compute_lags(
    group: str,
    committed: Mapping[TopicPartition, int],
    starts: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
) -> Iterable[Lag]:
    """Yield the lag of the group on each topic on which it has committed an offset.

    The mappings have, for each partition, the committed, the first and the end offset. On a partition without a
    commit, all messages count, because a group starts with the first message.
    """
    topics = sorted({partition.topic for partition, offset in committed.items() if offset >= 0})
    for topic in topics:
        partitions = [partition for partition in ends if partition.topic == topic]
        behind = (ends[p] - max(committed.get(p, -1), starts[p]) for p in partitions)
        yield Lag(group, topic, sum(max(count, 0) for count in behind))
