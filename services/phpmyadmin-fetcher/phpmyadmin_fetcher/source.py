"""Implements `connector.source.Source` for phpMyAdmin. A connection is a table, and its records are the rows."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import structlog

from connector.source import (
    Checkpoint,
    FullReadEnd,
    FullReadStep,
    IncrementalReadStep,
    RangeEnd,
    RecordBatch,
    UnreadableRecord,
)
from contracts.events import Record, RecordIds
from contracts.events import parse_account as get_account
from phpmyadmin_fetcher.cursors import ReadCursor, decode_cursor
from phpmyadmin_fetcher.login_sessions import LoginSessions, RecentlyRefusedError
from phpmyadmin_fetcher.measures import OVERLAP_SECONDS, Sums, count_rows
from phpmyadmin_fetcher.planning import plan_read
from phpmyadmin_fetcher.range_sizes import RangeSizes
from phpmyadmin_fetcher.table_reader import KEYS_PER_READ, TableReader, is_id_of
from platform_sdk.errors import PermanentError, RetryLaterError, ThrottledError, TransientError
from platform_sdk.session import SyncContext
from platforms.phpmyadmin.columns import TableDescription
from platforms.phpmyadmin.errors import SignInRefusedError
from platforms.phpmyadmin.logins import decode_token
from platforms.phpmyadmin.names import parse_account
from platforms.phpmyadmin.resources import ROWS
from platforms.phpmyadmin.statements import build_changed_condition

log = structlog.get_logger()

MAX_ATTEMPTS = 3
"""How often a read begins anew because the table's columns have changed while it was read."""
BUSY_SECONDS = 60.0
"""How long to wait where a phpMyAdmin asks to wait and does not say for how long."""
Clock = Callable[[], float]


class PhpMyAdminSource:
    """Reads tables in the sessions of `logins`. An answer of more than `max_bytes` is not read to its end.

    `now` returns seconds since the Unix epoch. `sizes` says how many rows are asked for at once.
    """

    def __init__(
        self, logins: LoginSessions, *, max_bytes: int, now: Clock = time.time, sizes: RangeSizes | None = None
    ) -> None:
        self._logins = logins
        self._max_bytes = max_bytes
        self._now = now
        self._sizes = sizes or RangeSizes()

    async def read_records(
        self, context: SyncContext, ids: RecordIds, cursor: str | None
    ) -> AsyncGenerator[IncrementalReadStep, None]:
        """Yield the requested rows, as `connector.source.Source.read_records` defines.

        `cursor` is the number of ids that earlier attempts have read.
        """
        for resource in sorted(ids.keys() - {ROWS.name}):
            for record_id in ids[resource]:
                yield UnreadableRecord(resource, record_id, f"there is no resource {resource}")
        requested = sorted(set(ids.get(ROWS.name, ())))
        if not requested:
            return
        async with self._open(context) as reader:
            table = await reader.describe()
            if table.key is None:
                yield RecordBatch(ROWS.name, await self._find_without_key(reader, table, requested))
                return
            for record_id in requested:
                if not is_id_of(table, record_id):
                    yield UnreadableRecord(ROWS.name, record_id, f"not the id of a row of {table.name}")
            readable = [record_id for record_id in requested if is_id_of(table, record_id)]
            for begin in range(int(cursor or 0), len(readable), KEYS_PER_READ):
                end = begin + KEYS_PER_READ
                yield RecordBatch(ROWS.name, await reader.read_by_key(table, readable[begin:end]))
                if end < len(readable):
                    yield Checkpoint(str(end))

    async def read_all(self, context: SyncContext, cursor: str | None) -> AsyncGenerator[FullReadStep, None]:
        """Yield the rows of the table, as `connector.source.Source.read_all` defines. They are one id range.

        Nothing is yielded but the end where the table proves that it has not changed since the latest full sync, and
        the changed rows alone where it says which they are.
        """
        async with self._open(context) as reader:
            table = await reader.describe()
            if cursor is None:
                place = await plan_read(reader, table, context.previous, started_at=round(self._now() * 1000))
                if place.continues is not None and not place.since:
                    yield _build_unchanged_end(place)
                    return
                # A step that is repeated must not know of later changes: it may have sent rows as they were before.
                yield Checkpoint(place.encode())
            else:
                place = decode_cursor(cursor)
            while True:
                if table.digest != place.state.digest:
                    if place.attempt >= MAX_ATTEMPTS:
                        raise PermanentError("the columns of the table are changed again and again", retryable=True)
                    place = place.restart(table)
                    yield Checkpoint(place.encode())
                async for step in self._read_rows(reader, table, place):
                    if isinstance(step, ReadCursor):
                        place = step
                    else:
                        yield step
                table = await reader.describe()
                if table.digest == place.state.digest:
                    break
            async for end in self._end_read(reader, table, place, context):
                yield end

    def measure_remaining_rate_limits(self) -> dict[str, float]:
        """Return an empty dict: there is no rate limit but the pace that each login keeps."""
        return {}

    async def _read_rows(
        self, reader: TableReader, table: TableDescription, place: ReadCursor
    ) -> AsyncIterator[RecordBatch | Checkpoint | ReadCursor]:
        """Yield the rows behind `place`, with checkpoints, and at last the place behind them all."""
        if table.key is None:
            # Before each attempt: a table that has grown since the first one must not be held against its old number.
            place = replace(place, state=replace(place.state, count=await count_rows(reader.session, table)))
            async for rows in reader.read_all_at_once(table):
                place = place.advance(None, len(rows.records), rows.hashes, rows.zero_dates)
                yield RecordBatch(ROWS.name, rows.records, attempt=place.attempt)
            yield place
            return
        changed = reader.find_changed_column(table)
        condition = build_changed_condition(changed, place.since, OVERLAP_SECONDS) if changed and place.since else None
        while True:
            rows = await reader.read_range(table, place.position, condition)
            place = place.advance(rows.position, len(rows.records), rows.hashes, rows.zero_dates)
            if rows.records:
                yield RecordBatch(ROWS.name, rows.records, attempt=place.attempt)
            if rows.is_last:
                yield place
                return
            yield Checkpoint(place.encode())

    async def _end_read(
        self, reader: TableReader, table: TableDescription, place: ReadCursor, context: SyncContext
    ) -> AsyncIterator[RangeEnd | FullReadEnd]:
        state = place.state
        count_before: int | None = None
        count_after: int | None = None
        if table.key is None:
            count_before, count_after = state.count, await count_rows(reader.session, table)
        if not place.since and state.changes is None:
            # The sums of what was read, not of the table at any moment: they prove that the table has these rows.
            state = replace(state, count=place.sent, sums=Sums(place.sent, *place.hashes))
        log.info(
            "rows read",
            connection=context.token.connection,
            rows=place.sent,
            zero_dates=place.zero_dates,
            changes_only=bool(place.since),
        )
        yield RangeEnd(
            resource=ROWS.name,
            id_range=0,
            attempt=place.attempt,
            retry_cursor=place.begin_next_attempt().encode(),
            sent_count=place.sent,
            count_before=count_before,
            count_after=count_after,
        )
        if place.ends_read:
            yield FullReadEnd(
                id_ranges=((ROWS.name, 0),),
                started_at=place.started_at,
                state=state.encode(),
                continues=place.continues,
                retry_cursor=place.read_everything().encode() if place.continues else "",
            )

    async def _find_without_key(
        self, reader: TableReader, table: TableDescription, requested: list[str]
    ) -> tuple[Record, ...]:
        """Return the rows with these ids of a table without a key, and tombstones. All rows are read for that."""
        wanted, found = set(requested), dict[str, Record]()
        read_at = round(self._now() * 1000)
        async for rows in reader.read_all_at_once(table):
            found |= {record.id: record for record in rows.records if record.id in wanted}
        return tuple(found.get(one) or Record(resource=ROWS.name, id=one, read_at=read_at) for one in requested)

    @asynccontextmanager
    async def _open(self, context: SyncContext) -> AsyncIterator[TableReader]:
        """Open the table of the connection. Errors in the block become those that handlers know."""
        connection = context.token.connection
        login, options = decode_token(context.token.token)
        name = parse_account(get_account(connection))
        try:
            async with self._logins.use(login) as session:
                calls = session.calls
                try:
                    yield TableReader(
                        session,
                        connection,
                        name,
                        options,
                        self._sizes,
                        max_bytes=self._max_bytes,
                        now=self._now,
                    )
                finally:
                    context.calls += session.calls - calls
        except SignInRefusedError:
            # The gateway asks the merchant for the new password, which raises, or has it already.
            context.token = await context.replace_token(context.token)
            raise RetryLaterError(None, seconds=0.0) from None
        except RecentlyRefusedError:
            # Raises if the connection has ended with that refusal. If it has not, its merchant has signed in again.
            await context.refresh_token()
            raise
        except ThrottledError as error:
            raise RetryLaterError(str(error), seconds=error.retry_after or BUSY_SECONDS, escalates=True) from None
        except TransientError as error:
            raise RetryLaterError(str(error)) from None


def _build_unchanged_end(place: ReadCursor) -> FullReadEnd:
    return FullReadEnd(
        id_ranges=(),
        started_at=place.started_at,
        state=place.state.encode(),
        continues=place.continues,
        retry_cursor=place.read_everything().encode(),
    )
