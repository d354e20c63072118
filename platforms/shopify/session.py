"""The fetcher's calls to the Admin API: GraphQL over HTTP, in a session that stays within the shop's rate limit."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import orjson
import structlog
from pydantic import BaseModel, ValidationError

from contracts.events import parse_account
from platform_sdk.errors import PermanentError, QueryTooExpensiveError, RecordError, ThrottledError
from platform_sdk.http import HttpClient, TraceCall, open_http_client
from platform_sdk.session import FULL, INCREMENTAL, ApiSession, RateLimitWait, SyncContext
from platforms.shopify.errors import FieldError, GraphqlResponse, QueryCost, parse_response
from platforms.shopify.ids import SHOP_DOMAIN
from platforms.shopify.rate_limit import Query, RateLimitState, Variables

log = structlog.get_logger()
M = TypeVar("M", bound=BaseModel)
MAX_RESPONSE_BYTES = 64 * 1024 * 1024
MAX_CONNECTIONS, KEEPALIVE_CONNECTIONS = 100, 50
RESPONSE_SECONDS = {INCREMENTAL: 5.0, FULL: 30.0}
"""The time limit of a call, by mode. It is short for incremental syncs, which a slow shop must not delay."""
DEFAULT_THROTTLE_SECONDS = 1.0
"""The wait after a throttled response that does not state what the query costs."""
MIN_THROTTLE_SECONDS = 0.1
SLOW_SHARE = 1 / 3
"""After a query that failed after this share of its time limit, later queries request fewer ids."""


class AdminApiClient:
    """Sends GraphQL queries to shops, in API version `version`.

    `shop_url` is the URL of a shop, with `{shop}` in place of the shop's domain.
    """

    def __init__(self, http: HttpClient, shop_url: str, version: str) -> None:
        self._http = http
        self._shop_url = shop_url
        self.version = version

    async def post(
        self, shop: str, token: str, query: Query, variables: Variables, *, seconds: float
    ) -> GraphqlResponse:
        """Send `query` to the shop and return the response.

        Raises the exceptions of `errors.parse_response`, TransientError on every network error and when the response is
        not complete within `seconds`, and QueryTooExpensiveError for a response of more than 64 MB.
        """
        response = await self._http.send(
            "POST",
            f"{self._shop_url.format(shop=shop)}/admin/api/{self.version}/graphql.json",
            headers={"X-Shopify-Access-Token": token, "Content-Type": "application/json", "Accept": "application/json"},
            content=orjson.dumps({"query": query.text, "operationName": query.name, "variables": dict(variables)}),
            seconds=seconds,
            max_bytes=MAX_RESPONSE_BYTES,
            attributes={"graphql.operation.name": query.name},
        )
        if response.body is None:
            raise QueryTooExpensiveError("a response of more than 64 MB")
        return parse_response(response.status, response.headers, response.body, response.read_at)


@asynccontextmanager
async def open_client(shop_url: str, version: str, *, trace: TraceCall) -> AsyncIterator[AdminApiClient]:
    """Open a client with a connection pool of its own. The pool is closed when the context ends."""
    async with open_http_client(MAX_CONNECTIONS, KEEPALIVE_CONNECTIONS, trace) as http:
        yield AdminApiClient(http, shop_url, version)


class ShopifySession(ApiSession):
    """Sends the queries of one step of a sync to the shop of the token. All sessions of a shop share `rate_limit`."""

    def __init__(
        self,
        client: AdminApiClient,
        context: SyncContext,
        rate_limit: RateLimitState,
        *,
        elapsed: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(context, RESPONSE_SECONDS, elapsed=elapsed, sleep=sleep)
        self._client = client
        self._shop = parse_shop(context.token.connection)
        self.rate_limit = rate_limit

    async def refresh_scopes(self) -> bool:
        """Get the current token from the gateway, and return whether its scopes differ from those of the token before.

        Later calls in the same session do nothing and return False.
        """
        scopes = self.context.token.scopes
        await self._fetch_token_once()
        return self.context.token.scopes != scopes

    async def fetch(self, query: Query, variables: Variables) -> GraphqlResponse:
        """Send a query and return the response, which may contain errors at some paths of its data.

        Raises RetryLaterError when the query must wait, PermanentError when the platform refuses it,
        AccountBlockedError when it refuses every query, and QueryTooExpensiveError when it must request fewer records.
        """
        return await self._call_with_retries(
            partial(self._send_once, query, variables),
            partial(self._find_wait, query, variables),
            partial(self._reduce_slow_batch, query, variables),
        )

    async def fetch_without_errors(self, query: Query, variables: Variables) -> GraphqlResponse:
        """Send a query and return the response, which contains no errors.

        Raises RetryLaterError when the query must wait, RecordError for a transient error in the data,
        AccountBlockedError when the platform refuses every query, and PermanentError for any other error and for a
        query that is too expensive.
        """
        try:
            response = await self.fetch(query, variables)
        except QueryTooExpensiveError as error:
            raise PermanentError(str(error)) from None
        raise_first_error(response.errors)
        return response

    async def fetch_model(self, model: type[M], query: Query, variables: Variables) -> tuple[M, int]:
        """Send a query. Returns the response's data as `model`, and when the query was sent (ms).

        Raises the exceptions of `fetch_without_errors`, and PermanentError when the data does not fit `model`.
        """
        response = await self.fetch_without_errors(query, variables)
        return parse_model(model, response.data), response.read_at

    def _find_wait(self, query: Query, variables: Variables) -> RateLimitWait:
        """Return how long the query must wait until the shop's rate limit has the points for it.

        A full sync's query claims the share of full syncs. A postponed full sync waits for the points of several
        queries. Otherwise each query would postpone it again.
        """
        bucket, mode, now = self.rate_limit.bucket, self.context.mode, self._elapsed()
        if mode == FULL:
            bucket.claim_full_sync_share(now)
        seconds = bucket.compute_wait(self.rate_limit.estimate_cost(query, variables), mode, now)
        refill = bucket.compute_refill_wait(now) if mode == FULL else 0.0
        return RateLimitWait(seconds, "the rate limit", max(seconds, refill))

    async def _send_once(self, query: Query, variables: Variables, began: float) -> GraphqlResponse:
        cost = float(self.rate_limit.estimate_cost(query, variables))
        charged = 0.0  # what a failed query was charged is unknown; the next response corrects the level
        bucket = self.rate_limit.bucket
        reservation = bucket.reserve(cost, self.context.mode, self._elapsed())
        self.context.calls += 1
        try:
            token, seconds = self.context.token.token, self._compute_attempt_timeout(began)
            response = await self._client.post(self._shop, token, query, variables, seconds=seconds)
            if not response.is_throttled:
                charged = response.cost.actual if response.cost else cost
        finally:
            bucket.settle(reservation, charged, self._elapsed())
        if response.cost is not None:
            bucket.update(response.cost.status, self._elapsed())
        if response.is_throttled:
            log.warning("query throttled", shop=self._shop, mode=self.context.mode)
            raise ThrottledError("the rate limit", retry_after=self._learn_throttle(query, variables, response.cost))
        self._record_response(query, variables, response)
        return response

    def _learn_throttle(self, query: Query, variables: Variables, cost: QueryCost | None) -> float:
        """Learn from a throttled response what the query costs. `cost` is None when the response does not say.

        Returns the seconds until the shop's bucket of rate limit points has enough for the query.
        """
        if cost is None or not cost.requested:
            return DEFAULT_THROTTLE_SECONDS
        self.rate_limit.learn_cost(query, variables, cost.requested)
        missing = cost.requested - cost.status.available
        return max(MIN_THROTTLE_SECONDS, missing / max(cost.status.restore_rate, 1.0))

    def _record_response(self, query: Query, variables: Variables, response: GraphqlResponse) -> None:
        if response.cost is not None:
            self.context.points += round(response.cost.actual)
            self.rate_limit.learn_cost(query, variables, response.cost.requested)
        self.rate_limit.record_success(query, len(variables.get("ids", ())))
        if response.version not in (None, self._client.version) and not self.rate_limit.is_version_reported:
            self.rate_limit.is_version_reported = True
            log.error("unexpected API version served", shop=self._shop, served=response.version)

    def _reduce_slow_batch(self, query: Query, variables: Variables, seconds: float) -> None:
        """Request fewer ids in later queries when the failed attempt took long: too many ids may be the cause.

        `seconds` is how long the attempt took.
        """
        if seconds >= SLOW_SHARE * self._response_seconds:
            self.rate_limit.record_slow_answer(query, len(variables.get("ids", ())))


def parse_shop(connection: str) -> str:
    """Return the domain of the connection's shop. Raises PermanentError when the account is not a shop's domain."""
    shop = parse_account(connection)
    if SHOP_DOMAIN.fullmatch(shop) is None:
        raise PermanentError("not the name of a shop")
    return shop


def parse_model(model: type[M], content: Any) -> M:
    """Return `content` as `model`. Raises PermanentError naming the field that does not fit."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise PermanentError(describe_mismatch(error)) from None


UNKNOWN_FORM_ERRORS = (ValidationError, LookupError, TypeError, ValueError, AttributeError)
"""What code raises that takes apart a response of a form that it does not know, e.g. of a new type of discount."""


def describe_mismatch(error: Exception) -> str:
    """Return what is not known of a response's form, in at most 300 characters, without values of the response.

    `error` is one of UNKNOWN_FORM_ERRORS. A ValidationError names the first invalid field.
    """
    if not isinstance(error, ValidationError):
        return f"its form is not known: {type(error).__name__}"
    first = error.errors(include_input=False)[0]
    return f"its form is not known: {'.'.join(map(str, first['loc']))}: {first['msg']}"[:300]


def raise_first_error(errors: tuple[FieldError, ...]) -> None:
    """Raise the first of `errors`, if any: as RecordError when it is transient, otherwise as PermanentError."""
    for error in errors:
        if error.is_transient:
            raise RecordError(error.reason)
        raise error.build_permanent_error()
