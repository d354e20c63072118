"""Builders: a database that answers the statements of the fetcher, sessions on it, a clock, and contexts of syncs."""

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from hashlib import md5
from typing import Any
from uuid import uuid4

from connector.source import Checkpoint, FullReadEnd, FullReadStep, RangeEnd, RecordBatch
from contracts.events import Record
from phpmyadmin_fetcher.source import PhpMyAdminSource
from platform_sdk.session import FULL, FullReadState, SyncContext
from platform_sdk.tokens import AccessToken
from platforms.phpmyadmin import statements
from platforms.phpmyadmin.logins import PhpMyAdminLogin, TableOptions, encode_token
from platforms.phpmyadmin.quoting import Statement
from platforms.phpmyadmin.session import StatementAnswer, StatementLimits
from platforms.phpmyadmin.values import TextRow

CONNECTION = "phpmyadmin:db.example.com/1/shop/orders"
LOGIN = PhpMyAdminLogin("https://db.example.com", "reader", "the-password", "1", "shop")
NOW = 1_796_036_400.0
BEGAN = "2026-11-30 11:00:00"


class Clock:
    """Time passes when somebody sleeps, or when a test lets it pass."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.sleeps.append(seconds)
        self.seconds += seconds


class Database:
    """The table `orders` with the columns id, name and changed. It answers the statements that the fetcher sends.

    Before a statement the next of `script` for its kind happens, or the next for every kind (""): an exception is
    raised, a function is called with the statement, and its rows, if it returns some, are the answer.
    """

    def __init__(self) -> None:
        self.rows: dict[int, tuple[str, str]] = {number: (f"row {number}", BEGAN) for number in range(1, 8)}
        self.version = "10.11.6-MariaDB"
        self.columns = [("id", "int"), ("name", "varchar"), ("changed", "datetime")]
        self.keys = ["id"]
        self.engine, self.options = "InnoDB", ""
        self.updated_at: float | None = None
        self.checksum: str | None = None
        self.now = NOW
        self.has_table = True
        self.is_too_large_to_hash = False
        self.script: dict[str, list[Any]] = {}
        self.statements: list[Statement] = []
        self.limits: list[StatementLimits] = []
        self.calls = 0

    @property
    def kinds(self) -> list[str]:
        """What the statements were for, in order."""
        return [name_kind(statement) for statement in self.statements]

    @property
    def sizes(self) -> list[int]:
        """The numbers of rows that were asked for."""
        chosen = [one for one, kind in zip(self.statements, self.kinds, strict=True) if kind == "rows"]
        return [int(found[1]) for one in chosen if (found := re.search(r"LIMIT (\d+)\)", one))]

    def answer(self, statement: Statement, limits: StatementLimits) -> list[TextRow]:
        """Return the rows of a statement."""
        self.statements.append(statement)
        self.limits.append(limits)
        self.calls += 1
        kind = name_kind(statement)
        happening = next((self.script[one].pop(0) for one in ("", kind) if self.script.get(one)), None)
        if isinstance(happening, Exception):
            raise happening
        if happening is not None and (replaced := happening(statement)) is not None:
            return list(replaced)
        match kind:
            case "describe":
                return list(self.describe())
            case "json checks":
                return []
            case "checksum":
                return [{"TableDescription": "shop.orders", "Checksum": self.checksum}]
            case "count":
                return [{"c0": str(len(self.rows))}]
            case "sums":
                return [self.sum_up(statement)]
            case "changes":
                latest = max((changed for _, changed in self.rows.values()), default=None)
                return [{"c0": str(len(self.rows)), "c1": latest}]
        return self.select(statement)

    def describe(self) -> Iterable[TextRow]:
        """Yield the rows of a description."""
        yield build_described("server", self.version, str(self.now))
        if not self.has_table:
            return
        updated = None if self.updated_at is None else str(self.updated_at)
        yield build_described("table", "orders", "BASE TABLE", self.engine, self.options, updated)
        for number, (name, kind) in enumerate(self.columns, 1):
            yield build_described("column", "orders", name, str(number), kind, kind, "NO", None)
        for number, name in enumerate(self.keys, 1):
            yield build_described("key", "orders", "PRIMARY", name, str(number), None, "")

    def sum_up(self, statement: str) -> TextRow:
        """Return the row with the sums, as the statement for them has MySQL compute them."""
        read = [column for column, _ in self.columns if f"(`r`.`{column}` USING" in statement]
        digests = []
        for number, (name, changed) in self.rows.items():
            values = {"id": str(number), "name": name, "changed": changed}
            quoted = ("'" + values.get(column, "x").replace("'", "\\'") + "'" for column in read)
            digests.append(md5(",".join(quoted).encode()).hexdigest())
        sums = [str(sum(int(digest[begin : begin + 15], 16) for digest in digests)) for begin in (0, 16)]
        hashed = len(digests) - self.is_too_large_to_hash
        return {"c0": str(len(digests)), "c1": sums[0], "c2": sums[1], "c3": str(hashed)}

    def select(self, statement: str) -> list[TextRow]:
        """Return the rows that a statement selects; all of them for the statement `any`."""
        return list(self._select(statement))

    def _select(self, statement: str) -> Iterable[TextRow]:
        after = int(found[1]) if (found := re.search(r"`id` > (-?\d+)", statement)) else -(2**63)
        wanted = [int(one) for one in re.findall(r"\(`r`\.`id` = (-?\d+)\)", statement)]
        since = re.search(r"`changed` >= DATE_SUB\('([^']+)'", statement)
        limit = int(found[1]) if (found := re.search(r"LIMIT (\d+)\)", statement)) else 10**9
        chosen = [
            (number, row)
            for number, row in sorted(self.rows.items())
            if number > after and (not wanted or number in wanted) and (since is None or row[1] >= since[1])
        ]
        for number, (name, changed) in chosen[:limit]:
            values = {"id": str(number), "name": name, "changed": changed}
            read = [column for column, _ in self.columns if f"(`r`.`{column}` USING" in statement or statement == "any"]
            texts = {f"c{place}": values.get(column, "x") for place, column in enumerate(read)}
            yield {"z": "0", **({"k0": str(number)} if self.keys else {}), **texts}


def build_described(kind: str, *values: str | None) -> TextRow:
    """Build a row of a description."""
    padded = (*values, *[None] * (7 - len(values)))
    return {"z": "0", "c0": kind, **{f"c{number}": value for number, value in enumerate(padded, 1)}}


def name_kind(statement: Statement) -> str:
    """Return what a statement is for."""
    if statement.startswith("SELECT COUNT(*) AS c0 FROM"):
        return "count"
    begins = {"CHECKSUM": "checksum", "SELECT COUNT(*) AS c0, SUM": "sums", "SELECT COUNT(*) AS c0, CONVERT": "changes"}
    for begin, kind in begins.items():
        if statement.startswith(begin):
            return kind
    if statement == statements.describe_tables("shop", "orders"):
        return "describe"
    return "json checks" if "check_clause" in statement else "rows"


class FakeLoginSession:
    """The session of a login at the database. A range takes `seconds`, and each of its rows has `row_bytes`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.seconds, self.row_bytes = 0.1, 10
        self.pieces = 3

    @property
    def calls(self) -> int:
        """The number of requests."""
        return self._database.calls

    @property
    def answer_seconds(self) -> float:
        """How long the last answer took."""
        return self.seconds

    async def fetch(self, statement: Statement, limits: StatementLimits) -> StatementAnswer:
        """All rows."""
        rows = self._database.answer(statement, limits)
        self._clock.seconds += self.seconds
        return StatementAnswer(rows, len(rows) * self.row_bytes)

    async def fetch_single(self, statement: Statement, limits: StatementLimits) -> TextRow:
        """The only row."""
        (row,) = self._database.answer(statement, limits)
        return row

    async def read(self, statement: Statement, limits: StatementLimits) -> AsyncIterator[StatementAnswer]:
        """The rows in pieces; an exception among them is raised."""
        rows = self._database.answer(statement, limits)
        for begin in range(0, len(rows), self.pieces):
            piece = rows[begin : begin + self.pieces]
            for row in piece:
                if isinstance(row, Exception):
                    raise row
            yield StatementAnswer(piece, 10)


class FakeLogins:
    """Gives the session of the database to everybody; an exception in `refusal` is raised instead."""

    def __init__(self, session: FakeLoginSession) -> None:
        self._session = session
        self.refusal: Exception | None = None
        self.logins: list[PhpMyAdminLogin] = []

    @asynccontextmanager
    async def use(self, login: PhpMyAdminLogin) -> AsyncIterator[FakeLoginSession]:
        """The session."""
        self.logins.append(login)
        if self.refusal is not None:
            raise self.refusal
        yield self._session


class Bench:
    """A source on a database of its own. `sync` runs full syncs as the connector does, one after the other."""

    CONNECTION, LOGIN, NOW, BEGAN = CONNECTION, LOGIN, NOW, BEGAN

    def __init__(self) -> None:
        self.database, self.clock = Database(), Clock()
        self.session = FakeLoginSession(self.database, self.clock)
        self.logins = FakeLogins(self.session)
        self.previous: FullReadState | None = None
        self.replaced: list[AccessToken] = []
        self.replacement: AccessToken | Exception | None = None
        self.options = TableOptions()
        self.restart()

    def restart(self) -> None:
        """Begin with a new process, which has forgotten the sizes of ranges."""
        any_logins: Any = self.logins
        self.source = PhpMyAdminSource(any_logins, max_bytes=1_000_000, now=lambda: self.database.now)

    def build_context(self) -> SyncContext:
        """Build the context of a full sync."""
        token = AccessToken(CONNECTION, 1, encode_token(LOGIN, self.options))

        async def replace_token(rejected: AccessToken) -> AccessToken:
            self.replaced.append(rejected)
            if isinstance(self.replacement, Exception):
                raise self.replacement
            return self.replacement or rejected

        async def refresh_token() -> AccessToken:
            return token

        return SyncContext(token, uuid4(), FULL, replace_token, refresh_token, previous=self.previous)

    async def read_steps(self, cursor: str | None = None) -> list[FullReadStep]:
        """Run a full read from a cursor."""
        return [step async for step in self.source.read_all(self.build_context(), cursor)]

    async def sync(self, cursor: str | None = None) -> "FullRead":
        """Run a full sync, whose state the next one gets."""
        context = self.build_context()
        self.database.statements.clear()
        read = FullRead([step async for step in self.source.read_all(context, cursor)])
        assert read.end.state is not None
        self.previous = FullReadState(context.read_id, read.end.state)
        return read

    def pass_time(self, seconds: float) -> None:
        """Let the database's time pass."""
        self.database.now += seconds


class FullRead:
    """What a full read has yielded."""

    def __init__(self, steps: list[FullReadStep]) -> None:
        self.steps = steps

    @property
    def records(self) -> list[Record]:
        """All records."""
        return [record for step in self.steps if isinstance(step, RecordBatch) for record in step.records]

    @property
    def ids(self) -> list[str]:
        """The ids of all records."""
        return [record.id for record in self.records]

    @property
    def cursors(self) -> list[str]:
        """The cursors of the checkpoints."""
        return [step.cursor for step in self.steps if isinstance(step, Checkpoint)]

    @property
    def range_end(self) -> RangeEnd:
        """The end of the id range."""
        (end,) = [step for step in self.steps if isinstance(step, RangeEnd)]
        return end

    @property
    def end(self) -> FullReadEnd:
        """The end of the read, which is the last step."""
        end = self.steps[-1]
        assert isinstance(end, FullReadEnd)
        return end
