"""Reads the connections and syncs that a session may see. All others are treated as if they did not exist."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from contracts.events import parse_platform
from gateway.audit import merge_repeated_entries
from gateway.connections import REDACTED, Connection
from gateway.pages.access_views import AccessDocument, build_access_document
from gateway.pages.responses import ResponseModel
from gateway.pages.views import (
    ConnectedDocument,
    ConnectionDocument,
    SyncView,
    build_connected_document,
    build_connection_document,
    build_queued_sync,
    build_sync_document,
    build_unknown_sync,
)
from gateway.sessions.sessions import Session
from gateway.store import Stores
from messaging.errors import UnavailableError
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.errors import NotFoundError

if TYPE_CHECKING:
    from gateway.links.reader import LinkReader
    from gateway.pages.client import SchedulerClient

LOADED_AT_ONCE = 16
"""How many connections of a page the scheduler is asked about at the same time."""
READ_ENTRIES, SHOWN_LINES = 200, 10
"""Of each action, how many entries of the audit log are read for a connection's page, and how many lines they make."""


class ConnectionsDocument(ResponseModel):
    """The connections at whose accounts this browser has signed in."""

    connections: list[ConnectionDocument]


class JustConnectedDocument(ResponseModel):
    """Accounts that a sign-in has connected."""

    connections: list[ConnectedDocument]


class ConnectionReader:
    """Reads what a session may see.

    `data_api_url` is the public address of the data API; empty where it is not set up. `now` returns the time in ms.
    """

    def __init__(
        self,
        stores: Stores,
        scheduler: "SchedulerClient",
        adapters: Mapping[str, PlatformAdapter],
        links: "LinkReader",
        *,
        data_api_url: str,
        now: Callable[[], int],
    ) -> None:
        self._data_api_url = data_api_url
        self._stores = stores
        self._scheduler = scheduler
        self._adapters = adapters
        self._links = links
        self._now = now

    async def load_sync(self, session: Session | None, sync_id: UUID) -> dict[str, Any]:
        """Return the JSON of a sync.

        When the scheduler does not answer, the sync has the state `unknown`, if the gateway stores webhook checks of it
        (state of the webhook subscriptions, result of the test delivery); otherwise UnavailableError is raised. Raises
        NotFoundError unless the sync exists and the session may read its connection.
        """
        if session is None:
            raise NotFoundError
        own = await self._stores.webhook_checks.find(sync_id)
        try:
            sync = await self._scheduler.fetch_sync(sync_id) or await self._find_requested(session, sync_id)
        except UnavailableError:
            if own is None:
                raise
            sync = build_unknown_sync(sync_id, own.connection)
        if sync is None or not session.can_read(sync.connection):
            raise NotFoundError
        status, result = (own.webhook_status, own.probe_result) if own else (None, None)
        return build_sync_document(sync, status=status, result=result, now=self._now())

    async def _find_requested(self, session: Session, sync_id: UUID) -> SyncView | None:
        """Return a full sync that one of the session's connections wants, and that the scheduler does not know yet."""
        for row in await self._find_readable(session, session.readable_connections):
            if row.wanted_sync == sync_id:
                return build_queued_sync(sync_id, row.name, None).model_copy(update={"cause": row.wanted_cause})
        return None

    async def load_connections(self, session: Session) -> dict[str, Any]:
        """Return the JSON of all connections that the session may read."""
        rows = await self._find_readable(session, session.readable_connections)
        # A sign-in may connect hundreds. Asked about all at once, the scheduler would answer none of them in time.
        turns = asyncio.Semaphore(LOADED_AT_ONCE)

        async def load(row: Connection) -> ConnectionDocument:
            async with turns:
                return await self._load_connection(session, row)

        documents = await asyncio.gather(*map(load, rows))
        return ConnectionsDocument(connections=documents).model_dump(mode="json")

    async def load_just_connected(self, session: Session, names: Iterable[str]) -> dict[str, Any]:
        """Return the JSON of those of `names` that the session may read, as they are shown right after connecting."""
        rows = await self._find_readable(session, names)
        documents = [build_connected_document(row, self._adapters[parse_platform(row.name)]) for row in rows]
        return JustConnectedDocument(connections=documents).model_dump(mode="json")

    async def load_access(self, session: Session, name: str) -> AccessDocument:
        """Return who has access to a connection, and what was done to it.

        Raises NotFoundError unless the connection exists and the session may read it.
        """
        rows = await self._find_readable(session, [name])
        if not rows:
            raise NotFoundError
        row, own = rows[0], await self._find_readable(session, session.readable_connections)
        members = await self._stores.connections.list_names_by_merchant(row.merchant) if row.merchant else []
        read_seconds = session.limits.read_seconds
        sessions = await self._stores.sessions.list_with_proof(name, read_seconds) if session.can_act(name) else None
        history = await self._stores.audit_log.list_latest(name, READ_ENTRIES)
        return build_access_document(
            session,
            row,
            own=own,
            members=members,
            sessions=sessions,
            keys=await self._stores.keys.list_all(name),
            data_api_url=self._data_api_url,
            links=await self._links.load_links_of_connection(session, row, own),
            history=merge_repeated_entries(history, SHOWN_LINES),
        )

    async def _load_connection(self, session: Session, row: Connection) -> ConnectionDocument:
        adapter = self._adapters[parse_platform(row.name)]
        result = await self._stores.webhook_checks.find_last_probe_result(row.name)
        try:
            view, scheduler_away = await self._scheduler.fetch_connection(row.name), False
        except UnavailableError:
            view, scheduler_away = None, True
        return build_connection_document(
            row,
            adapter,
            view,
            scheduler_away=scheduler_away,
            result=result,
            can_act=session.can_act(row.name),
            now=self._now(),
        )

    async def _find_readable(self, session: Session, names: Iterable[str]) -> list[Connection]:
        """Return those of the connections that exist and that the session may read, sorted by name.

        Redacted ones, of which nothing is left to see, are left out.
        """
        rows = await self._stores.connections.find_many([name for name in names if session.can_read(name)])
        return sorted((row for row in rows if row.state != REDACTED), key=lambda row: row.name)
