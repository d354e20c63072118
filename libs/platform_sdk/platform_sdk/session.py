"""API sessions. A session makes the calls to a platform's API for one step of a sync.

It stays within the rate limits, repeats failed calls and replaces rejected tokens.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from platform_sdk.errors import (
    AccountBlockedError,
    RetryLaterError,
    ThrottledError,
    TokenRejectedError,
    TransientError,
)
from platform_sdk.tokens import AccessToken

INCREMENTAL, FULL = "incremental", "full"
"""The modes of a sync."""
MAX_WAIT_SECONDS = 2.0
"""The longest wait before a call. A step that must wait longer is postponed, so that no handler sleeps long."""
RETRY_SECONDS = 5.0
"""The time after which a call is not retried, counted from its first attempt."""
MAX_ATTEMPTS = 4
MIN_RESPONSE_SECONDS = 1.0
"""The shortest time that an attempt may take for its response, even after long earlier attempts."""

R = TypeVar("R")


@dataclass(frozen=True)
class FullReadState:
    """The `text` that a source has left with the full sync `sync_id`. Only that source understands it."""

    sync_id: UUID
    text: str


@dataclass
class SyncContext:
    """The state of one step of a sync: the connection's token, and the API calls and rate limit points used so far.

    `read_id` identifies the read of records that the step belongs to. `mode` is INCREMENTAL or FULL. Full syncs leave a
    part of the rate limit to incremental syncs.
    """

    token: AccessToken
    read_id: UUID
    mode: str
    replace_token: Callable[[AccessToken], Awaitable[AccessToken]]
    """Reports a rejected token to the gateway and returns a new one. Raises like `connector.client.TokenClient`."""
    refresh_token: Callable[[], Awaitable[AccessToken]]
    """Returns the gateway's current token, because a cached one may have old scopes. Raises like `replace_token`."""
    calls: int = 0
    points: int = 0
    """The points of the platform's rate limit that the calls were charged."""
    previous: FullReadState | None = None
    """The state that the source left with the connection's latest successful full sync. None if everything must be
    read, and for an incremental sync."""


@dataclass(frozen=True)
class RateLimitWait:
    """How many `seconds` a call must wait for the rate limit that `reason` names; 0 when it need not wait.

    When `seconds` is too long to sleep, the step of the sync is postponed by `postpone_seconds` instead.
    """

    seconds: float
    reason: str
    postpone_seconds: float


class ApiSession:
    """The base class of a platform's API session. `_call_with_retries` handles what all platforms have in common.

    `response_seconds` has the time limit of a call for each mode of a sync (INCREMENTAL or FULL). `elapsed` returns
    seconds of a monotonic clock; it and `sleep` are replaced in tests.
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

    async def _call_with_retries(
        self,
        send: Callable[[float], Awaitable[R | None]],
        find_wait: Callable[[], RateLimitWait],
        on_failure: Callable[[float], None] | None = None,
    ) -> R:
        """Call `send` until it returns a response, and return that response.

        `send` receives the time (of `elapsed`) at which the first attempt began, for `_compute_attempt_timeout`. It is
        called again after a ThrottledError or a TransientError, once more with a new token after a TokenRejectedError,
        and immediately when it returns None because it has changed its request. `find_wait` returns the wait for the
        rate limit; it is called before each attempt. `on_failure` receives the seconds that an attempt with a
        TransientError took.

        Raises RetryLaterError when the wait is too long or the retries are used up. Other exceptions of `send`, also
        AccountBlockedError, and those of `replace_token` and `refresh_token` are raised unchanged.
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
            except AccountBlockedError:
                # Its base class, TransientError, is retried; a blocked account is asked again by the scheduler alone.
                raise
            except TransientError as error:
                attempts += 1
                if on_failure is not None:
                    on_failure(self._elapsed() - sent)
                await self._back_off(error, self._elapsed() - began, attempts)
            else:
                if response is not None:
                    return response

    async def _wait_for_rate_limit(self, find_wait: Callable[[], RateLimitWait]) -> None:
        """Wait until the rate limit allows a call. Raises RetryLaterError when the wait exceeds MAX_WAIT_SECONDS."""
        deadline = self._elapsed() + MAX_WAIT_SECONDS
        while (wait := find_wait()).seconds > 0:
            if self._elapsed() + wait.seconds > deadline:
                raise RetryLaterError(wait.reason, seconds=wait.postpone_seconds, throttled=True)
            await self._sleep(wait.seconds)

    async def _wait_for_throttle(self, error: ThrottledError, attempts: int) -> None:
        """Sleep as long as the platform asks after a throttled call. Return immediately when it names no wait.

        Raises RetryLaterError when that wait is too long, and after MAX_ATTEMPTS attempts.
        """
        seconds = error.retry_after or 0.0
        if seconds > MAX_WAIT_SECONDS:
            raise RetryLaterError(error.reason, seconds=seconds, throttled=True) from None
        if attempts == MAX_ATTEMPTS:
            raise RetryLaterError("throttled again and again", seconds=MAX_WAIT_SECONDS, throttled=True) from None
        if seconds:
            await self._sleep(seconds)

    async def _back_off(self, error: TransientError, spent: float, attempts: int) -> None:
        """Sleep before the next attempt of a call that failed with `error`.

        `spent` is how many seconds the call has taken so far. Raises RetryLaterError when these have reached
        RETRY_SECONDS or when MAX_ATTEMPTS attempts were made.
        """
        if attempts == MAX_ATTEMPTS or spent >= RETRY_SECONDS:
            raise RetryLaterError(str(error)) from None
        await self._sleep(random.uniform(0.1, 0.3) * 2**attempts)

    def _compute_attempt_timeout(self, began: float) -> float:
        """Return the time limit in seconds of the next attempt of a call whose first attempt began at `began`.

        In an incremental sync all attempts of a call share one limit, so that a slow platform delays no other merchant.
        """
        if self.context.mode == FULL:
            return self._response_seconds
        return max(MIN_RESPONSE_SECONDS, self._response_seconds - (self._elapsed() - began))

    async def _fetch_token_once(self) -> None:
        """Get the current token from the gateway and use it. Later calls in the same session do nothing."""
        if not self._is_token_refreshed:
            self._is_token_refreshed = True
            self._adopt_token(await self.context.refresh_token())

    def _adopt_token(self, token: AccessToken) -> None:
        """Use `token` from now on.

        Raises RetryLaterError when the epoch of `token` (the number that rises when a connection ends) differs from
        that of the former token, so that the step is requested again at once.
        """
        # Records that were read so far are still published under the epoch of their own token.
        if token.epoch != self.context.token.epoch:
            raise RetryLaterError(None, seconds=0.0)
        self.context.token = token
