"""Keeps one session for each login, for all of its tables: one request at a time, at a pace that its host can bear.

A session is kept for a minute after its last use, so that the tables of a login share it, and signed out then.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import TypeVar

import structlog

from platform_sdk.errors import PermanentError, RetryLaterError, ThrottledError, TransientError
from platforms.phpmyadmin.errors import SignedOutError, SignInRefusedError
from platforms.phpmyadmin.logins import PhpMyAdminLogin
from platforms.phpmyadmin.quoting import Statement, mask_values
from platforms.phpmyadmin.session import PhpMyAdminSession, StatementAnswer, StatementLimits
from platforms.phpmyadmin.values import TextRow

log = structlog.get_logger()

SIGN_IN_SECONDS = 60.0
"""The shortest time between two sign-ins of a login. Hosts lock out who signs in again and again."""
IDLE_SECONDS = 60.0
"""How long an unused session is kept. Not shorter than SIGN_IN_SECONDS, so that the next use never waits for that."""
CLOSE_SECONDS = 10.0
"""How often unused sessions are looked for."""
MAX_LOCK_SECONDS = 2.0
"""How long a step waits while another table of its login is read. It is postponed then, and blocks no other login."""
BUSY_SECONDS = 5.0
MAX_PAUSE_SECONDS = 15.0
"""The longest pause after an answer, however long that took."""

R = TypeVar("R")
Send = Callable[[PhpMyAdminSession], Awaitable[R]]
OpenSession = Callable[[PhpMyAdminLogin], PhpMyAdminSession]
"""Returns a session of a login that has not signed in yet."""


class RecentlyRefusedError(RetryLaterError):
    """A user and password are not tried, because they were refused less than a minute ago.

    They may be right all the same: somebody may have signed in with them since.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__("the phpMyAdmin has refused this user and password a moment ago", seconds=seconds)


class LoginSession:
    """The session of one login, and when the next request may be sent.

    Whoever uses it holds `lock`. Before each request it pauses as long as the answer before took, and longer if that
    had more rows than are allowed a second. `elapsed` returns seconds of a monotonic clock.
    """

    def __init__(
        self,
        open_session: Callable[[], PhpMyAdminSession],
        *,
        rows_per_second: int,
        elapsed: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.lock = asyncio.Lock()
        self.users = 0
        """How many hold the lock or wait for it."""
        self.used_at = elapsed()
        self.calls = 0
        """The number of requests for statements."""
        self.answer_seconds = 0.0
        """How long the last answer took, without the pause before it."""
        self._open_session = open_session
        self._session: PhpMyAdminSession | None = None
        self._signed_in_at: float | None = None
        self._is_refused = False
        self._failure = ""
        """Why the last sign-in has failed; empty if it has not, or was refused."""
        self._ready_at = 0.0
        self._rows_per_second = rows_per_second
        self._elapsed = elapsed
        self._sleep = sleep

    async def fetch(self, statement: Statement, limits: StatementLimits) -> StatementAnswer:
        """Return all rows of a statement, see `PhpMyAdminSession.fetch`. Signs in before, if that is needed."""
        with _log_failure(statement):
            return await self._call(lambda session: session.fetch(statement, limits), lambda answer: len(answer.rows))

    async def fetch_single(self, statement: Statement, limits: StatementLimits) -> TextRow:
        """Return the only row of a statement, see `PhpMyAdminSession.fetch_single`. Signs in before, if needed."""
        with _log_failure(statement):
            return await self._call(lambda session: session.fetch_single(statement, limits), lambda _: 1)

    async def read(self, statement: Statement, limits: StatementLimits) -> AsyncIterator[StatementAnswer]:
        """Yield the rows of a statement as they arrive, see `PhpMyAdminSession.read`. Signs in before, if needed."""
        await self._wait_until_ready()
        session = await self._ensure_signed_in()
        began, rows = self._elapsed(), 0
        try:
            with _log_failure(statement):
                async for piece in session.read(statement, limits):
                    rows += len(piece.rows)
                    yield piece
        finally:
            self._finish_call(began, rows)

    async def close(self) -> None:
        """Sign out."""
        session, self._session = self._session, None
        if session is not None:
            await session.sign_out()

    async def _call(self, send: Send[R], count_rows: Callable[[R], int]) -> R:
        await self._wait_until_ready()
        session = await self._ensure_signed_in()
        try:
            return await self._measure(send, session, count_rows)
        except SignedOutError:
            # A session ends by itself after a while; the host may also have ended it just now.
            await self._wait_until_ready()
            return await self._measure(send, await self._ensure_signed_in(), count_rows)

    async def _measure(
        self,
        send: Callable[[PhpMyAdminSession], Awaitable[R]],
        session: PhpMyAdminSession,
        count_rows: Callable[[R], int],
    ) -> R:
        began, rows = self._elapsed(), 0
        try:
            answer = await send(session)
            rows = count_rows(answer)
        finally:
            self._finish_call(began, rows)
        return answer

    def _finish_call(self, began: float, rows: int) -> None:
        now = self._elapsed()
        self.calls += 1
        self.used_at, self.answer_seconds = now, now - began
        pause = max(now - began, began + rows / self._rows_per_second - now)
        self._ready_at = now + min(pause, MAX_PAUSE_SECONDS)

    async def _wait_until_ready(self) -> None:
        if (seconds := self._ready_at - self._elapsed()) > 0:
            await self._sleep(seconds)

    async def _ensure_signed_in(self) -> PhpMyAdminSession:
        """Return the session, after it has signed in if need be.

        Raises RetryLaterError when the last sign-in was less than a minute ago, RecentlyRefusedError if that one was
        refused, and the errors of `PhpMyAdminSession.sign_in`.
        """
        if self._session is not None and self._session.is_signed_in:
            return self._session
        now = self._elapsed()
        wait = SIGN_IN_SECONDS - (now - self._signed_in_at) if self._signed_in_at is not None else 0.0
        if wait > 0 and self._is_refused:
            raise RecentlyRefusedError(wait)
        if wait > 0:
            reason = self._failure or "the session at the phpMyAdmin has ended soon after it began"
            raise RetryLaterError(reason, seconds=wait)
        self.used_at = self._signed_in_at = now
        self._is_refused, self._failure = False, ""
        session = self._open_session()
        try:
            await session.sign_in()
        except SignInRefusedError:
            self._is_refused = True
            raise
        except (TransientError, ThrottledError, PermanentError) as error:
            self._failure = str(error)
            raise
        self._session = session
        return session


@contextmanager
def _log_failure(statement: Statement) -> Iterator[None]:
    """Log a statement that is not answered as it should be, without its values."""
    try:
        yield
    except (TransientError, ThrottledError, PermanentError) as error:
        log.warning("statement failed", statement=mask_values(statement), reason=str(error))
        raise


class LoginSessions:
    """The sessions of all logins of this process. `open_session` returns one that has not signed in yet."""

    def __init__(
        self,
        open_session: OpenSession,
        *,
        rows_per_second: int,
        elapsed: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._open_session = open_session
        self._rows_per_second = rows_per_second
        self._elapsed = elapsed
        self._sleep = sleep
        self._sessions: dict[PhpMyAdminLogin, LoginSession] = {}

    @asynccontextmanager
    async def use(self, login: PhpMyAdminLogin) -> AsyncIterator[LoginSession]:
        """Use the session of a login alone. Raises RetryLaterError while another table of the login is being read."""
        session = self._sessions.get(login)
        if session is None:
            session = self._sessions[login] = LoginSession(
                partial(self._open_session, login),
                rows_per_second=self._rows_per_second,
                elapsed=self._elapsed,
                sleep=self._sleep,
            )
        session.users += 1
        try:
            try:
                await asyncio.wait_for(session.lock.acquire(), MAX_LOCK_SECONDS)
            except TimeoutError:
                reason = "another table of the same sign-in is being read"
                raise RetryLaterError(reason, seconds=BUSY_SECONDS, throttled=True) from None
            try:
                yield session
            finally:
                session.lock.release()
        finally:
            session.users -= 1

    async def close_unused(self, *, idle_seconds: float = IDLE_SECONDS) -> None:
        """Forget the sessions that were not used for that long, and sign them out."""
        since = self._elapsed() - idle_seconds
        for login, session in list(self._sessions.items()):
            if session.used_at <= since and not session.users:
                # Forgotten first: whoever comes while it is signed out must not wait for it.
                self._sessions.pop(login, None)
                await session.close()


@asynccontextmanager
async def open_login_sessions(open_session: OpenSession, *, rows_per_second: int) -> AsyncIterator[LoginSessions]:
    """Open the sessions of this process. Unused ones are signed out from time to time, and all of them at the end."""
    sessions = LoginSessions(open_session, rows_per_second=rows_per_second)
    closing = asyncio.create_task(_close_unused_regularly(sessions))
    try:
        yield sessions
    finally:
        closing.cancel()
        with suppress(asyncio.CancelledError):
            await closing
        await sessions.close_unused(idle_seconds=0.0)


async def _close_unused_regularly(sessions: LoginSessions) -> None:
    while True:
        await asyncio.sleep(CLOSE_SECONDS)
        await sessions.close_unused()
