"""Shopify's leaky bucket of query cost, one for each shop."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

MAXIMUM_COST = 1_000
_RATES = {"standard": 100, "advanced": 200, "plus": 1_000, "enterprise": 2_000}
_SECONDS = 20


@dataclass(slots=True)
class Bucket:
    """Points that restore at `rate` per second up to `maximum`, which is what 20 seconds of the plan's own rate
    restore.
    """

    rate: float
    maximum: float
    clock: Callable[[], float] = time.monotonic
    level: float = field(init=False)
    seen: float = field(init=False)

    def __post_init__(self) -> None:
        self.level, self.seen = self.maximum, self.clock()

    def available(self) -> float:
        """The points there are now."""
        at = self.clock()
        self.level = min(self.maximum, self.level + (at - self.seen) * self.rate)
        self.seen = at
        return self.level

    def reserve(self, points: float) -> bool:
        """Take `points` before executing; False, and nothing taken, when there are not so many."""
        if self.available() < points:
            return False
        self.level -= points
        return True

    def refund(self, points: float) -> None:
        """Give back what was reserved and not spent."""
        self.level = min(self.maximum, self.available() + points)

    def status(self) -> dict[str, int]:
        """`throttleStatus` as an answer carries it."""
        return {
            "maximumAvailable": int(self.maximum),
            "currentlyAvailable": int(self.available()),
            "restoreRate": int(self.rate),
        }


def for_plan(plan: str, clock: Callable[[], float] = time.monotonic) -> Bucket:
    """A full bucket of the plan's size."""
    rate = _RATES[plan]
    return Bucket(rate, rate * _SECONDS, clock)


def rate_of(plan: str) -> int:
    """Points per second that a plan restores when all is well."""
    return _RATES[plan]
