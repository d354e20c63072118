"""Deadlines of one length for many at once: a single timer looks after all of them.

A timer of its own for every delivery costs more than its signature check. All deliveries have the same time, so the
one that began first is due first, and a queue is enough.
"""

import asyncio
from collections import deque
from types import TracebackType

LOOK_SECONDS = 0.1


class Deadline:
    """One use of the time: `with deadlines.begin(): …` raises `TimeoutError` when it is over."""

    __slots__ = ("at", "ended", "over", "task")

    def __init__(self, task: "asyncio.Task[object]", at: float) -> None:
        self.task = task
        self.at = at
        self.ended = False
        self.over = False

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.ended = True
        if self.over and kind is asyncio.CancelledError and self.task.uncancel() <= 0:
            raise TimeoutError from error


class Deadlines:
    """Gives each that begins `seconds`, to within a tenth of a second."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: deque[Deadline] = deque()
        self._looking = False

    def begin(self) -> Deadline:
        """The time of the present task begins."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        deadline = Deadline(task, loop.time() + self._seconds)
        self._running.append(deadline)
        if not self._looking:
            self._looking = True
            loop.call_later(LOOK_SECONDS, self._look, loop)
        return deadline

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        while self._running and (self._running[0].ended or self._running[0].at <= now):
            deadline = self._running.popleft()
            if not deadline.ended:
                deadline.over = True
                deadline.task.cancel()
        self._looking = bool(self._running)
        if self._looking:
            loop.call_later(LOOK_SECONDS, self._look, loop)
