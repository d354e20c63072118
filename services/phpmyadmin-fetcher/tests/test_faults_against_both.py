"""Faults while a table is read, of the simulated phpMyAdmin and of a real one: no row is lost, removed or invented."""

import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any

import httpx
import pymysql
import pytest

from connector.source import FullReadStep, RecordBatch
from kinds_of_tables import KEYLESS, build_order, build_orders
from phpmyadmin_fetcher.login_sessions import SIGN_IN_SECONDS, RecentlyRefusedError
from phpmyadmin_fetcher.table_reader import WHOLE_SECONDS
from platform_sdk.errors import ConnectionEndedError, PermanentError, RetryLaterError
from platforms.phpmyadmin import statements
from platforms.phpmyadmin.errors import CutAnswerError
from platforms.phpmyadmin.session import StatementAnswer, StatementLimits
from real_phpmyadmin import Configuration, MariaDb, StartPhpMyAdmin
from table_copy import MAX_BYTES, CuttingRelay, TableCopy, check_copy, offer_tables, open_copy, write_body
from table_worlds import RealWorld, SimulatedWorld, TableWorld, WorldColumn, WorldTable

pytestmark = pytest.mark.integration

ORDERS = build_orders(40, name="disturbed")
NEW_ROW, CHANGED_ROW, DELETED_ROW = 1_000, 30, 33
LARGE_ROWS = 12_000
ENDLESS_ROWS = 3_000_000
"""So many rows that phpMyAdmin cannot send them within a second of its own time."""
Fault = Callable[[Any], AbstractContextManager[None]]

SIMULATED: dict[str, tuple[dict[str, Any], str]] = {
    "cut in mid-row": ({"cut_after_bytes": 150}, "the answer is cut off"),
    "a broken connection": ({"cut_after_bytes": 150, "cut_breaks_connection": True}, "not reached: RemoteProtocol"),
    "the database lost behind a row": ({"lose_connection_after_rows": 1}, "before its last row"),
    "a statement killed before its first row": ({"no_rows": True}, "before its last row"),
    "a page in the middle": ({"html_after_rows": 0}, "something else stands in the middle"),
    "a right taken away": ({"error_code": 1142}, r"\(error 1142\): the right to SELECT"),
    "a table dropped": ({"error_code": 1146}, "the table does not exist any more"),
    "a statement interrupted": ({"error_code": 1317}, r"has broken off the statement \(error 1317\)"),
    "a statement that takes too long": ({"error_code": 3024}, r"longer than the database allows \(error 3024\)"),
    "an error of another kind": ({"error_code": 1030}, r"refuses to read the table \(error 1030\)"),
    "maintenance": ({"fail_requests": -1}, "answers HTTP 503"),
    "too many requests": ({"fail_requests": -1, "fail_status": 429, "retry_after": 7}, "answers HTTP 429"),
    "a broken host": ({"fail_requests": -1, "fail_status": 500}, "answers HTTP 500"),
    "the database away": ({"database_away": True}, r"does not answer \(error 2002\)"),
    "too many connections": ({"refused_with": 1040}, r"does not answer \(error 1040\)"),
    "sessions ended": ({"end_sessions_after_exports": 0}, "ended soon after it began"),
}
"""Faults of the simulated phpMyAdmin, and what the reason for the interruption says."""


@contextmanager
def kill_while_waiting(world: RealWorld, kill: Callable[[MariaDb], object]) -> Iterator[None]:
    """Let the reader's statements wait for a lock, and call `kill` whenever one waits."""
    stopped = threading.Event()
    holder = world.mariadb.connect()
    with holder.cursor() as cursor:
        cursor.execute(f"LOCK TABLES shop.{ORDERS.name} WRITE")

    def watch() -> None:
        # Nothing answers while the server is away.
        while not stopped.wait(0.01):
            with suppress(pymysql.err.MySQLError):
                if world.mariadb.list_running(world.login.username):
                    kill(world.mariadb)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        stopped.set()
        watching.join()
        with suppress(pymysql.err.Error):
            holder.close()


@contextmanager
def kill_server(world: RealWorld) -> Iterator[None]:
    """Kill MariaDB at once while a statement waits in it, and start it again at the end."""
    world.keep_commits()
    try:
        with kill_while_waiting(world, MariaDb.kill):
            yield
    finally:
        world.mariadb.start()


@contextmanager
def stop_server(world: TableWorld) -> Iterator[None]:
    """Let the database be away."""
    world.set_away(is_away=True)
    try:
        yield
    finally:
        world.set_away(is_away=False)


@contextmanager
def limit_statements(world: RealWorld) -> Iterator[None]:
    """Let statements wait for a lock for longer than the server allows."""
    with kill_while_waiting(world, lambda _: None):
        world.mariadb.execute("SET GLOBAL max_statement_time = 0.2")
        try:
            yield
        finally:
            world.mariadb.execute("SET GLOBAL max_statement_time = 0")


@contextmanager
def execute(world: RealWorld, begin: str, *end: str) -> Iterator[None]:
    """Execute a statement, and others at the end."""
    world.mariadb.execute(begin)
    try:
        yield
    finally:
        world.mariadb.execute(*end)


REAL: dict[str, tuple[Fault, str]] = {
    "its statement killed": (
        lambda world: kill_while_waiting(world, lambda one: one.kill_queries("reading")),
        r"has broken off the statement \(error 1317\)",
    ),
    "its connection killed": (
        lambda world: kill_while_waiting(world, lambda one: one.kill_connections("reading")),
        r"has broken off the statement \(error 2006\)",
    ),
    "the server killed": (kill_server, r"does not answer \(error 2002\)"),
    "the server stopped": (stop_server, r"does not answer \(error 2002\)"),
    "a limit of the server's time": (limit_statements, r"longer than the database allows \(error 1969\)"),
    "its connections of the hour used up": (
        lambda world: execute(
            world,
            "ALTER USER reading@'%' WITH MAX_CONNECTIONS_PER_HOUR 1",
            "ALTER USER reading@'%' WITH MAX_CONNECTIONS_PER_HOUR 0",
            "FLUSH USER_RESOURCES",
        ),
        r"does not answer \(error 1226\)",
    ),
    "a right taken away": (
        lambda world: execute(
            world, "REVOKE SELECT ON shop.* FROM reading@'%'", "GRANT SELECT ON shop.* TO reading@'%'"
        ),
        r"\(error 1142\): the right to SELECT",
    ),
    "the table renamed": (
        lambda world: execute(
            world, "RENAME TABLE shop.disturbed TO shop.elsewhere", "RENAME TABLE shop.elsewhere TO shop.disturbed"
        ),
        "the table does not exist any more",
    ),
}
"""Faults of a real MariaDB, and what the reason for the interruption says."""


class Disturbed:
    """A copy of a table that is edited and then read anew, until something disturbs the read."""

    def __init__(self, world: TableWorld, copy: TableCopy) -> None:
        self._world = world
        self._copy = copy
        self._known: set[bytes] = set()
        self._old: set[str] = set()
        self.steps: Any = None

    async def begin(self, ranges: int = 2) -> None:
        """Read the table, edit it, and read so many ranges of it anew."""
        await self._copy.sync()
        check_copy(self._copy, self._world, ORDERS)
        self._old, self._known = set(self._copy.records), self._list_bodies()
        self._world.update(ORDERS, {"id": CHANGED_ROW}, {"note": "changed"})
        self._world.delete(ORDERS, {"id": DELETED_ROW})
        self._world.insert(ORDERS, build_order(NEW_ROW))
        self._known |= {write_body(body) for body in self._world.read_truth(ORDERS)}
        self._copy.begin()
        self.steps = self._copy.go_on()
        async for _ in self.steps:
            if self._copy.checkpoints == 1 + ranges:
                break

    async def fail(self, reason: str) -> RetryLaterError | PermanentError:
        """Go on until the read fails for this reason, and check that nothing is wrong so far."""
        with pytest.raises((RetryLaterError, PermanentError), match=reason) as raised:
            async for _ in self.steps:
                pass
        assert self._old <= set(self._copy.records) <= self._old | {str(NEW_ROW)}
        assert self._list_bodies() <= self._known
        return raised.value

    async def finish(self) -> None:
        """Go on from the last checkpoint in a new process, to the end."""
        assert self._copy.cursor is not None
        await self._copy.restart()
        await self._copy.sync_on()
        check_copy(self._copy, self._world, ORDERS)

    def _list_bodies(self) -> set[bytes]:
        return {write_body(body) for body in self._copy.list_bodies()}


@pytest.mark.parametrize("name", SIMULATED)
async def test_a_fault_of_the_simulated_one_loses_and_invents_nothing(simulated: SimulatedWorld, name: str) -> None:
    faults, reason = SIMULATED[name]
    simulated.create(ORDERS)
    async with open_copy(simulated.login, ORDERS.name) as copy:
        disturbed = Disturbed(simulated, copy)
        await disturbed.begin()
        with simulated.fail(**faults):
            error = await disturbed.fail(reason)
        is_refusal = faults.get("error_code") in (1142, 1146, 1030)
        assert isinstance(error, PermanentError if is_refusal else RetryLaterError)
        if "retry_after" in faults:
            assert isinstance(error, RetryLaterError) and error.seconds == faults["retry_after"]
        await disturbed.finish()


@pytest.mark.parametrize("name", REAL)
async def test_a_fault_of_a_real_one_loses_and_invents_nothing(reality: RealWorld, name: str) -> None:
    fault, reason = REAL[name]
    reality.create(ORDERS)
    async with open_copy(reality.login, ORDERS.name) as copy:
        disturbed = Disturbed(reality, copy)
        await disturbed.begin()
        with fault(reality):
            await disturbed.fail(reason)
        await disturbed.finish()


@pytest.mark.parametrize("breaks", [False, True], ids=["closed", "broken"])
async def test_a_connection_that_ends_in_mid_answer_loses_nothing(world: TableWorld, breaks: bool) -> None:
    world.create(ORDERS)
    async with CuttingRelay(world.url).run() as relay:
        login = replace(world.login, url=relay.url)
        async with open_copy(login, ORDERS.name) as copy:
            disturbed = Disturbed(world, copy)
            await disturbed.begin()
            relay.cut_after, relay.breaks = 100, breaks
            await disturbed.fail("the phpMyAdmin is not reached: R")
            assert relay.cuts
            relay.cut_after = None
            await disturbed.finish()


async def test_ended_sessions_are_opened_again_after_a_minute(world: TableWorld) -> None:
    world.create(ORDERS)
    async with open_copy(world.login, ORDERS.name) as copy:
        disturbed = Disturbed(world, copy)
        await disturbed.begin()
        world.end_sessions()
        error = await disturbed.fail("ended soon after it began")
        assert isinstance(error, RetryLaterError) and error.seconds is not None
        assert 0 < error.seconds <= SIGN_IN_SECONDS
        copy.process.clock.skip(error.seconds)
        await copy.sync_on()
        check_copy(copy, world, ORDERS)


async def test_an_answer_that_is_cut_is_asked_for_in_smaller_pieces(simulated: SimulatedWorld) -> None:
    simulated.create(ORDERS)
    with simulated.fail(cut_after_bytes=600, tables=[ORDERS.name]):
        async with open_copy(simulated.login, ORDERS.name, rows=32) as copy:
            await copy.sync()
            check_copy(copy, simulated, ORDERS)


async def test_a_warning_before_the_data_disturbs_nothing(simulated: SimulatedWorld) -> None:
    simulated.create(ORDERS)
    with simulated.fail(warning=True):
        async with open_copy(simulated.login, ORDERS.name) as copy:
            await copy.sync()
            check_copy(copy, simulated, ORDERS)


async def test_columns_that_are_added_between_two_ranges_are_read(world: TableWorld) -> None:
    world.create(ORDERS)
    async with open_copy(world.login, ORDERS.name) as copy:
        copy.begin()
        altered = ORDERS
        async for _ in copy.go_on():
            if copy.checkpoints == 3 and altered is ORDERS:
                altered = world.add_column(ORDERS, WorldColumn("further", "varchar(10)"))
                world.update(altered, {"id": 2}, {"further": "x"})
        check_copy(copy, world, altered)


async def test_killed_at_any_checkpoint_a_read_goes_on_in_a_new_process(world: TableWorld) -> None:
    world.create(ORDERS)
    async with open_copy(world.login, ORDERS.name, rows=9) as copy:
        copy.begin()
        stops = 0
        while await copy.stop_at(copy.checkpoints + 1):
            stops += 1
            await copy.restart()
        assert stops >= 5
        assert len(copy.read) == len(ORDERS.rows)
        check_copy(copy, world, ORDERS)


async def test_a_table_without_a_key_that_is_killed_is_read_anew(world: TableWorld) -> None:
    world.create(KEYLESS)
    async with open_copy(world.login, KEYLESS.name) as copy:
        copy.begin()
        steps = copy.go_on()
        async for step in steps:
            if isinstance(step, RecordBatch):
                break
        await copy.restart()
        world.delete(KEYLESS, {"what": ""})
        await copy.sync_on()
        await copy.sync()
        check_copy(copy, world, KEYLESS)


class TestLargeAnswers:
    """Tens of megabytes, of which a part has come when something happens: no buffer holds the rest."""

    @pytest.fixture
    def large(self, reality: RealWorld) -> WorldTable:
        """Make a table without a key."""
        columns = (WorldColumn("n", "int(11)", nullable=False), WorldColumn("pad", "text"))
        reality.mariadb.execute(
            "CREATE OR REPLACE TABLE shop.large (n INT, pad TEXT)",
            f"INSERT INTO shop.large SELECT seq, REPEAT('x', 3000) FROM shop.seq_1_to_{LARGE_ROWS}",
        )
        return WorldTable("large", columns)

    @pytest.mark.parametrize("how", ["statement", "connection", "server", "wire"])
    async def test_what_is_lost_in_mid_answer_is_never_taken_for_the_end(
        self, reality: RealWorld, large: WorldTable, how: str
    ) -> None:
        with ExitStack() as stack:
            async with (
                CuttingRelay(reality.url).run() as relay,
                open_copy(replace(reality.login, url=relay.url), large.name) as copy,
            ):
                copy.begin()
                steps = copy.go_on()
                await _read_first_rows(steps)
                match how:
                    case "statement":
                        assert reality.mariadb.kill_queries(reality.login.username)
                    case "connection":
                        assert reality.mariadb.kill_connections(reality.login.username)
                    case "server":
                        reality.keep_commits()
                        reality.mariadb.kill()
                        stack.callback(reality.mariadb.start)
                    case "wire":
                        relay.cut_all()
                with pytest.raises(RetryLaterError, match=r"before its last row|cut off"):
                    async for _ in steps:
                        pass
                assert 0 < len(copy.records) < LARGE_ROWS
                assert copy.previous is None
                stack.close()
                await copy.restart()
                await copy.sync_on()
                assert sorted(body["n"] for body in copy.list_bodies()) == list(range(1, LARGE_ROWS + 1))


async def test_at_the_time_limit_of_php_an_answer_is_cut_and_ranges_are_not(
    reality: RealWorld, start_phpmyadmin: StartPhpMyAdmin
) -> None:
    limited = start_phpmyadmin(Configuration(settings={"ExecTimeLimit": 1}))
    login = replace(reality.login, url=limited.url)
    # PHP fetches the rest of a result even then, so that it must have an end.
    reality.mariadb.execute(f"CREATE OR REPLACE VIEW shop.endless AS SELECT seq AS n FROM shop.seq_1_to_{ENDLESS_ROWS}")
    reality.create(ORDERS)
    async with open_copy(login, "endless") as copy, copy.open_reader() as reader:
        statement = statements.select_rows(await reader.describe())
        pieces = reader.session.read(statement, StatementLimits(MAX_BYTES, WHOLE_SECONDS))
        counts: list[int] = []
        with pytest.raises(CutAnswerError, match="the answer is cut off"):
            await _count_rows(pieces, counts)
        assert 0 < sum(counts) < ENDLESS_ROWS
    async with open_copy(login, ORDERS.name) as copy:
        await copy.sync()
        check_copy(copy, reality, ORDERS)


async def _count_rows(pieces: AsyncIterator[StatementAnswer], counts: list[int]) -> None:
    async for piece in pieces:
        counts.append(len(piece.rows))


async def _read_first_rows(steps: Any) -> None:
    step: FullReadStep
    async for step in steps:
        if isinstance(step, RecordBatch):
            return


class TestLogins:
    """How a login is used: one request at a time, seldom signed in, and signed out at the end."""

    @pytest.mark.parametrize("is_known", [True, False], ids=["the gateway has the new one", "nobody has it"])
    async def test_a_changed_password_is_reported_once(self, world: TableWorld, is_known: bool) -> None:
        world.create(ORDERS)
        async with open_copy(world.login, ORDERS.name) as copy:
            disturbed = Disturbed(world, copy)
            await disturbed.begin()
            world.change_password()
            if is_known:
                copy.replacement = world.login
            with pytest.raises(RetryLaterError if is_known else ConnectionEndedError):
                async for _ in disturbed.steps:
                    pass
            assert (len(copy.replaced), copy.process.requests.count_pages()) == (1, 2)
            copy.login = world.login
            await copy.sync_on()
            assert (len(copy.replaced), copy.process.requests.count_pages()) == (1, 4)
            check_copy(copy, world, ORDERS)

    async def test_a_refused_password_is_tried_once(self, world: TableWorld) -> None:
        world.create(ORDERS)
        async with open_copy(replace(world.login, password="wrong"), ORDERS.name) as copy:
            for error in (ConnectionEndedError, RecentlyRefusedError):
                copy.begin()
                with pytest.raises(error):
                    await copy.sync_on()
                # The form, and the form again with what was written into it.
                assert [span.method for span in copy.process.requests.spans] == ["GET", "POST"]
                assert len(copy.replaced) == 1

    async def test_one_request_at_a_time_with_pauses_and_one_session(self, world: TableWorld) -> None:
        world.create(ORDERS)
        async with open_copy(world.login, ORDERS.name) as copy:
            await copy.sync()
            await copy.sync()
            requests = copy.process.requests
            sign_in, statements = requests.spans[:3], requests.spans[3:]
            assert [span.method for span in sign_in] == ["GET", "POST", "GET"]
            assert {span.method for span in statements} == {"POST"}
            assert requests.peak == 1
            for one, following in itertools.pairwise(statements):
                assert following.began - one.ended >= (one.ended - one.began) - 1e-6
            cookies = requests.cookies
            assert is_signed_in(world, cookies)
            await copy.process.logins.close_unused(idle_seconds=0.0)
            assert not is_signed_in(world, cookies)
            assert len(requests.spans) == 3 + len(statements) + 1


def is_signed_in(world: TableWorld, cookies: str) -> bool:
    """Return whether a session is signed in."""
    page = httpx.get(f"{world.url}/index.php", params={"route": "/"}, headers={"Cookie": cookies})
    return 'id="login_form"' not in page.text


async def test_only_reading_statements_reach_a_database_of_one_who_may_do_everything(reality: RealWorld) -> None:
    reality.mariadb.create_user("almighty", reality.login.password, "ALL ON *.* ")
    login = replace(reality.login, username="almighty")
    live = build_orders(5, name="live_log", engine="Aria", options="checksum=1")
    for table in (ORDERS, KEYLESS, live):
        reality.create(table)
    reality.clear_log()
    for table in (ORDERS, KEYLESS, live):
        async with open_copy(login, table.name) as copy:
            await copy.sync()
            await copy.sync()
            if table.key:
                assert len(await copy.fetch("1", "99")) == 2
            await copy.process.logins.close_unused(idle_seconds=0.0)
    offered = await offer_tables(login)
    assert {offer.title for offer in offered.offers} >= {ORDERS.name, KEYLESS.name}
    statements = reality.mariadb.list_statements("almighty")
    assert len(statements) > 50
    words = {statement.lstrip("( \n").split(maxsplit=1)[0].upper() for statement in statements}
    assert words <= {"SELECT", "SHOW", "CHECKSUM", "SET", "USE"}
    settings = {statement.split()[1].lower() for statement in statements if statement.upper().startswith("SET ")}
    assert settings <= {"names", "lc_messages", "collation_connection"}
