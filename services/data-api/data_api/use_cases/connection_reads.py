"""What all reads of a connection have in common: who may, whether there is anything yet, and how recent it must be."""

import asyncio
from uuid import UUID

from contracts.events import ConnectionChanged, SyncState
from contracts.feed_cursors import FeedCursor
from data_api.access import AccessControl, ApiCaller
from data_api.asgi.errors import RequestError
from data_api.feed_positions import choose_reached
from data_api.representations import build_sync
from data_api.store.databases import ReadDatabases
from data_api.store.heads import Head, load_head
from data_api.tables.signals import wait_for_signals
from data_api.tables.state import KnownState
from data_api.tables.syncs import ENDED

SYNC_WAIT_SECONDS = 25.0
"""How long a read waits for the sync that it is to show."""
RETRY_SECONDS = 5
NOT_FOUND = "there is no such connection"


class ConnectionReads:
    """Answers what every route of a connection asks before it reads."""

    def __init__(self, state: KnownState, access: AccessControl, databases: ReadDatabases) -> None:
        self.state = state
        self.access = access
        self.databases = databases

    def find(self, caller: ApiCaller, connection: str) -> ConnectionChanged:
        """Return the state of a connection that the caller may see. Raises `RequestError` (404) for any other."""
        state = self.access.get_visible(caller, connection)
        if state is None:
            raise RequestError(404, NOT_FOUND)
        return state

    def check_head(self, connection: ConnectionChanged, head: Head | None) -> Head:
        """Return `head` if there is something to read.

        Raises `RequestError` (503), which says what is under way, until the first full sync has succeeded, and while
        the database has another epoch of the connection than this process knows.
        """
        if head is None or not head.is_fully_read or head.epoch != connection.epoch:
            raise self.build_unready_error(connection)
        return head

    def build_unready_error(self, connection: ConnectionChanged) -> RequestError:
        """Return the error of a connection of which no full sync has succeeded yet."""
        name, epoch = connection.connection, connection.epoch
        summary = self.state.syncs.get(name, epoch)
        open_id = summary.open_full_sync if summary is not None else None
        syncs = self.state.syncs.list_syncs(name, epoch) if open_id is not None else ()
        sync = next((sync for sync in syncs if sync.sync_id == open_id), None)
        if sync is not None:
            message = (
                f"the first full sync has not succeeded yet: it is {sync.state}, with {sync.records} records so far"
            )
        elif summary is not None and (reason := summary.blocked or summary.last_error):
            message = f"no full sync has succeeded yet, and the latest has failed: {reason}"
        else:
            message = "no full sync has succeeded yet: the first one begins in a moment"
        described = {
            "sync_id": str(open_id) if open_id is not None else None,
            "state": sync.state if sync is not None else None,
            "records": sync.records if sync is not None else 0,
        }
        return RequestError(503, message, headers={"Retry-After": str(RETRY_SECONDS)}, sync=described)

    async def load_head(self, connection: ConnectionChanged) -> Head:
        """Return the present head of the connection's feed. Raises `RequestError` (503) while there is none."""
        return self.check_head(connection, await load_head(self.databases, connection.connection))

    async def find_reached(self, connection: ConnectionChanged, after_sync: UUID | None = None) -> FeedCursor | None:
        """Return the position that an answer must have reached: the one that was noticed last, or None without any.

        With `after_sync`, wait until that sync's data is stored, and return a position that has it. Raises
        `RequestError` (409) if that takes too long, or never comes.
        """
        if after_sync is None:
            return self.state.feed_heads.get(connection.connection)
        await self.wait_for_sync(connection, after_sync)
        # The primary has what the sync has stored: its sequence number comes from there.
        return (await self.load_head(connection)).cursor

    def compute_reached(self, connection: ConnectionChanged, position: FeedCursor) -> FeedCursor:
        """Return the position that an answer must have reached for a reader who stands at `position`."""
        return choose_reached(position, self.state.feed_heads.get(connection.connection))

    async def find_start(self, connection: ConnectionChanged, after_sync: UUID | None) -> FeedCursor | None:
        """Return the position that all pages of a list must have reached that begins now.

        They must show what the head showed that the reader took just before, or it would miss what was new then. None
        where there is only the primary, which shows it anyway.
        """
        if after_sync is not None or not self.databases.has_replica:
            return await self.find_reached(connection, after_sync)
        return (await self.load_head(connection)).cursor

    async def wait_for_sync(self, connection: ConnectionChanged, sync_id: UUID, *, uploaded: bool = False) -> SyncState:
        """Wait until the sync's data is stored, or `uploaded` to the bucket, and return the sync.

        Raises `RequestError` (409) if that takes more than `SYNC_WAIT_SECONDS`, and at once if the sync has failed. It
        treats an unknown sync as one that is not known here yet: so it is after a moment, unless it is somebody else's.
        """
        deadline = asyncio.get_running_loop().time() + SYNC_WAIT_SECONDS
        while True:
            signal = self.state.watch(connection.connection)
            sync = self._find_sync(connection, sync_id)
            if sync is not None and sync.state in ("failed", "cancelled"):
                reason = f"the sync is over without its data ({sync.state}): {sync.reason or 'no reason is known'}"
                raise RequestError(409, reason, sync=build_sync(connection.connection, sync))
            if sync is not None and (sync.state == "success" or (sync.sequence is not None and not uploaded)):
                return sync
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or not await wait_for_signals(signal, seconds=left):
                shown = build_sync(connection.connection, sync) if sync is not None else None
                retry = {"Retry-After": str(RETRY_SECONDS)}
                raise RequestError(409, "the data of this sync is not stored yet", headers=retry, sync=shown)

    def _find_sync(self, connection: ConnectionChanged, sync_id: UUID) -> SyncState | None:
        """Return a sync of the connection; for one whose work another one does, that one."""
        syncs = {sync.sync_id: sync for sync in self.state.syncs.list_syncs(connection.connection, connection.epoch)}
        sync = syncs.get(sync_id)
        if sync is not None and sync.state not in ENDED and sync.coalesced_into is not None:
            return syncs.get(sync.coalesced_into, sync)
        return sync
