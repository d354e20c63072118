"""Before a full walk's first read: subscriptions are as they must be, and at a first sync the way is tried."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol
from uuid import UUID

import structlog

from contracts.events import parse_account, parse_platform
from gateway.platforms import Platform
from gateway.tokens.service import Token, Tokens
from gateway.webhooks import probe as selftests
from gateway.webhooks.probe import Post, Watching
from gateway.webhooks.status import Subscriptions, webhook_status
from messaging.errors import UnavailableError

log = structlog.get_logger()


class AssertionStore(Protocol):
    """The store, as far as assertions need it."""

    async def open_self_test(self, connection: str, sync_id: UUID, *, status: object, test: object) -> None:
        """Begin the gateway's part of a sync."""

    async def save_webhook_status(self, sync_id: UUID, outcome: object) -> None:
        """Keep an assertion's outcome."""

    async def save_webhook_test(self, sync_id: UUID, outcome: object) -> None:
        """Keep a test's outcome."""


class Assertions:
    """Asserts subscriptions for the scheduler. Running it twice for one sync makes nothing twice."""

    def __init__(
        self,
        store: AssertionStore,
        tokens: Tokens,
        platforms: Mapping[str, Platform],
        remotes: Mapping[str, Subscriptions],
        *,
        post: Post,
        watching: Watching,
        now: Callable[[], int],
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._platforms = platforms
        self._remotes = remotes
        self._post = post
        self._watching = watching
        self._now = now
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, connection: str, sync_id: UUID, *, first: bool) -> dict[str, Any]:
        """The `webhook_status` of this sync, stored; then, at a `first` sync, the webhook test begins.

        Raises `NotKnown`, `NotLive`, `PlatformAway`; a topic that is refused is part of the outcome.
        """
        token = await self._tokens.current(connection)
        test = selftests.PENDING_TEST if first else None
        await self._store.open_self_test(connection, sync_id, status=selftests.PENDING_STATUS, test=test)
        status = await self._tokens.tried(connection, token, partial(self._asserted, connection))
        await self._store.save_webhook_status(sync_id, status)
        if first:
            self._keep(asyncio.create_task(self._test(connection, sync_id)))
        return status

    async def settle(self) -> None:
        """Wait for the tests that run."""
        await asyncio.gather(*self._running)

    async def _asserted(self, connection: str, token: Token) -> dict[str, Any]:
        platform = self._platforms[parse_platform(connection)]
        asserted = await self._remotes[platform.slug].assert_subscriptions(
            parse_account(connection),
            token.access_token,
            topics=platform.topics(token.scopes),
            address=platform.webhook_address,
        )
        return webhook_status(asserted, platform.webhook_address)

    async def _test(self, connection: str, sync_id: UUID) -> None:
        platform = self._platforms[parse_platform(connection)]
        try:
            await self._store.save_webhook_test(sync_id, selftests.sent_test(self._now()))
            outcome = await selftests.webhook_test(
                platform, parse_account(connection), post=self._post, watching=self._watching
            )
            log.info("webhook test ended", connection=connection, sync_id=str(sync_id), outcome=outcome["status"])
            await self._store.save_webhook_test(sync_id, outcome)
        except UnavailableError as away:
            log.warning("webhook test not kept", sync_id=str(sync_id), reason=str(away))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._running.add(task)
        task.add_done_callback(self._running.discard)
