"""Reads a table as a process of the fetcher does, and keeps what comes as the product keeps it.

A relay between the two can cut connections.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import orjson

from connector.source import Checkpoint, FullReadEnd, FullReadStep, RangeEnd, RecordBatch
from contracts.events import Record
from phpmyadmin_fetcher.login_sessions import LoginSessions
from phpmyadmin_fetcher.measures import Sums, measure_sums
from phpmyadmin_fetcher.range_sizes import RangeSizes
from phpmyadmin_fetcher.source import PhpMyAdminSource
from phpmyadmin_fetcher.table_reader import TableReader
from platform_sdk.connection_methods import AccountOffers
from platform_sdk.errors import ConnectionEndedError
from platform_sdk.public_addresses import AllowedHost
from platform_sdk.session import FULL, INCREMENTAL, FullReadState, SyncContext
from platform_sdk.tokens import AccessToken
from platforms.phpmyadmin.connect import PhpMyAdminConnector
from platforms.phpmyadmin.http import create_http_client
from platforms.phpmyadmin.logins import PhpMyAdminLogin, TableOptions, encode_token
from platforms.phpmyadmin.names import build_table_names
from platforms.phpmyadmin.resources import ROWS
from platforms.phpmyadmin.session import PhpMyAdminSession
from platforms.phpmyadmin.settings import Settings
from table_worlds import TableWorld, WorldTable

HOST = "127.0.0.1"
MAX_BYTES = 256 * 1024 * 1024


class SkippingClock:
    """A clock that goes on by itself; who sleeps by it waits for nothing, and it is later then."""

    def __init__(self) -> None:
        self._skipped = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._skipped

    async def sleep(self, seconds: float) -> None:
        """Let time pass, for whoever would wait."""
        self.skip(seconds)

    def skip(self, seconds: float) -> None:
        """Let time pass."""
        self._skipped += seconds


@dataclass
class RequestSpan:
    """A request, from the first byte that was sent until its answer was read or dropped."""

    method: str
    began: float
    ended: float = 0.0

    def set_attribute(self, name: str, value: Any) -> None:
        """Take no notice of attributes."""


@dataclass
class Requests:
    """The requests of a process, and the cookies of the last one."""

    clock: SkippingClock
    spans: list[RequestSpan] = field(default_factory=list)
    open: int = 0
    peak: int = 0
    cookies: str = ""

    @contextmanager
    def trace(self, method: str, _url: str) -> Iterator[RequestSpan]:
        """Trace one request."""
        span = RequestSpan(method, self.clock())
        self.spans.append(span)
        self.open += 1
        self.peak = max(self.peak, self.open)
        try:
            yield span
        finally:
            self.open -= 1
            span.ended = self.clock()

    def count_pages(self) -> int:
        """Return how many pages were asked for: two for each sign-in, and one for one that is refused."""
        return [span.method for span in self.spans].count("GET")

    async def keep_cookies(self, request: httpx.Request) -> None:
        """Keep the cookies of a request."""
        self.cookies = request.headers.get("cookie", "")


class FetcherProcess:
    """What a process of the fetcher has in memory. `rows` is how many rows it asks for at once."""

    def __init__(self, http: httpx.AsyncClient, rows: int) -> None:
        self.clock = SkippingClock()
        self.requests = Requests(self.clock)
        http.event_hooks = {"request": [self.requests.keep_cookies], "response": []}
        self.logins = LoginSessions(
            lambda login: PhpMyAdminSession(http, login, trace=self.requests.trace),
            rows_per_second=10**9,
            elapsed=self.clock,
            sleep=self.clock.sleep,
        )
        sizes = RangeSizes(first_rows=rows, max_rows=rows)
        self.source = PhpMyAdminSource(self.logins, max_bytes=MAX_BYTES, sizes=sizes)


class TableCopy:
    """The rows of one table as the product has them.

    Rows that a whole full read has not brought are removed, those that a read of changes has not brought stay.
    """

    def __init__(
        self, login: PhpMyAdminLogin, table: str, *, options: TableOptions | None = None, rows: int = 7
    ) -> None:
        self.login = login
        self.table = table
        self.options = options or TableOptions()
        self.records: dict[str, Record] = {}
        self.previous: FullReadState | None = None
        self.cursor: str | None = None
        """The last checkpoint of the sync that has begun; None before one."""
        self.calls = 0
        """The number of requests for statements of the last full sync."""
        self.read: list[Record] = []
        """The records that the last full sync has brought."""
        self.replaced: list[AccessToken] = []
        self.replacement: PhpMyAdminLogin | None = None
        """The login that the gateway has for a refused one. Without one, the merchant must sign in again."""
        self.checkpoints = 0
        self._sync_id = uuid4()
        self._seen: set[str] = set()
        self._sent = 0
        self._attempt = 0
        self._rows = rows
        self._stack = AsyncExitStack()
        self.process: FetcherProcess

    @property
    def connection(self) -> str:
        """The name of the connection."""
        (account,) = build_table_names(self.login.url, self.login.server, self.login.database, [self.table])
        return f"phpmyadmin:{account}"

    async def restart(self) -> None:
        """Begin with a new process, which has forgotten sessions and sizes. The old one is killed: nobody signs out."""
        await self._stack.aclose()
        http = create_http_client([AllowedHost(HOST)], _resolve)
        await self._stack.enter_async_context(http)
        self.process = FetcherProcess(http, self._rows)

    async def close(self) -> None:
        """Kill the process."""
        await self._stack.aclose()

    def build_context(self, mode: str = FULL) -> SyncContext:
        """Build the context of a step."""
        token = AccessToken(self.connection, 1, encode_token(self.login, self.options))

        async def replace_token(rejected: AccessToken) -> AccessToken:
            self.replaced.append(rejected)
            if self.replacement is None:
                raise ConnectionEndedError("reauthorise")
            self.login = self.replacement
            return AccessToken(rejected.connection, 1, encode_token(self.login, self.options))

        async def refresh_token() -> AccessToken:
            return token

        previous = self.previous if mode == FULL else None
        return SyncContext(token, self._sync_id, mode, replace_token, refresh_token, previous=previous)

    async def sync(self) -> None:
        """Run a full sync to its end."""
        self.begin()
        await self.sync_on()

    def begin(self) -> None:
        """Begin a full sync, which has a read of its own."""
        self._sync_id, self._seen, self._attempt = uuid4(), set(), 0
        self.cursor, self.read, self.calls, self.checkpoints = None, [], 0, 0

    async def go_on(self) -> AsyncIterator[FullReadStep]:
        """Go on with the full sync at its last checkpoint, and keep what comes. Yields each step after that."""
        context = self.build_context()
        try:
            async for step in self.process.source.read_all(context, self.cursor):
                self._keep(step)
                yield step
        finally:
            self.calls += context.calls

    async def sync_on(self) -> None:
        """Go on with the full sync, to its end."""
        async for _ in self.go_on():
            pass

    async def stop_at(self, checkpoint: int) -> bool:
        """Go on until so many checkpoints have come. Returns False where the sync has come to its end before."""
        steps = self.go_on()
        async for step in steps:
            if isinstance(step, Checkpoint) and self.checkpoints >= checkpoint:
                await steps.aclose()  # type: ignore[attr-defined]
                return True
        return False

    async def fetch(self, *record_ids: str) -> list[Record]:
        """Read single rows by their ids, as a request for them does."""
        context = self.build_context(INCREMENTAL)
        steps = self.process.source.read_records(context, {ROWS.name: list(record_ids)}, None)
        return [record async for step in steps if isinstance(step, RecordBatch) for record in step.records]

    async def measure(self) -> Sums | None:
        """Return the sums of the table as it is now."""
        async with self.open_reader() as reader:
            return await measure_sums(reader.session, await reader.describe())

    @asynccontextmanager
    async def open_reader(self) -> AsyncIterator[TableReader]:
        """Open the table in the session of the login."""
        name = next(iter(build_table_names(self.login.url, "1", self.login.database, [self.table]).values()))
        async with self.process.logins.use(self.login) as session:
            yield TableReader(session, self.connection, name, self.options, RangeSizes(), max_bytes=MAX_BYTES)

    def list_bodies(self) -> list[dict[str, Any]]:
        """Return the bodies in the order of the document: by the sort key, and then by the id."""
        ordered = sorted(self.records.values(), key=lambda record: (record.sort_key, record.id))
        assert all(record.unreadable is None for record in ordered), [record.unreadable for record in ordered]
        return [record.body for record in ordered if record.body is not None]

    def _keep(self, step: FullReadStep) -> None:
        match step:
            case RecordBatch():
                if step.attempt != self._attempt:
                    self._attempt, self._seen = step.attempt, set()
                self._seen |= {record.id for record in step.records}
                self.read += step.records
                self.records |= {record.id: record for record in step.records}
            case Checkpoint():
                self.cursor = step.cursor
                self.checkpoints += 1
            case RangeEnd():
                assert step.sent_count <= len(self._seen)
                self._sent = step.sent_count
            case FullReadEnd():
                self._end(step)

    def _end(self, end: FullReadEnd) -> None:
        assert end.state is not None
        if end.continues is None:
            self.records = {one: record for one, record in self.records.items() if one in self._seen}
        else:
            assert self.previous is not None and end.continues == self.previous.sync_id
        # As the spaces-writer does: a killed step has listed rows of which the state does not know.
        is_exact = end.continues is not None or len(self._seen) == self._sent
        self.previous = FullReadState(self._sync_id, end.state) if is_exact else None
        self.cursor = None


def write_body(body: dict[str, Any]) -> bytes:
    """Return a body as the document has it."""
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def check_copy(copy: TableCopy, world: TableWorld, table: WorldTable) -> None:
    """Check that the copy is equal to the truth, value for value, and in the order of the key."""
    expected, found = [[write_body(body) for body in rows] for rows in (world.read_truth(table), copy.list_bodies())]
    assert sorted(found) == sorted(expected)
    if table.key:
        places = {body: place for place, body in enumerate(expected)}
        keys = [record.sort_key for record in sorted(copy.records.values(), key=lambda one: places[_write(one.body)])]
        assert keys == sorted(keys)


def _write(body: dict[str, Any] | None) -> bytes:
    assert body is not None
    return write_body(body)


async def _resolve(_host: str, _port: int) -> list[IPv4Address]:
    return [IPv4Address(HOST)]


class CuttingRelay:
    """Relays connections to a server at a port of this machine. With `cut_after`, answers end behind so many bytes.

    They end as if all were well, or with `breaks` as if a wire were cut.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.port is not None
        self._port, self._path = parts.port, parts.path
        self._server: asyncio.Server
        self.cut_after: int | None = None
        self.breaks = False
        self.cuts = 0
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """The address of what is behind the relay."""
        return f"http://{HOST}:{self._server.sockets[0].getsockname()[1]}{self._path}"

    @asynccontextmanager
    async def run(self) -> AsyncIterator["CuttingRelay"]:
        """Relay while the context lasts."""
        self._server = await asyncio.start_server(self._relay, HOST, 0)
        try:
            yield self
        finally:
            self._server.close()

    def cut_all(self) -> None:
        """Cut all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(HOST, self._port)
        self._writers |= {writer, far_writer}
        sending = asyncio.create_task(_pump(reader, far_writer))
        is_cut = False
        with suppress(OSError):
            while not is_cut and (piece := await far_reader.read(65_536)):
                if self.cut_after is not None:
                    is_cut, piece = True, piece[: self.cut_after]
                writer.write(piece)
                await writer.drain()
        sending.cancel()
        if is_cut:
            self.cuts += 1
            if self.breaks:
                writer.transport.abort()
        for one in (writer, far_writer):
            one.close()
        self._writers -= {writer, far_writer}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()


@asynccontextmanager
async def open_copy(
    login: PhpMyAdminLogin, table: str, *, options: TableOptions | None = None, rows: int = 7
) -> AsyncIterator[TableCopy]:
    """Open a copy of a table with a process of its own."""
    copy = TableCopy(login, table, options=options, rows=rows)
    await copy.restart()
    try:
        yield copy
    finally:
        await copy.close()


@dataclass(frozen=True)
class HttpAnswer:
    """What a server that is no phpMyAdmin answers to everything."""

    status: int
    body: str
    location: str = ""
    authenticate: str = ""


@asynccontextmanager
async def serve_answer(answer: HttpAnswer) -> AsyncIterator[str]:
    """Serve the same answer to every request. Yields the address."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            headers = {"Content-Type": "text/html", "Location": answer.location}
            headers["WWW-Authenticate"] = answer.authenticate
            lines = [f"HTTP/1.1 {answer.status} StatementAnswer", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in headers.items() if value]
            writer.write("\r\n".join([*lines, "", answer.body]).encode())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(respond, HOST, 0)
    try:
        yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def build_settings(*allowed: str) -> Settings:
    """Build the gateway's settings, with which these hosts may be called."""
    return Settings(phpmyadmin_allowed_hosts=",".join(allowed))  # type: ignore[arg-type]


async def offer_tables(login: PhpMyAdminLogin) -> AccountOffers:
    """Return the tables that the gateway offers to somebody with this login."""
    connector = PhpMyAdminConnector(build_settings(HOST), now=lambda: 1_000)
    values = {name: str(getattr(login, name)) for name in ("url", "username", "password", "database", "server")}
    return await connector.list_offers(values)
