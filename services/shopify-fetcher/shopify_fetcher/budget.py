"""The platform's leaky bucket of points, kept here for one shop so that it is planned for and not run into.

What a document asks for is reserved when it is sent, and the difference to what was paid is given back with its
answer. Answers come out of order, so what they say corrects the bucket downwards only. All times are in seconds.
"""

from dataclasses import dataclass

QUICK_SHARE, WALK_SHARE = 0.0, 0.5
"""The part of the bucket that each lane leaves to the other."""


@dataclass(frozen=True)
class Status:
    """What an answer says of the bucket, after it was paid."""

    maximum: float
    available: float
    restore_rate: float


class Budget:
    """Points that may be spent now. It begins as the smallest bucket that the platform gives, full."""

    def __init__(self, now: float, maximum: float = 2_000, restore_rate: float = 100) -> None:
        self._maximum = maximum
        self._rate = restore_rate
        self._available = maximum
        self._reserved = 0.0
        self._at = now

    def wait(self, cost: float, share: float, now: float) -> float:
        """Seconds until `cost` may be reserved while `share` of the bucket stays free; 0 is now.

        What is larger than the rest of the bucket waits for a full one.
        """
        self._restore(now)
        needed = min(cost + share * self._maximum, self._maximum)
        return max(0.0, (needed - self._available) / self._rate)

    def left(self, now: float) -> float:
        """The part of the bucket that is there, from 0 to 1."""
        self._restore(now)
        return max(0.0, self._available / self._maximum)

    def until_nearly_full(self, now: float) -> float:
        """Seconds until nine tenths of the bucket are there."""
        return self.wait(0.9 * self._maximum, 0.0, now)

    def reserve(self, cost: float, now: float) -> None:
        """A document that asks for `cost` is being sent."""
        self._restore(now)
        self._available -= cost
        self._reserved += cost

    def settle(self, cost: float, paid: float, now: float) -> None:
        """A document that reserved `cost` was answered, and `paid` was charged."""
        self._restore(now)
        self._reserved -= cost
        self._available = min(self._maximum, self._available + cost - paid)

    def learn(self, status: Status, now: float) -> None:
        """Believe the platform: its bucket's size and rate at once, its level where it is lower than ours."""
        self._restore(now)
        self._rate = max(status.restore_rate, 1.0)
        theirs = status.available
        if status.maximum != self._maximum:
            self._maximum = status.maximum
            self._available = theirs - self._reserved
        self._available = min(self._available, theirs)

    def _restore(self, now: float) -> None:
        passed = max(0.0, now - self._at)
        self._available = min(self._maximum, self._available + passed * self._rate)
        self._at = max(self._at, now)
