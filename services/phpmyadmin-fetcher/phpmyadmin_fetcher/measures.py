"""What tells cheaply whether a table has changed, and the state that a full sync leaves for the next one."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson

from phpmyadmin_fetcher.login_sessions import LoginSession
from platforms.phpmyadmin import statements
from platforms.phpmyadmin.columns import Column, TableDescription
from platforms.phpmyadmin.errors import CutAnswerError
from platforms.phpmyadmin.session import StatementLimits

MEASURE_LIMITS = StatementLimits(max_bytes=1024 * 1024, seconds=120.0)
"""The limits of an answer that adds up a table: it is small, but the database reads the whole table for it."""
FULL_SECONDS = 24 * 3600
"""After this time all rows are read again, whatever the table's measures say."""
CHANGE_MARGIN_SECONDS = 2.0
"""How much older than the look at it the time of a change must be: the database rounds it to seconds."""
OVERLAP_SECONDS = 600
"""How far before the latest known change newer rows are looked for: transactions commit later than they write."""


@dataclass(frozen=True)
class Sums:
    """The number of a table's rows, and sums of hashes of them. Equal sums mean equal rows."""

    count: int
    first: str
    second: str


@dataclass(frozen=True)
class Changes:
    """The number of a table's rows, and the latest value of the column that says when a row was changed."""

    count: int
    latest: str


@dataclass(frozen=True)
class ReadState:
    """What is known of a table at a full sync. Times are of the database's clock (Unix time, s).

    `digest` is that of the table's columns. `full_at` is when all rows were read, `read_at` when the table was last
    looked at. `count` is the number of rows then. It, `updated_at`, `checksum`, `sums` and `changes` are None where
    they are not known, or prove nothing. `changes` were first seen at `changes_seen_at`; `is_settled` says that newer
    rows were read once more long after.
    """

    digest: str
    full_at: float
    read_at: float
    count: int | None = None
    updated_at: float | None = None
    checksum: str | None = None
    sums: Sums | None = None
    changes: Changes | None = None
    changes_seen_at: float = 0.0
    is_settled: bool = False

    def encode(self) -> str:
        """Return the state as text."""
        return orjson.dumps(asdict(self)).decode()


def decode_state(text: str) -> ReadState | None:
    """Return the state that `ReadState.encode` has encoded; None for a text of another version of this service."""
    try:
        values: dict[str, Any] = orjson.loads(text)
        sums, changes = values.pop("sums"), values.pop("changes")
        return ReadState(**values, sums=Sums(**sums) if sums else None, changes=Changes(**changes) if changes else None)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


async def has_same_update(session: LoginSession, table: TableDescription, state: ReadState) -> bool:
    """Return whether the database's own time of the last change proves that the table is as it was at the state.

    The number of rows must be the same as well: `TRUNCATE` leaves that time as it is.
    """
    return has_old_update(state, table) and await count_rows(session, table) == state.count


def has_old_update(state: ReadState, table: TableDescription) -> bool:
    """Return whether the database's own time of the last change is the one at the state, and well before it."""
    if table.updated_at is None or table.updated_at != state.updated_at:
        return False
    return table.updated_at <= state.read_at - CHANGE_MARGIN_SECONDS


def is_due_for_full_read(state: ReadState, table: TableDescription) -> bool:
    """Return whether all rows must be read: another day has begun, or the columns are others."""
    return state.digest != table.digest or not 0 <= table.read_at - state.full_at < FULL_SECONDS


async def read_checksum(session: LoginSession, table: TableDescription) -> str | None:
    """Return the checksum that the database keeps of a table; None where it keeps none."""
    if not table.has_live_checksum:
        return None
    row = await session.fetch_single(statements.read_checksum(table), MEASURE_LIMITS)
    return row.get("Checksum")


async def measure_sums(session: LoginSession, table: TableDescription) -> Sums | None:
    """Return the sums of a table; None where a row is too large for the database to hash."""
    row = await session.fetch_single(statements.measure_table(table), MEASURE_LIMITS)
    count, hashed = _parse_count(row.get("c0")), _parse_count(row.get("c3"))
    # The sum of no rows is NULL.
    return Sums(count, row["c1"] or "0", row["c2"] or "0") if count == hashed else None


async def measure_changes(session: LoginSession, table: TableDescription, changed: Column) -> Changes:
    """Return the number of rows, and the latest value of the column `changed`; empty where all are NULL or zero."""
    row = await session.fetch_single(statements.measure_changes(table, changed), MEASURE_LIMITS)
    latest = row.get("c1") or ""
    return Changes(_parse_count(row.get("c0")), latest if latest.strip("0-:. ") else "")


async def count_rows(session: LoginSession, table: TableDescription) -> int:
    """Return the number of a table's rows."""
    return _parse_count((await session.fetch_single(statements.count_rows(table), MEASURE_LIMITS)).get("c0"))


def mark_as_read(state: ReadState, table: TableDescription) -> ReadState:
    """Return the state of a table that has not changed since, as it is known now."""
    return replace(state, read_at=table.read_at, updated_at=table.updated_at)


def _parse_count(text: str | None) -> int:
    if text is None:
        raise CutAnswerError("the answer is cut off")
    return int(text)
