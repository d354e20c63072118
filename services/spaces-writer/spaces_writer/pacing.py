"""Limits how often the snapshot of one connection is built, by a token bucket.

Each build spends one of at most three tokens. To gain a token takes ten times as long as the last build took, so that
large snapshots are built less often than small ones.
"""

from dataclasses import dataclass, replace

CAPACITY = 3.0
PAUSE_FACTOR = 10.0


def compute_failure_pause(failures: int) -> float:
    """Return how many seconds after a failed upload the next one may begin. `failures` is how many failed before it."""
    return min(30.0, 0.5 * 2.0 ** min(failures, 6))


@dataclass(frozen=True)
class UploadPace:
    """The token bucket that limits how often the snapshot of one connection is built. Each build spends a token.

    `tokens` is the number of tokens at the time `refilled_at` (seconds since 1970). `build_seconds` is the duration of
    the last build.
    """

    tokens: float = CAPACITY
    refilled_at: float = 0.0
    build_seconds: float = 0.0

    def refill(self, now: float) -> "UploadPace":
        """Return the token bucket with the tokens that were gained until `now`."""
        elapsed = now - self.refilled_at
        gained = CAPACITY if self.build_seconds <= 0 else elapsed / (PAUSE_FACTOR * self.build_seconds)
        return replace(self, tokens=min(CAPACITY, self.tokens + max(0.0, gained)), refilled_at=now)

    def compute_wait(self, now: float) -> float:
        """Return how many seconds after `now` the next build may begin; 0 if it may begin at once."""
        missing = 1.0 - self.refill(now).tokens
        return max(0.0, missing * PAUSE_FACTOR * self.build_seconds)

    def spend_token(self, now: float, build_seconds: float) -> "UploadPace":
        """Return the token bucket without the token of a build that ended at `now` and took `build_seconds`."""
        return UploadPace(max(0.0, self.refill(now).tokens - 1.0), now, build_seconds)
