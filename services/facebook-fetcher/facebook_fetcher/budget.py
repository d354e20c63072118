"""One budget of the platform, the app's or a page's, kept here so that it is planned for and not run into.

A budget is a number of calls in a rolling window, of which answers say only what percentage is used. Between answers
each call on its way is counted as the largest share that one call can have. Where no call may be made, nothing is
learned: then what was read last is taken to fade over the window, and one call alone tries whether it did. Its
waits are long enough that all such tries of a window together use a few percent. All times are in seconds.
"""

from facebook_fetcher.usage import Reading

CALL = 0.5
"""Percent that a call uses at most: an app with one user has 200 calls an hour."""
QUICK_MOST, WALK_MOST = 85.0, 50.0
"""The part of a budget, in percent, above which each lane makes no calls."""
FADED = 0.9
"""A lane that was stopped goes on when the level has fallen to this part of its most."""
LONGEST_SECONDS = 3600.0
"""After so long a call tries, whatever the window."""
MOMENT_SECONDS = 0.1
"""Until some of the calls on their way are answered."""
HOUR, DAY = 3600.0, 86_400.0


class Budget:
    """What is used of a budget with this `window`, and how many calls are on their way. It begins unused."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._level = 0.0
        self._learned_at = 0.0
        self._regained_at: float | None = None
        self._under_way = 0

    def wait(self, most: float, now: float) -> float:
        """Seconds until one more call may be made by a lane that stops at `most` percent; 0 is now."""
        if self._level + CALL <= most:
            return 0.0 if self._level + (self._under_way + 1) * CALL <= most else MOMENT_SECONDS
        rest = self._again_at(most) - now
        if rest > 0:
            return rest
        return MOMENT_SECONDS if self._under_way else 0.0

    def reserve(self) -> None:
        """A call is being made."""
        self._under_way += 1

    def settle(self) -> None:
        """A call has ended."""
        self._under_way -= 1

    def learn(self, reading: Reading, sent: float, now: float) -> None:
        """Believe the answer to a call that was `sent` then; one sent before the last was learned can only raise."""
        if sent < self._learned_at and reading.percent <= self._level and not reading.regain_seconds:
            return
        self._level, self._learned_at, self._regained_at = reading.percent, now, None
        if reading.regain_seconds:
            self.exhaust(now, reading.regain_seconds)

    def exhaust(self, now: float, seconds: float = 0.0) -> None:
        """The platform refuses calls: for `seconds`, or, where it has not said for how long, until the level fades."""
        self._level, self._learned_at = max(self._level, 100.0), now
        if seconds:
            self._regained_at = now + seconds

    def left(self, now: float) -> float:
        """The part that is not used, from 0 to 1, with what was read last fading over the window; nothing while the
        platform refuses calls."""
        if self._regained_at is not None and now < self._regained_at:
            return 0.0
        faded = self._level * max(0.0, 1 - (now - self._learned_at) / self._window)
        return max(0.0, 1 - faded / 100)

    def _again_at(self, most: float) -> float:
        if self._regained_at is not None:
            return self._regained_at
        fading = self._window * (1 - FADED * most / self._level)
        return self._learned_at + min(fading, LONGEST_SECONDS)
