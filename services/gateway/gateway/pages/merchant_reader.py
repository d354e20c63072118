"""Reads the connections and syncs of one merchant. Those of other merchants are treated as if they did not exist."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from contracts.events import parse_platform
from gateway.connections import Connection
from gateway.pages.responses import ResponseModel
from gateway.pages.views import (
    ConnectionDocument,
    build_connection_document,
    build_queued_sync,
    build_sync_document,
    build_unknown_sync,
)
from gateway.sessions.browser_keys import SESSION, BrowserKeys
from gateway.store import Stores
from messaging.errors import UnavailableError
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.errors import NotFoundError

if TYPE_CHECKING:
    from gateway.pages.client import SchedulerClient


class ConnectionsDocument(ResponseModel):
    """All connections of a merchant."""

    user_uuid: UUID
    connections: list[ConnectionDocument]


class MerchantReader:
    """Reads the connections and syncs of a session's merchant. `now` returns the time in ms."""

    def __init__(
        self,
        stores: Stores,
        scheduler: "SchedulerClient",
        adapters: Mapping[str, PlatformAdapter],
        keys: BrowserKeys,
        *,
        now: Callable[[], int],
    ) -> None:
        self._stores = stores
        self._scheduler = scheduler
        self._adapters = adapters
        self._keys = keys
        self._now = now

    async def find_merchant(self, session: str | None) -> UUID | None:
        """Return the merchant of a session; None where there is no session or it has expired."""
        return await self._stores.sessions.find_merchant(self._keys.hash_value(SESSION, session)) if session else None

    def build_form_token(self, session: str) -> str:
        """Return the token in the forms on this session's HTML pages, which proves that such a page sent the form."""
        return self._keys.build_form_token(session)

    async def load_sync(self, merchant: UUID | None, sync_id: UUID) -> dict[str, Any]:
        """Return the JSON of a sync.

        When the scheduler does not answer, the sync has the state `unknown`, if the gateway stores webhook checks of it
        (state of the webhook subscriptions, result of the test delivery); otherwise UnavailableError is raised. Raises
        NotFoundError unless the sync exists and belongs to `merchant`.
        """
        if merchant is None:
            raise NotFoundError
        own = await self._stores.webhook_checks.find(sync_id)
        try:
            sync = await self._scheduler.fetch_sync(sync_id)
            if sync is None and own is not None:
                sync = build_queued_sync(sync_id, own.connection, own.created_at)
        except UnavailableError:
            if own is None:
                raise
            sync = build_unknown_sync(sync_id, own.connection)
        if sync is None or not await self._is_owner(merchant, sync.connection):
            raise NotFoundError
        status, result = (own.webhook_status, own.probe_result) if own else (None, None)
        return build_sync_document(sync, status=status, result=result, now=self._now())

    async def load_connections(self, merchant: UUID) -> dict[str, Any]:
        """Return the JSON of all connections of this merchant."""
        rows = await self._stores.connections.list_by_merchant(merchant)
        documents = await asyncio.gather(*map(self._load_connection, rows))
        return ConnectionsDocument(user_uuid=merchant, connections=documents).model_dump(mode="json")

    async def _load_connection(self, row: Connection) -> ConnectionDocument:
        adapter = self._adapters[parse_platform(row.name)]
        result = await self._stores.webhook_checks.find_last_probe_result(row.name)
        try:
            view = await self._scheduler.fetch_connection(row.name)
        except UnavailableError:
            return build_connection_document(row, adapter, None, scheduler_away=True, result=result, now=self._now())
        return build_connection_document(row, adapter, view, scheduler_away=False, result=result, now=self._now())

    async def _is_owner(self, merchant: UUID, connection: str) -> bool:
        row = await self._stores.connections.find(connection)
        return row is not None and row.merchant == merchant
