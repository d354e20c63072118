"""Server-Sent Events of `/fetch-data?stream=true`: what is stored, and then what has become of a refresh."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from contracts.events import ConnectionChanged, SyncState
from data_api.access import AccessControl, ApiCaller
from data_api.asgi.errors import RequestError
from data_api.asgi.requests import Request
from data_api.asgi.responses import Pieces, StreamedResponse
from data_api.data_cuts import DataCut
from data_api.key_limits import KeyLimits
from data_api.representations import encode_json
from data_api.routes.fetched_data import DataReader
from data_api.server_sent_events import HEADERS, KEEP_ALIVE, KEEP_ALIVE_SECONDS, encode_event
from data_api.store.snapshot_files import CachedSnapshot
from data_api.tables.signals import wait_for_signals
from data_api.tables.state import KnownState
from data_api.tables.syncs import ENDED
from messaging.errors import UnavailableError

log = structlog.get_logger()


class UpdateStreams:
    """Streams a connection's data, and follows the sync that was asked for. A stream lasts `seconds` at most."""

    def __init__(
        self, state: KnownState, access: AccessControl, reader: DataReader, limits: KeyLimits, seconds: float
    ) -> None:
        self._state = state
        self._access = access
        self._reader = reader
        self._limits = limits
        self._seconds = seconds

    def respond(
        self,
        request: Request,
        connection: ConnectionChanged,
        snapshot: CachedSnapshot,
        refresh: Mapping[str, Any],
        cut: DataCut | None,
    ) -> StreamedResponse:
        """Return the stream. `refresh` says what has become of the refresh that was asked for; empty without one.

        `cut` is what is wanted of the data. `DataReader.check_cut` allows it of `snapshot`.
        Raises `LimitExceededError` when the key has too many streams.
        """
        with ExitStack() as exit_stack:
            exit_stack.enter_context(self._limits.hold_stream(request.caller.key_hash))
            release = exit_stack.pop_all().close
        deadline = asyncio.get_running_loop().time() + self._seconds
        stream = _UpdateStream(self._state, self._access, self._reader, request.caller, connection, deadline, cut)
        return StreamedResponse(200, list(HEADERS), Pieces(stream.run(snapshot, refresh), release), is_live=True)


class _NotVisibleError(Exception):
    """Raised when the right to see a connection ends in the middle of an event."""


@dataclass(frozen=True)
class _UpdateStream:
    """One stream, which ends at `deadline` (the event loop's clock)."""

    state: KnownState
    access: AccessControl
    reader: DataReader
    caller: ApiCaller
    connection: ConnectionChanged
    deadline: float
    cut: DataCut | None

    async def run(self, snapshot: CachedSnapshot, refresh: Mapping[str, Any]) -> AsyncGenerator[bytes, None]:
        """Yield all events of the stream."""
        try:
            async for piece in self._show("cached", snapshot, refresh):
                yield piece
            async for piece in self._show_refresh(snapshot, refresh):
                yield piece
        except _NotVisibleError:
            # In the middle of an event, which clients discard. Nothing can follow it.
            return

    async def _show_refresh(self, snapshot: CachedSnapshot, refresh: Mapping[str, Any]) -> AsyncGenerator[bytes, None]:
        if "sync_id" in refresh:
            async for piece in self._follow(refresh["sync_id"], snapshot):
                yield piece
            return
        if refresh:
            yield _encode("failed", {"reason": refresh["refresh_error"]})
        yield _encode("end", {})

    async def _follow(self, sync_id: UUID, shown: CachedSnapshot) -> AsyncGenerator[bytes, None]:
        """Yield the progress of a sync, what it has changed in `shown`, and the end of the stream."""
        progress = None
        while True:
            changed = self.state.watch(self.connection.connection)
            if (end := self._find_end()) is not None:
                yield end
                return
            sync = self._find_sync(sync_id)
            if sync is not None and sync.state in ENDED:
                break
            if sync is not None and (current := _describe_progress(sync)) != progress:
                progress = current
                yield _encode("progress", progress)
            left = self.deadline - asyncio.get_running_loop().time()
            if left <= 0:
                yield _encode("timeout", {"sync_id": sync_id})
                return
            if not await wait_for_signals(changed, seconds=min(left, KEEP_ALIVE_SECONDS)):
                yield KEEP_ALIVE + b"\n"
        async for piece in self._show_outcome(sync, shown):
            yield piece
        yield _encode("end", {})

    async def _show_outcome(self, sync: SyncState, shown: CachedSnapshot) -> AsyncGenerator[bytes, None]:
        if sync.state != "success":
            yield _encode("failed", {"reason": sync.reason or f"the sync was {sync.state}", "sync_id": sync.sync_id})
            return
        try:
            snapshot = await self.reader.load_snapshot_since(self.connection, sync.sequence or 0)
            self.reader.check_cut(self.connection, snapshot, self.cut)
        except (RequestError, UnavailableError) as error:
            log.warning("updated data not shown", connection=self.connection.connection, reason=str(error))
            yield _encode("failed", {"reason": "the data is stored, but cannot be read now", "sync_id": sync.sync_id})
            return
        if snapshot.version.sha256 == shown.version.sha256:
            yield _encode("unchanged", {"sync_id": sync.sync_id})
            return
        async for piece in self._show("updated", snapshot, {"sync_id": sync.sync_id}):
            yield piece

    async def _show(self, event: str, snapshot: CachedSnapshot, more: Mapping[str, Any]) -> AsyncGenerator[bytes, None]:
        """Yield an event with the answer of `/fetch-data`.

        Raises `_NotVisibleError` in its middle when the caller may not see the connection any more.
        """
        opened = self.reader.open(self.connection, snapshot, more, self.cut)
        yield b"event: %b\ndata: " % event.encode()
        async with aclosing(opened.read()) as pieces:
            async for piece in pieces:
                if self._find_end() is not None:
                    raise _NotVisibleError
                yield piece
        yield b"\n\n"

    def _find_end(self) -> bytes | None:
        """Return the event that ends the stream because the caller may not see the connection any more, or None."""
        if self.access.is_still_visible(self.caller, self.connection):
            return None
        if self.access.is_erased(self.connection):
            return _encode("reset", {"reason": "the data was deleted"})
        return _encode("end", {"reason": "the key or its right to the connection has ended"})

    def _find_sync(self, sync_id: UUID) -> SyncState | None:
        found = self.state.syncs.find(sync_id, [(self.connection.connection, self.connection.epoch)])
        return found.sync if found is not None else None


def _encode(event: str, data: Mapping[str, Any]) -> bytes:
    return encode_event(event, encode_json(data))


def _describe_progress(sync: SyncState) -> dict[str, Any]:
    return {
        "sync_id": sync.sync_id,
        "state": sync.state,
        "records": sync.records,
        "changed": sync.changed,
        "deleted": sync.deleted,
    }
