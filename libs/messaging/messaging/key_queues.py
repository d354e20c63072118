"""What one key's messages wait in, until its worker takes those that have gathered."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from aiokafka import ConsumerRecord

from messaging.offsets import PartitionOffsets


@dataclass(frozen=True)
class Taken:
    """A message that was taken, and its partition's watermark."""

    record: "ConsumerRecord[bytes, bytes]"
    watermark: PartitionOffsets

    @property
    def size(self) -> int:
        """The bytes of its body."""
        return len(self.record.value or b"")


@dataclass
class KeyQueue:
    """The messages of one key in their order, and the task that works on them."""

    waiting: deque[Taken] = field(default_factory=deque)
    worker: asyncio.Task[None] | None = None

    def take(self, count: int, size: int) -> list[Taken]:
        """What has gathered, up to `count` and `size` bytes (at least one); bodies are parsed only later, so that
        waiting costs their bytes alone."""
        batch = [self.waiting.popleft()]
        room = size - batch[0].size
        while self.waiting and len(batch) < count and self.waiting[0].size <= room:
            batch.append(self.waiting.popleft())
            room -= batch[-1].size
        return batch


async def ended(tasks: set[asyncio.Task[None]], grace: float) -> int:
    """Let tasks end for `grace` seconds and cancel the others; how many those were, when all have ended."""
    late = (await asyncio.wait(tasks, timeout=grace))[1] if tasks else set()
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late)
    return len(late)
