"""Shopify as a source of records."""

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
    """Reads shops through `client`; both modes of a process share what is known of each shop's rate limit."""

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
        """As `connector.source.Source.read_records`."""
        return read_records(self._open_session(context), ids, cursor)

    async def read_all(self, context: SyncContext, cursor: str | None) -> AsyncGenerator[FullReadStep, None]:
        """As `connector.source.Source.read_all`."""
        async for step in FullRead(self._open_session(context), FullReadCursor.decode(cursor)).read():
            yield step

    def measure_budget(self) -> dict[str, float]:
        """As `connector.source.Source.measure_budget`: each shop has a rate limit of its own."""
        return {"shop": self._rate_limits.compute_remaining()}

    def _open_session(self, context: SyncContext) -> ReadSession:
        rate_limit = self._rate_limits.get_state(parse_shop(context.token.connection))
        return ReadSession(self._client, context, rate_limit, elapsed=self._elapsed, sleep=self._sleep)
