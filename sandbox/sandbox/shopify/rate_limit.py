"""Shopify's rate limit: every shop has a leaky bucket of points, and each query takes its cost from the bucket."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

MAXIMUM_COST = 1_000
_RATES = {"standard": 100, "advanced": 200, "plus": 1_000, "enterprise": 2_000}
_SECONDS_TO_FILL = 20


@dataclass(slots=True)
class LeakyBucket:
    """A bucket that holds at most `maximum` points and is refilled with `rate` points per second."""

    rate: float
    maximum: float
    clock: Callable[[], float] = time.monotonic
    level: float = field(init=False)
    refilled_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.level, self.refilled_at = self.maximum, self.clock()

    def measure_available(self) -> float:
        """Return the points that are in the bucket now."""
        now = self.clock()
        self.level = min(self.maximum, self.level + (now - self.refilled_at) * self.rate)
        self.refilled_at = now
        return self.level

    def reserve_points(self, points: float) -> bool:
        """Take `points` from the bucket and return True. If it holds fewer points, take none and return False."""
        if self.measure_available() < points:
            return False
        self.level -= points
        return True

    def refund_points(self, points: float) -> None:
        """Put back into the bucket `points` that were reserved but not needed."""
        self.level = min(self.maximum, self.measure_available() + points)

    def build_throttle_status(self) -> dict[str, int]:
        """Build the `throttleStatus` of a GraphQL answer: the size of the bucket, its points and its refill rate."""
        return {
            "maximumAvailable": int(self.maximum),
            "currentlyAvailable": int(self.measure_available()),
            "restoreRate": int(self.rate),
        }


def build_bucket(plan: str, clock: Callable[[], float] = time.monotonic) -> LeakyBucket:
    """Build a full bucket for a shop on the Shopify plan `plan`.

    It holds as many points as are restored in 20 seconds.
    """
    rate = _RATES[plan]
    return LeakyBucket(rate, rate * _SECONDS_TO_FILL, clock)


def get_restore_rate(plan: str) -> int:
    """Return the points per second that are restored in the bucket of a shop on the Shopify plan `plan`."""
    return _RATES[plan]
