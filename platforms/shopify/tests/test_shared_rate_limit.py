"""A full sync and incremental syncs of one shop that both have more to ask than the rate limit allows."""

import asyncio
import heapq
from collections import Counter
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from platform_sdk.errors import RetryLaterError
from platform_sdk.session import FULL, INCREMENTAL, SyncContext
from platform_sdk.tokens import AccessToken
from platforms.shopify.errors import GraphqlResponse, QueryCost
from platforms.shopify.rate_limit import PointBucket, Query, RateLimitState, ThrottleStatus
from platforms.shopify.session import AdminApiClient, ShopifySession

SECONDS = 120.0
RATE, MAXIMUM = 100.0, 2_000.0
QUERIES = {
    FULL: Query("ReadPage", "", lambda _variables: 466),
    INCREMENTAL: Query("ReadWebhooks", "", lambda _variables: 350),
}
CHARGED = {FULL: 50.0, INCREMENTAL: 10.0}
"""What the shop charges for each query: far less than the query requests, as Shopify does for short lists."""


class VirtualTime:
    """A clock that stands still while a task has something to do, then jumps to the next moment that is waited for."""

    def __init__(self) -> None:
        self.now = 0.0
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has advanced by `seconds`, and by a millisecond at least, as sleeping does."""
        self._count += 1
        moment = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (self.now + max(seconds, 0.001), self._count, moment))
        await moment

    async def run(self, tasks: list[asyncio.Task[None]], until: float) -> None:
        """Run `tasks` until the clock shows `until`, then cancel them."""
        while self.now < until:
            for _ in range(20):
                await asyncio.sleep(0)
            self.now, _, moment = heapq.heappop(self._waiting)
            moment.set_result(None)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class FakeShop(AdminApiClient):
    """A shop with a bucket of its own. A call takes 20 ms; a query that requests more than there is is throttled."""

    version = "2026-10"

    def __init__(self, time: VirtualTime) -> None:
        self.points = MAXIMUM
        self.spent: Counter[str] = Counter()
        self.asked: list[float] = []
        self._time = time
        self._updated_at = 0.0

    async def post(
        self, shop: str, token: str, query: Query, variables: Mapping[str, Any], *, seconds: float
    ) -> GraphqlResponse:
        """Charge the query and answer."""
        await self._time.sleep(0.02)
        self.points = min(MAXIMUM, self.points + RATE * (self._time.now - self._updated_at))
        self._updated_at = self._time.now
        (mode,) = (mode for mode, known in QUERIES.items() if known is query)
        assert self.points >= query.compute_cost({}), f"{mode}: would be throttled"
        self.points -= CHARGED[mode]
        self.spent[mode] += round(CHARGED[mode])
        if mode == INCREMENTAL:
            self.asked.append(self._time.now)
        status = ThrottleStatus(MAXIMUM, self.points, RATE)
        return GraphqlResponse({}, 5, QueryCost(query.compute_cost({}), CHARGED[mode], status))


async def ask_without_end(shop: FakeShop, rate_limit: RateLimitState, time: VirtualTime, mode: str) -> None:
    """Send queries of a sync of `mode`, one after the other. A postponed one goes on when it may."""
    token = AccessToken("shopify:acme.myshopify.com", 1, "token")
    context = SyncContext(token, UUID(int=1), mode, None, None)  # type: ignore[arg-type]
    while True:
        session = ShopifySession(shop, context, rate_limit, elapsed=time, sleep=time.sleep)
        try:
            await session.fetch(QUERIES[mode], {})
        except RetryLaterError as wait:
            await time.sleep((wait.seconds or 0.0) * 1.2 + 0.5)


async def run_syncs(*modes: str) -> FakeShop:
    time = VirtualTime()
    shop = FakeShop(time)
    rate_limit = RateLimitState(PointBucket(0))
    tasks = [asyncio.create_task(ask_without_end(shop, rate_limit, time, mode)) for mode in modes]
    await time.run(tasks, until=SECONDS)
    return shop


async def test_a_full_sync_and_a_flood_of_webhooks_each_get_half_of_the_restored_points() -> None:
    shop = await run_syncs(INCREMENTAL, FULL)
    restored = SECONDS * RATE
    assert shop.spent[FULL] >= 0.45 * restored, shop.spent
    assert shop.spent[INCREMENTAL] >= 0.45 * restored, shop.spent


async def test_reads_for_webhooks_go_on_at_a_steady_rate_beside_a_full_sync() -> None:
    shop = await run_syncs(INCREMENTAL, FULL)
    pauses = [later - earlier for earlier, later in zip(shop.asked, shop.asked[1:], strict=False)]
    assert max(pauses) < 2.0


@pytest.mark.parametrize("mode", [INCREMENTAL, FULL])
async def test_whoever_asks_alone_gets_all_points(mode: str) -> None:
    shop = await run_syncs(mode)
    assert shop.spent[mode] >= 0.95 * SECONDS * RATE, shop.spent
