"""Deadlines of the same length for many items, with a single timer.

A timer for each delivery would cost more than checking its signature. All deliveries have the same time limit, so they
are due in the order in which they were added, and a queue is enough.
"""

import asyncio
from collections import deque
from typing import Protocol

CHECK_SECONDS = 0.1


class ItemWithDeadline(Protocol):
    """What a deadline can be set for."""

    @property
    def is_finished(self) -> bool:
        """Whether it has ended, so that its deadline no longer matters."""

    def handle_timeout(self) -> None:
        """End the item, because its time limit is over."""


class Deadlines:
    """Calls `handle_timeout` of each added item that is not finished after `seconds`.

    The call comes at most about a tenth of a second late.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: deque[tuple[float, ItemWithDeadline]] = deque()
        self._is_scheduled = False

    def add(self, item: ItemWithDeadline) -> None:
        """Start the deadline of `item`."""
        loop = asyncio.get_running_loop()
        self._running.append((loop.time() + self._seconds, item))
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_later(CHECK_SECONDS, self._handle_due_timeouts, loop)

    def _handle_due_timeouts(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        while self._running and (self._running[0][1].is_finished or self._running[0][0] <= now):
            _, item = self._running.popleft()
            if not item.is_finished:
                item.handle_timeout()
        self._is_scheduled = bool(self._running)
        if self._is_scheduled:
            loop.call_later(CHECK_SECONDS, self._handle_due_timeouts, loop)
