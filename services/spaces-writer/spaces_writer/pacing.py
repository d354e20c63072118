"""The pacing of uploads by a token bucket of three, refilled by one token per ten times the last build's duration."""

from dataclasses import dataclass, replace

CAPACITY = 3.0
PAUSE_FACTOR = 10.0


@dataclass(frozen=True)
class UploadPace:
    """The token bucket as of `refilled_at` (epoch seconds); `build_seconds` is how long the last build took."""

    tokens: float = CAPACITY
    refilled_at: float = 0.0
    build_seconds: float = 0.0

    def refill(self, now: float) -> "UploadPace":
        """Return the token bucket as of `now`."""
        elapsed = now - self.refilled_at
        gained = CAPACITY if self.build_seconds <= 0 else elapsed / (PAUSE_FACTOR * self.build_seconds)
        return replace(self, tokens=min(CAPACITY, self.tokens + max(0.0, gained)), refilled_at=now)

    def compute_wait(self, now: float) -> float:
        """Return the seconds until a build may begin; 0 when it may begin now."""
        missing = 1.0 - self.refill(now).tokens
        return max(0.0, missing * PAUSE_FACTOR * self.build_seconds)

    def spend_token(self, now: float, build_seconds: float) -> "UploadPace":
        """Return the token bucket after a build that ended at `now` and took `build_seconds`."""
        return UploadPace(max(0.0, self.refill(now).tokens - 1.0), now, build_seconds)
