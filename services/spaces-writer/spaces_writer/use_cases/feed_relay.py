"""Publishes the change feed of each connection, and the reads of whole states that were requested.

One process at a time publishes: the one whose transaction has the lease. If it is killed between publishing a page and
storing how far it has come, the next one publishes the page again, perhaps with later changes folded in. Consumers
compare the sequence numbers of records, so that repeated and late pages change nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from contracts.feed_cursors import FeedCursor
from contracts.headers import FEED_CURSOR, build_headers_for_type
from contracts.topics import RECORD_CHANGED, RECORDS_READ
from messaging import tracing
from messaging.instrumentation import describe_send
from spaces_writer.feed_pages import StoredChange, encode_changes, encode_state, take_page
from spaces_writer.store import feed, trace_links
from spaces_writer.store.feed import RequestedRead

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from database.pool import Database
    from messaging.publisher import EventPublisher

CONCURRENCY = 4
POOL_SIZE = CONCURRENCY + 1
"""The database connections that the relay uses: one for each page that is being published, and one for the lease."""
BATCH_CONNECTIONS = 200
BATCH_READS = 8
SOURCE = "spaces-writer"


class FeedRelay:
    """Publishes what the feeds have and Kafka has not. `database` needs a pool of `POOL_SIZE` connections.

    `count_page(connection, changes)` is called after each page, `set_lag(seconds)` with the age of the oldest change
    that is not published.
    """

    def __init__(
        self,
        database: "Database",
        publisher: "EventPublisher",
        *,
        count_page: Callable[[str, int], None],
        set_lag: Callable[[float], None],
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._count_page = count_page
        self._set_lag = set_lag
        self._last = ""

    async def publish_pages(self) -> bool:
        """Publish one page of each connection that has unpublished changes, and of requested reads.

        At most `BATCH_CONNECTIONS` have their turn. Returns whether there were any, so that there may be more. Raises
        the first error after all have had their turn: what is wrong with one connection stops no other one.
        """
        async with self._database.transaction() as lease:
            if not await feed.lock_lease(lease):
                self._set_lag(0.0)
                return False
            self._set_lag(await feed.load_lag(lease))
            behind = await self._list_next(lease)
            reads = await feed.list_reads(lease, BATCH_READS)
            steps = [partial(self._publish_changes, connection, published) for connection, published in behind]
            await self._run_all([*steps, *(partial(self._publish_read, read) for read in reads)])
        return bool(behind or reads)

    async def _list_next(self, tx: "AsyncConnection") -> list[tuple[str, int]]:
        """Return the connections whose turn is next. After the last name the first one follows."""
        behind = await feed.list_behind(tx, self._last, BATCH_CONNECTIONS)
        if not behind and self._last:
            behind = await feed.list_behind(tx, "", BATCH_CONNECTIONS)
        self._last = behind[-1][0] if len(behind) == BATCH_CONNECTIONS else ""
        return behind

    async def _run_all(self, steps: Sequence[Callable[[], Awaitable[None]]]) -> None:
        slots = asyncio.Semaphore(CONCURRENCY)

        async def run(step: Callable[[], Awaitable[None]]) -> None:
            async with slots:
                await step()

        results = await asyncio.gather(*map(run, steps), return_exceptions=True)
        for error in results:
            if error is not None:
                raise error

    async def _publish_changes(self, connection: str, after: int) -> None:
        async with self._database.transaction() as tx:
            changes, end, is_erased = await _load_next_page(tx, connection, after)
            causes = await trace_links.list_traceparents(tx, connection, end.sequence)
        messages = encode_changes(connection, end, after=after, changes=changes, is_erased=is_erased)
        await self._send(RECORD_CHANGED, "RecordChanged", connection, messages, end, causes)
        async with self._database.transaction() as tx:
            await feed.save_published(tx, connection, after=after, through=end.sequence)
        self._count_page(connection, len(changes))

    async def _publish_read(self, read: RequestedRead) -> None:
        connection = read.connection
        async with self._database.transaction() as tx:
            head = (await feed.load_head(tx, connection)).cursor
            start = head if read.changes_follow is None else replace(head, sequence=read.changes_follow)
            page = await feed.load_state(tx, connection, read.after_resource, read.after_id)
        records = take_page(page.changes)
        is_last = page.is_last and len(records) == len(page.changes)
        messages = encode_state(connection, start, read.read_id, read.page, records, is_last=is_last)
        await self._send(RECORDS_READ, "RecordsRead", connection, messages, start, ())
        async with self._database.transaction() as tx:
            if is_last:
                await feed.delete_read(tx, read)
            else:
                await feed.save_read_progress(tx, read, records[-1], start.sequence)

    async def _send(
        self,
        topic: str,
        event_type: str,
        connection: str,
        messages: Sequence[bytes],
        end: FeedCursor,
        causes: Sequence[str],
    ) -> None:
        name, attributes = describe_send(topic, len(messages))
        event_id = f"{connection}:{end.encode()}"
        with tracing.start_span(name, "producer", attributes, caused_by=causes):
            headers = build_headers_for_type(event_type, source=SOURCE, event_id=event_id, subject=connection)
            headers += [(FEED_CURSOR, end.encode().encode()), *tracing.build_trace_headers(tracing.get_traceparent())]
            for message in messages:
                await self._publisher.send_raw(topic, connection.encode(), message, headers)


async def _load_next_page(
    tx: "AsyncConnection", connection: str, after: int
) -> tuple[Sequence[StoredChange], FeedCursor, bool]:
    """Return the changes of the page that follows `after`, the page's end, and whether it says that all is deleted."""
    # The head first: what is committed between the two queries has higher numbers, so it cannot be missed below them.
    head = await feed.load_head(tx, connection)
    if after < head.erased_sequence:
        return (), replace(head.cursor, sequence=head.erased_sequence), True
    page = await feed.load_changes(tx, connection, after)
    changes = take_page(page.changes)
    through = changes[-1].sequence if changes else after
    if page.is_last and len(changes) == len(page.changes):
        # Numbers without a change of a record follow the last one.
        through = max(through, head.cursor.sequence)
    return changes, replace(head.cursor, sequence=through), False
