"""Consumer lag: how many messages of each topic a group has still before it."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aiokafka import TopicPartition

from contracts.topics import DEAD_LETTER_SUFFIX
from merchant_sync.access import Access
from merchant_sync.operating import brokers


@dataclass(frozen=True)
class Lag:
    """What one group has before it of one topic."""

    group: str
    topic: str
    messages: int


@dataclass(frozen=True)
class Seen:
    """All lags, and how many dead letters each of their topics keeps (for seven days; replayed ones among them)."""

    lags: tuple[Lag, ...]
    dead_letters: Mapping[str, int]


def look(access: Access) -> Seen:
    """As Kafka has it now. Raises `KafkaAway`."""
    return asyncio.run(_look(access))


async def _look(access: Access) -> Seen:
    async with brokers.administering(access) as admin, brokers.reading(access) as consumer:
        groups = sorted({group[0] for group in await admin.list_consumer_groups()})
        committed = {group: await admin.list_consumer_group_offsets(group) for group in groups}
        topics = {place.topic for places in committed.values() for place in places}
        topics |= {topic for topic in await admin.list_topics() if topic.endswith(DEAD_LETTER_SUFFIX)}
        places = await brokers.partitions_of(admin, sorted(topics)) if topics else []
        ends: dict[TopicPartition, int] = await consumer.end_offsets(places) if places else {}
        starts: dict[TopicPartition, int] = await consumer.beginning_offsets(places) if places else {}
    offsets = {group: {place: at.offset for place, at in of.items()} for group, of in committed.items()}
    lags = [lag for group in groups for lag in lags_of(group, offsets[group], starts, ends)]
    kept = Counter[str]()
    for place in places:
        if place.topic.endswith(DEAD_LETTER_SUFFIX):
            kept[place.topic] += ends[place] - starts[place]
    return Seen(tuple(lags), {topic: count for topic, count in sorted(kept.items()) if count})


def lags_of(
    group: str,
    committed: Mapping[TopicPartition, int],
    starts: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
) -> Iterable[Lag]:
    """The lag of each topic of which the group has committed anything. Of a partition of it without a commit all is
    before it, as groups begin at the beginning."""
    topics = sorted({place.topic for place, offset in committed.items() if offset >= 0})
    for topic in topics:
        places = [place for place in ends if place.topic == topic]
        behind = (ends[p] - max(committed.get(p, -1), starts[p]) for p in places)
        yield Lag(group, topic, sum(max(one, 0) for one in behind))
