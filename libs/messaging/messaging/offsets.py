"""Which offsets may be committed when messages of a partition are finished out of order."""

from collections import deque
from collections.abc import Iterable, Mapping

from aiokafka import TopicPartition


class PartitionOffsets:
    """The finished front of one partition: everything below `position` is done and may be committed."""

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._done: set[int] = set()
        self._last = -1
        self.position: int | None = None

    def begin(self, offset: int) -> bool:
        """Note that the message at `offset` was taken. False for one that was before: offsets come in rising order."""
        if offset <= self._last:
            return False
        self._last = offset
        self._open.append(offset)
        return True

    def finish(self, offset: int) -> None:
        """Note that the message at `offset` is done; moves `position` past everything finished without a gap."""
        self._done.add(offset)
        while self._open and self._open[0] in self._done:
            finished = self._open.popleft()
            self._done.discard(finished)
            self.position = finished + 1

    @property
    def open(self) -> int:
        """How many taken messages are not yet covered by `position`."""
        return len(self._open)


class OffsetTracker:
    """The finished fronts of the partitions that are ours, and how far they are committed."""

    def __init__(self) -> None:
        self._marks: dict[TopicPartition, PartitionOffsets] = {}
        self._committed: dict[TopicPartition, int] = {}

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """These are ours from now on, from wherever they are read, and no others."""
        self._marks = {partition: PartitionOffsets() for partition in partitions}
        self._committed = {}

    def begin(self, partition: TopicPartition, offset: int) -> PartitionOffsets | None:
        """Note that a message was taken; None for one that is not ours to take, or was taken before."""
        mark = self._marks.get(partition)
        return mark if mark is not None and mark.begin(offset) else None

    @property
    def committable(self) -> dict[TopicPartition, int]:
        """What there is to commit."""
        reached = {partition: mark.position for partition, mark in self._marks.items()}
        return {p: at for p, at in reached.items() if at is not None and at != self._committed.get(p)}

    def mark_committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Kafka has these."""
        self._committed.update(offsets)
