"""Ends endpoints with the right of those who have made them."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Literal
from uuid import UUID

import structlog

from data_api.access import AccessControl, is_operator
from data_api.store.endpoints import EndpointStore
from data_api.webhook_endpoints import WebhookEndpoint

log = structlog.get_logger()
KEY_ENDED = "the key with which it was made is revoked or expired"
Right = Literal["good", "keyless", "lost", "unknown"]
"""What an owner may have now: the data (`good`); nothing, because no key is left (`keyless`); nothing, because the
connection is not what it was (`lost`). `unknown`: this process does not know enough yet, and must wait."""


class EndpointOwners:
    """Knows which endpoints may go on, and ends or deletes the others."""

    def __init__(self, endpoints: EndpointStore, access: AccessControl, now: Callable[[], datetime]) -> None:
        self._endpoints = endpoints
        self._access = access
        self._now = now
        self._is_first = True

    def find_right(self, endpoint: WebhookEndpoint) -> Right:
        """Return what the endpoint's owner may have now.

        Nothing ends because a process lags behind another one that knows more, or has other keys of the operator, as
        while a new version is rolled out.
        """
        access, connection = self._access, endpoint.connection
        if not access.is_bound(connection, endpoint.epoch, endpoint.merchant):
            return "lost" if access.has_connection_state(connection, endpoint.connection_revision) else "unknown"
        if access.is_owner_good(endpoint.owner, connection):
            return "good"
        is_known = not is_operator(endpoint.owner) and access.get_keys_revision(connection) >= endpoint.keys_revision
        return "keyless" if is_known else "unknown"

    async def settle(self, changed: Collection[str]) -> set[UUID]:
        """Delete or end the endpoints of these connections that have lost their right, and return their ids.

        An endpoint whose connection is not any more what it was, because it was disconnected, moved or redacted, is
        deleted with all that was to be sent: there is nobody who may see it. The first call looks at all endpoints,
        because nobody has told this process what changed before its start.
        """
        if not self._is_first and not changed:
            return set()
        endpoints = await self._endpoints.list_all(None if self._is_first else changed)
        rights = {endpoint.id: self.find_right(endpoint) for endpoint in endpoints}
        if lost := [endpoint for endpoint, right in rights.items() if right == "lost"]:
            await self._endpoints.delete(lost)
            log.info("endpoints deleted with their connections", count=len(lost))
        keyless = [one.id for one in endpoints if rights[one.id] == "keyless" and one.state != "ended"]
        for endpoint in keyless:
            await self._endpoints.end(endpoint, KEY_ENDED, self._now())
        self._is_first = False
        return {*lost, *keyless}
