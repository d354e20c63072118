"""Publishes the change feed of each connection, and the reads of whole states that were requested.

One process at a time publishes: the one whose transaction has the lease. If it is killed between publishing a page and
storing how far it has come, the next one publishes the page again, perhaps with later changes folded in. Consumers
compare the sequence numbers of records, so that repeated and late pages change nothing.
"""

import asyncio
import time
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
from spaces_writer.store.feed import RequestedRead, StoredPage

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from database.pool import Database
    from messaging.publisher import EventPublisher

CONCURRENCY = 4
POOL_SIZE = CONCURRENCY + 1
"""The database connections that the relay uses: one for each page that is being published, and one for the lease."""
MIN_INTERVAL_SECONDS = 0.02
"""The shortest time between two runs: while batches of a burst are stored, each page has the changes of several."""
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
        self._next_run_at = 0.0

    async def publish_pages(self) -> bool:
        """Publish one page of each connection that has unpublished changes, and of requested reads.

        At most `BATCH_CONNECTIONS` have their turn. Returns whether more is known to be due. Raises the first error
        after all have had their turn: what is wrong with one connection stops no other one.
        """
        await self._wait_for_next_run()
        async with self._database.transaction() as lease:
            if not await feed.lock_lease(lease):
                self._set_lag(0.0)
                return False
            behind = await self._list_next(lease)
            reads = await feed.list_reads(lease, BATCH_READS)
            steps = [partial(self._publish_changes, connection, published) for connection, published in behind]
            has_more = await self._run_all([*steps, *(partial(self._publish_read, read) for read in reads)])
        return has_more or len(behind) == BATCH_CONNECTIONS

    async def _wait_for_next_run(self) -> None:
        """Wait until `MIN_INTERVAL_SECONDS` have passed since the last run, so that changes of a burst go together."""
        now = time.monotonic()
        await asyncio.sleep(max(0.0, self._next_run_at - now))
        self._next_run_at = max(now, self._next_run_at) + MIN_INTERVAL_SECONDS

    async def _list_next(self, tx: "AsyncConnection") -> list[tuple[str, int]]:
        """Return the connections whose turn is next. After the last name the first one follows."""
        behind, lag = await feed.list_behind(tx, self._last, BATCH_CONNECTIONS)
        if not behind and self._last:
            behind, lag = await feed.list_behind(tx, "", BATCH_CONNECTIONS)
        self._set_lag(lag)
        self._last = behind[-1][0] if len(behind) == BATCH_CONNECTIONS else ""
        return behind

    async def _run_all(self, steps: Sequence[Callable[[], Awaitable[bool]]]) -> bool:
        """Run all steps, `CONCURRENCY` at a time. Return whether one of them has more to do."""
        slots = asyncio.Semaphore(CONCURRENCY)

        async def run(step: Callable[[], Awaitable[bool]]) -> bool:
            async with slots:
                return await step()

        results = await asyncio.gather(*map(run, steps), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return any(results)

    async def _publish_changes(self, connection: str, after: int) -> bool:
        """Publish the page that follows `after`. Return whether more follows."""
        async with self._database.transaction() as tx:
            page = await feed.load_changes(tx, connection, after)
            is_erased = after < page.erased_sequence
            changes = () if is_erased else take_page(page.changes)
            end = replace(page.head, sequence=_find_end(page, changes, after))
            causes = await trace_links.list_traceparents(tx, connection, end.sequence)
            messages = encode_changes(connection, end, after=after, changes=changes, is_erased=is_erased)
            page_id = f"{connection}:{end.encode()}"
            await self._send(RECORD_CHANGED, "RecordChanged", connection, page_id, messages, end, causes)
            is_last = end == page.head
            await feed.save_published(tx, connection, after=after, through=end.sequence, is_last=is_last)
        self._count_page(connection, len(changes))
        return not is_last

    async def _publish_read(self, read: RequestedRead) -> bool:
        """Publish the next page of a requested read. Return whether more follows."""
        async with self._database.transaction() as tx:
            page = await feed.load_state(tx, read.connection, read.after_resource, read.after_id)
            start = page.head if read.changes_follow is None else replace(page.head, sequence=read.changes_follow)
            records = take_page(page.changes)
            is_last = page.is_last and len(records) == len(page.changes)
            messages = encode_state(read.connection, start, read.read_id, read.page, records, is_last=is_last)
            page_id = f"{read.read_id}:{read.page}"
            await self._send(RECORDS_READ, "RecordsRead", read.connection, page_id, messages, start, ())
            if is_last:
                await feed.delete_read(tx, read)
            else:
                await feed.save_read_progress(tx, read, records[-1], start.sequence)
        return not is_last

    async def _send(
        self,
        topic: str,
        event_type: str,
        connection: str,
        page_id: str,
        messages: Sequence[bytes],
        end: FeedCursor,
        causes: Sequence[str],
    ) -> None:
        """Send the messages of one page. Each gets an id from `page_id`, which a page that is sent again has too."""
        name, attributes = describe_send(topic, len(messages))
        with tracing.start_span(name, "producer", attributes, caused_by=causes):
            trace = tracing.build_trace_headers(tracing.get_traceparent())
            for number, message in enumerate(messages):
                event_id = f"{page_id}:{number}"
                headers = build_headers_for_type(event_type, source=SOURCE, event_id=event_id, subject=connection)
                headers += [(FEED_CURSOR, end.encode().encode()), *trace]
                await self._publisher.send_raw(topic, connection.encode(), message, headers)


def _find_end(page: StoredPage, changes: Sequence[StoredChange], after: int) -> int:
    """Return the sequence number that the page reaches if it has these of the loaded changes that follow `after`."""
    if after < page.erased_sequence:
        return page.erased_sequence
    if page.is_last and len(changes) == len(page.changes):
        # Numbers without a change of a record may follow the last one.
        return page.head.sequence
    return changes[-1].sequence
