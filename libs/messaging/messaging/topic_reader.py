"""Reads whole topics without a consumer group: every process receives every message.

It is for what a process keeps in memory: the states on compacted topics, which it reads from their beginning, and
notices, which it reads from the end.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from messaging.brokers import Brokers
from messaging.errors import UnavailableError

log = structlog.get_logger()

POLL_MS = 1000
"""The longest time in ms that a poll waits for messages. A poll returns as soon as there are messages."""
POLL_RECORDS = 500
"""The largest number of messages that are handled before other tasks of the process get their turn."""
POLL_RETRY_SECONDS = 5.0
"""The seconds between a failed poll and the next one."""
METADATA_AGE_MS = 10_000
"""The longest time in ms until it is noticed that a topic was made anew."""
START_SECONDS = 10.0
"""How long the brokers may take until it is known where the partitions begin and end."""

Headers = Mapping[str, bytes]
"""The headers of a message, by name."""
HandleMessage = Callable[[str, bytes | None, Headers], None]
"""Handles one message: its key, its body (None for a tombstone) and its headers. What it raises skips the message."""


@dataclass(frozen=True)
class TopicSubscription:
    """A topic that is read, and the function that is called with each of its messages."""

    topic: str
    handle: HandleMessage
    from_beginning: bool
    """Whether the messages that the topic has already are read, or only those that follow."""


class TopicReader:
    """Reads all partitions of the topics of `subscriptions`, each partition in order.

    A message whose handler raises an error breaks its contract: it is logged, counted in `skipped`, and left out. While
    brokers are away the reader waits for them, and then goes on where it was. Where the messages at its position exist
    no more, because the topic was truncated or made anew, it goes on with the oldest message that there is.
    """

    def __init__(self, brokers: Brokers, *subscriptions: TopicSubscription, client_id: str) -> None:
        self._brokers = brokers
        self._subscriptions = {subscription.topic: subscription for subscription in subscriptions}
        self._client_id = client_id
        self._consumer: AIOKafkaConsumer[bytes, bytes] | None = None
        self._loop: asyncio.Task[None] | None = None
        self._missing: dict[TopicPartition, int] = {}
        """The partitions of which not all messages have been read that there were at the start, with their ends."""
        self._caught_up = asyncio.Event()
        self._poll_error: str | None = None
        self.skipped: Counter[str] = Counter()
        """The number of messages that were left out since the start, by topic."""

    @property
    def is_caught_up(self) -> bool:
        """Whether all messages have been read that the topics had when the reader started."""
        return self._caught_up.is_set()

    @property
    def health_error(self) -> str | None:
        """Why this process does not have all messages, as a text for /ready; None when it has them."""
        if self._poll_error is not None:
            return self._poll_error
        if not self.is_caught_up:
            return f"reads what is known: {len(self._missing)} partitions are left"
        return None

    async def wait_until_caught_up(self) -> None:
        """Wait until all messages have been read that the topics had when the reader started."""
        await self._caught_up.wait()

    async def start(self) -> None:
        """Connect to Kafka and start the task that reads.

        Raises `UnavailableError` when Kafka does not answer, refuses the login, or does not have a topic yet.
        """
        consumer = AIOKafkaConsumer(
            *self._subscriptions,
            **self._brokers.client_options,
            client_id=self._client_id,
            group_id=None,
            enable_auto_commit=False,
            # For positions that exist no more. Those of the start are set below.
            auto_offset_reset="earliest",
            fetch_max_wait_ms=200,
            metadata_max_age_ms=METADATA_AGE_MS,
        )
        self._consumer = consumer
        try:
            async with asyncio.timeout(START_SECONDS):
                await consumer.start()
                await self._seek_to_starts(consumer)
        except (TimeoutError, UnknownTopicOrPartitionError) as error:
            topics = ", ".join(sorted(self._subscriptions))
            reason = await self._brokers.check_health() or f"not all of these topics exist and may be read: {topics}"
            raise UnavailableError(f"Kafka: {reason}") from error
        except KafkaError as error:
            raise await self._brokers.explain_error(error) from error
        self._loop = asyncio.create_task(self._poll_continuously(consumer))

    async def stop(self) -> None:
        """Stop reading. It is safe to call `stop` when `start` was never called, or has failed."""
        if self._loop is not None:
            self._loop.cancel()
            with suppress(asyncio.CancelledError):
                await self._loop
        if self._consumer is not None:
            await self._consumer.stop()
            self._consumer = None

    async def _seek_to_starts(self, consumer: "AIOKafkaConsumer[bytes, bytes]") -> None:
        """Go to the beginning or to the end of each partition, as its topic's subscription says."""
        partitions = sorted(consumer.assignment())
        begins = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        for partition in partitions:
            is_whole = self._subscriptions[partition.topic].from_beginning
            consumer.seek(partition, begins[partition] if is_whole else ends[partition])
            if is_whole and begins[partition] < ends[partition]:
                self._missing[partition] = ends[partition]
        self._note_progress()

    async def _poll_continuously(self, consumer: "AIOKafkaConsumer[bytes, bytes]") -> None:
        while True:
            try:
                polled = await consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
                for partition, records in polled.items():
                    self._handle_all(partition.topic, records)
                if self._missing:
                    await self._update_missing(consumer)
            except Exception as error:  # a poll loop that ended would be noticed by nobody
                log.exception("poll failed", topics=sorted(self._subscriptions))
                self._poll_error = f"{type(error).__name__}: {error}"
                await asyncio.sleep(POLL_RETRY_SECONDS)
                continue
            self._poll_error = None
            # A poll with messages in aiokafka's buffer returns without a suspension: other tasks need their turn.
            await asyncio.sleep(0)

    def _handle_all(self, topic: str, records: Sequence["ConsumerRecord[bytes, bytes]"]) -> None:
        handle = self._subscriptions[topic].handle
        for record in records:
            try:
                handle((record.key or b"").decode(), record.value, dict(record.headers))
            except Exception:  # whatever is wrong with one message must not keep back those after it
                self.skipped[topic] += 1
                log.exception("message skipped", topic=topic, partition=record.partition, offset=record.offset)

    async def _update_missing(self, consumer: "AIOKafkaConsumer[bytes, bytes]") -> None:
        for partition, end in list(self._missing.items()):
            # A partition that was made anew may end before the end that was seen at the start.
            reachable = consumer.highwater(partition)
            if await consumer.position(partition) >= (end if reachable is None else min(end, reachable)):
                del self._missing[partition]
        self._note_progress()

    def _note_progress(self) -> None:
        if not self._missing:
            self._caught_up.set()
