"""Reads one table in the session of its login: describes it, reads its rows range by range, or by their keys."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count

import structlog

from contracts.events import Record
from phpmyadmin_fetcher.login_sessions import LoginSession
from phpmyadmin_fetcher.range_sizes import RangeSizes
from platform_sdk.errors import LargeAnswerError, PermanentError
from platforms.phpmyadmin import statements
from platforms.phpmyadmin.columns import Column, ColumnOrder, TableDescription
from platforms.phpmyadmin.descriptions import find_json_columns, parse_description
from platforms.phpmyadmin.errors import CutAnswerError, SlowAnswerError
from platforms.phpmyadmin.hashes import hash_row, list_hashed_values
from platforms.phpmyadmin.logins import TableOptions
from platforms.phpmyadmin.names import TableName, split_id
from platforms.phpmyadmin.quoting import write_bytes, write_date, write_number
from platforms.phpmyadmin.resources import ROWS
from platforms.phpmyadmin.session import StatementLimits
from platforms.phpmyadmin.statements import KeyPosition
from platforms.phpmyadmin.values import MalformedRowError, Row, RowReader, TextRow

log = structlog.get_logger()

SMALL = StatementLimits(max_bytes=8 * 1024 * 1024, seconds=30.0)
"""The limits of descriptions, and of ranges of more than one row. Such an answer is in memory as a whole."""
WHOLE_SECONDS = 600.0
"""How long a table without a key, which is read at once, may take."""
MAX_RANGE_TRIES = 4
KEYS_PER_READ = 50


@dataclass(frozen=True)
class ReadRows:
    """Rows that were read together. `is_last` says that no row comes behind them."""

    records: tuple[Record, ...]
    position: KeyPosition | None
    hashes: tuple[int, int]
    """The sums of the rows' hashes, see `platforms.phpmyadmin.hashes`."""
    zero_dates: int
    is_last: bool


class TableReader:
    """Reads a table of one connection.

    `now` returns seconds since the Unix epoch.
    """

    def __init__(
        self,
        session: LoginSession,
        connection: str,
        name: TableName,
        options: TableOptions,
        sizes: RangeSizes,
        *,
        max_bytes: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.session = session
        self._connection = connection
        self._name = name
        self._options = options
        self._sizes = sizes
        self._max_bytes = max_bytes
        self._now = now

    async def describe(self) -> TableDescription:
        """Return the table as it is now. Raises PermanentError when there is none, or none that may be read."""
        database, name = self._name.database, self._name.table
        answer = await self.session.fetch(statements.describe_tables(database, name), SMALL)
        description = parse_description(database, answer.rows, self._options.exclude)
        table = description.tables.get(name)
        if table is None or not table.columns:
            raise PermanentError(f"{database} has no table {name} any more, or it may not be read")
        if not description.may_check_json[name]:
            return table
        checks = await self.session.fetch(statements.list_json_checks(database, name), SMALL)
        names = find_json_columns(row["c0"] for row in checks.rows)
        return replace(table, columns=tuple(_mark_json(column, names) for column in table.columns))

    def find_changed_column(self, table: TableDescription) -> Column | None:
        """Return the column that says when a row was changed, if the merchant has named one and it is still there.

        None for a table without a key: an edited row has another id there, and nothing would end the old one.
        """
        name = self._options.changed_column
        return table.find_column(name) if name and table.key is not None else None

    async def read_range(
        self, table: TableDescription, after: KeyPosition | None, changed_since: str | None
    ) -> ReadRows:
        """Return the next rows behind `after`, in the order of the table's key.

        After an answer that is cut off, too slow or too large, fewer rows are asked for. Raises the error of the last
        try when that does not help.
        """
        for number in count(1):
            limit, read_at = self._sizes.get(self._connection), self._read_clock()
            limits = SMALL if limit > 1 else StatementLimits(self._max_bytes, SMALL.seconds)
            statement = statements.select_rows(table, after=after, limit=limit, changed_since=changed_since)
            try:
                answer = await self.session.fetch(statement, limits)
            except (CutAnswerError, SlowAnswerError, LargeAnswerError) as error:
                # A row may be large: only one that is too large alone is.
                may_help = number < MAX_RANGE_TRIES or isinstance(error, LargeAnswerError)
                if not self._sizes.shrink(self._connection) or not may_help:
                    raise
                log.warning("fewer rows are asked for", connection=self._connection, reason=str(error), rows=limit)
                continue
            self._sizes.adjust(self._connection, seconds=self.session.answer_seconds, size=answer.size)
            return _build_range(table, answer.rows, after, read_at, is_last=len(answer.rows) < limit)
        raise AssertionError("the last try raises")

    async def read_all_at_once(self, table: TableDescription) -> AsyncIterator[ReadRows]:
        """Yield the rows of a table without a key as they arrive. They count only when the generator has ended."""
        reader, names, read_at = RowReader(table), list_hashed_values(table), self._read_clock()
        limits = StatementLimits(self._max_bytes, WHOLE_SECONDS)
        async for piece in self.session.read(statements.select_rows(table), limits):
            if piece.rows:
                before = reader.zero_dates
                records = tuple(_build_record(_read_row(reader, texts), read_at) for texts in piece.rows)
                yield ReadRows(records, None, _sum_hashes(names, piece.rows), reader.zero_dates - before, is_last=False)

    async def read_by_key(self, table: TableDescription, record_ids: Sequence[str]) -> tuple[Record, ...]:
        """Return the rows with these ids, and a tombstone for each id that no row has. The table has a key."""
        read_at = self._read_clock()
        keys = [split_id(record_id) for record_id in record_ids]
        answer = await self.session.fetch(statements.select_rows_by_key(table, keys), SMALL)
        reader = RowReader(table)
        rows = (_read_row(reader, texts) for texts in answer.rows)
        found = {row.id: _build_record(row, read_at) for row in rows}
        # A collation may take two texts for equal. A row of another id was not asked for, and proves nothing.
        return tuple(found.get(one) or Record(resource=ROWS.name, id=one, read_at=read_at) for one in record_ids)

    def _read_clock(self) -> int:
        return round(self._now() * 1000)


def is_id_of(table: TableDescription, record_id: str) -> bool:
    """Return whether a text has the form of the id of a row of a table with a key."""
    assert table.key is not None
    try:
        parts = split_id(record_id)
        if len(parts) != len(table.key.columns):
            return False
        for column, part in zip(table.key.columns, parts, strict=True):
            _check_part(column, part)
    except ValueError:
        return False
    return True


def _check_part(column: Column, part: str) -> None:
    if column.data_type in ("enum", "set"):
        return
    match column.key_order:
        case ColumnOrder.NUMBER:
            write_number(part)
        case ColumnOrder.DATE:
            write_date(part)
        case ColumnOrder.BYTES:
            write_bytes(bytes.fromhex(part))


def _build_range(
    table: TableDescription, rows: Sequence[TextRow], after: KeyPosition | None, read_at: int, *, is_last: bool
) -> ReadRows:
    assert table.key is not None
    reader, columns, records = RowReader(table), table.key.columns, []
    last = after
    for texts in rows:
        row = _read_row(reader, texts)
        assert row.position is not None
        if last is not None and not _parse_key(columns, last) < _parse_key(columns, row.position):
            raise CutAnswerError("the rows of an answer are not in the order of their keys")
        last = row.position
        records.append(_build_record(row, read_at))
    hashes = _sum_hashes(list_hashed_values(table), rows)
    return ReadRows(tuple(records), last, hashes, reader.zero_dates, is_last=is_last)


def _read_row(reader: RowReader, texts: TextRow) -> Row:
    """Return the row with these texts. Raises CutAnswerError for one that no database can have sent."""
    try:
        return reader.read_row(texts)
    except MalformedRowError as error:
        raise CutAnswerError(str(error)) from None


def _sum_hashes(names: tuple[str, ...], rows: Sequence[TextRow]) -> tuple[int, int]:
    first = second = 0
    for texts in rows:
        one, other = hash_row(names, texts)
        first, second = first + one, second + other
    return first, second


def _parse_key(columns: Sequence[Column], position: KeyPosition) -> tuple[object, ...]:
    return tuple(column.parse_key(value) for column, value in zip(columns, position.values, strict=True))


def _build_record(row: Row, read_at: int) -> Record:
    if row.body is None:
        return Record(resource=ROWS.name, id=row.id, read_at=read_at, unreadable=row.fault)
    return Record(resource=ROWS.name, id=row.id, read_at=read_at, body=row.body, sort_key=row.sort_key)


def _mark_json(column: Column, names: frozenset[str]) -> Column:
    return replace(column, has_json=True) if column.name in names else column
