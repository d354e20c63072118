"""The fetcher's and the writer's calls to a database: within its rate limit, with retries, and with the current key."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from platform_sdk.errors import AccountBlockedError, RetryLaterError, ThrottledError, TransientError
from platform_sdk.session import FULL, INCREMENTAL, MAX_WAIT_SECONDS, ApiSession, RateLimitWait, SyncContext
from platforms.odoo.calls import Context, OdooCall, OdooCalls
from platforms.odoo.client import KnownTransports, OdooClient
from platforms.odoo.errors import UnknownFieldError
from platforms.odoo.http import OdooHttp
from platforms.odoo.logins import OdooLogin, decode_login
from platforms.odoo.rate_limit import HostLimit, RateLimits

RESPONSE_SECONDS: Mapping[str, float] = {INCREMENTAL: 20.0, FULL: 60.0}
"""The time limit of a call, by mode. A record that is read alone must not wait long for a slow server."""
BUSY_SECONDS = 60.0
"""How long to wait where a server asks to wait and does not say for how long."""
UNKNOWN_OUTCOME_SECONDS = 2.0
"""After how long somebody looks whether an unanswered call was carried out; longer at each further time."""
R = TypeVar("R")


class OdooSession(ApiSession, OdooCalls):
    """The calls of one step of a sync to the database of its token.

    Every call raises RetryLaterError when it must wait, AccountBlockedError when the database is not there,
    AccessDeniedError when the user may not, other PermanentErrors when Odoo refuses the call, and the exceptions of
    the context's `replace_token` for a key that is refused. All sessions of a process share `limits` and `known`.
    """

    def __init__(
        self,
        http: OdooHttp,
        context: SyncContext,
        limits: RateLimits,
        known: KnownTransports,
        *,
        elapsed: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        ApiSession.__init__(self, context, RESPONSE_SECONDS, elapsed=elapsed, sleep=sleep)
        OdooCalls.__init__(self)
        self._http = http
        self._known = known
        self._client = self._create_client()
        self._limit: HostLimit = limits.get(self.login.url)

    @property
    def login(self) -> OdooLogin:
        """The login of the connection's token."""
        return decode_login(self.context.token.token)

    async def authenticate(self) -> int:
        """Return the user's id. Notices a revoked key at once, which other calls may not, and a new version.

        A step of a sync begins with it. Raises the exceptions of the class.
        """
        return await self._repeat(lambda client, seconds: client.authenticate(seconds=seconds))

    async def make_call(self, call: OdooCall) -> object:
        """Make a call and return its result. Raises the exceptions of the class."""
        return await self._forget_fields_if_unknown(
            self._repeat(lambda client, seconds: client.make_call(call, seconds=seconds))
        )

    async def call_once(
        self,
        model: str,
        method: str,
        ids: Sequence[int] | None = None,
        *,
        context: Context | None = None,
        **parameters: object,
    ) -> Any:
        """Make a call that changes records, and return its result. It is not made again after an error.

        Where no answer has come, whether it was carried out is not known. Then RetryLaterError is raised, and whoever
        requested it looks at the records before it is made again. Raises the other exceptions of the class.
        """
        call = OdooCall(model, method, ids, context, parameters)

        async def attempt(began: float) -> tuple[object]:
            try:
                return await self._attempt(lambda client, seconds: client.make_call_once(call, seconds=seconds), began)
            except AccountBlockedError:
                raise
            except ThrottledError as error:
                raise RetryLaterError(error.reason, seconds=error.retry_after or BUSY_SECONDS, throttled=True) from None
            except TransientError as error:
                raise RetryLaterError(str(error), seconds=UNKNOWN_OUTCOME_SECONDS, escalates=True) from None

        return await self._forget_fields_if_unknown(self._run(attempt))

    async def _forget_fields_if_unknown(self, result: Awaitable[R]) -> R:
        try:
            return await result
        except UnknownFieldError as error:
            # Another version, or an app that was removed: whoever reads asks for the fields again in the next step.
            self.forget_fields()
            raise RetryLaterError(error.reason, escalates=True) from None

    async def _repeat(self, send: Callable[[OdooClient, float], Awaitable[R]]) -> R:
        return await self._run(lambda began: self._attempt(send, began))

    async def _run(self, attempt: Callable[[float], Awaitable[tuple[R]]]) -> R:
        return (await self._call_with_retries(attempt, self._find_wait))[0]

    async def _attempt(self, send: Callable[[OdooClient, float], Awaitable[R]], began: float) -> tuple[R]:
        """Return the result in a tuple, because it may be None, which stands for "again" in ApiSession."""
        async with self._limit.take_slot(self._elapsed()):
            self.context.calls += 1
            if self._client.login != self.login:
                self._client = self._create_client()
            try:
                return (await send(self._client, self._compute_attempt_timeout(began)),)
            except ThrottledError as error:
                self._limit.suspend(self._elapsed(), error.retry_after or BUSY_SECONDS)
                raise

    def _find_wait(self) -> RateLimitWait:
        seconds = self._limit.compute_wait(self._elapsed())
        return RateLimitWait(seconds, "the server's rate limit", max(seconds, MAX_WAIT_SECONDS))

    def _create_client(self) -> OdooClient:
        return OdooClient(self._http, self.login, self._known)
