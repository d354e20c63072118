"""What was said on the topics of a running stack, read whole by a plain consumer after the fact."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from contracts.events import FETCHED_ADAPTER, DataStored, IncrementalReadCompleted, SyncRequested
from contracts.topics import PARTITIONS

Message = ConsumerRecord


async def _read(servers: str, topics: Sequence[str]) -> list[Message]:
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(topic, partition) for topic in topics for partition in range(PARTITIONS)]
        consumer.assign(places)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(places)
        read: list[Message] = []
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                read += records
        return read
    finally:
        await consumer.stop()


@dataclass(frozen=True)
class Requested:
    """A request of the quick lane, where it stands in its partition, and when it was accepted (ms)."""

    event: SyncRequested
    offset: int


class Heard:
    """All that was said, by connection, in its order."""

    def __init__(self, servers: str, dead_letters: Sequence[str]) -> None:
        self.requests: dict[UUID, Requested] = {}
        self.settled: dict[str, list[IncrementalReadCompleted]] = defaultdict(list)
        self.stored: dict[str, list[DataStored]] = defaultdict(list)
        self.verdict_at: dict[UUID, int] = {}
        requested = ["sync.requested.shopify", "sync.requested.facebook"]
        for message in asyncio.run(_read(servers, [*requested, "data.fetched", "data.stored"])):
            if message.topic == "data.fetched":
                self._fetched(message)
            elif message.topic == "data.stored":
                self._stored(message)
            else:
                event = SyncRequested.model_validate_json(message.value)
                self.requests.setdefault(event.sync_id, Requested(event, message.offset))
        self.dead = len(asyncio.run(_read(servers, dead_letters)))

    def _fetched(self, message: Message) -> None:
        event = FETCHED_ADAPTER.validate_json(message.value)
        if isinstance(event, IncrementalReadCompleted):
            self.settled[event.connection].append(event)

    def _stored(self, message: Message) -> None:
        event = DataStored.model_validate_json(message.value)
        self.stored[event.connection].append(event)
        for verdict in event.results:
            for sync_id in verdict.sync_ids:
                self.verdict_at.setdefault(sync_id, message.timestamp)
