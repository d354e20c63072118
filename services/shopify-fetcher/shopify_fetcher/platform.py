"""Shopify as the lanes see it."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

from contracts.events import Ids, account_of
from fetching.errors import Refused
from fetching.readings import Errand, Reading, Step
from shopify_fetcher.conversation import Client, Conversation
from shopify_fetcher.cursors import WalkPlace
from shopify_fetcher.memory import Memories
from shopify_fetcher.reads import read
from shopify_fetcher.walks import Walk

SLUG = "shopify"
SHOP_NAME = re.compile(r"[a-z0-9][a-z0-9-]*\.myshopify\.com")
"""The only hosts that a token is ever sent to."""


class ShopifyPlatform:
    """Reads and walks shops through `client`; both lanes of a process share what is remembered of each shop."""

    def __init__(
        self,
        client: Client,
        *,
        elapsed: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._elapsed = elapsed
        self._sleep = sleep
        self._memories = Memories(elapsed)

    def read(self, errand: Errand, ids: Ids, cursor: str | None) -> AsyncGenerator[Reading, None]:
        """As `fetching.readings.Platform.read`."""
        return read(self._conversation(errand), ids, cursor)

    async def walk(self, errand: Errand, cursor: str | None) -> AsyncGenerator[Step, None]:
        """As `fetching.readings.Platform.walk`."""
        async for step in Walk(self._conversation(errand), WalkPlace.decoded(cursor)).steps():
            yield step

    def left(self) -> dict[str, float]:
        """As `fetching.readings.Platform.left`: each shop has a bucket of its own."""
        return {"shop": self._memories.left()}

    def _conversation(self, errand: Errand) -> Conversation:
        shop = account_of(errand.access.connection)
        if SHOP_NAME.fullmatch(shop) is None:
            raise Refused("not the name of a shop")
        memory = self._memories.of(shop)
        return Conversation(self._client, errand, shop, memory, elapsed=self._elapsed, sleep=self._sleep)
