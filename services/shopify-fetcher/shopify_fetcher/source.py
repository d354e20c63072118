"""Implements `connector.source.Source` for Shopify."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

from connector.source import FullReadStep, IncrementalReadStep
from contracts.events import RecordIds
from platform_sdk.session import SyncContext
from platforms.shopify.rate_limit import RateLimitStates
from platforms.shopify.session import AdminApiClient, parse_shop
from shopify_fetcher.cursors import FullReadCursor
from shopify_fetcher.full_read import FullRead
from shopify_fetcher.incremental_read import read_records
from shopify_fetcher.read_session import ReadSession

SLUG = "shopify"


class ShopifySource:
    """Reads shops through `client`. Full and incremental syncs of a process share the rate-limit state of each shop."""

    def __init__(
        self,
        client: AdminApiClient,
        *,
        elapsed: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._elapsed = elapsed
        self._sleep = sleep
        self._rate_limits = RateLimitStates(elapsed)

    def read_records(
        self, context: SyncContext, ids: RecordIds, cursor: str | None
    ) -> AsyncGenerator[IncrementalReadStep, None]:
        """Read the records with these `ids` directly, as `connector.source.Source.read_records` describes."""
        return read_records(self._open_session(context), ids, cursor)

    async def read_all(self, context: SyncContext, cursor: str | None) -> AsyncGenerator[FullReadStep, None]:
        """Read the whole shop, as `connector.source.Source.read_all` describes."""
        async for step in FullRead(self._open_session(context), FullReadCursor.decode(cursor)).read():
            yield step

    def measure_remaining_rate_limits(self) -> dict[str, float]:
        """Return, as `shop`, the remaining share (0 to 1) of the rate limit of the shop that has the least left."""
        return {"shop": self._rate_limits.compute_remaining()}

    def _open_session(self, context: SyncContext) -> ReadSession:
        rate_limit = self._rate_limits.get_state(parse_shop(context.token.connection))
        return ReadSession(self._client, context, rate_limit, elapsed=self._elapsed, sleep=self._sleep)
