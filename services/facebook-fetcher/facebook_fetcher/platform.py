"""Facebook as the lanes see it: a connection is one page, and a page is one record."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

from connector.source import (
    FullReadEnd,
    FullReadStep,
    IncrementalReadStep,
    RangeEnd,
    RecordBatch,
    SyncContext,
    UnreadableRecord,
)
from contracts.events import Record, RecordIds, parse_account
from facebook_fetcher.conversation import Client, Conversation
from facebook_fetcher.fields import Asking
from facebook_fetcher.memory import Memory
from facebook_fetcher.records import RESOURCE, gone, page_record
from platform_sdk.errors import PermanentError

SLUG = "facebook"
PAGE_ID = re.compile(r"[0-9]{1,32}")
"""The only accounts that are ever put into an address."""


class FacebookSource:
    """Reads pages through `client`; both lanes of a process share what is remembered of the app."""

    def __init__(
        self,
        client: Client,
        asking: Asking,
        *,
        elapsed: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._elapsed = elapsed
        self._sleep = sleep
        self._memory = Memory(asking)

    async def read_records(
        self,
        errand: SyncContext,
        ids: RecordIds,
        cursor: str | None,  # noqa: ARG002
    ) -> AsyncGenerator[IncrementalReadStep, None]:
        """As `connector.source.Platform.read`. There is one record, so there is no place to go on from."""
        talk = self._conversation(errand)
        asked = [(resource, i) for resource in sorted(ids) for i in ids[resource]]
        for resource, i in asked:
            if (resource, i) != (RESOURCE, talk.page_id):
                yield UnreadableRecord(resource, i, "not the page of this connection")
        if (RESOURCE, talk.page_id) in asked:
            yield RecordBatch(RESOURCE, (await self._record(talk),))

    async def read_all(self, errand: SyncContext, cursor: str | None) -> AsyncGenerator[FullReadStep, None]:
        """As `connector.source.Platform.walk`: one window, whose cursor is the number of its attempt.

        A page that is not there is not listed, so that it is asked for directly: a walk never removes.
        """
        attempt = int(cursor or 1)
        record = await self._record(self._conversation(errand))
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

    def measure_budget(self) -> dict[str, float]:
        """As `connector.source.Platform.left`: the app has a budget, and each page."""
        return self._memory.left(self._elapsed())

    async def _record(self, talk: Conversation) -> Record:
        """The page's record, without a body where it is not there. Raises as `Conversation.ask`."""
        answer = await talk.ask()
        if answer.page is None:
            return gone(talk.page_id, answer.read_at)
        return page_record(talk.page_id, answer.page, self._memory.asking.fields, answer.read_at)

    def _conversation(self, errand: SyncContext) -> Conversation:
        page_id = parse_account(errand.token.connection)
        if PAGE_ID.fullmatch(page_id) is None:
            raise PermanentError("not the id of a page")
        return Conversation(self._client, errand, page_id, self._memory, elapsed=self._elapsed, sleep=self._sleep)
