"""The session in which a writer writes to a shop: queries are repeated after errors, mutations are not."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from platform_sdk.errors import (
    AccessDeniedError,
    AccountBlockedError,
    PermanentError,
    QueryTooExpensiveError,
    RetryLaterError,
    TransientError,
)
from platform_sdk.session import RateLimitWait, SyncContext
from platforms.shopify.errors import GraphqlResponse
from platforms.shopify.rate_limit import Query, RateLimitState, Variables
from platforms.shopify.session import AdminApiClient, ShopifySession, describe_mismatch, raise_first_error

M = TypeVar("M", bound=BaseModel)
ANSWER_SECONDS = 15.0
"""The time limit of a call. It is longer than a fetcher's: who gives up a mutation does not know its outcome."""
UNKNOWN_SECONDS = 2.0
"""How long a write waits for its first repetition whose outcome is not known: it may still be under way."""


class UnknownOutcomeError(RetryLaterError):
    """Nothing is known of what came of a mutation that was sent. The write must begin anew, with reading."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, seconds=UNKNOWN_SECONDS, escalates=True)


class MutationRefusedError(Exception):
    """Shopify did not execute a mutation, and will not, however often it is sent. Others are not concerned."""


class WriteSession(ShopifySession):
    """A ShopifySession that also sends mutations. `now` returns the time in seconds since the Unix epoch.

    Its calls wait until `points_left` points of the shop's rate limit remain besides their own: more urgent sessions
    find these.
    """

    def __init__(
        self,
        client: AdminApiClient,
        context: SyncContext,
        rate_limit: RateLimitState,
        *,
        points_left: int = 0,
        elapsed: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(client, context, rate_limit, elapsed=elapsed, sleep=sleep)
        self._points_left = points_left
        self._now = now

    async def fetch_response(self, document: Query, variables: Variables) -> tuple[GraphqlResponse, int]:
        """Send a query. Returns the response, which may contain errors, and when it arrived (ms).

        Raises the exceptions of `fetch`, and PermanentError for a query that is too expensive.
        """
        try:
            response = await self.fetch(document, variables)
        except QueryTooExpensiveError as error:
            raise PermanentError(str(error)) from None
        return response, self._read_clock()

    async def send_mutation(self, model: type[M], document: Query, variables: Variables) -> tuple[M, int]:
        """Send a mutation. Returns the response's data as `model`, and when it arrived (ms).

        It is sent again where Shopify has said that it was not executed: when it was throttled, or the token was
        rejected. Raises UnknownOutcomeError where it may have been executed, MutationRefusedError where it never will
        be, RetryLaterError when it must wait, AccessDeniedError for a missing scope, and AccountBlockedError.
        """
        try:
            response = await self._call_with_retries(
                partial(self._send_mutation_once, document, variables), partial(self._find_wait, document, variables)
            )
            arrived = self._read_clock()
            if any(error.is_transient for error in response.errors):
                raise UnknownOutcomeError(response.errors[0].reason)
            raise_first_error(response.errors)
        except QueryTooExpensiveError as error:
            raise MutationRefusedError(str(error)) from None
        except PermanentError as error:
            # Its subclasses are about the token, and so about every other mutation as well.
            if type(error) is not PermanentError:
                raise
            raise MutationRefusedError(error.reason) from None
        try:
            return model.model_validate(response.data), arrived
        except ValidationError as error:
            raise UnknownOutcomeError(describe_mismatch(error)) from None

    async def require_scope(self, scope: str) -> None:
        """Raise AccessDeniedError unless the token has `scope`. A token without it may be old, and is fetched anew."""
        if not self.has_scope(scope):
            await self.refresh_scopes()
        if not self.has_scope(scope):
            raise AccessDeniedError(f"scope {scope} was not granted")

    def has_scope(self, scope: str) -> bool:
        """Return whether the token has `scope`. A scope to write includes the one to read."""
        scopes = self.context.token.scopes
        return scope in scopes or scope.replace("read_", "write_", 1) in scopes

    async def pause(self, seconds: float) -> None:
        """Wait before a mutation is sent again."""
        await self._sleep(seconds)

    def _find_wait(self, query: Query, variables: Variables) -> RateLimitWait:
        cost = self.rate_limit.estimate_cost(query, variables) + self._points_left
        seconds = self.rate_limit.bucket.compute_wait(cost, self.context.mode, self._elapsed())
        return RateLimitWait(seconds, "the rate limit", seconds)

    def _compute_attempt_timeout(self, began: float) -> float:  # noqa: ARG002
        return ANSWER_SECONDS

    async def _send_mutation_once(self, document: Query, variables: Variables, began: float) -> GraphqlResponse:
        try:
            return await self._send_once(document, variables, began)
        except AccountBlockedError:
            raise
        except TransientError as error:
            raise UnknownOutcomeError(str(error)) from None

    def _read_clock(self) -> int:
        return round(self._now() * 1000)
