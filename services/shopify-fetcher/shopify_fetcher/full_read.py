"""Reads a whole shop, one resource after another, and each resource in id ranges.

Lists give ids only, with keyset pagination (`id:>LAST`); the records are then read by their ids.
"""

from collections.abc import AsyncGenerator
from dataclasses import replace

from connector.source import Checkpoint, FullReadEnd, FullReadStep, RangeEnd, RecordBatch
from contracts.events import Record
from platform_sdk.errors import AccessDeniedError, PermanentError
from shopify_fetcher.cursors import END, FullReadCursor
from shopify_fetcher.id_ranges import KEYSETS, IdPage, count_ids, list_ids, list_locations, plan_range
from shopify_fetcher.incremental_read import read_chunk
from shopify_fetcher.read_session import ReadSession
from shopify_fetcher.record_reader import ReadResult, RecordReader, read_shop
from shopify_fetcher.scopes import CHILD_RESOURCES, REQUIRED_SCOPES, describe_missing_scope


class FullRead:
    """Reads a whole shop in one session, starting at a cursor."""

    def __init__(self, session: ReadSession, cursor: FullReadCursor) -> None:
        self._session = session
        self._reader = RecordReader(session)
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
            if not self._cursor.is_open:
                await self._open_range()
                yield self._build_checkpoint()
            async for step in self._read_range():
                yield step
            yield await self._count_and_build_range_end()
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
        """Determine the upper bound of the id range and count its ids. A retried id range keeps its bounds."""
        cursor = self._cursor
        keyset = KEYSETS.get(cursor.resource)
        high, count_before = cursor.high, None
        if keyset is not None and cursor.is_retry:
            count_before = await count_ids(self._session, keyset, cursor.low, cursor.high)
        elif keyset is not None:
            high, count_before = await plan_range(self._session, keyset, cursor.low)
        self._cursor = replace(cursor, is_open=True, high=high, count_before=count_before)

    async def _read_range(self) -> AsyncGenerator[FullReadStep, None]:
        if self._cursor.resource == "shop":
            yield await self._read_shop()
            return
        has_more = True
        while has_more:
            async for step in self._read_chunks():
                yield step
            page = await self._list_next_ids()
            async for step in self._read_listed_records(page):
                yield step
            has_more = page.has_more
        async for step in self._read_chunks():
            yield step

    async def _read_shop(self) -> RecordBatch:
        record = await read_shop(self._session)
        started_at = self._cursor.started_at or record.read_at
        self._cursor = replace(self._cursor, sent_count=1, started_at=started_at)
        return self._build_batch((record,))

    async def _list_next_ids(self) -> IdPage:
        cursor = self._cursor
        if cursor.resource == "locations":
            return await list_locations(self._session, cursor.position)
        after = int(cursor.position) if cursor.position is not None else cursor.low
        return await list_ids(self._session, KEYSETS[cursor.resource], after, cursor.high)

    async def _read_listed_records(self, page: IdPage) -> AsyncGenerator[FullReadStep, None]:
        """Yield the records of a page of ids, in batches. All chunks of a batch are read before the next batch."""
        read_count = counted = 0
        while read_count < len(page.ids):
            result = await self._reader.read_as_many_as_fit(self._cursor.resource, page.ids[read_count:])
            _raise_unreadable(result)
            yield self._build_batch(tuple(result.mapped.records))
            read_count += result.count
            position = page.positions[read_count - 1]
            chunked_records = (*self._cursor.chunked_records, *result.mapped.chunked_records)
            if position is None:
                self._cursor = replace(self._cursor, chunked_records=chunked_records)
                continue
            self._cursor = replace(
                self._cursor,
                position=position,
                sent_count=self._cursor.sent_count + read_count - counted,
                chunked_records=chunked_records,
            )
            counted = read_count
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

    async def _count_and_build_range_end(self) -> RangeEnd:
        cursor = self._cursor
        keyset = KEYSETS.get(cursor.resource)
        count_after = await count_ids(self._session, keyset, cursor.low, cursor.high) if keyset is not None else None
        return RangeEnd(
            resource=cursor.resource,
            id_range=cursor.id_range,
            attempt=cursor.attempt,
            retry_cursor=cursor.build_retry_cursor().encode(),
            sent_count=cursor.sent_count,
            count_before=cursor.count_before,
            count_after=count_after,
        )

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
