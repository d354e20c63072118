"""Keyed intake: each connection's messages in their order, different connections side by side.

The subscriber's handler only sorts messages into a queue per key and returns, so polling never stops: a long or
held-up piece of work costs no partition its place in the group. A worker per key takes what has gathered as one
batch. Offsets are committed up to the finished front of each partition, so a killed service gets again exactly
what it had not finished. When something we depend on is away, work is held and retried, partitions are paused
above a bound, and nothing is acknowledged or dead-lettered.

Partitions change hands only between batches: nothing is begun any more, what runs ends and is committed, then the
next owner begins. So members may come and go, and still one process at a time works on a connection.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from messaging.dead_letters import DeadLetterPublisher
from messaging.errors import UnavailableError
from messaging.instrumentation import bind_sync_id, trace_batch
from messaging.key_queues import KeyQueue, Taken, ended
from messaging.offsets import OffsetTracker, PartitionOffsets

log = structlog.get_logger()
E_co = TypeVar("E_co")

HAND_OVER_SECONDS = 20.0
"""How long a running batch may go on once its partition is to change hands; then it is broken off, as a kill would.
Until it ends, the whole group waits."""

COMMIT_SECONDS = 3.0
"""How long a commit is waited for; what it would have said comes again."""

Handler = Callable[[str, Sequence[E_co]], Awaitable[None]]
"""Gets a connection's name and its events in order. Raises `Away` to have the same batch again later; whatever
else it raises dead-letters the message that it is about."""


@dataclass(frozen=True)
class ConsumerLimits:
    """How much one intake takes on: events and bytes a batch (at least one event), keys side by side, and the
    messages and bytes that may wait in memory before its partitions are paused."""

    batch: int = 500
    batch_bytes: int = 4 * 1024 * 1024
    concurrency: int = 16
    buffered: int = 20_000
    buffered_bytes: int = 32 * 1024 * 1024


class KeyedConsumer(ConsumerRebalanceListener, Generic[E_co]):  # type: ignore[misc] # untyped base
    """One subscription of a service: `topics` (or all that match `pattern`) as one group, handed to `handle` by key.

    `parse` turns a message's body into an event and raises `ValueError` (pydantic's is one) on a body that breaks
    the contract, which is then dead-lettered before any handler sees it. `dead_letters` is this intake's own, for its
    fuse counts what fails in a row.
    """

    def __init__(
        self,
        broker: KafkaBroker,
        *topics: str,
        pattern: str | None = None,
        group: str,
        parse: Callable[[bytes], E_co],
        handle: Handler[E_co],
        dead_letters: DeadLetterPublisher,
        limits: ConsumerLimits = ConsumerLimits(),
    ) -> None:
        self.group = group
        self._parse = parse
        self._handle = handle
        self._dead_letters = dead_letters
        self._limits = limits
        self._queues: dict[str, KeyQueue] = {}
        self._fronts = OffsetTracker()
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._held = 0
        self._held_bytes = 0
        self._paused = False
        self._taking = False
        self._stopping = False
        self._busy: set[asyncio.Task[None]] = set()
        self._committer: asyncio.Task[None] | None = None
        self._committing = asyncio.Lock()
        self._troubles: dict[str, str] = {}
        self._subscriber = broker.subscriber(
            *topics,
            pattern=pattern,
            group_id=group,
            batch=True,
            max_records=limits.batch,
            batch_timeout_ms=200,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            fetch_max_wait_ms=200,
            # A killed member's partitions go to another after this long; brokers allow no less.
            session_timeout_ms=6_000,
            # A member hears by its next heartbeat that another comes or goes, and has so long to hand over.
            heartbeat_interval_ms=500,
            rebalance_timeout_ms=round(HAND_OVER_SECONDS * 1000) + 10_000,
            max_partition_fetch_bytes=1024 * 1024,
            listener=self,
        )
        self._subscriber(self._take)

    @property
    def dead_letter_count(self) -> int:
        """How many messages were dead-lettered since the start."""
        return self._dead_letters.count

    @property
    def health_error(self) -> str | None:
        """Why work is held, in words for /ready; None when all is well."""
        if self._dead_letters.is_open:
            return "too many dead letters in a row: look at them, then restart"
        return next(iter(self._troubles.values()), None)

    # -- taking

    async def _take(self, message: KafkaMessage) -> None:
        records = message.raw_message if isinstance(message.raw_message, tuple) else (message.raw_message,)
        self._committer = self._committer or asyncio.create_task(self._commit_regularly())
        for record in records if self._taking else ():
            self._sort(record)
        self._brake()

    def _sort(self, record: "ConsumerRecord[bytes, bytes]") -> None:
        """Queue a message, unless it was read before its partition changed hands: its owner reads it again."""
        watermark = self._fronts.begin(TopicPartition(record.topic, record.partition), record.offset)
        if watermark is None:
            return
        key = (record.key or b"").decode(errors="replace")
        queue = self._queues.setdefault(key, KeyQueue())
        taken = Taken(record, watermark)
        queue.waiting.append(taken)
        self._note_held([taken], 1)
        if queue.worker is None:
            queue.worker = asyncio.create_task(self._work(key, queue))

    def _note_held(self, messages: Collection[Taken], sign: int) -> None:
        self._held += sign * len(messages)
        self._held_bytes += sign * sum(taken.size for taken in messages)

    def _brake(self) -> None:
        consumer = self._consumer
        if consumer is None:
            return
        crowded = self._held > self._limits.buffered or self._held_bytes > self._limits.buffered_bytes
        full = crowded or self._dead_letters.is_open
        if full:
            consumer.pause(*consumer.assignment())
        elif self._paused:
            consumer.resume(*consumer.assignment())
        self._paused = full

    # -- working

    async def _work(self, key: str, queue: KeyQueue) -> None:
        try:
            while queue.waiting and self._taking and not self._dead_letters.is_open:
                batch = queue.take(self._limits.batch, self._limits.batch_bytes)
                try:
                    await self._handle_batch(key, batch)
                finally:
                    self._note_held(batch, -1)
        finally:
            queue.worker = None
            if not queue.waiting:
                self._queues.pop(key, None)

    @contextmanager
    def _unbroken(self) -> Iterator[None]:
        """What runs in here is waited for before its partition changes hands; nothing is begun once it is to."""
        task = asyncio.current_task()
        if not self._taking or task is None:
            raise asyncio.CancelledError
        self._busy.add(task)
        try:
            yield
        finally:
            self._busy.discard(task)

    async def _handle_batch(self, key: str, batch: list[Taken]) -> None:
        """Handle the batch; on an error that is not ours, message by message, so that only the poison is buried."""
        error = None if self._dead_letters.is_open else await self._attempt(key, batch)
        if error is None or self._dead_letters.is_open:
            return
        if len(batch) > 1:
            for taken in batch:
                await self._handle_batch(key, [taken])
            return
        self._troubles.pop(key, None)
        await self._bury(batch[0].record, batch[0].watermark, error)

    async def _attempt(self, key: str, batch: list[Taken]) -> Exception | None:
        pause, began = 0.2, time.monotonic()
        while (error := await self._tried(key, batch)) is not None:
            patience = error.max_wait if isinstance(error, UnavailableError) else 0.0
            if patience is not None and time.monotonic() - began >= patience:
                return error
            await asyncio.sleep(pause if self._taking else 0)
            pause = min(pause * 2, 5.0)
        self._troubles.pop(key, None)
        self._dead_letters.record_success()
        for taken in batch:
            taken.watermark.finish(taken.record.offset)
        return None

    async def _tried(self, key: str, batch: list[Taken]) -> Exception | None:
        """Handle the batch once; what went wrong."""
        async with self._slots:
            with self._unbroken(), trace_batch(self.group, key, [taken.record for taken in batch]) as span:
                named = {"connection": key}
                try:
                    events = [self._parse(taken.record.value or b"") for taken in batch]
                    named |= bind_sync_id(events, span)
                    with structlog.contextvars.bound_contextvars(**named):
                        await self._handle(key, events)
                except UnavailableError as away:
                    span.record_error(away)
                    self._troubles[key] = f"{type(away).__name__}: {away}"
                    log.warning("work held", group=self.group, reason=self._troubles[key], **named)
                    return away
                except Exception as error:  # the one place that decides what follows from an unknown error
                    span.record_error(error)
                    log.exception("handler failed", group=self.group, **named)
                    return error
        return None

    async def _bury(
        self, record: "ConsumerRecord[bytes, bytes]", watermark: PartitionOffsets, error: Exception
    ) -> None:
        while True:
            try:
                with self._unbroken():
                    await self._dead_letters.publish(record, error, group=self.group)
            except UnavailableError as away:
                self._troubles[record.topic] = str(away)
                await asyncio.sleep(1)
            else:
                self._troubles.pop(record.topic, None)
                watermark.finish(record.offset)
                return

    # -- committing

    @property
    def _consumer(self) -> "AIOKafkaConsumer[bytes, bytes] | None":
        return self._subscriber.consumer

    async def _commit_regularly(self) -> None:
        while not self._stopping:
            await asyncio.sleep(0.1)
            await self._commit()
            self._brake()

    async def _commit(self) -> None:
        """Commit what is finished, one commit at a time, so that none outlasts a change of hands. While Kafka is away
        aiokafka would try for ever."""
        try:
            async with asyncio.timeout(COMMIT_SECONDS), self._committing:
                consumer, moved = self._consumer, self._fronts.committable
                if consumer is not None and moved:
                    await consumer.commit(moved)
                    self._fronts.mark_committed(moved)
        except (KafkaError, TimeoutError) as error:
            log.warning("commit refused", group=self.group, error=repr(error))

    # -- handing over

    async def on_partitions_revoked(self, _revoked: set[TopicPartition]) -> None:
        """Hand over: aiokafka revokes all partitions at once, and the next owners begin when this has returned."""
        await self._hand_over(HAND_OVER_SECONDS)
        self._fronts.assign(())

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Take again: reading begins at the committed offsets."""
        self._fronts.assign(assigned)
        self._taking = not self._stopping

    async def _hand_over(self, grace: float) -> None:
        """Begin nothing more and forget what waits, for it comes again to its next owner; let running batches end for
        `grace` seconds, break off what has not, and commit what is finished."""
        self._taking = False
        for queue in self._queues.values():
            self._note_held(queue.waiting, -1)
            queue.waiting.clear()
        working = {queue.worker for queue in self._queues.values() if queue.worker is not None}
        await ended(working - self._busy, 0)
        late = await ended(working, grace)
        if late:
            log.warning("broken off", group=self.group, batches=late)
        self._troubles.clear()
        await self._commit()

    async def stop(self, grace: float = 10.0) -> None:
        """Take nothing more, let running batches end for `grace` seconds, commit what is finished and leave the group,
        so that others go on at once."""
        self._stopping = True
        await self._hand_over(grace)
        if self._committer is not None:
            self._committer.cancel()
        await self._subscriber.stop()
