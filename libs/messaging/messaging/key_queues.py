"""The queues in which messages wait for the worker of their key."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from aiokafka import ConsumerRecord

from messaging.offsets import PartitionOffsets


@dataclass(frozen=True)
class BufferedRecord:
    """A message that is in memory and not finished, with the offset tracking of its partition."""

    record: "ConsumerRecord[bytes, bytes]"
    offsets: PartitionOffsets

    @property
    def size(self) -> int:
        """The size of the message's body in bytes."""
        return len(self.record.value or b"")

    def mark_finished(self) -> None:
        """Mark the message as finished: handled or dead-lettered. Its offset may then be committed."""
        self.offsets.mark_finished(self.record.offset)


@dataclass
class KeyQueue:
    """The waiting messages of one key in order, and the task (`worker`) that handles them.

    A body is parsed only when its batch begins, because a parsed event takes more memory than the bytes.
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
