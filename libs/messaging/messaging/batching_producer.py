"""Gathering: messages that come while Kafka is busy with others go to it together, and each hears its own word.

Of one partition one batch is on its way at a time, so its messages keep the order in which they were given. A message
costs a line in a list instead of a task and a future of its own.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from messaging.errors import UnavailableError
from messaging.publisher import Batch, Headers, select_partition

LARGEST_BATCH = 500
"""More messages than this do not wait for each other's word."""

OnDelivery = Callable[[UnavailableError | None], None]
"""Hears Kafka's word on one message: None when all replicas have it. It must not raise."""


class Batches(Protocol):
    """What sends a prepared batch: the `Publisher`."""

    async def count_partitions(self, topic: str) -> int:
        """How many partitions the topic has. Raises `KafkaAway`."""

    def create_batch(self) -> Batch:
        """An empty batch."""

    async def send_batch(self, batch: Batch, topic: str, partition: int) -> None:
        """Returns when all replicas have the batch. Raises `KafkaAway`."""


class PendingMessage(NamedTuple):
    """A message that has not been put into a batch yet. `dropped` says that nobody waits for it any more."""

    key: bytes
    body: bytes
    headers: Headers
    on_delivery: OnDelivery
    is_cancelled: Callable[[], bool]


class BatchingProducer:
    """Takes messages of a few topics without waiting, and tells each its end."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self._partitions: dict[str, tuple[int, ...]] = {}
        self._waiting: dict[tuple[str, int], deque[PendingMessage]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def prepare(self, topics: Iterable[str]) -> None:
        """Learn the partitions of the topics that will be given. Raises `KafkaAway`."""
        for topic in topics:
            self._partitions[topic] = tuple(range(await self._batches.count_partitions(topic)))

    def send(
        self,
        topic: str,
        key: bytes,
        body: bytes,
        headers: Headers,
        on_delivery: OnDelivery,
        is_cancelled: Callable[[], bool],
    ) -> None:
        """Send a message of a prepared topic; `told` hears the word. What is `dropped` before its turn is not sent."""
        place = topic, select_partition(key, self._partitions[topic])
        queue = self._waiting.get(place)
        if queue is None:
            self._waiting[place] = queue = deque()
            task = asyncio.get_running_loop().create_task(self._run(place, queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        while (
            queue and queue[0].is_cancelled()
        ):  # while Kafka says nothing, what nobody waits for any more must not pile up
            queue.popleft()
        queue.append(PendingMessage(key, body, headers, on_delivery, is_cancelled))

    async def _run(self, place: tuple[str, int], queue: deque[PendingMessage]) -> None:
        """Send what waits for one partition until nothing does."""
        try:
            while queue:
                batch, sent = self._filled(queue)
                if sent:
                    word = await self._word(batch, place)
                    for one in sent:
                        one.on_delivery(word)
        finally:
            del self._waiting[place]

    def _filled(self, queue: deque[PendingMessage]) -> tuple[Batch, list[PendingMessage]]:
        batch, sent = self._batches.create_batch(), list[PendingMessage]()
        while queue and len(sent) < LARGEST_BATCH:
            one = queue[0]
            if not one.is_cancelled():
                if batch.append(timestamp=None, key=one.key, value=one.body, headers=one.headers) is None:
                    break
                sent.append(one)
            queue.popleft()
        return batch, sent

    async def _word(self, batch: Batch, place: tuple[str, int]) -> UnavailableError | None:
        try:
            await self._batches.send_batch(batch, *place)
        except UnavailableError as away:
            return away
        return None
