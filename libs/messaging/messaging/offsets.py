"""Tracks which offsets may be committed when the messages of a partition are finished out of order."""

from collections import deque
from collections.abc import Iterable, Mapping

from aiokafka import TopicPartition


class PartitionOffsets:
    """The offsets of one partition. Every message below `position` is finished, so `position` may be committed."""

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._finished: set[int] = set()
        self._last = -1
        self.position: int | None = None

    def begin(self, offset: int) -> bool:
        """Note that work on the message at `offset` begins.

        Returns False, and notes nothing, for an offset that is not above all earlier ones: it was read before.
        """
        if offset <= self._last:
            return False
        self._last = offset
        self._open.append(offset)
        return True

    def finish(self, offset: int) -> None:
        """Note that the message at `offset` is finished and move `position` up to the first unfinished one."""
        self._finished.add(offset)
        while self._open and self._open[0] in self._finished:
            offset = self._open.popleft()
            self._finished.discard(offset)
            self.position = offset + 1

    @property
    def open(self) -> int:
        """How many messages have begun and are not below `position` yet."""
        return len(self._open)


class OffsetTracker:
    """The offsets of all partitions that are assigned to this member of the group, and what is committed of them."""

    def __init__(self) -> None:
        self._partitions: dict[TopicPartition, PartitionOffsets] = {}
        self._committed: dict[TopicPartition, int] = {}

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """Replace the assignment by `partitions` and forget all offsets."""
        self._partitions = {partition: PartitionOffsets() for partition in partitions}
        self._committed = {}

    def begin(self, partition: TopicPartition, offset: int) -> PartitionOffsets | None:
        """Note that work on a message begins and return the offsets of its partition.

        Returns None when the partition is not assigned or the message was read before.
        """
        offsets = self._partitions.get(partition)
        return offsets if offsets is not None and offsets.begin(offset) else None

    @property
    def committable(self) -> dict[TopicPartition, int]:
        """The positions that are not committed yet."""
        positions = {partition: offsets.position for partition, offsets in self._partitions.items()}
        return {p: at for p, at in positions.items() if at is not None and at != self._committed.get(p)}

    def mark_committed(self, positions: Mapping[TopicPartition, int]) -> None:
        """Note that Kafka has committed `positions`."""
        self._committed.update(positions)
