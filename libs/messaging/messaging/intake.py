"""Keyed intake: each connection's messages in their order, different connections side by side.

The subscriber's handler only sorts messages into a queue per key and returns, so polling never stops: a long or
held-up piece of work costs no partition its place in the group. A worker per key takes what has gathered as one
batch. Offsets are committed up to the finished front of each partition, so a killed service gets again exactly
what it had not finished. When something we depend on is away, work is held and retried, partitions are paused
above a bound, and nothing is acknowledged or dead-lettered.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from messaging.dead_letters import DeadLetters
from messaging.errors import Away
from messaging.handling import named_sync, processing
from messaging.offsets import Watermark

log = structlog.get_logger()
E_co = TypeVar("E_co")

Handler = Callable[[str, Sequence[E_co]], Awaitable[None]]
"""Gets a connection's name and its events in order. Raises `Away` to have the same batch again later; whatever
else it raises dead-letters the message that it is about."""


@dataclass(frozen=True)
class IntakeLimits:
    """How much one intake takes on: events and bytes a batch (at least one event), keys side by side, and the
    messages and bytes that may wait in memory before its partitions are paused."""

    batch: int = 500
    batch_bytes: int = 4 * 1024 * 1024
    keys: int = 16
    held: int = 20_000
    held_bytes: int = 32 * 1024 * 1024


@dataclass(frozen=True)
class _Taken:
    record: "ConsumerRecord[bytes, bytes]"
    watermark: Watermark

    @property
    def size(self) -> int:
        return len(self.record.value or b"")


@dataclass
class _Queue:
    waiting: deque[_Taken] = field(default_factory=deque)
    worker: asyncio.Task[None] | None = None

    def take(self, limits: IntakeLimits) -> list[_Taken]:
        """What has gathered, up to a batch; bodies are parsed only now, so that waiting costs their bytes alone."""
        batch = [self.waiting.popleft()]
        room = limits.batch_bytes - batch[0].size
        while self.waiting and len(batch) < limits.batch and self.waiting[0].size <= room:
            batch.append(self.waiting.popleft())
            room -= batch[-1].size
        return batch


class KeyedIntake(ConsumerRebalanceListener, Generic[E_co]):  # type: ignore[misc] # untyped base
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
        dead_letters: DeadLetters,
        limits: IntakeLimits = IntakeLimits(),
    ) -> None:
        self.group = group
        self._parse = parse
        self._handle = handle
        self._dead_letters = dead_letters
        self._limits = limits
        self._queues: dict[str, _Queue] = {}
        self._watermarks: dict[TopicPartition, Watermark] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._slots = asyncio.Semaphore(limits.keys)
        self._held = 0
        self._held_bytes = 0
        self._paused = False
        self._stopping = False
        self._committer: asyncio.Task[None] | None = None
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
            heartbeat_interval_ms=1_500,
            max_partition_fetch_bytes=1024 * 1024,
            listener=self,
        )
        self._subscriber(self._take)

    @property
    def buried(self) -> int:
        """How many messages were dead-lettered since the start."""
        return self._dead_letters.kept

    @property
    def trouble(self) -> str | None:
        """Why work is held, in words for /ready; None when all is well."""
        if self._dead_letters.blown:
            return "too many dead letters in a row: look at them, then restart"
        return next(iter(self._troubles.values()), None)

    # -- taking

    async def _take(self, message: KafkaMessage) -> None:
        records = message.raw_message if isinstance(message.raw_message, tuple) else (message.raw_message,)
        self._committer = self._committer or asyncio.create_task(self._commit_regularly())
        for record in records:
            self._sort(record)
        self._brake()

    def _sort(self, record: "ConsumerRecord[bytes, bytes]") -> None:
        watermark = self._watermarks.setdefault(TopicPartition(record.topic, record.partition), Watermark())
        watermark.begin(record.offset)
        key = (record.key or b"").decode(errors="replace")
        queue = self._queues.setdefault(key, _Queue())
        taken = _Taken(record, watermark)
        queue.waiting.append(taken)
        self._note_held([taken], 1)
        if queue.worker is None:
            queue.worker = asyncio.create_task(self._work(key, queue))

    def _note_held(self, messages: Sequence[_Taken], sign: int) -> None:
        self._held += sign * len(messages)
        self._held_bytes += sign * sum(taken.size for taken in messages)

    def _brake(self) -> None:
        consumer = self._consumer
        if consumer is None:
            return
        crowded = self._held > self._limits.held or self._held_bytes > self._limits.held_bytes
        full = crowded or self._dead_letters.blown
        if full:
            consumer.pause(*consumer.assignment())
        elif self._paused:
            consumer.resume(*consumer.assignment())
        self._paused = full

    # -- working

    async def _work(self, key: str, queue: _Queue) -> None:
        while queue.waiting and not self._stopping and not self._dead_letters.blown:
            batch = queue.take(self._limits)
            await self._handle_batch(key, batch)
            self._note_held(batch, -1)
        queue.worker = None
        if not queue.waiting:
            self._queues.pop(key, None)

    async def _handle_batch(self, key: str, batch: list[_Taken]) -> None:
        """Handle the batch; on an error that is not ours, message by message, so that only the poison is buried."""
        error = await self._attempt(key, batch)
        if error is None:
            return
        if len(batch) > 1:
            for taken in batch:
                await self._handle_batch(key, [taken])
            return
        self._troubles.pop(key, None)
        await self._bury(batch[0].record, batch[0].watermark, error)

    async def _attempt(self, key: str, batch: list[_Taken]) -> Exception | None:
        pause, began = 0.2, time.monotonic()
        while (error := await self._tried(key, batch)) is not None:
            patience = error.patience if isinstance(error, Away) else 0.0
            if patience is not None and time.monotonic() - began >= patience:
                return error
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)
        self._troubles.pop(key, None)
        self._dead_letters.passed()
        for taken in batch:
            taken.watermark.finish(taken.record.offset)
        return None

    async def _tried(self, key: str, batch: list[_Taken]) -> Exception | None:
        """Handle the batch once; what went wrong."""
        async with self._slots:
            with processing(self.group, key, [taken.record for taken in batch]) as span:
                named = {"connection": key}
                try:
                    events = [self._parse(taken.record.value or b"") for taken in batch]
                    named |= named_sync(events, span)
                    with structlog.contextvars.bound_contextvars(**named):
                        await self._handle(key, events)
                except Away as away:
                    span.fail(away)
                    self._troubles[key] = f"{type(away).__name__}: {away}"
                    log.warning("work held", group=self.group, reason=self._troubles[key], **named)
                    return away
                except Exception as error:  # the one place that decides what follows from an unknown error
                    span.fail(error)
                    log.exception("handler failed", group=self.group, **named)
                    return error
        return None

    async def _bury(self, record: "ConsumerRecord[bytes, bytes]", watermark: Watermark, error: Exception) -> None:
        while True:
            try:
                await self._dead_letters.keep(record, error, group=self.group)
            except Away as away:
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
        consumer = self._consumer
        if consumer is None:
            return
        owned = consumer.assignment()
        moved = {
            partition: mark.position
            for partition, mark in self._watermarks.items()
            if partition in owned and mark.position is not None and mark.position != self._committed.get(partition)
        }
        if not moved:
            return
        try:
            await consumer.commit(moved)
        except KafkaError as error:
            log.warning("commit refused", group=self.group, error=repr(error))
        else:
            self._committed.update(moved)

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Commit what is finished, then forget what was taken: its next owner gets it again."""
        await self._commit()
        for partition in revoked:
            self._watermarks.pop(partition, None)
            self._committed.pop(partition, None)
        for queue in self._queues.values():
            waiting, queue.waiting = queue.waiting, deque()
            for taken in waiting:
                if TopicPartition(taken.record.topic, taken.record.partition) in revoked:
                    self._note_held([taken], -1)
                else:
                    queue.waiting.append(taken)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Nothing to do: reading begins at the committed offsets."""

    async def stop(self, grace: float = 10.0) -> None:
        """Take nothing more, let running batches end for `grace` seconds, commit what is finished."""
        self._stopping = True
        running = [queue.worker for queue in self._queues.values() if queue.worker is not None]
        if running:
            await asyncio.wait(running, timeout=grace)
        await self._commit()
        if self._committer is not None:
            self._committer.cancel()
