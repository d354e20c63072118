"""Reads a whole shop, one resource after another, and each resource in id ranges.

Lists give ids only, with keyset pagination (`id:>LAST`); the records are then read by their ids. Each id range comes
with the evidence that it is complete: two equal counts, or lists that came with their counts.
"""

from collections.abc import AsyncGenerator
from dataclasses import replace

from connector.source import Checkpoint, FullReadEnd, FullReadStep, RecordBatch
from contracts.events import Record
from platform_sdk.errors import AccessDeniedError, PermanentError, RetryLaterError
from platforms.shopify.ids import parse_number
from shopify_fetcher.cursors import END, FullReadCursor
from shopify_fetcher.id_lists import KEYSETS, PAGE_SIZE, IdPage, count_ids, list_ids
from shopify_fetcher.id_ranges import find_range_end
from shopify_fetcher.incremental_read import read_chunk
from shopify_fetcher.range_parts import PartLister, build_id_list, build_range_end
from shopify_fetcher.read_session import ReadSession
from shopify_fetcher.record_reader import ReadResult, RecordReader, read_shop
from shopify_fetcher.scopes import CHILD_RESOURCES, REQUIRED_SCOPES, describe_missing_scope

RETRY_SECONDS = (2.0, 6.0, 17.0, 35.0)
"""The waits before a list and a count that disagree are requested again: changes under way pass within a minute."""


class FullRead:
    """Reads a whole shop in one session, starting at a cursor."""

    def __init__(self, session: ReadSession, cursor: FullReadCursor) -> None:
        self._session = session
        self._reader = RecordReader(session)
        self._lister = PartLister(session)
        self._cursor = cursor

    async def read(self) -> AsyncGenerator[FullReadStep, None]:
        """Yield all records, checkpoints between them, and markers at the end of each id range and of the full read.

        A checkpoint is a cursor from which the full read can be continued. When Shopify denies access because the
        token's scopes have changed, the same id range continues under the new scopes, or its resource is skipped where
        these do not allow it. Raises AccessDeniedError when Shopify denies access although the scopes have not changed.
        """
        while self._cursor.resource != END:
            try:
                async for step in self._read_next_range():
                    yield step
            except AccessDeniedError:
                if not await self._session.refresh_scopes():
                    raise
        if not self._cursor.is_retry:
            yield self._build_full_read_end()

    async def _read_next_range(self) -> AsyncGenerator[FullReadStep, None]:
        """Yield the rest of the cursor's id range and its end marker, and move the cursor to the next id range.

        When the scopes do not allow the resource, skip it; or raise PermanentError when the cursor reads only this one
        id range again.
        """
        if self._session.can_read(self._cursor.resource):
            self._exclude_denied_children()
            if self._cursor.phase == "new":
                await self._open_range()
                yield self._build_checkpoint()
            async for step in self._read_range():
                yield step
            yield build_range_end(self._cursor)
            self._cursor = self._cursor.complete_range(self._scopes)
        elif self._cursor.is_retry:
            raise PermanentError(describe_missing_scope(self._cursor.resource, self._scopes))
        else:
            self._cursor = self._cursor.skip_resource(self._scopes)
        if self._cursor.resource != END:
            yield self._build_checkpoint()

    @property
    def _scopes(self) -> frozenset[str]:
        return self._session.context.token.scopes

    def _exclude_denied_children(self) -> None:
        """Mark as skipped the child resources (those read together with their parent) that the scopes do not allow.

        A child resource stays skipped even when its records came with some of the parents, because others are missing.
        """
        for resource in CHILD_RESOURCES.get(self._cursor.resource, ()):
            if not self._session.can_read(resource):
                self._cursor = self._cursor.exclude_resource(resource, self._scopes)

    async def _open_range(self) -> None:
        """Determine the upper bound of the id range, and how it is read. A retried id range keeps its bounds."""
        cursor = self._cursor
        keyset = KEYSETS.get(cursor.resource)
        if keyset is None:
            self._cursor = replace(cursor, phase="listed")
        elif cursor.high is not None:
            count = await count_ids(self._session, keyset, cursor.low, cursor.high)
            self._cursor = replace(cursor, phase="counted", count_before=count)
        else:
            first = await self._lister.list_first(cursor)
            end = None if cursor.is_retry else await find_range_end(self._session, keyset, first)
            high, count = end or (None, None)
            self._cursor = replace(cursor, phase="counted" if end else "listed", high=high, count_before=count)

    async def _read_range(self) -> AsyncGenerator[FullReadStep, None]:
        if self._cursor.resource == "shop":
            yield await self._read_shop()
            return
        if self._cursor.phase == "counted":
            async for step in self._read_pages():
                yield step
        if self._cursor.phase != "counted":
            async for step in self._read_lists():
                yield step

    async def _read_pages(self) -> AsyncGenerator[FullReadStep, None]:
        """Yield the records of the id range page by page. When the counts do not prove it complete, change the phase.

        Ids are only taken from such a range while it is read, never added. So it is complete when as many ids were
        listed as were counted both before and after.
        """
        has_more = True
        while has_more:
            async for step in self._read_chunks():
                yield step
            page = await self._list_next_page()
            if len(page.ids) == PAGE_SIZE:
                self._cursor = replace(self._cursor, page_ends=(*self._cursor.page_ends, page.last_number))
            async for step in self._read_listed_records(page):
                yield step
            has_more = page.has_more
        async for step in self._read_chunks():
            yield step
        cursor = self._cursor
        count = await count_ids(self._session, KEYSETS[cursor.resource], cursor.low, cursor.high)
        is_proved = cursor.sent_count == cursor.count_before == count
        self._cursor = replace(cursor, count_after=count, phase="counted" if is_proved else "verified")
        if not is_proved:
            yield self._build_checkpoint()

    async def _list_next_page(self) -> IdPage:
        cursor = self._cursor
        after = cursor.low if cursor.position is None else cursor.position
        first = self._lister.pop_first_page(after)
        return first or await list_ids(self._session, KEYSETS[cursor.resource], after, cursor.high)

    async def _read_lists(self) -> AsyncGenerator[FullReadStep, None]:
        """Yield the ids of the id range in parts, each listed and counted in one response.

        In the phase `listed`, also yield the records. A list and a count that disagree are requested again after a
        while; when they go on disagreeing, they are yielded so, and the id range ends there.
        """
        async for step in self._read_unread():
            yield step
        while not self._cursor.is_listed:
            part = await self._lister.list_next_part(self._cursor)
            if not part.is_consistent and self._cursor.tries < len(RETRY_SECONDS):
                seconds = RETRY_SECONDS[self._cursor.tries]
                self._cursor = replace(self._cursor, tries=self._cursor.tries + 1)
                yield self._build_checkpoint()
                raise RetryLaterError(f"{self._cursor.resource}: {part.describe_difference()}", seconds=seconds)
            yield build_id_list(self._cursor, part)
            self._cursor = replace(
                self._cursor,
                listed_up_to=part.high,
                is_listed=part.high == self._cursor.high or not part.is_consistent,
                unread_up_to=part.page.last_number if self._cursor.phase == "listed" and part.page.ids else None,
                tries=0,
            )
            yield self._build_checkpoint()
            async for step in self._read_unread(part.page):
                yield step

    async def _read_unread(self, listed: IdPage | None = None) -> AsyncGenerator[FullReadStep, None]:
        """Yield the records that are on the last published list and were not read. `listed` is that list, if known."""
        async for step in self._read_chunks():
            yield step
        if self._cursor.unread_up_to is not None:
            page = listed or await self._lister.list_unread(self._cursor)
            async for step in self._read_listed_records(page.drop_up_to(self._cursor.position or 0)):
                yield step
            self._cursor = replace(self._cursor, unread_up_to=None)

    async def _read_shop(self) -> RecordBatch:
        record = await read_shop(self._session)
        started_at = self._cursor.started_at or record.read_at
        self._cursor = replace(self._cursor, sent_count=1, started_at=started_at)
        return self._build_batch((record,))

    async def _read_listed_records(self, page: IdPage) -> AsyncGenerator[FullReadStep, None]:
        """Yield the records of a page of ids, in batches. All chunks of a batch are read before the next batch."""
        ids = page.ids
        while ids:
            result = await self._reader.read_as_many_as_fit(self._cursor.resource, ids)
            _raise_unreadable(result)
            yield self._build_batch(tuple(result.mapped.records))
            self._cursor = replace(
                self._cursor,
                position=parse_number(ids[result.count - 1]),
                sent_count=self._cursor.sent_count + result.count,
                chunked_records=(*self._cursor.chunked_records, *result.mapped.chunked_records),
            )
            ids = ids[result.count :]
            yield self._build_checkpoint()
            async for step in self._read_chunks():
                yield step

    async def _read_chunks(self) -> AsyncGenerator[FullReadStep, None]:
        while self._cursor.chunked_records:
            result, remaining = await read_chunk(self._session, self._reader, self._cursor.chunked_records)
            _raise_unreadable(result)
            self._cursor = replace(self._cursor, chunked_records=remaining)
            yield self._build_batch(tuple(result.mapped.records))
            yield self._build_checkpoint()

    def _build_full_read_end(self) -> FullReadEnd:
        """Return the marker of the full read's end.

        It names the resources that were read, those that were read with their parents, and those that were skipped.
        """
        completed, skipped = dict(self._cursor.completed), dict(self._cursor.skipped)
        children = [r for resource in completed for r in CHILD_RESOURCES.get(resource, ()) if r not in skipped]
        return FullReadEnd(
            id_ranges=tuple((resource, number) for resource, count in completed.items() for number in range(count)),
            started_at=self._cursor.started_at or 0,
            child_resources=tuple(children),
            skipped_resources={
                resource: skipped[resource]
                for resource in REQUIRED_SCOPES
                if resource not in completed and resource not in children
            },
        )

    def _build_batch(self, records: tuple[Record, ...]) -> RecordBatch:
        self._exclude_denied_children()
        return RecordBatch(self._cursor.resource, records, self._cursor.id_range, self._cursor.attempt)

    def _build_checkpoint(self) -> Checkpoint:
        return Checkpoint(self._cursor.encode())


def _raise_unreadable(result: ReadResult) -> None:
    """Raise when `result` has an unreadable record; the message contains its id.

    Raises AccessDeniedError for a missing scope, and otherwise PermanentError. The PermanentError is retryable when the
    record is, so that the read is tried again.
    """
    for record in result.unreadable:
        reason = f"{record.id}: {record.reason}"
        raise AccessDeniedError(reason) if result.is_denied else PermanentError(reason, retryable=record.retryable)
