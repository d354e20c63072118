"""Tracks which offsets may be committed when the messages of a partition are finished out of order."""

from collections import deque
from collections.abc import Iterable, Mapping

from aiokafka import TopicPartition


class PartitionOffsets:
    """Tracks the offsets of one partition.

    `position` is the offset that may be committed: every message with a lower offset is finished (handled or
    dead-lettered). It is None until the first tracked message is finished.
    """

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._finished: set[int] = set()
        self._last = -1
        self.position: int | None = None

    def track(self, offset: int) -> bool:
        """Add the message at `offset` as unfinished, and return True.

        If `offset` is not higher than all earlier offsets, the message was tracked before: return False and change
        nothing.
        """
        if offset <= self._last:
            return False
        self._last = offset
        self._open.append(offset)
        return True

    def mark_finished(self, offset: int) -> None:
        """Mark the message at `offset` as finished: handled or dead-lettered.

        Moves `position`, the offset that may be committed, up to the first unfinished message.
        """
        self._finished.add(offset)
        while self._open and self._open[0] in self._finished:
            offset = self._open.popleft()
            self._finished.discard(offset)
            self.position = offset + 1

    @property
    def pending_count(self) -> int:
        """The number of tracked messages that are unfinished, or finished behind an unfinished one."""
        return len(self._open)

    def count_unfinished(self, end: int) -> int:
        """Return how many messages of a partition are not finished whose next message will have the offset `end`.

        Until a first message is tracked it is not known where reading has begun, and the result is 0.
        """
        return self.pending_count + max(end - self._last - 1, 0) if self._last >= 0 else 0


class OffsetTracker:
    """Tracks the offsets of all partitions that are assigned to this member of the consumer group.

    It also remembers which offsets Kafka has committed already.
    """

    def __init__(self) -> None:
        self._partitions: dict[TopicPartition, PartitionOffsets] = {}
        self._committed: dict[TopicPartition, int] = {}

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """Track `partitions` instead of the former ones, and forget all offsets that were tracked so far."""
        self._partitions = {partition: PartitionOffsets() for partition in partitions}
        self._committed = {}

    def track(self, partition: TopicPartition, offset: int) -> PartitionOffsets | None:
        """Add the message at `offset` as unfinished, and return the `PartitionOffsets` of its partition.

        Returns None when the partition is not assigned to this member, or when the message was tracked before.
        """
        offsets = self._partitions.get(partition)
        return offsets if offsets is not None and offsets.track(offset) else None

    def count_unfinished(self, ends: Mapping[TopicPartition, int]) -> int:
        """Return how many messages of the assigned partitions are not finished. `ends` are the next offsets."""
        return sum(offsets.count_unfinished(ends.get(partition, 0)) for partition, offsets in self._partitions.items())

    @property
    def committable(self) -> dict[TopicPartition, int]:
        """The offset to commit for each partition, without the partitions whose offset is committed already."""
        positions = {partition: offsets.position for partition, offsets in self._partitions.items()}
        return {p: at for p, at in positions.items() if at is not None and at != self._committed.get(p)}

    def mark_committed(self, positions: Mapping[TopicPartition, int]) -> None:
        """Store the offsets (`positions`) that Kafka has committed, so that they are not committed again."""
        self._committed.update(positions)
