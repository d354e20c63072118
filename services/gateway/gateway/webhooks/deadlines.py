"""Deadlines of one length for many at once: a single timer looks after all of them.

A timer of its own for every delivery costs more than its signature check. All deliveries have the same time, so the
one that began first is due first, and a queue is enough.
"""

import asyncio
from collections import deque
from typing import Protocol

LOOK_SECONDS = 0.1


class Timed(Protocol):
    """What has only so much time."""

    @property
    def ended(self) -> bool:
        """Whether it has come to its end in time."""

    def over(self) -> None:
        """Its time is over."""


class Deadlines:
    """Gives each that begins `seconds`, to within a tenth of a second."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: deque[tuple[float, Timed]] = deque()
        self._looking = False

    def begin(self, timed: Timed) -> None:
        """The time of `timed` begins."""
        loop = asyncio.get_running_loop()
        self._running.append((loop.time() + self._seconds, timed))
        if not self._looking:
            self._looking = True
            loop.call_later(LOOK_SECONDS, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        while self._running and (self._running[0][1].ended or self._running[0][0] <= now):
            _, timed = self._running.popleft()
            if not timed.ended:
                timed.over()
        self._looking = bool(self._running)
        if self._looking:
            loop.call_later(LOOK_SECONDS, self._look, loop)
