"""Consumes topics key by key. Messages of one merchant's connection are handled in order, connections concurrently.

Polling and handling are separate. The poll loop only puts messages into a queue for each key, so the consumer stays a
member of its group even when handling takes long. A worker for each key handles the waiting messages in batches. In
each partition, offsets are committed up to the first unfinished message. So a service that is killed receives every
unfinished message again. When a handler raises `UnavailableError`, its batch is held and retried, and its messages are
neither committed nor dead-lettered. Partitions are paused when too many messages are in memory.

Partitions are drained before they are revoked: no more batches begin, running batches finish, and their offsets are
committed. Only after this does the next owner of a partition begin. So members may join and leave the group at any
time, and only one process at a time handles the messages of a connection.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from messaging.brokers import Brokers
from messaging.dead_letters import DeadLetterPublisher
from messaging.key_workers import BufferedRecord, ConsumerLimits, Handler, KeyWorkers, finish_or_cancel
from messaging.offsets import OffsetTracker

__all__ = ["ConsumerLimits", "KeyedConsumer"]

log = structlog.get_logger()
E_co = TypeVar("E_co")

DRAIN_SECONDS = 20.0
"""The seconds that running batches get to finish before partitions are revoked. The batches that still run after this
time are cancelled. All members of the group wait during this time."""
COMMIT_SECONDS = 3.0
"""The time limit of a commit. Offsets that are not committed are committed by a later commit; if the process ends
first, their messages are received again."""
COMMIT_INTERVAL_SECONDS = 0.1
POLL_MS = 1000
"""The longest time in ms that a poll waits for messages. A poll returns as soon as there are messages."""
METADATA_AGE_MS = 10_000
"""The longest time in ms until a consumer with a `pattern` notices a new topic that matches the pattern."""
POLL_RETRY_SECONDS = 5.0
"""The seconds between a failed poll and the next one."""


class KeyedConsumer(ConsumerRebalanceListener, Generic[E_co]):  # type: ignore[misc] # untyped base
    """Consumes `topics`, or all topics that match the regular expression `pattern`, in the consumer group `group`.

    `parse` turns the body of a message into an event, and `handle` handles batches of events. `parse` raises
    `ValueError` (for example pydantic's `ValidationError`) for a body that breaks the contract; such a message is
    dead-lettered without calling the handler. Each consumer needs its own `dead_letters`: it counts the failures in a
    row of one consumer, and after too many of them its circuit breaker stops this consumer.

    `process_name` identifies the process. Brokers build the name of a group's member from it, and partitions are
    assigned in the order of these names. So where all processes have the same consumers, the one that gets a partition
    of one topic gets the same partition of the others, and with it the same connections.
    """

    def __init__(
        self,
        brokers: Brokers,
        *topics: str,
        pattern: str | None = None,
        group: str,
        parse: Callable[[bytes], E_co],
        handle: Handler[E_co],
        dead_letters: DeadLetterPublisher,
        limits: ConsumerLimits = ConsumerLimits(),
        process_name: str | None = None,
    ) -> None:
        self.group = group
        self._process_name = process_name or f"{socket.gethostname()}-{os.getpid()}"
        self._brokers = brokers
        self._subscription: dict[str, Any] = {"topics": topics, "pattern": pattern, "listener": self}
        self._dead_letters = dead_letters
        self._limits = limits
        self._workers = KeyWorkers(group, parse, handle, dead_letters, limits)
        self._offsets = OffsetTracker()
        self._is_paused = False
        self._is_stopping = False
        self._loops: set[asyncio.Task[None]] = set()
        self._commit_lock = asyncio.Lock()
        self._consumer: AIOKafkaConsumer[bytes, bytes] | None = None

    @property
    def dead_letter_count(self) -> int:
        """The number of messages that this consumer has dead-lettered since the process started."""
        return self._dead_letters.count

    @property
    def lag(self) -> int:
        """The number of messages in this member's partitions that are not finished, as the last fetch has seen them."""
        if self._consumer is None:
            return 0
        ends = {partition: self._consumer.highwater(partition) for partition in self._consumer.assignment()}
        return self._offsets.count_unfinished({partition: end for partition, end in ends.items() if end is not None})

    @property
    def health_error(self) -> str | None:
        """The reason for which messages are held, as a text for /ready; None when no messages are held."""
        if self._dead_letters.is_breaker_open:
            return "too many dead letters in a row: look at them, then restart"
        return next(iter(self._workers.health_errors.values()), None)

    async def start(self) -> None:
        """Connect to Kafka, join the consumer group and start the tasks that fetch messages and commit offsets.

        Raises `UnavailableError` when Kafka does not answer or refuses the login.
        """
        consumer = AIOKafkaConsumer(
            **self._brokers.client_options,
            client_id=self._process_name,
            group_id=self.group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=200,
            # The partitions of a killed member go to another one after this time; brokers allow no less.
            session_timeout_ms=6_000,
            # A member learns from its next heartbeat that another one joins or leaves, and then has this long to drain.
            heartbeat_interval_ms=500,
            rebalance_timeout_ms=round(DRAIN_SECONDS * 1000) + 10_000,
            max_partition_fetch_bytes=1024 * 1024,
            metadata_max_age_ms=METADATA_AGE_MS,
        )
        self._consumer = consumer
        consumer.subscribe(**self._subscription)
        try:
            await consumer.start()
        except KafkaError as error:
            raise await self._brokers.explain_error(error) from error
        self._loops = {
            asyncio.create_task(self._poll_continuously(consumer)),
            asyncio.create_task(self._commit_regularly()),
        }

    async def stop(self, grace: float = 10.0) -> None:
        """Wait up to `grace` seconds for running batches, commit the offsets of finished messages and leave the group.

        After this, the members that own the partitions next begin without waiting for a timeout. It is safe to call
        `stop` when `start` was never called.
        """
        self._is_stopping = True
        await self._drain(grace)
        await finish_or_cancel(self._loops, 0)
        if self._consumer is not None:
            await self._consumer.stop()
            self._consumer = None

    # -- polling

    async def _poll_continuously(self, consumer: "AIOKafkaConsumer[bytes, bytes]") -> None:
        while True:
            try:
                partitions = await consumer.getmany(timeout_ms=POLL_MS, max_records=self._limits.batch)
            except Exception as error:  # a poll loop that ended would be noticed by nobody
                log.exception("poll failed", group=self.group)
                self._workers.health_errors[self.group] = f"{type(error).__name__}: {error}"
                await asyncio.sleep(POLL_RETRY_SECONDS)
                continue
            self._workers.health_errors.pop(self.group, None)
            for records in partitions.values() if self._workers.is_accepting else ():
                for record in records:
                    self._enqueue(record)
            self._pause_or_resume()
            # A poll with messages in aiokafka's buffer returns without a suspension: the workers need their turn.
            await asyncio.sleep(0)

    def _enqueue(self, record: "ConsumerRecord[bytes, bytes]") -> None:
        offsets = self._offsets.track(TopicPartition(record.topic, record.partition), record.offset)
        # None: fetched before its partition was revoked, so the present owner of the partition receives it again.
        if offsets is not None:
            self._workers.enqueue(BufferedRecord(record, offsets))

    def _pause_or_resume(self) -> None:
        """Pause all partitions when too many messages are in memory, otherwise resume them.

        They are also paused while the circuit breaker is open, after too many dead letters in a row.
        """
        consumer = self._consumer
        if consumer is None:
            return
        should_pause = self._workers.is_full or self._dead_letters.is_breaker_open
        if should_pause:
            consumer.pause(*consumer.assignment())
        elif self._is_paused:
            consumer.resume(*consumer.assignment())
        self._is_paused = should_pause

    # -- committing

    async def _commit_regularly(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_INTERVAL_SECONDS)
            await self._commit()
            self._pause_or_resume()

    async def _commit(self) -> None:
        """Commit for each partition the offset up to which all messages are finished.

        A failure is logged and not raised, because a later commit includes the same offsets.
        """
        # One commit at a time, so that none is still under way when a partition is revoked; and with a time limit,
        # because aiokafka retries without end while Kafka is unavailable.
        try:
            async with asyncio.timeout(COMMIT_SECONDS), self._commit_lock:
                positions = self._offsets.committable
                if self._consumer is not None and positions:
                    await self._consumer.commit(positions)
                    self._offsets.mark_committed(positions)
        except (KafkaError, TimeoutError) as error:
            log.warning("commit failed", group=self.group, error=repr(error))

    # -- rebalancing

    async def on_partitions_revoked(self, _revoked: set[TopicPartition]) -> None:
        """Let running batches finish, commit, and forget all partitions. aiokafka calls this before each rebalance.

        aiokafka revokes all partitions of a member at once, and waits until this method returns. Only then do the next
        owners of the partitions begin.
        """
        await self._drain(DRAIN_SECONDS)
        self._offsets.assign(())

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Track the offsets of the `assigned` partitions and let batches begin. aiokafka calls this after a rebalance.

        Each partition is read from its committed offset.
        """
        self._offsets.assign(assigned)
        self._workers.is_accepting = not self._is_stopping

    async def _drain(self, grace: float) -> None:
        """Wait up to `grace` seconds for running batches, begin no more, and commit the offsets of finished messages.

        The members that own the partitions next receive the unfinished messages again.
        """
        await self._workers.finish_running_batches(grace)
        await self._commit()
