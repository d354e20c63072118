"""Read all messages of a running stack's topics with a plain consumer, after the test has caused them."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from contracts.events import FETCHED_ADAPTER, DataStored, IncrementalReadCompleted, SyncChanged, SyncRequested
from contracts.topics import DATA_STORED, PARTITIONS, SYNC_CHANGED, get_fetched_topic, get_sync_topic

Message = ConsumerRecord
PLATFORMS = ("shopify", "facebook")


async def _read_topics(servers: str, topics: Sequence[str]) -> list[Message]:
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(partitions)
        messages: list[Message] = []
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                messages += records
        return messages
    finally:
        await consumer.stop()


def read_sync_states(servers: str, connection: str) -> list[SyncChanged]:
    """Return the published states of a connection's syncs, in the order in which they were published."""
    messages = asyncio.run(_read_topics(servers, [SYNC_CHANGED]))
    return [SyncChanged.model_validate_json(one.value) for one in messages if one.key == connection.encode()]


@dataclass(frozen=True)
class IncrementalRequest:
    """A request for an incremental sync, and its offset in its partition."""

    event: SyncRequested
    offset: int


class TopicContents:
    """The events of the incremental syncs of all connections, in the order in which they were published."""

    def __init__(self, servers: str, dead_letter_topics: Sequence[str]) -> None:
        self.requests: dict[UUID, IncrementalRequest] = {}
        self.completed: dict[str, list[IncrementalReadCompleted]] = defaultdict(list)
        """The completed reads by merchant's connection."""
        self.stored: dict[str, list[DataStored]] = defaultdict(list)
        """The stored changes by merchant's connection."""
        self.result_published_at: dict[UUID, int] = {}
        """The time in ms at which the result of each sync was first published."""
        request_topics = [get_sync_topic(platform) for platform in PLATFORMS]
        fetched_topics = [get_fetched_topic(platform) for platform in PLATFORMS]
        for message in asyncio.run(_read_topics(servers, [*request_topics, *fetched_topics, DATA_STORED])):
            if message.topic in fetched_topics:
                self._add_fetched(message)
            elif message.topic == DATA_STORED:
                self._add_stored(message)
            else:
                event = SyncRequested.model_validate_json(message.value)
                self.requests.setdefault(event.sync_id, IncrementalRequest(event, message.offset))
        self.dead_letter_count = len(asyncio.run(_read_topics(servers, dead_letter_topics)))

    def _add_fetched(self, message: Message) -> None:
        event = FETCHED_ADAPTER.validate_json(message.value)
        if isinstance(event, IncrementalReadCompleted):
            self.completed[event.connection].append(event)

    def _add_stored(self, message: Message) -> None:
        event = DataStored.model_validate_json(message.value)
        self.stored[event.connection].append(event)
        for result in event.results:
            for sync_id in result.sync_ids:
                self.result_published_at.setdefault(sync_id, message.timestamp)
