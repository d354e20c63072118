"""Streams of changes: each reader first catches up at its own pace, and then gets what all get when there is news."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import structlog

from data_api.store.changes import find_position, read_changes
from data_api.store.databases import ReadDatabases
from data_api.stream_events import encode_changes
from data_api.stream_subscribers import Subscriber
from data_api.tables.state import KnownState
from data_api.use_cases.change_channels import PAGE_BYTES, PAGE_RECORDS, ChangeChannel
from messaging.errors import UnavailableError

Write = Callable[[bytes], Awaitable[None]]
"""Writes a part of the response's body, and waits while too much of what was written before is not sent."""

log = structlog.get_logger()


class ChangeStreams:
    """All streams of a process. There is one task for each connection that has subscribers."""

    def __init__(self, databases: ReadDatabases, state: KnownState) -> None:
        self._databases = databases
        self._state = state
        self._channels: dict[str, ChangeChannel] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._open = Counter[str]()
        self._is_closed = False

    @property
    def size(self) -> int:
        """The number of open streams."""
        return self._open.total()

    async def serve(self, subscriber: Subscriber, write: Write, wait_for_close: Callable[[], Awaitable[None]]) -> None:
        """Write changes to the subscriber until its connection is closed, from either end.

        `write` is used while it catches up. From then on the subscriber's own transport is.
        """
        if self._is_closed:
            subscriber.end("restart")
            await wait_for_close()
            return
        channel = self._open_channel(subscriber.connection)
        try:
            if not await channel.start(subscriber):
                await self._catch_up(subscriber, channel, write)
            await wait_for_close()
        finally:
            channel.remove(subscriber)
            self._close_channel(subscriber.connection)

    async def close(self) -> None:
        """End all streams, because the process stops. Their readers go on at another one."""
        self._is_closed = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _catch_up(self, subscriber: Subscriber, channel: ChangeChannel, write: Write) -> None:
        """Write page by page what the subscriber lacks, as fast as it reads, and make it a member of its channel."""
        while not subscriber.is_closed:
            position = subscriber.position
            try:
                page = await read_changes(
                    self._databases,
                    subscriber.connection,
                    position,
                    limit=PAGE_RECORDS,
                    max_bytes=PAGE_BYTES,
                    reached=channel.compute_reached(position),
                )
            except UnavailableError as error:
                log.warning("changes are late", connection=subscriber.connection, reason=str(error))
                subscriber.end("unavailable")
                return
            subscriber.end_if_not_allowed()
            if subscriber.is_closed:
                return
            if page is None or not page.head.can_resume(position):
                subscriber.reset()
                return
            if events := encode_changes(page.rows, position, subscriber.options):
                await write(events)
            subscriber.position = find_position(page)
            if not page.has_more:
                channel.add(subscriber)
                return

    def _open_channel(self, connection: str) -> ChangeChannel:
        """Return the channel of a connection. It runs while it has subscribers."""
        self._open[connection] += 1
        if connection not in self._channels:
            channel = self._channels[connection] = ChangeChannel(connection, self._databases, self._state)
            self._tasks[connection] = asyncio.create_task(channel.run())
            self._tasks[connection].add_done_callback(lambda task: self._forget(connection, task))
        return self._channels[connection]

    def _close_channel(self, connection: str) -> None:
        self._open[connection] -= 1
        if not self._open[connection]:
            del self._open[connection]
            if connection in self._tasks:
                self._tasks[connection].cancel()
                self._forget(connection, self._tasks[connection])

    def _forget(self, connection: str, task: asyncio.Task[None]) -> None:
        """Forget a channel that has ended, so that the next subscriber begins another one."""
        if self._tasks.get(connection) is task:
            del self._tasks[connection], self._channels[connection]
