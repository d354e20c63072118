"""Queues of the messages that wait for the worker of their key."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from aiokafka import ConsumerRecord

from messaging.offsets import PartitionOffsets


@dataclass(frozen=True)
class BufferedRecord:
    """A message in memory that is not finished, and the offsets of its partition."""

    record: "ConsumerRecord[bytes, bytes]"
    offsets: PartitionOffsets

    @property
    def size(self) -> int:
        """The size of the body in bytes."""
        return len(self.record.value or b"")

    def finish(self) -> None:
        """Note that the message is finished, so that its offset may be committed."""
        self.offsets.finish(self.record.offset)


@dataclass
class KeyQueue:
    """The waiting messages of one key in their order, and the task that works on them.

    Bodies are parsed only when a batch begins, so a waiting message costs no more memory than its bytes.
    """

    waiting: deque[BufferedRecord] = field(default_factory=deque)
    worker: asyncio.Task[None] | None = None

    def pop_batch(self, max_count: int, max_bytes: int) -> list[BufferedRecord]:
        """Remove and return the next messages: at least one, at most `max_count`, and `max_bytes` of bodies in all."""
        batch = [self.waiting.popleft()]
        room = max_bytes - batch[0].size
        while self.waiting and len(batch) < max_count and self.waiting[0].size <= room:
            batch.append(self.waiting.popleft())
            room -= batch[-1].size
        return batch


async def finish_or_cancel(tasks: set[asyncio.Task[None]], grace: float) -> int:
    """Wait up to `grace` seconds for `tasks`, cancel those that still run, and return how many those were.

    All tasks have ended when this returns.
    """
    late = (await asyncio.wait(tasks, timeout=grace))[1] if tasks else set()
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late)
    return len(late)
