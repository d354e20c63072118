"""How fast a server is called: one call at a time and few a second where Odoo is the host, four at once elsewhere."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

ODOO_ONLINE = ".odoo.com"
CALLS_AT_ONCE = 4


class HostLimit:
    """The limit of one host. Times are in seconds of a monotonic clock.

    `spacing` is the least time between the beginnings of two calls.
    """

    def __init__(self, calls_at_once: int, spacing: float) -> None:
        self._slots = asyncio.Semaphore(calls_at_once)
        self._spacing = spacing
        self._next_call = 0.0

    def compute_wait(self, now: float) -> float:
        """Return how many seconds the next call must wait."""
        return max(0.0, self._next_call - now)

    def suspend(self, now: float, seconds: float) -> None:
        """Let no call begin for `seconds`, because the server asks for that."""
        self._next_call = max(self._next_call, now + seconds)

    @asynccontextmanager
    async def take_slot(self, now: float) -> AsyncIterator[None]:
        """Count a call that begins at `now`, and wait until fewer than the allowed number run at once."""
        self._next_call = max(self._next_call, now) + self._spacing
        async with self._slots:
            yield


class RateLimits:
    """The limits of all hosts that this process calls. `calls_per_second` is for databases that Odoo hosts."""

    def __init__(self, calls_per_second: float) -> None:
        self._spacing = 1 / calls_per_second
        self._limits: dict[str, HostLimit] = {}

    def get(self, url: str) -> HostLimit:
        """Return the limit of the host of an address."""
        host = urlsplit(url).netloc
        if host not in self._limits:
            is_online = (urlsplit(url).hostname or "").endswith(ODOO_ONLINE)
            self._limits[host] = HostLimit(1, self._spacing) if is_online else HostLimit(CALLS_AT_ONCE, 0.0)
        return self._limits[host]
