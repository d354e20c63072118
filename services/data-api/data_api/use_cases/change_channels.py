"""The streams of one connection's changes, which share the reads and the encoded bytes."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence

import structlog

from contracts.events import SyncState
from contracts.feed_cursors import FeedCursor
from data_api.feed_positions import choose_reached, is_behind
from data_api.server_sent_events import KEEP_ALIVE_SECONDS, encode_keep_alive
from data_api.store.changes import find_position, read_changes
from data_api.store.databases import ReadDatabases
from data_api.store.records import RowPage
from data_api.stream_events import encode_changes, encode_syncs
from data_api.stream_protocol import encode_frame
from data_api.stream_subscribers import Subscriber
from data_api.tables.signals import wait_for_signals
from data_api.tables.state import KnownState
from messaging.errors import UnavailableError

log = structlog.get_logger()

PAGE_RECORDS = 250
PAGE_BYTES = 256 * 1024
"""How many bytes of bodies are read and written at once. The buffer of a stream may exceed its limit by so much."""
WRITES_AT_ONCE = 500
"""To how many subscribers is written before other requests have their turn."""
RETRY_SECONDS = 1.0


class ChangeChannel:
    """Writes the changes of one connection to its subscribers.

    Subscribers that stand at the same cursor get the same bytes: read once, encoded once for each set of options.
    """

    def __init__(self, connection: str, databases: ReadDatabases, state: KnownState) -> None:
        self._connection = connection
        self._databases = databases
        self._state = state
        self._subscribers: set[Subscriber] = set()
        self._starting: dict[Subscriber, asyncio.Future[bool]] = {}
        self._joined: asyncio.Future[None] | None = None
        self._syncs = {sync.sync_id: sync for sync in self._list_syncs()}
        self._last_look = asyncio.get_running_loop().time()

    async def start(self, subscriber: Subscriber) -> bool:
        """Write one page of what the subscriber lacks, and return whether it lacked no more and is a member now.

        Those that start at the same cursor at the same time share the page.
        """
        started: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._starting[subscriber] = started
        self._wake()
        try:
            return await started
        finally:
            self._starting.pop(subscriber, None)

    def add(self, subscriber: Subscriber) -> None:
        """Add a subscriber that lacks at most what was noticed a moment ago."""
        self._subscribers.add(subscriber)
        self._wake()

    def remove(self, subscriber: Subscriber) -> None:
        """Remove a subscriber whose connection is closed. Does nothing if it is no member."""
        self._subscribers.discard(subscriber)

    def compute_reached(self, position: FeedCursor) -> FeedCursor:
        """Return the position that a database must have reached to answer a reader who stands at `position`."""
        return choose_reached(position, self._state.feed_heads.get(self._connection))

    async def run(self) -> None:
        """Write to the subscribers whatever is new, until cancelled. At its end all streams end."""
        now = asyncio.get_running_loop().time
        try:
            while True:
                change = self._state.watch(self._connection)
                self._joined = asyncio.get_running_loop().create_future()
                try:
                    await self._write_news(is_look=now() - self._last_look >= KEEP_ALIVE_SECONDS)
                    pause = max(self._last_look + KEEP_ALIVE_SECONDS - now(), 0)
                except UnavailableError as error:
                    log.warning("changes are late", connection=self._connection, reason=str(error))
                    pause = RETRY_SECONDS
                await wait_for_signals(change, self._joined, seconds=pause)
        finally:
            self._end()

    def _wake(self) -> None:
        if self._joined is not None and not self._joined.done():
            self._joined.set_result(None)

    def _end(self) -> None:
        for subscriber in (*self._subscribers, *self._starting):
            subscriber.end("restart")
            self._settle(subscriber, is_member=False)

    async def _write_news(self, *, is_look: bool) -> None:
        """End the streams whose readers have lost their right, and write syncs and changes to the others.

        With `is_look`, write a keep-alive and read the changes even without a notice of any, because messages of Kafka
        may be late.
        """
        for subscriber in list(self._subscribers):
            subscriber.end_if_not_allowed()
            if subscriber.is_closed:
                self._subscribers.discard(subscriber)
        await self._write_syncs()
        noticed = self._state.feed_heads.get(self._connection)
        members = [one for one in self._subscribers if is_look or is_behind(one.position, noticed)]
        due = [*members, *self._starting]
        while due:
            due = await self._write_page(due)
        if is_look:
            self._last_look = asyncio.get_running_loop().time()
            await self._write_keep_alive()

    async def _write_page(self, subscribers: Iterable[Subscriber]) -> list[Subscriber]:
        """Write one page of changes to each subscriber, and return the members that lack more."""
        groups = defaultdict[FeedCursor, list[Subscriber]](list)
        for subscriber in subscribers:
            groups[subscriber.position].append(subscriber)
        lacking = []
        for position, group in groups.items():
            page = await read_changes(
                self._databases,
                self._connection,
                position,
                limit=PAGE_RECORDS,
                max_bytes=PAGE_BYTES,
                reached=self.compute_reached(position),
            )
            lacking += await self._write_to_group(group, position, page)
        return lacking

    async def _write_to_group(
        self, group: Sequence[Subscriber], position: FeedCursor, page: RowPage | None
    ) -> list[Subscriber]:
        """Write a page to the subscribers at `position`, and return those members of them that lack more."""
        if page is None or not page.head.can_resume(position):
            for subscriber in group:
                subscriber.reset()
                self._settle(subscriber, is_member=False)
            return []
        framed = {
            options: encode_frame(events) if (events := encode_changes(page.rows, position, options)) else b""
            for options in {subscriber.options for subscriber in group}
        }
        reached = find_position(page)
        for number, subscriber in enumerate(group, 1):
            if framed[subscriber.options]:
                subscriber.write(framed[subscriber.options])
            if not subscriber.is_closed:
                subscriber.position = reached
            self._settle(subscriber, is_member=not page.has_more)
            if number % WRITES_AT_ONCE == 0:
                await asyncio.sleep(0)
        return [one for one in group if one in self._subscribers] if page.has_more else []

    def _settle(self, subscriber: Subscriber, *, is_member: bool) -> None:
        """Remove a subscriber that is closed; make one that has started a member, or let it catch up by itself."""
        if subscriber.is_closed:
            self._subscribers.discard(subscriber)
        started = self._starting.pop(subscriber, None)
        if started is None or started.done():
            return
        started.set_result(is_member)
        if is_member and not subscriber.is_closed:
            self._subscribers.add(subscriber)

    async def _write_syncs(self) -> None:
        """Write an event for each sync whose state has changed since the last look."""
        syncs = {sync.sync_id: sync for sync in self._list_syncs()}
        changed = [sync for sync_id, sync in syncs.items() if self._syncs.get(sync_id) != sync]
        self._syncs = syncs
        if changed:
            await self._write_to_all(encode_frame(encode_syncs(self._connection, reversed(changed))))

    async def _write_keep_alive(self) -> None:
        framed: dict[FeedCursor, bytes] = {}
        for number, subscriber in enumerate(list(self._subscribers), 1):
            position = subscriber.position
            if position not in framed:
                framed[position] = encode_frame(encode_keep_alive(position.encode()))
            subscriber.write(framed[position])
            if number % WRITES_AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _write_to_all(self, framed: bytes) -> None:
        for number, subscriber in enumerate(list(self._subscribers), 1):
            subscriber.write(framed)
            if number % WRITES_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _list_syncs(self) -> tuple[SyncState, ...]:
        connection = self._state.connections.get_live(self._connection)
        return self._state.syncs.list_syncs(self._connection, connection.epoch) if connection is not None else ()
