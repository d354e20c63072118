"""Implements `connector.source.Source` for Facebook.

A merchant's connection is one Facebook Page, and the Page is one record.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

from connector.source import FullReadEnd, FullReadStep, IncrementalReadStep, RangeEnd, RecordBatch, UnreadableRecord
from contracts.events import Record, RecordIds
from facebook_fetcher.mappers import RESOURCE, build_tombstone, map_page
from platform_sdk.session import SyncContext
from platforms.facebook.fields import RequestedFields
from platforms.facebook.rate_limit import RateLimitState
from platforms.facebook.session import FacebookSession, GraphClient

SLUG = "facebook"


class FacebookSource:
    """Reads Pages through `client`. Full and incremental syncs of a process share the state of the rate limits."""

    def __init__(
        self,
        client: GraphClient,
        fields: RequestedFields,
        *,
        elapsed: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._fields = fields
        self._elapsed = elapsed
        self._sleep = sleep
        self._rate_limit = RateLimitState()

    async def read_records(
        self,
        context: SyncContext,
        ids: RecordIds,
        cursor: str | None,  # noqa: ARG002
    ) -> AsyncGenerator[IncrementalReadStep, None]:
        """Read the Page directly, as `connector.source.Source.read_records` describes.

        All other ids are yielded as unreadable. There is only one record to read, so `cursor` is not used.
        """
        session = self._open_session(context)
        requested = [(resource, record_id) for resource in sorted(ids) for record_id in ids[resource]]
        for resource, record_id in requested:
            if (resource, record_id) != (RESOURCE, session.page_id):
                yield UnreadableRecord(resource, record_id, "not the page of this connection")
        if (RESOURCE, session.page_id) in requested:
            yield RecordBatch(RESOURCE, (await self._read_page(session),))

    async def read_all(self, context: SyncContext, cursor: str | None) -> AsyncGenerator[FullReadStep, None]:
        """Read the Page as a full read of one id range. The cursor is the number of the attempt at that id range.

        When the Page does not exist, no record is yielded, because a full read never deletes. The spaces-writer then
        requests a direct read of the Page.
        """
        attempt = int(cursor or 1)
        record = await self._read_page(self._open_session(context))
        count = 1 if record.body is not None else None
        if count:
            yield RecordBatch(RESOURCE, (record,), attempt=attempt)
        yield RangeEnd(
            resource=RESOURCE,
            id_range=0,
            attempt=attempt,
            retry_cursor=str(attempt + 1),
            sent_count=count or 0,
            count_before=count,
            count_after=count,
        )
        if cursor is None:
            yield FullReadEnd(id_ranges=((RESOURCE, 0),), started_at=record.read_at)

    def measure_remaining_rate_limits(self) -> dict[str, float]:
        """Return the unused shares (0 to 1) of the app's rate limit and of that of the Page with the least left.

        The keys are `app` and `page`.
        """
        return self._rate_limit.compute_remaining(self._elapsed())

    async def _read_page(self, session: FacebookSession) -> Record:
        """Return the Page's record, or a tombstone when the Page does not exist.

        Raises RetryLaterError when the call must wait, and PermanentError when Facebook refuses it.
        """
        response = await session.fetch_page()
        if response.result.page is None:
            return build_tombstone(session.page_id, response.read_at)
        return map_page(session.page_id, response.result.page, self._fields.fields, response.read_at)

    def _open_session(self, context: SyncContext) -> FacebookSession:
        return FacebookSession(
            self._client, context, self._fields, self._rate_limit, elapsed=self._elapsed, sleep=self._sleep
        )
