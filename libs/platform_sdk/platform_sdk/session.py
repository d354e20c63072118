"""API sessions: one sync's calls to a platform, within its rate limits, with bounded retries and a valid token."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from platform_sdk.errors import RetryLaterError, ThrottledError, TokenRejectedError, TransientError
from platform_sdk.tokens import AccessToken

INCREMENTAL, FULL = "incremental", "full"
"""The modes of a sync."""
MAX_WAIT_SECONDS = 2.0
"""A call that must wait longer than this is postponed; no handler sleeps for long."""
RETRY_SECONDS = 5.0
"""No call is retried when its attempts have taken this long together."""
MAX_ATTEMPTS = 4
MIN_RESPONSE_SECONDS = 1.0
"""Every attempt has at least this much time for its response, however long earlier attempts took."""

R = TypeVar("R")


@dataclass
class SyncContext:
    """One handler's work for one connection: its token, and what the work has cost so far.

    `read_id` identifies the read. `mode` is INCREMENTAL or FULL; full syncs leave part of the platform's rate limit
    free.
    """

    token: AccessToken
    read_id: UUID
    mode: str
    replace_token: Callable[[AccessToken], Awaitable[AccessToken]]
    """Reports a rejected token to the gateway and returns a new one; raises as `connector.client.TokenClient`."""
    refresh_token: Callable[[], Awaitable[AccessToken]]
    """Asks the gateway for the token of now: a cached one may have outdated scopes. Raises as `replace_token`."""
    calls: int = 0
    points: int = 0


@dataclass(frozen=True)
class RateLimitWait:
    """How long a call must wait for the rate limit: `seconds` (0: not at all), because of `reason`.

    A call that is postponed instead waits for `postpone_seconds`.
    """

    seconds: float
    reason: str
    postpone_seconds: float


class ApiSession:
    """The base of a platform's session: `_call` makes one call with everything that all platforms have in common.

    `response_seconds` is, by mode, how long a call may take. `elapsed` and `sleep` are replaced in tests.
    """

    def __init__(
        self,
        context: SyncContext,
        response_seconds: Mapping[str, float],
        *,
        elapsed: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.context = context
        self._response_seconds = response_seconds[context.mode]
        self._elapsed = elapsed
        self._sleep = sleep
        self._is_token_refreshed = False

    async def _call(
        self,
        send: Callable[[float], Awaitable[R | None]],
        find_wait: Callable[[], RateLimitWait],
        on_failure: Callable[[float], None] | None = None,
    ) -> R:
        """Return the first response of `send`, which is called again after errors that may pass.

        `send` gets the time at which the call began (of `elapsed`, for `_compute_time_left`), and returns None to be
        called again at once with a changed request. `find_wait` tells how long the rate limit makes it wait.
        `on_failure` gets the seconds that a failed attempt took.

        Raises RetryLaterError where the call must wait, and whatever else `send` and the gateway raise.
        """
        began, attempts, has_new_token = self._elapsed(), 0, False
        while True:
            await self._wait_for_rate_limit(find_wait)
            sent = self._elapsed()
            try:
                response = await send(began)
            except TokenRejectedError:
                if has_new_token:
                    raise RetryLaterError("a new access token was rejected") from None
                has_new_token = True
                self._adopt_token(await self.context.replace_token(self.context.token))
            except ThrottledError as error:
                attempts += 1
                await self._wait_for_throttle(error, attempts)
            except TransientError as error:
                attempts += 1
                if on_failure is not None:
                    on_failure(self._elapsed() - sent)
                await self._back_off(error, self._elapsed() - began, attempts)
            else:
                if response is not None:
                    return response

    async def _wait_for_rate_limit(self, find_wait: Callable[[], RateLimitWait]) -> None:
        """Wait until the rate limit allows a call. Raises RetryLaterError where that takes too long."""
        deadline = self._elapsed() + MAX_WAIT_SECONDS
        while (wait := find_wait()).seconds > 0:
            if self._elapsed() + wait.seconds > deadline:
                raise RetryLaterError(wait.reason, seconds=wait.postpone_seconds, throttled=True)
            await self._sleep(wait.seconds)

    async def _wait_for_throttle(self, error: ThrottledError, attempts: int) -> None:
        """Wait as long as the platform asks for, or raise RetryLaterError; without a time, the rate limit's own wait
        follows."""
        seconds = error.retry_after or 0.0
        if seconds > MAX_WAIT_SECONDS:
            raise RetryLaterError(error.reason, seconds=seconds, throttled=True) from None
        if attempts == MAX_ATTEMPTS:
            raise RetryLaterError("throttled again and again", seconds=MAX_WAIT_SECONDS, throttled=True) from None
        if seconds:
            await self._sleep(seconds)

    async def _back_off(self, error: TransientError, spent: float, attempts: int) -> None:
        """Sleep before the next attempt. Raises RetryLaterError once the attempts or their time are used up."""
        if attempts == MAX_ATTEMPTS or spent >= RETRY_SECONDS:
            raise RetryLaterError(str(error)) from None
        await self._sleep(random.uniform(0.1, 0.3) * 2**attempts)

    def _compute_time_left(self, began: float) -> float:
        """Return the seconds in which the response of a call that began at `began` must be complete.

        In an incremental sync the attempts share their time, so that a platform that hangs delays no other merchant.
        """
        if self.context.mode == FULL:
            return self._response_seconds
        return max(MIN_RESPONSE_SECONDS, self._response_seconds - (self._elapsed() - began))

    async def _refresh_token(self) -> None:
        """Continue with the token that the gateway has now. A session asks for it once; later calls do nothing."""
        if not self._is_token_refreshed:
            self._is_token_refreshed = True
            self._adopt_token(await self.context.refresh_token())

    def _adopt_token(self, token: AccessToken) -> None:
        """Continue with `token`. Raises RetryLaterError under a new epoch: the work then starts over at once."""
        # Records that were read so far are still published under the epoch of their own token.
        if token.epoch != self.context.token.epoch:
            raise RetryLaterError(None, seconds=0.0)
        self.context.token = token
