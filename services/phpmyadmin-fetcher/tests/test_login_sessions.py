"""The manners of a session: one user at a time, pauses, one sign-in a minute, and none after a refused password."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from phpmyadmin_fetcher import login_sessions
from phpmyadmin_fetcher.login_sessions import (
    IDLE_SECONDS,
    MAX_PAUSE_SECONDS,
    SIGN_IN_SECONDS,
    LoginSession,
    LoginSessions,
    RecentlyRefusedError,
    open_login_sessions,
)
from platform_sdk.errors import RetryLaterError, TransientError
from platforms.phpmyadmin import statements
from platforms.phpmyadmin.errors import SignedOutError, SignInRefusedError
from platforms.phpmyadmin.logins import PhpMyAdminLogin
from platforms.phpmyadmin.session import StatementAnswer, StatementLimits

GRANTS = statements.show_grants()
LIMITS = StatementLimits(1_000, 10.0)
LOGIN = PhpMyAdminLogin("https://db.example.com", "reader", "the-password", "1", "shop")
OTHER = PhpMyAdminLogin("https://db.example.com", "reader", "another-password", "1", "shop")


class Host:
    """A phpMyAdmin: how long it takes, how many rows it sends, and what goes wrong next."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.seconds, self.rows = 0.5, 1
        self.errors: list[Exception | None] = []
        self.sign_in_errors: list[Exception | None] = []
        self.events: list[str] = []
        self.times: list[float] = []
        self.gate = asyncio.Event()
        self.gate.set()

    def open_session(self, *_: Any, **__: Any) -> "FakeSession":
        """Open a session that has not signed in."""
        return FakeSession(self)

    def count(self, event: str) -> int:
        """How often this has happened."""
        return self.events.count(event)


class FakeSession:
    """A session at the host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.is_signed_in = False

    async def sign_in(self) -> None:
        """Sign in."""
        self._host.events.append("in")
        if self._host.sign_in_errors and (error := self._host.sign_in_errors.pop(0)):
            raise error
        self.is_signed_in = True

    async def sign_out(self) -> None:
        """Sign out."""
        self._host.events.append("out")
        for _ in range(5):
            await asyncio.sleep(0)
        self.is_signed_in = False

    async def fetch(self, statement: Any, limits: Any) -> StatementAnswer:
        """The rows, or the next error."""
        assert self.is_signed_in
        self._host.events.append("call")
        self._host.times.append(self._host.clock())
        await self._host.gate.wait()
        self._host.clock.seconds += self._host.seconds
        if self._host.errors and (error := self._host.errors.pop(0)):
            self.is_signed_in = not isinstance(error, SignedOutError)
            raise error
        return StatementAnswer([{"z": "0"}] * self._host.rows, 1)

    async def fetch_single(self, statement: Any, limits: Any) -> Any:
        """The first row."""
        return (await self.fetch(statement, limits)).rows[0]

    async def read(self, statement: Any, limits: Any) -> AsyncIterator[StatementAnswer]:
        """The rows one by one."""
        answer = await self.fetch(statement, limits)
        for row in answer.rows:
            yield StatementAnswer([row], 1)


@pytest.fixture
def host(clock: Any) -> Host:
    """A phpMyAdmin."""
    return Host(clock)


@pytest.fixture
def session(host: Host) -> LoginSession:
    """The session of one login there, with a hundred rows a second."""
    any_open: Any = host.open_session
    return LoginSession(any_open, rows_per_second=100, elapsed=host.clock, sleep=host.clock.sleep)


@pytest.fixture
def logins(host: Host) -> LoginSessions:
    """The sessions of all logins there."""
    any_open: Any = host.open_session
    return LoginSessions(any_open, rows_per_second=100, elapsed=host.clock, sleep=host.clock.sleep)


async def test_the_first_call_signs_in_and_further_ones_do_not(session: LoginSession, host: Host) -> None:
    await session.fetch(GRANTS, LIMITS)
    assert await session.fetch_single(GRANTS, LIMITS) == {"z": "0"}
    assert [piece.rows async for piece in session.read(GRANTS, LIMITS)] == [[{"z": "0"}]]
    assert host.events == ["in", "call", "call", "call"]
    assert session.calls == 3


async def test_a_pause_is_as_long_as_the_answer_before(session: LoginSession, host: Host) -> None:
    for seconds in (0.5, 3.0, 0.1):
        host.seconds = seconds
        await session.fetch(GRANTS, LIMITS)
        assert session.answer_seconds == pytest.approx(seconds)
    assert host.clock.sleeps == pytest.approx([0.5, 3.0])


async def test_time_that_has_passed_anyway_is_no_pause(session: LoginSession, host: Host) -> None:
    await session.fetch(GRANTS, LIMITS)
    host.clock.seconds += 0.2
    await session.fetch(GRANTS, LIMITS)
    host.clock.seconds += 60
    await session.fetch(GRANTS, LIMITS)
    assert host.clock.sleeps == pytest.approx([0.3])


@pytest.mark.parametrize("kind", ["fetch", "read"])
async def test_no_more_rows_a_second_than_allowed(session: LoginSession, host: Host, kind: str) -> None:
    host.rows, host.seconds = 300, 0.5
    for _ in range(4):
        if kind == "fetch":
            await session.fetch(GRANTS, LIMITS)
        else:
            assert len([piece async for piece in session.read(GRANTS, LIMITS)]) == 300
    began, *_, last = host.times
    assert 3 * 300 / (last - began) == pytest.approx(100)


async def test_a_pause_has_an_end(session: LoginSession, host: Host) -> None:
    host.seconds = 100.0
    await session.fetch(GRANTS, LIMITS)
    await session.fetch(GRANTS, LIMITS)
    assert host.clock.sleeps == [MAX_PAUSE_SECONDS]


async def test_a_failed_answer_is_followed_by_a_pause_as_well(session: LoginSession, host: Host) -> None:
    host.errors, host.seconds = [TransientError("x")], 2.0
    with pytest.raises(TransientError):
        await session.fetch(GRANTS, LIMITS)
    await session.fetch(GRANTS, LIMITS)
    assert host.clock.sleeps == pytest.approx([2.0])
    assert host.count("in") == 1


async def test_a_session_that_has_ended_is_followed_by_one_new_sign_in(session: LoginSession, host: Host) -> None:
    await session.fetch(GRANTS, LIMITS)
    host.clock.seconds += SIGN_IN_SECONDS
    host.errors = [SignedOutError("x")]
    await session.fetch(GRANTS, LIMITS)
    assert host.events == ["in", "call", "call", "in", "call"]
    assert host.clock.sleeps == pytest.approx([0.5])


async def test_a_session_that_ends_twice_within_a_minute_must_wait(session: LoginSession, host: Host) -> None:
    await session.fetch(GRANTS, LIMITS)
    host.clock.seconds += SIGN_IN_SECONDS
    host.errors = [SignedOutError("x"), SignedOutError("x")]
    with pytest.raises(SignedOutError):
        await session.fetch(GRANTS, LIMITS)
    with pytest.raises(RetryLaterError) as raised:
        await session.fetch(GRANTS, LIMITS)
    assert raised.value.seconds is not None and 0 < raised.value.seconds <= SIGN_IN_SECONDS
    assert host.count("in") == 2
    host.clock.seconds += raised.value.seconds
    await session.fetch(GRANTS, LIMITS)
    assert host.count("in") == 3


@pytest.mark.parametrize("error", [TransientError("x"), None])
async def test_a_minute_has_at_most_one_sign_in(session: LoginSession, host: Host, error: Exception | None) -> None:
    host.sign_in_errors, host.errors = [error] * 20, [SignedOutError("x")] * 20
    times = []
    for _ in range(300):
        before = host.count("in")
        with suppress(RetryLaterError, TransientError):
            await session.fetch(GRANTS, LIMITS)
        if host.count("in") > before:
            times.append(host.clock())
        host.clock.seconds += 1
    assert len(times) > 3
    assert all(later - earlier >= SIGN_IN_SECONDS - 3 for earlier, later in pairwise(times))


async def test_a_refused_password_is_refused_without_a_request_for_a_minute(session: LoginSession, host: Host) -> None:
    host.sign_in_errors = [SignInRefusedError(), SignInRefusedError()]
    for sign_ins in (1, 2):
        with pytest.raises(SignInRefusedError):
            await session.fetch(GRANTS, LIMITS)
        for passed in range(50):
            with pytest.raises(RecentlyRefusedError) as waiting:
                await session.fetch(GRANTS, LIMITS)
            assert waiting.value.seconds == SIGN_IN_SECONDS - passed
            host.clock.seconds += 1
        assert host.count("in") == sign_ins
        host.clock.seconds += 10
    await session.fetch(GRANTS, LIMITS)
    assert host.count("in") == 3


async def test_a_login_has_one_user_at_a_time_and_others_are_postponed(
    logins: LoginSessions, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_sessions, "MAX_LOCK_SECONDS", 0.01)
    async with logins.use(LOGIN):
        with pytest.raises(RetryLaterError) as raised:
            async with logins.use(LOGIN):
                pass
        async with logins.use(OTHER):
            pass
    assert raised.value.throttled and raised.value.seconds == login_sessions.BUSY_SECONDS
    async with logins.use(LOGIN):
        pass


async def test_the_next_user_has_the_same_session_also_after_an_error(logins: LoginSessions, host: Host) -> None:
    async def use(error: Exception | None = None) -> None:
        async with logins.use(LOGIN) as session:
            await session.fetch(GRANTS, LIMITS)
            if error:
                raise error

    with pytest.raises(ValueError, match="x"):
        await use(ValueError("x"))
    await use()
    assert host.events == ["in", "call", "call"]


async def test_an_unused_session_is_signed_out_after_a_minute_and_opened_again(
    logins: LoginSessions, host: Host
) -> None:
    async with logins.use(LOGIN) as session:
        await session.fetch(GRANTS, LIMITS)
    host.clock.seconds += IDLE_SECONDS - 1
    await logins.close_unused()
    assert host.count("out") == 0
    host.clock.seconds += 1
    await logins.close_unused()
    await logins.close_unused()
    assert host.count("out") == 1
    async with logins.use(LOGIN) as session:
        await session.fetch(GRANTS, LIMITS)
    assert host.count("in") == 2


async def test_a_session_in_use_is_not_signed_out(logins: LoginSessions, host: Host) -> None:
    async with logins.use(LOGIN) as session:
        await session.fetch(GRANTS, LIMITS)
        host.clock.seconds += 10 * IDLE_SECONDS
        await logins.close_unused()
        assert host.count("out") == 0
        await session.fetch(GRANTS, LIMITS)


async def test_a_refusal_is_remembered_though_the_last_answer_was_long_ago(logins: LoginSessions, host: Host) -> None:
    async with logins.use(LOGIN) as session:
        await session.fetch(GRANTS, LIMITS)
        host.clock.seconds += 55
        host.errors, host.sign_in_errors = [SignedOutError("x")], []
        with pytest.raises(RetryLaterError):
            await session.fetch(GRANTS, LIMITS)
        host.clock.seconds += 58
        host.sign_in_errors = [SignInRefusedError()]
        with pytest.raises(SignInRefusedError):
            await session.fetch(GRANTS, LIMITS)
    signed_in = host.count("in")
    for _ in range(50):
        host.clock.seconds += 1
        await logins.close_unused()
        async with logins.use(LOGIN) as session:
            with pytest.raises(RecentlyRefusedError):
                await session.fetch(GRANTS, LIMITS)
    assert host.count("in") == signed_in


async def test_whoever_waits_for_a_session_that_is_being_closed_has_it_alone(logins: LoginSessions, host: Host) -> None:
    async with logins.use(LOGIN) as session:
        await session.fetch(GRANTS, LIMITS)
    host.clock.seconds += IDLE_SECONDS
    users = 0

    async def use() -> None:
        nonlocal users
        async with logins.use(LOGIN):
            users += 1
            assert users == 1
            for _ in range(10):
                await asyncio.sleep(0)
            users -= 1

    closing = asyncio.create_task(logins.close_unused())
    await asyncio.sleep(0)
    waiting = asyncio.create_task(use())
    await closing
    await asyncio.gather(waiting, use(), use())


async def test_a_session_that_somebody_waits_for_is_not_forgotten(logins: LoginSessions, host: Host) -> None:
    sessions: list[LoginSession] = []

    async def use() -> None:
        async with logins.use(LOGIN) as session:
            sessions.append(session)
            await asyncio.sleep(0)

    async with logins.use(LOGIN) as session:
        await session.fetch(GRANTS, LIMITS)
        waiting = asyncio.create_task(use())
        await asyncio.sleep(0)
        host.clock.seconds += IDLE_SECONDS
    # The lock is free now, and the one who waits for it has not run yet.
    await logins.close_unused()
    await waiting
    await use()
    assert sessions == [session, session]
    assert host.count("out") == 0


async def test_all_sessions_are_signed_out_at_the_end(host: Host) -> None:
    any_open: Any = host.open_session
    async with open_login_sessions(any_open, rows_per_second=10) as logins:
        for login in (LOGIN, OTHER):
            async with logins.use(login) as session:
                await session.fetch(GRANTS, LIMITS)
    assert host.count("in") == host.count("out") == 2


def test_a_password_is_not_shown() -> None:
    make: Callable[[Any], str] = repr
    assert LOGIN.password not in make(LOGIN)
