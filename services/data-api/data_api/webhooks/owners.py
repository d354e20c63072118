"""Ends endpoints with the right of those who have made them."""

from collections.abc import Callable, Collection
from datetime import datetime

import structlog

from data_api.access import AccessControl
from data_api.store.endpoints import EndpointStore
from data_api.webhooks.endpoints import WebhookEndpoint

log = structlog.get_logger()
KEY_ENDED = "the key with which it was made is revoked or expired"


class EndpointOwners:
    """Knows which endpoints may go on, and ends or deletes the others."""

    def __init__(self, endpoints: EndpointStore, access: AccessControl, now: Callable[[], datetime]) -> None:
        self._endpoints = endpoints
        self._access = access
        self._now = now
        self._is_first = True

    def is_good(self, endpoint: WebhookEndpoint) -> bool:
        """Return whether the endpoint may get data of its connection now."""
        return self._is_bound(endpoint) and self._access.is_owner_good(endpoint.owner, endpoint.connection)

    async def settle(self, changed: Collection[str]) -> None:
        """Delete or end the endpoints of these connections that have lost their right.

        An endpoint whose connection is not any more what it was, because it was disconnected, moved or redacted, is
        deleted with all that was to be sent: there is nobody who may see it. The first call looks at all endpoints,
        because nobody has told this process what changed before its start.
        """
        if not self._is_first and not changed:
            return
        endpoints = await self._endpoints.list_of(None if self._is_first else changed)
        if lost := [endpoint for endpoint in endpoints if not self._is_bound(endpoint)]:
            await self._endpoints.delete(endpoint.id for endpoint in lost)
            log.info("endpoints deleted with their connections", count=len(lost))
        for endpoint in endpoints:
            if self._is_bound(endpoint) and endpoint.state != "ended" and not self.is_good(endpoint):
                await self._endpoints.end(endpoint.id, KEY_ENDED, self._now())
        self._is_first = False

    def _is_bound(self, endpoint: WebhookEndpoint) -> bool:
        return self._access.is_bound(endpoint.connection, endpoint.epoch, endpoint.merchant)
