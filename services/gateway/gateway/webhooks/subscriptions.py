"""A connection's webhook subscriptions.

They are created before a full sync, tested by a webhook probe at the first sync, and inspected for operators.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from contracts.events import parse_account, parse_platform
from gateway.store.webhook_checks import WebhookCheckStore
from gateway.tokens.service import TokenResponse, TokenService
from gateway.webhooks.probe import PENDING_RESULT, PostProbe, WatchTopic, build_sent_result, run_probe
from gateway.webhooks.status import PENDING_STATUS, POLLED_ONLY, build_checkup, build_webhook_status
from messaging.errors import UnavailableError
from platform_sdk.adapters import PlatformAdapter, Webhooks

log = structlog.get_logger()


class WebhookSubscriptions:
    """Ensures and inspects the webhook subscriptions of connections. `now` returns the time in ms.

    For a platform without webhooks, `ensure_and_save_status` and `inspect` succeed without any call to the platform.

    Both methods raise NotFoundError when there is no such connection, ConnectionEndedError when it is not live,
    TransientError when the platform does not answer, and TokenRejectedError when it rejects a fresh token, too.
    """

    def __init__(
        self,
        probes: WebhookCheckStore,
        tokens: TokenService,
        adapters: Mapping[str, PlatformAdapter],
        *,
        post_probe: PostProbe,
        watch_topic: WatchTopic,
        now: Callable[[], int],
    ) -> None:
        self._probes = probes
        self._tokens = tokens
        self._adapters = adapters
        self._post_probe = post_probe
        self._watch_topic = watch_topic
        self._now = now
        self._tasks: set[asyncio.Task[None]] = set()

    async def ensure_and_save_status(self, connection: str, sync_id: UUID, *, first: bool) -> dict[str, Any]:
        """Create missing subscriptions. Store the state of all of them as this sync's `webhook_status`, and return it.

        Topics that the platform refuses are listed in the state, not raised. With `first`, the webhook probe (a test
        delivery) is started as well. Calling this twice for one sync creates no subscription twice.
        """
        token = await self._tokens.get_token(connection)
        webhooks = self._find_platform_webhooks(connection)
        if webhooks is None:
            await self._probes.save_initial_checks(
                connection, sync_id, status=POLLED_ONLY, result=POLLED_ONLY if first else None
            )
            return {**POLLED_ONLY, "topics": {}}
        result = PENDING_RESULT if first else None
        await self._probes.save_initial_checks(connection, sync_id, status=PENDING_STATUS, result=result)
        status = await self._tokens.call_with_token(
            connection, token, partial(_ensure_subscriptions, webhooks, connection)
        )
        await self._probes.save_status(sync_id, status)
        if first:
            task = asyncio.create_task(self._run_probe_and_save(webhooks, connection, sync_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return status

    async def inspect(self, connection: str) -> dict[str, Any]:
        """Return the state of the connection's webhook subscriptions. Changes nothing.

        It names the missing topics and the platform's remarks, such as an unexpected API version.
        """
        token = await self._tokens.get_token(connection)
        webhooks = self._find_platform_webhooks(connection)
        if webhooks is None:
            return {**POLLED_ONLY, "missing": [], "remarks": []}
        return await self._tokens.call_with_token(
            connection, token, partial(_inspect_subscriptions, webhooks, connection)
        )

    async def wait_for_probes(self) -> None:
        """Wait until all running webhook probes (test deliveries to our own webhook address) have ended."""
        await asyncio.gather(*self._tasks)

    def _find_platform_webhooks(self, connection: str) -> Webhooks | None:
        return self._adapters[parse_platform(connection)].webhooks

    async def _run_probe_and_save(self, webhooks: Webhooks, connection: str, sync_id: UUID) -> None:
        try:
            await self._probes.save_probe_result(sync_id, build_sent_result(self._now()))
            result = await run_probe(
                parse_platform(connection),
                webhooks,
                parse_account(connection),
                post_probe=self._post_probe,
                watch_topic=self._watch_topic,
            )
            log.info("webhook probe finished", connection=connection, sync_id=str(sync_id), outcome=result["status"])
            await self._probes.save_probe_result(sync_id, result)
        except UnavailableError as error:
            log.warning("webhook probe not stored", sync_id=str(sync_id), reason=str(error))


async def _ensure_subscriptions(webhooks: Webhooks, connection: str, token: TokenResponse) -> dict[str, Any]:
    topics = webhooks.list_topics(token.scopes)
    report = await webhooks.ensure_subscriptions(parse_account(connection), token.access_token, topics=topics)
    return build_webhook_status(report, webhooks.address)


async def _inspect_subscriptions(webhooks: Webhooks, connection: str, token: TokenResponse) -> dict[str, Any]:
    topics = webhooks.list_topics(token.scopes)
    report = await webhooks.inspect_subscriptions(parse_account(connection), token.access_token, topics=topics)
    return build_checkup(report, webhooks.address)
