"""Which offsets may be committed when messages of a partition are finished out of order."""

from collections import deque


class Watermark:
    """The finished front of one partition: everything below `position` is done and may be committed."""

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._done: set[int] = set()
        self.position: int | None = None

    def begin(self, offset: int) -> None:
        """Note that the message at `offset` was taken. Offsets come in rising order."""
        self._open.append(offset)

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
