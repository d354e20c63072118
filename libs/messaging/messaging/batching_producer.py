"""Sends messages to Kafka in batches. While one batch of a partition is in flight, new messages gather for the next.

Only one batch of a partition is in flight at a time, so the messages of a partition keep their order. Waiting is
cheap, because a waiting message needs only an entry in a queue instead of its own task and future.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from aiokafka.producer.message_accumulator import BatchBuilder

from messaging.errors import UnavailableError
from messaging.publisher import EventPublisher, Headers, select_partition

MAX_BATCH_MESSAGES = 500
"""The greatest number of messages in a batch. A smaller batch is acknowledged sooner."""

OnDelivery = Callable[[UnavailableError | None], None]
"""A callback that is called once for each sent message: with None when all in-sync replicas have the message, otherwise
with the error. It must not raise."""


class PendingMessage(NamedTuple):
    """A message that waits to be put into a batch. `is_cancelled` returns True when the message need not be sent."""

    key: bytes
    body: bytes
    headers: Headers
    on_delivery: OnDelivery
    is_cancelled: Callable[[], bool]


class BatchingProducer:
    """Accepts messages for Kafka without waiting, and reports the delivery of each message to its callback.

    `load_partitions` must be called before the first message of a topic is sent.
    """

    def __init__(self, publisher: EventPublisher) -> None:
        self._publisher = publisher
        self._partitions: dict[str, tuple[int, ...]] = {}
        self._pending: dict[tuple[str, int], deque[PendingMessage]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def load_partitions(self, topics: Iterable[str]) -> None:
        """Ask Kafka how many partitions each of `topics` has. `send` accepts messages only for these topics.

        Raises `UnavailableError` when Kafka does not answer.
        """
        for topic in topics:
            self._partitions[topic] = tuple(range(await self._publisher.count_partitions(topic)))

    def send(
        self,
        topic: str,
        key: bytes,
        body: bytes,
        headers: Headers,
        on_delivery: OnDelivery,
        is_cancelled: Callable[[], bool],
    ) -> None:
        """Put a message into the queue of its partition, and return without waiting for its delivery.

        The message is sent with the next batch; then `on_delivery` is called with None, or with the error. If
        `is_cancelled()` returns True before this batch, the message is dropped and `on_delivery` is not called.
        """
        partition = topic, select_partition(key, self._partitions[topic])
        queue = self._pending.get(partition)
        if queue is None:
            self._pending[partition] = queue = deque()
            task = asyncio.get_running_loop().create_task(self._send_pending(partition, queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        # While Kafka does not answer, cancelled messages must not pile up.
        while queue and queue[0].is_cancelled():
            queue.popleft()
        queue.append(PendingMessage(key, body, headers, on_delivery, is_cancelled))

    async def _send_pending(self, partition: tuple[str, int], queue: deque[PendingMessage]) -> None:
        """Send the messages in `queue` in batches until it is empty. `partition` is their topic and partition number.

        The callback of each message is called when its batch is delivered or has failed.
        """
        try:
            while queue:
                batch, messages = self._fill_batch(queue)
                if messages:
                    error = await self._send_batch(batch, partition)
                    for message in messages:
                        message.on_delivery(error)
        finally:
            del self._pending[partition]

    def _fill_batch(self, queue: deque[PendingMessage]) -> tuple[BatchBuilder, list[PendingMessage]]:
        batch, messages = self._publisher.create_batch(), list[PendingMessage]()
        while queue and len(messages) < MAX_BATCH_MESSAGES:
            message = queue[0]
            if not message.is_cancelled():
                if batch.append(timestamp=None, key=message.key, value=message.body, headers=message.headers) is None:
                    break
                messages.append(message)
            queue.popleft()
        return batch, messages

    async def _send_batch(self, batch: BatchBuilder, partition: tuple[str, int]) -> UnavailableError | None:
        try:
            await self._publisher.send_batch(batch, *partition)
        except UnavailableError as error:
            return error
        return None
