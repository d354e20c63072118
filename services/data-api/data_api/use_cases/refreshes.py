"""Requests syncs for readers: however many ask at once for a full one of a connection, the gateway is asked once."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from contracts.events import ConnectionChanged
from data_api.access import ApiCaller
from data_api.client.gateway import RequestedSync
from data_api.key_limits import KeyLimits, LimitExceededError
from data_api.tables.syncs import SyncTable


class RequestRefresh(Protocol):
    """Requests a sync from the gateway."""

    async def __call__(
        self, connection: str, records: Mapping[str, Sequence[str]] | None, caller: ApiCaller
    ) -> RequestedSync:
        """Request a sync of these records, or a full one, for this caller."""


class Refreshes:
    """Requests syncs within the limits of the keys. One that starts nothing is not counted."""

    def __init__(self, request_refresh: RequestRefresh, limits: KeyLimits, syncs: SyncTable) -> None:
        self._request_refresh = request_refresh
        self._limits = limits
        self._syncs = syncs
        self._open: dict[str, asyncio.Task[RequestedSync]] = {}

    async def request_full(self, caller: ApiCaller, connection: ConnectionChanged) -> RequestedSync:
        """Request a full sync of a connection, or return the one that is open.

        Raises `LimitExceededError`, `UnavailableError`, and `RefreshRefusedError` when the gateway starts none.
        """
        name = connection.connection
        running = self._open.get(name)
        if running is not None:
            requested = await asyncio.shield(running)
            return requested.model_copy(update={"status": "in_progress"})
        try:
            self._limits.take_refresh(caller.key_hash)
        except LimitExceededError:
            summary = self._syncs.get(name, connection.epoch)
            if summary is None or summary.open_full_sync is None:
                raise
            return RequestedSync(sync_id=summary.open_full_sync, status="in_progress")
        task = self._open[name] = asyncio.create_task(self._request(caller, name, None))
        task.add_done_callback(lambda _: self._open.pop(name, None))
        return await asyncio.shield(task)

    async def request_records(
        self, caller: ApiCaller, connection: ConnectionChanged, records: Mapping[str, Sequence[str]]
    ) -> RequestedSync:
        """Request the sync of some records, ids by resource. Raises the same errors as `request_full`."""
        self._limits.take_refresh(caller.key_hash)
        return await self._request(caller, connection.connection, records)

    async def _request(
        self, caller: ApiCaller, connection: str, records: Mapping[str, Sequence[str]] | None
    ) -> RequestedSync:
        is_started = False
        try:
            requested = await self._request_refresh(connection, records, caller)
            is_started = requested.status == "started"
            return requested
        finally:
            if not is_started:
                self._limits.return_refresh(caller.key_hash)
