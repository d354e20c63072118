"""What the app and each page have used of their budgets: calls in a sliding window, as Graph's usage headers say."""

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from sandbox.facebook.model import Limits

_HOUR, _DAY = 3_600.0, 86_400.0


@dataclass(slots=True)
class Window:
    """The calls of the last `seconds`."""

    seconds: float
    calls: deque[float] = field(default_factory=deque)

    def used(self, now: float) -> int:
        """How many calls there were."""
        while self.calls and self.calls[0] <= now - self.seconds:
            self.calls.popleft()
        return len(self.calls)

    def free_in(self, now: float, budget: int) -> float:
        """Seconds until fewer than `budget` calls are left in the window."""
        over = self.used(now) - budget
        return self.calls[over] + self.seconds - now if over >= 0 else 0.0


class Usage:
    """The budgets of one app and its pages. A refused call counts, too: calling on extends the block."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.limit(limits)

    def limit(self, limits: Limits) -> None:
        """Begin anew with these limits."""
        self.limits = limits
        self._app = Window(_HOUR * limits.scale)
        self._pages: dict[str, Window] = defaultdict(lambda: Window(_DAY * limits.scale))

    def spend(self, page: str | None) -> str | None:
        """Count one call, of a page if it is one; whose budget was used up already: app, page, or None."""
        now = self._clock()
        verdict = None
        if page is not None:
            window = self._pages[page]
            if window.used(now) >= self.limits.page_calls:
                verdict = "page"
            window.calls.append(now)
        if self._app.used(now) >= self.limits.app_calls:
            verdict = "app"
        self._app.calls.append(now)
        return verdict

    def app_percent(self) -> int:
        """How much of its budget the app has used."""
        return 100 * self._app.used(self._clock()) // self.limits.app_calls

    def page_percent(self, page: str) -> int:
        """How much of its budget the page has used."""
        return 100 * self._pages[page].used(self._clock()) // self.limits.page_calls if page in self._pages else 0

    def headers(self, page: str | None, minutes: float | None = None) -> dict[str, str]:
        """X-App-Usage and, for a call of a page, X-Business-Use-Case-Usage. `minutes` are said instead of those
        computed, beside 100 percent.
        """
        made = {"x-app-usage": orjson.dumps(_shares(self.app_percent())).decode()}
        if page is not None:
            percent = self.page_percent(page) if minutes is None else 100
            said = self._minutes(page) if minutes is None else minutes
            body = {"type": "pages", **_shares(percent), "estimated_time_to_regain_access": said}
            made["x-business-use-case-usage"] = orjson.dumps({page: [body]}).decode()
        return made

    def _minutes(self, page: str) -> float:
        if page not in self._pages:
            return 0
        minutes = self._pages[page].free_in(self._clock(), self.limits.page_calls) / 60
        return math.ceil(minutes) if self.limits.scale == 1 else round(minutes, 4)


def _shares(percent: int) -> dict[str, int]:
    return {"call_count": percent, "total_time": percent * 3 // 5, "total_cputime": percent * 2 // 5}
