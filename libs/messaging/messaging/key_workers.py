"""The workers of a Kafka consumer. Each key that has messages gets its own worker, which handles them in batches."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog
from aiokafka import ConsumerRecord

from messaging.dead_letters import DeadLetterPublisher
from messaging.errors import InvalidMessageError, UnavailableError
from messaging.instrumentation import record_sync_id, trace_batch
from messaging.message_checks import check_subject
from messaging.offsets import PartitionOffsets

log = structlog.get_logger()
E_co = TypeVar("E_co")

Handler = Callable[[str, Sequence[E_co]], Awaitable[None]]
"""A function that handles events of one merchant's connection in order. It takes the connection's name and the events.
It raises `UnavailableError` to receive the same batch again later. After any other error, the events are handled one by
one, and the message that causes the error is dead-lettered."""


@dataclass(frozen=True)
class ConsumerLimits:
    """The limits of a consumer's memory and concurrency.

    A batch has at most `batch` events, whose bodies have at most `batch_bytes` together; a larger event is a batch of
    its own. At most `concurrency` batches run concurrently. Partitions are paused while more than `buffered` messages
    or more than `buffered_bytes` of bodies are in memory.
    """

    batch: int = 500
    batch_bytes: int = 4 * 1024 * 1024
    concurrency: int = 16
    buffered: int = 20_000
    buffered_bytes: int = 32 * 1024 * 1024


@dataclass(frozen=True)
class BufferedRecord:
    """A message that is in memory and neither handled nor dead-lettered yet.

    `offsets` tracks the offsets of its partition.
    """

    record: "ConsumerRecord[bytes, bytes]"
    offsets: PartitionOffsets

    @property
    def size(self) -> int:
        """The size of the message's body in bytes."""
        return len(self.record.value or b"")

    def mark_finished(self) -> None:
        """Mark the message as finished: handled or dead-lettered.

        Its offset may be committed as soon as all earlier messages of its partition are finished too.
        """
        self.offsets.mark_finished(self.record.offset)


@dataclass
class KeyQueue:
    """The waiting messages of one key in order, and the task (`worker`) that handles them.

    The body of a message is parsed only when its batch begins, because a parsed event takes more memory than the
    bytes.
    """

    waiting: deque[BufferedRecord] = field(default_factory=deque)
    worker: asyncio.Task[None] | None = None

    def pop_batch(self, max_count: int, max_bytes: int) -> list[BufferedRecord]:
        """Remove the next messages from the queue and return them: at least one message and at most `max_count`.

        Their bodies have at most `max_bytes` together, unless the first body alone is larger.
        """
        batch = [self.waiting.popleft()]
        room = max_bytes - batch[0].size
        while self.waiting and len(batch) < max_count and self.waiting[0].size <= room:
            batch.append(self.waiting.popleft())
            room -= batch[-1].size
        return batch


class KeyWorkers(Generic[E_co]):
    """Handles the messages of a consumer. Messages of one key are handled in order, different keys concurrently.

    When the handler raises `UnavailableError`, the batch is held and retried for the error's `max_wait` seconds; None
    is no limit. A batch that fails after this time or with another error is handled again message by message, and each
    message that fails is dead-lettered. The parameters have the same meaning as those of `KeyedConsumer`.
    """

    def __init__(
        self,
        group: str,
        parse: Callable[[bytes], E_co],
        handle: Handler[E_co],
        dead_letters: DeadLetterPublisher,
        limits: ConsumerLimits,
    ) -> None:
        self._group = group
        self._parse = parse
        self._handle = handle
        self._dead_letters = dead_letters
        self._limits = limits
        self._queues: dict[str, KeyQueue] = {}
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._buffered = 0
        self._buffered_bytes = 0
        self._running: set[asyncio.Task[None]] = set()
        self.is_accepting = False
        """Whether batches may begin. False from `finish_running_batches` until partitions are assigned again."""
        self.health_errors: dict[str, str] = {}
        """The reasons for which messages are held, by the key, topic or consumer group that each concerns."""

    @property
    def is_full(self) -> bool:
        """Whether more messages or more bytes are in memory than the limits allow."""
        return self._buffered > self._limits.buffered or self._buffered_bytes > self._limits.buffered_bytes

    def enqueue(self, message: BufferedRecord) -> None:
        """Put a message into the queue of its key, and start a worker for the key when there is none."""
        key = (message.record.key or b"").decode(errors="replace")
        queue = self._queues.setdefault(key, KeyQueue())
        queue.waiting.append(message)
        self._count_buffered([message], 1)
        if queue.worker is None:
            queue.worker = asyncio.create_task(self._handle_waiting(key, queue))

    async def finish_running_batches(self, grace: float) -> None:
        """Begin no more batches, drop waiting messages, and wait up to `grace` seconds for running batches.

        Kafka delivers the dropped messages again, because their offsets are not committed. Batches that still run
        after `grace` seconds are cancelled. No worker runs when this returns.
        """
        self.is_accepting = False
        for queue in self._queues.values():
            self._count_buffered(queue.waiting, -1)
            queue.waiting.clear()
        workers = {queue.worker for queue in self._queues.values() if queue.worker is not None}
        await finish_or_cancel(workers - self._running, 0)
        cancelled = await finish_or_cancel(workers, grace)
        if cancelled:
            log.warning("batches cancelled", group=self._group, batches=cancelled)
        self.health_errors.clear()

    def _count_buffered(self, records: Collection[BufferedRecord], sign: int) -> None:
        self._buffered += sign * len(records)
        self._buffered_bytes += sign * sum(record.size for record in records)

    async def _handle_waiting(self, key: str, queue: KeyQueue) -> None:
        """Handle the messages of one key in batches until its `queue` is empty.

        Stops earlier when no more batches may begin (`is_accepting`) or the circuit breaker for dead letters opens.
        """
        try:
            while queue.waiting and self.is_accepting and not self._dead_letters.is_breaker_open:
                batch = queue.pop_batch(self._limits.batch, self._limits.batch_bytes)
                try:
                    await self._handle_batch(key, batch)
                finally:
                    self._count_buffered(batch, -1)
        finally:
            queue.worker = None
            if not queue.waiting:
                self._queues.pop(key, None)

    @contextmanager
    def _defer_revocation(self) -> Iterator[None]:
        """Return a context manager around work that gets time to finish before Kafka revokes the partitions.

        `finish_running_batches` waits for such work, and cancels a worker outside of it immediately. The context
        manager raises `CancelledError` when `finish_running_batches` was called already.
        """
        task = asyncio.current_task()
        if not self.is_accepting or task is None:
            raise asyncio.CancelledError
        self._running.add(task)
        try:
            yield
        finally:
            self._running.discard(task)

    async def _handle_batch(self, key: str, batch: list[BufferedRecord]) -> None:
        """Handle a batch of messages of one key, with retries.

        If the batch fails, handle its messages one by one and dead-letter each message that fails. Do nothing when the
        circuit breaker for dead letters is open.
        """
        error = None if self._dead_letters.is_breaker_open else await self._handle_with_retries(key, batch)
        if error is None or self._dead_letters.is_breaker_open:
            return
        if len(batch) > 1:
            for message in batch:
                await self._handle_batch(key, [message])
            return
        self.health_errors.pop(key, None)
        await self._dead_letter(batch[0], error)

    async def _handle_with_retries(self, key: str, batch: list[BufferedRecord]) -> Exception | None:
        """Handle a batch, and repeat this while the handler raises `UnavailableError` and its `max_wait` is not over.

        Returns None when the batch was handled and its messages are marked as finished, otherwise the last error.
        """
        pause, start = 0.2, time.monotonic()
        while (error := await self._handle_once(key, batch)) is not None:
            max_wait = error.max_wait if isinstance(error, UnavailableError) else 0.0
            if max_wait is not None and time.monotonic() - start >= max_wait:
                return error
            await asyncio.sleep(pause if self.is_accepting else 0)
            pause = min(pause * 2, 5.0)
        self.health_errors.pop(key, None)
        self._dead_letters.record_success()
        for message in batch:
            message.mark_finished()
        return None

    async def _handle_once(self, key: str, batch: list[BufferedRecord]) -> Exception | None:
        """Parse the messages of a batch and handle them once. Return the error that was raised, or None."""
        async with self._slots:
            with self._defer_revocation(), trace_batch(self._group, key, [m.record for m in batch]) as span:
                fields = {"connection": key}
                try:
                    events = [self._parse_and_check(key, message.record) for message in batch]
                    fields |= record_sync_id(events, span)
                    with structlog.contextvars.bound_contextvars(**fields):
                        await self._handle(key, events)
                except UnavailableError as error:
                    span.record_error(error)
                    self.health_errors[key] = f"{type(error).__name__}: {error}"
                    log.warning("batch held", group=self._group, reason=self.health_errors[key], **fields)
                    return error
                except InvalidMessageError as error:
                    # No traceback: the message is at fault, and the line about its dead letter says why.
                    span.record_error(error)
                    return error
                except Exception as error:  # the one place that decides what follows from an unknown error
                    span.record_error(error)
                    log.exception("handler failed", group=self._group, **fields)
                    return error
        return None

    def _parse_and_check(self, key: str, record: "ConsumerRecord[bytes, bytes]") -> E_co:
        """Return the event in a message. Raise `ForeignMessageError` if it is not about the connection `key`."""
        event = self._parse(record.value or b"")
        check_subject(record.topic, key, event)
        return event

    async def _dead_letter(self, message: BufferedRecord, error: Exception) -> None:
        """Publish a message to its dead letter topic and mark it as finished. Retry while Kafka is unavailable."""
        topic = message.record.topic
        while True:
            try:
                with self._defer_revocation():
                    await self._dead_letters.publish(message.record, error, group=self._group)
            except UnavailableError as unavailable:
                self.health_errors[topic] = str(unavailable)
                await asyncio.sleep(1)
            else:
                self.health_errors.pop(topic, None)
                message.mark_finished()
                return


async def finish_or_cancel(tasks: set[asyncio.Task[None]], grace: float) -> int:
    """Wait up to `grace` seconds for `tasks` to end, then cancel the others. Return the number of cancelled tasks.

    All tasks have ended when this function returns.
    """
    late = (await asyncio.wait(tasks, timeout=grace))[1] if tasks else set()
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late)
    return len(late)
