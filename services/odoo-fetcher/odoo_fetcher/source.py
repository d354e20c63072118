"""Implements `connector.source.Source` for Odoo. A connection is a database."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager

import structlog

from connector.source import (
    Checkpoint,
    FullReadEnd,
    FullReadStep,
    IncrementalReadStep,
)
from contracts.events import RecordIds
from odoo_fetcher.changes_read import ChangesRead
from odoo_fetcher.cursors import EVERYTHING, ReadCursor, decode_cursor
from odoo_fetcher.database_reader import DatabaseReader
from odoo_fetcher.planning import plan_everything, plan_read
from odoo_fetcher.read_state import decode_state
from odoo_fetcher.records_by_id import RecordsById
from odoo_fetcher.whole_read import WholeRead
from platform_sdk.errors import AccountBlockedError, PermanentError, RetryLaterError
from platform_sdk.session import SyncContext
from platforms.odoo.database_fields import DatabaseFields, read_database_fields
from platforms.odoo.reading import Clock, RecordsSession

log = structlog.get_logger()
FIELDS_SECONDS = 300.0
"""How long the fields of a database are believed to be the same ones."""
NEXT_SECOND = 1.1
"""Records are read so many seconds after the look at their times at the earliest. Odoo tells times in whole seconds: a
second edit within the second of the look shows no other time, but is in what is read then."""
Sleep = Callable[[float], Awaitable[None]]
OpenSession = Callable[[SyncContext], RecordsSession]


class OdooSource:
    """Reads databases in the sessions that `open_session` opens. `now` returns seconds since the Unix epoch."""

    def __init__(self, open_session: OpenSession, *, now: Clock = time.time, sleep: Sleep = asyncio.sleep) -> None:
        self._open_session = open_session
        self._now = now
        self._sleep = sleep
        self._fields: dict[str, tuple[DatabaseFields, float]] = {}

    async def read_records(
        self, context: SyncContext, ids: RecordIds, cursor: str | None
    ) -> AsyncGenerator[IncrementalReadStep, None]:
        """Yield the requested records, as `connector.source.Source.read_records` defines."""
        with self._forget_fields_after_errors(context):
            reader = await self._open(context)
            async for step in RecordsById(reader).read(ids, cursor):
                yield step

    async def read_all(self, context: SyncContext, cursor: str | None) -> AsyncGenerator[FullReadStep, None]:
        """Yield what is in the database, or what has changed, as `connector.source.Source.read_all` defines."""
        with self._forget_fields_after_errors(context):
            reader = await self._open(context)
            if cursor is None or cursor == EVERYTHING:
                place = await (plan_read(reader, context.previous) if cursor is None else plan_everything(reader))
                if place.resources:
                    # A step that is repeated must not know of later changes: it may have sent older records.
                    yield Checkpoint(place.encode())
            else:
                place = decode_cursor(cursor)
            if place.resources:
                await self._wait_until_next_second(place)
            read = _open_read(reader, context, place)
            async for step in read.read():
                yield step
            if read.cursor.ends_read:
                yield _build_end(read.cursor)

    def measure_remaining_rate_limits(self) -> dict[str, float]:
        """Return an empty dict: Odoo tells nothing of what remains."""
        return {}

    async def _open(self, context: SyncContext) -> DatabaseReader:
        session = self._open_session(context)
        # Other calls go on working with a key that was removed.
        await session.authenticate()
        return DatabaseReader(session, await self._get_fields(session, context.token.connection), self._now)

    async def _wait_until_next_second(self, place: ReadCursor) -> None:
        passed = self._now() - place.started_at / 1000
        if 0 <= passed < NEXT_SECOND:
            await self._sleep(NEXT_SECOND - passed)

    async def _get_fields(self, session: RecordsSession, connection: str) -> DatabaseFields:
        fields, read_at = self._fields.get(connection, (None, 0.0))
        if fields is None or not 0 <= self._now() - read_at < FIELDS_SECONDS:
            fields = await read_database_fields(session)
            self._fields[connection] = fields, self._now()
        return fields

    @contextmanager
    def _forget_fields_after_errors(self, context: SyncContext) -> Iterator[None]:
        """Have the fields of the database asked for again after an error: it may be that one of them has gone."""
        try:
            yield
        except (RetryLaterError, PermanentError, AccountBlockedError):
            self._fields.pop(context.token.connection, None)
            raise


def _open_read(reader: DatabaseReader, context: SyncContext, place: ReadCursor) -> WholeRead | ChangesRead:
    if place.continues is None:
        return WholeRead(reader, place)
    before = decode_state(context.previous.text) if context.previous else None
    if before is None:
        raise PermanentError("the full sync that this one continues is not known any more", retryable=True)
    return ChangesRead(reader, before, place)


def _build_end(cursor: ReadCursor) -> FullReadEnd:
    return FullReadEnd(
        id_ranges=tuple((resource, number) for resource, count in cursor.completed.items() for number in range(count)),
        started_at=cursor.started_at,
        skipped_resources=dict(cursor.state.skipped),
        state=cursor.state.encode(),
        continues=cursor.continues,
        retry_cursor="" if cursor.continues is None else EVERYTHING,
    )
