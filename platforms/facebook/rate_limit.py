"""The rate limits of the app and its Pages, of which responses tell only what percentage is used.

A rate limit is a number of calls in a rolling window. A copy of it is kept here, so that calls wait instead of being
refused. Between two responses each call in flight counts as the largest share that one call can have. While no call is
allowed, nothing is learned: the last usage is then assumed to fade over the window, and a single call probes whether it
did. The waits are long enough that all probes of a window together use a few percent. All times are in seconds.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from platform_sdk.session import FULL, INCREMENTAL
from platforms.facebook.errors import APP, PAGE
from platforms.facebook.usage import RateLimitUsage

CALL_PERCENT = 0.5
"""The most that one call uses: an app with one user has 200 calls an hour."""
MAX_PERCENT = {INCREMENTAL: 85.0, FULL: 50.0}
"""By mode, the usage above which a sync makes no calls."""
RESUME_SHARE = 0.9
"""A mode that was stopped resumes when the usage has fallen to this share of its maximum."""
MAX_PROBE_SECONDS = 3600.0
"""A probe follows after this time at the latest, whatever the window."""
IN_FLIGHT_SECONDS = 0.1
"""How long to wait for a response of the calls in flight."""
HOUR, DAY = 3600.0, 86_400.0
MAX_CONCURRENT_CALLS = 16
"""Calls in flight of one process: some 80 a second, and few enough that a rate limit near its end is not exceeded."""


class UsageLimit:
    """The usage of one rate limit with this `window`, and the number of calls in flight. It starts unused."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._percent = 0.0
        self._updated_at = 0.0
        self._regained_at: float | None = None
        self._in_flight = 0

    def compute_wait(self, max_percent: float, now: float) -> float:
        """Return the seconds until one more call is allowed to who stops at `max_percent`; 0 is now."""
        if self._percent + CALL_PERCENT <= max_percent:
            fits = self._percent + (self._in_flight + 1) * CALL_PERCENT <= max_percent
            return 0.0 if fits else IN_FLIGHT_SECONDS
        seconds = self._find_probe_time(max_percent) - now
        if seconds > 0:
            return seconds
        return IN_FLIGHT_SECONDS if self._in_flight else 0.0

    def reserve(self) -> None:
        """Count a call that is about to be made."""
        self._in_flight += 1

    def settle(self) -> None:
        """Count a call as finished."""
        self._in_flight -= 1

    def update(self, usage: RateLimitUsage, sent: float, now: float) -> None:
        """Adopt the usage that the response to a call of `sent` reports.

        A response to a call that was sent before the last update can only raise the usage.
        """
        if sent < self._updated_at and usage.percent <= self._percent and not usage.regain_seconds:
            return
        self._percent, self._updated_at, self._regained_at = usage.percent, now, None
        if usage.regain_seconds:
            self.suspend(now, usage.regain_seconds)

    def suspend(self, now: float, seconds: float = 0.0) -> None:
        """Make no calls for `seconds`, or, where the platform names no time, until the usage has faded."""
        self._percent, self._updated_at = max(self._percent, 100.0), now
        if seconds:
            self._regained_at = now + seconds

    def compute_remaining(self, now: float) -> float:
        """Return the unused share, from 0 to 1, with the last usage fading over the window; 0 while the platform
        refuses calls."""
        if self._regained_at is not None and now < self._regained_at:
            return 0.0
        faded = self._percent * max(0.0, 1 - (now - self._updated_at) / self._window)
        return max(0.0, 1 - faded / 100)

    def _find_probe_time(self, max_percent: float) -> float:
        if self._regained_at is not None:
            return self._regained_at
        fading = self._window * (1 - RESUME_SHARE * max_percent / self._percent)
        return self._updated_at + min(fading, MAX_PROBE_SECONDS)


class RateLimitState:
    """What a process has learned of the app and its Pages. It is kept in memory, and losing it does no harm.

    Both modes share it. `slots` bounds the calls in flight.
    """

    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(MAX_CONCURRENT_CALLS)
        self.app = UsageLimit(HOUR)
        self.pages: defaultdict[str, UsageLimit] = defaultdict(lambda: UsageLimit(DAY))
        self._reported_versions: set[str] = set()

    def compute_wait(self, page_id: str, mode: str, now: float) -> tuple[float, str]:
        """Return the seconds until the Page may be requested in this mode, and the rate limit that decides it."""
        max_percent = MAX_PERCENT[mode]
        return max(
            (self.app.compute_wait(max_percent, now), APP), (self.pages[page_id].compute_wait(max_percent, now), PAGE)
        )

    def compute_remaining(self, now: float) -> dict[str, float]:
        """Return the unused share of the app's rate limit, and that of the Page with the least left, from 0 to 1."""
        page = min((limit.compute_remaining(now) for limit in self.pages.values()), default=1.0)
        return {APP: self.app.compute_remaining(now), PAGE: page}

    @contextmanager
    def reserve_call(self, page_id: str) -> Iterator[None]:
        """Count one call in both rate limits while the context lasts."""
        limits = (self.app, self.pages[page_id])
        for limit in limits:
            limit.reserve()
        try:
            yield
        finally:
            for limit in limits:
                limit.settle()

    def record_version(self, version: str) -> bool:
        """Return whether `version` was never passed in before."""
        is_new = version not in self._reported_versions
        self._reported_versions.add(version)
        return is_new
