"""What a process has learned of the app and its pages: budgets, fields that are refused, versions. Lost at no harm."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from facebook_fetcher.budget import DAY, HOUR, Budget
from facebook_fetcher.fields import Asking

CALLS_AT_ONCE = 16
"""Calls on their way from one process: some 80 a second, and few enough that a budget near its end is not passed."""


class Memory:
    """Shared by both lanes. `turns` bounds the calls that are made at once."""

    def __init__(self, asking: Asking) -> None:
        self.asking = asking
        self.turns = asyncio.Semaphore(CALLS_AT_ONCE)
        self.app = Budget(HOUR)
        self.pages: defaultdict[str, Budget] = defaultdict(lambda: Budget(DAY))
        self._versions: set[str] = set()

    def wait(self, page_id: str, most: float, now: float) -> tuple[float, str]:
        """Seconds until a page may be asked for by a lane that stops at `most` percent, and whose budget says so."""
        return max((self.app.wait(most, now), "app"), (self.pages[page_id].wait(most, now), "page"))

    def left(self, now: float) -> dict[str, float]:
        """What is left of the app's budget, and of that page's which has least left, from 0 to 1."""
        return {"app": self.app.left(now), "page": min((b.left(now) for b in self.pages.values()), default=1.0)}

    @contextmanager
    def call(self, page_id: str) -> Iterator[None]:
        """A call is counted in both budgets until it ends."""
        budgets = (self.app, self.pages[page_id])
        for budget in budgets:
            budget.reserve()
        try:
            yield
        finally:
            for budget in budgets:
                budget.settle()

    def is_news(self, version: str) -> bool:
        """Whether this version is seen for the first time."""
        known = version in self._versions
        self._versions.add(version)
        return not known
