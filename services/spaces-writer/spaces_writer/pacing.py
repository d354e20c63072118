"""The pacing of uploads: composes draw on a bucket of three, refilled by one per ten times the last one's duration."""

from dataclasses import dataclass, replace

CAPACITY = 3.0
REST_FACTOR = 10.0


@dataclass(frozen=True)
class Pace:
    """A bucket as it stood at `refilled_at` (epoch seconds); `duration` is the last compose's, in seconds."""

    tokens: float = CAPACITY
    refilled_at: float = 0.0
    duration: float = 0.0

    def at(self, now: float) -> "Pace":
        """The bucket at `now`."""
        gained = CAPACITY if self.duration <= 0 else (now - self.refilled_at) / (REST_FACTOR * self.duration)
        return replace(self, tokens=min(CAPACITY, self.tokens + max(0.0, gained)), refilled_at=now)

    def wait(self, now: float) -> float:
        """Seconds until a compose may begin; 0 when it may now."""
        lacking = 1.0 - self.at(now).tokens
        return max(0.0, lacking * REST_FACTOR * self.duration)

    def spent(self, now: float, duration: float) -> "Pace":
        """The bucket after a compose that ended at `now` and took `duration` seconds."""
        filled = self.at(now)
        return Pace(max(0.0, filled.tokens - 1.0), now, duration)
