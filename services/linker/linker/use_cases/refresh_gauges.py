"""Refreshes the gauges, which show counts over all links."""

import asyncio
import time
from collections.abc import Callable

from linker.metrics import LinkCounts
from linker.store.overview import load_counts
from messaging.errors import UnavailableError
from messaging.outbox import Transaction

CACHE_SECONDS = 10.0
"""How many seconds the scrapes of `/metrics` show the same counts, until the counts are loaded again."""
QUERY_TIMEOUT_SECONDS = 2.0


class GaugeRefresher:
    """Loads the counts of links when `/metrics` is scraped: at most every ten seconds, and for two seconds at most."""

    def __init__(self, transaction: Transaction, set_gauges: Callable[[LinkCounts | None], None]) -> None:
        self._transaction = transaction
        self._set_gauges = set_gauges
        self._refreshed_at: float | None = None

    async def refresh(self) -> None:
        """Set the gauges to the current counts. If the database does not answer, the gauges have no values."""
        now = time.monotonic()
        if self._refreshed_at is not None and now - self._refreshed_at < CACHE_SECONDS:
            return
        self._refreshed_at = now
        self._set_gauges(await self._load())

    async def _load(self) -> LinkCounts | None:
        try:
            async with asyncio.timeout(QUERY_TIMEOUT_SECONDS), self._transaction() as tx:
                return await load_counts(tx)
        except (UnavailableError, TimeoutError):
            return None
