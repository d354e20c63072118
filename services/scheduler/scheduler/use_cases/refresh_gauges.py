"""Refreshes the gauges, which show counts over the whole ledger of syncs and connections."""

import asyncio
import time
from collections.abc import Callable

from messaging.errors import UnavailableError
from messaging.outbox import Transaction
from scheduler.store.overview import LedgerCounts, load_counts

CACHE_SECONDS = 10.0
"""How many seconds the scrapes of `/metrics` show the same counts, until the counts are loaded again."""
QUERY_TIMEOUT_SECONDS = 2.0


class GaugeRefresher:
    """Loads the counts of syncs and connections for the gauges when `/metrics` is scraped.

    The database is queried at most every ten seconds, and a query is cancelled after two seconds.
    """

    def __init__(
        self,
        transaction: Transaction,
        set_gauges: Callable[[LedgerCounts | None], None],
        *,
        get_monotonic_time: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transaction = transaction
        self._set_gauges = set_gauges
        self._get_monotonic_time = get_monotonic_time
        self._refreshed_at: float | None = None

    async def refresh(self) -> None:
        """Set the gauges to the current counts. If the database does not answer, the gauges have no values."""
        now = self._get_monotonic_time()
        if self._refreshed_at is not None and now - self._refreshed_at < CACHE_SECONDS:
            return
        self._refreshed_at = now
        self._set_gauges(await self._load())

    async def _load(self) -> LedgerCounts | None:
        try:
            async with asyncio.timeout(QUERY_TIMEOUT_SECONDS), self._transaction() as tx:
                return await load_counts(tx)
        except (UnavailableError, TimeoutError):
            return None
