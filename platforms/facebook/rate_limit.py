"""Models the rate limits of the app and of its Pages. Responses only report the percentage that is used.

A rate limit allows a number of calls in a rolling window. The process keeps the last usage of each rate limit, so that
calls wait instead of being refused. Until its response arrives, each call in flight is counted with the highest
percentage that one call can use. While a sync makes no calls, no response reports the usage. It is then assumed to fall
evenly over the window, and after a wait a single call, the probe, tests this. The waits are so long that all probes of
a window use only a few percent. All times are in seconds.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from platform_sdk.session import FULL, INCREMENTAL
from platforms.facebook.errors import APP, PAGE
from platforms.facebook.usage import RateLimitUsage

CALL_PERCENT = 0.5
"""The highest percentage that one call can use: an app with one user may make 200 calls per hour."""
MAX_PERCENT = {INCREMENTAL: 85.0, FULL: 50.0}
"""The usage in percent above which a sync makes no calls, by mode."""
RESUME_SHARE = 0.9
"""The share of MAX_PERCENT to which the usage must fall before a stopped mode makes calls again."""
MAX_PROBE_SECONDS = 3600.0
"""The longest wait before a probe (a single call that tests whether the usage has fallen)."""
IN_FLIGHT_SECONDS = 0.1
"""How long to wait before looking again whether calls in flight have ended."""
HOUR, DAY = 3600.0, 86_400.0
MAX_CONCURRENT_CALLS = 16
"""The most calls that one process has in flight: about 80 per second, and too few to exceed an almost used-up limit."""


class UsageLimit:
    """The last usage of one rate limit with a rolling `window`, and its calls in flight. The usage starts at 0 %."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._percent = 0.0
        self._updated_at = 0.0
        self._regained_at: float | None = None
        self._in_flight = 0

    def compute_wait(self, max_percent: float, now: float) -> float:
        """Return the seconds until a sync that stops at `max_percent` may make another call; 0 if it may at once."""
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
        """Adopt the usage that a response reports. `sent` is when its call was sent.

        When the call was sent before the last update, the usage is only adopted if it is higher than the last usage, or
        if it says that calls are refused.
        """
        if sent < self._updated_at and usage.percent <= self._percent and not usage.regain_seconds:
            return
        self._percent, self._updated_at, self._regained_at = usage.percent, now, None
        if usage.regain_seconds:
            self.suspend(now, usage.regain_seconds)

    def suspend(self, now: float, seconds: float = 0.0) -> None:
        """Make no calls for `seconds`. With 0, make none until the usage is assumed to have fallen."""
        self._percent, self._updated_at = max(self._percent, 100.0), now
        if seconds:
            self._regained_at = now + seconds

    def compute_remaining(self, now: float) -> float:
        """Return the unused share of the rate limit, from 0 to 1.

        The last usage is assumed to fall evenly over the window. Returns 0 while the platform refuses calls.
        """
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
    """What this process has learned about the rate limits of the app and its Pages.

    Full and incremental syncs share it. It is in memory only and learned again after a restart. `slots` limits the
    calls in flight.
    """

    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(MAX_CONCURRENT_CALLS)
        self.app = UsageLimit(HOUR)
        self.pages: defaultdict[str, UsageLimit] = defaultdict(lambda: UsageLimit(DAY))
        self._reported_versions: set[str] = set()

    def compute_wait(self, page_id: str, mode: str, now: float) -> tuple[float, str]:
        """Return the seconds until a sync of `mode` (incremental or full) may request the Page; 0 if it may at once.

        Also returns the name of the rate limit with the longer wait: APP or PAGE.
        """
        max_percent = MAX_PERCENT[mode]
        return max(
            (self.app.compute_wait(max_percent, now), APP), (self.pages[page_id].compute_wait(max_percent, now), PAGE)
        )

    def compute_remaining(self, now: float) -> dict[str, float]:
        """Return the unused shares, from 0 to 1: of the app's rate limit, and of the Page's that is used most."""
        page = min((limit.compute_remaining(now) for limit in self.pages.values()), default=1.0)
        return {APP: self.app.compute_remaining(now), PAGE: page}

    @contextmanager
    def reserve_call(self, page_id: str) -> Iterator[None]:
        """Count one call as in flight in the rate limits of the app and of the Page while the context lasts."""
        limits = (self.app, self.pages[page_id])
        for limit in limits:
            limit.reserve()
        try:
            yield
        finally:
            for limit in limits:
                limit.settle()

    def record_version(self, version: str) -> bool:
        """Remember an API version, and return whether it is new: True only at the first call with this version."""
        is_new = version not in self._reported_versions
        self._reported_versions.add(version)
        return is_new
