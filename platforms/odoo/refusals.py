"""Limits how many wrong keys are tried at a database. After five, Odoo refuses right ones of the same sender as well.

Source: Odoo counts refusals by the sender's address, and fetchers may share that of the gateway.
"""

import time
from collections import deque
from collections.abc import Callable

from platform_sdk.errors import RequestRejectedError

MAX_REFUSALS, SECONDS = 3, 65.0
"""How many keys may be refused within so many seconds."""
MAX_DATABASES = 10_000
"""Of how many databases refusals are remembered. The oldest are forgotten first."""


class RefusalLimit:
    """The refusals of each database that this process has seen. `elapsed` returns seconds of a monotonic clock."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = elapsed
        self._refused: dict[str, deque[float]] = {}

    def check(self, account: str) -> None:
        """Raise RequestRejectedError if too many keys were refused at this database lately."""
        times = self._refused.get(account)
        if times is None or len(times) < MAX_REFUSALS:
            return
        wait = times[0] + SECONDS - self._elapsed()
        if wait > 0:
            raise RequestRejectedError(
                429,
                "too many keys were refused at this database; wait a minute before the next one",
                retry_after=int(wait) + 1,
            )
        del self._refused[account]

    def record(self, account: str) -> None:
        """Count a refused key."""
        times = self._refused.pop(account, None) or deque(maxlen=MAX_REFUSALS)
        times.append(self._elapsed())
        self._refused[account] = times
        if len(self._refused) > MAX_DATABASES:
            del self._refused[next(iter(self._refused))]
