"""The rate limits of the app and of each Facebook Page: calls in a sliding window, and the usage headers of Graph."""

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from sandbox.facebook.model import Limits

_HOUR, _DAY = 3_600.0, 86_400.0


@dataclass(slots=True)
class SlidingWindow:
    """The times of the calls within the last `seconds`, oldest first."""

    seconds: float
    calls: deque[float] = field(default_factory=deque)

    def count_calls(self, now: float) -> int:
        """Return the number of calls in the last `seconds` before the time `now`."""
        while self.calls and self.calls[0] <= now - self.seconds:
            self.calls.popleft()
        return len(self.calls)

    def compute_wait(self, now: float, budget: int) -> float:
        """Compute the seconds until the window holds fewer than `budget` calls, if no further call is made.

        Returns 0 if it already does. `budget` is the number of calls that a rate limit allows.
        """
        excess = self.count_calls(now) - budget
        return self.calls[excess] + self.seconds - now if excess >= 0 else 0.0


class Usage:
    """Counts the calls of the app and of its Facebook Pages against the rate limits.

    Refused calls count as well. A client that continues to call therefore has to wait longer. `clock` returns seconds.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.set_limits_and_reset_counts(limits)

    def set_limits_and_reset_counts(self, limits: Limits) -> None:
        """Set the rate limits, and reset the counts of the calls made so far to zero."""
        self.limits = limits
        self._app = SlidingWindow(_HOUR * limits.scale)
        self._pages: dict[str, SlidingWindow] = defaultdict(lambda: SlidingWindow(_DAY * limits.scale))

    def record_call_and_check_limits(self, page: str | None) -> str | None:
        """Count one call of the app and, unless `page` is None, of the Facebook Page with this id.

        Returns whose limit had been reached before this call: "app" (also if both had been reached), "page" or None.
        """
        now = self._clock()
        exceeded_limit = None
        if page is not None:
            window = self._pages[page]
            if window.count_calls(now) >= self.limits.page_calls:
                exceeded_limit = "page"
            window.calls.append(now)
        if self._app.count_calls(now) >= self.limits.app_calls:
            exceeded_limit = "app"
        self._app.calls.append(now)
        return exceeded_limit

    def compute_app_percent(self) -> int:
        """Compute the used share of the app's rate limit, in percent."""
        return 100 * self._app.count_calls(self._clock()) // self.limits.app_calls

    def compute_page_percent(self, page: str) -> int:
        """Compute the used share of the Facebook Page's rate limit, in percent."""
        if page not in self._pages:
            return 0
        return 100 * self._pages[page].count_calls(self._clock()) // self.limits.page_calls

    def build_headers(self, page: str | None, throttle_minutes: float | None = None) -> dict[str, str]:
        """Build the headers that report the used share of the rate limits.

        X-App-Usage is about the app. If `page` is given, X-Business-Use-Case-Usage is about this Facebook Page and also
        has the minutes until it may be called again. If `throttle_minutes` is given, the second header reports 100
        percent and these minutes instead of the real values.
        """
        headers = {"x-app-usage": orjson.dumps(_build_percentages(self.compute_app_percent())).decode()}
        if page is not None:
            percent = self.compute_page_percent(page) if throttle_minutes is None else 100
            wait = self._compute_minutes(page) if throttle_minutes is None else throttle_minutes
            body = {"type": "pages", **_build_percentages(percent), "estimated_time_to_regain_access": wait}
            headers["x-business-use-case-usage"] = orjson.dumps({page: [body]}).decode()
        return headers

    def _compute_minutes(self, page: str) -> float:
        if page not in self._pages:
            return 0
        minutes = self._pages[page].compute_wait(self._clock(), self.limits.page_calls) / 60
        return math.ceil(minutes) if self.limits.scale == 1 else round(minutes, 4)


def _build_percentages(percent: int) -> dict[str, int]:
    return {"call_count": percent, "total_time": percent * 3 // 5, "total_cputime": percent * 2 // 5}
