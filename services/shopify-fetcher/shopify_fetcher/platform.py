"""Shopify as the lanes see it."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

from connector.source import FullReadStep, IncrementalReadStep, SyncContext
from contracts.events import RecordIds, parse_account
from platform_sdk.errors import PermanentError
from shopify_fetcher.conversation import Client, Conversation
from shopify_fetcher.cursors import WalkPlace
from shopify_fetcher.memory import Memories
from shopify_fetcher.reads import read
from shopify_fetcher.walks import Walk

SLUG = "shopify"
SHOP_NAME = re.compile(r"[a-z0-9][a-z0-9-]*\.myshopify\.com")
"""The only hosts that a token is ever sent to."""


class ShopifySource:
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

    def read_records(
        self, errand: SyncContext, ids: RecordIds, cursor: str | None
    ) -> AsyncGenerator[IncrementalReadStep, None]:
        """As `connector.source.Platform.read`."""
        return read(self._conversation(errand), ids, cursor)

    async def read_all(self, errand: SyncContext, cursor: str | None) -> AsyncGenerator[FullReadStep, None]:
        """As `connector.source.Platform.walk`."""
        async for step in Walk(self._conversation(errand), WalkPlace.decoded(cursor)).steps():
            yield step

    def measure_budget(self) -> dict[str, float]:
        """As `connector.source.Platform.left`: each shop has a bucket of its own."""
        return {"shop": self._memories.left()}

    def _conversation(self, errand: SyncContext) -> Conversation:
        shop = parse_account(errand.token.connection)
        if SHOP_NAME.fullmatch(shop) is None:
            raise PermanentError("not the name of a shop")
        memory = self._memories.of(shop)
        return Conversation(self._client, errand, shop, memory, elapsed=self._elapsed, sleep=self._sleep)
