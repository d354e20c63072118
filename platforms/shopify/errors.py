"""Parses HTTP responses of the Admin API. Returns the data with its cost, or raises an exception.

The type of the exception says what the caller must do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from platform_sdk.errors import (
    AccessDeniedError,
    AccountBlockedError,
    PermanentError,
    QueryTooExpensiveError,
    ThrottledError,
    TokenRejectedError,
    TransientError,
)
from platforms.shopify.rate_limit import ThrottleStatus

OLDEST_COMPLETE_VERSION = "2026-07"
"""The oldest API version whose responses contain all collections. Earlier versions leave some out without an error."""
DEFAULT_RETRY_AFTER = {429: 1.0, 430: 30.0}
"""The seconds to wait when the response has no `Retry-After`, by HTTP status. Both statuses mean throttling."""
INACTIVE_CODE, INACTIVE_REASON = "SHOP_INACTIVE", "not active"
"""The code of the GraphQL error with which a shop that is not active answers every query, and what is the matter."""
BLOCKED_REASONS = {402: "frozen", 403: "not open to this app", 404: "not reachable", 423: "locked"}
"""What is the matter with a shop that answers every call with one of these HTTP statuses: it is blocked."""
TRANSIENT_CODES = ("INTERNAL_SERVER_ERROR", "TIMEOUT")
"""The codes of GraphQL errors after which the same query may succeed at the next attempt."""


@dataclass(frozen=True)
class FieldError:
    """A GraphQL error at one path of the data. A null at this path does not mean that the value is empty."""

    path: tuple[str | int, ...]
    code: str
    message: str

    @property
    def reason(self) -> str:
        """The error's code and message as text of at most 300 characters."""
        return f"{self.code or 'error'}: {self.message}"[:300]

    @property
    def is_transient(self) -> bool:
        """Whether the same query may succeed at the next attempt."""
        return self.code in TRANSIENT_CODES

    @property
    def is_denied(self) -> bool:
        """Whether a scope is missing."""
        return self.code == "ACCESS_DENIED"

    def build_permanent_error(self) -> PermanentError:
        """Return the exception to raise for this error, which must not be transient."""
        return AccessDeniedError(self.reason) if self.is_denied else PermanentError(self.reason)


@dataclass(frozen=True)
class QueryCost:
    """The points that a query requested and was charged, and the state of the rate limit after the query."""

    requested: float
    actual: float
    status: ThrottleStatus


@dataclass(frozen=True)
class GraphqlResponse:
    """A response to a query. `read_at` is when the query was sent (ms), `version` the API version that served it.

    `data` is empty when the response `is_throttled`.
    """

    data: dict[str, Any]
    read_at: int
    cost: QueryCost | None = None
    errors: tuple[FieldError, ...] = ()
    version: str | None = None

    @property
    def is_throttled(self) -> bool:
        """Whether the rate limit had too few points for the query."""
        return any(error.code == "THROTTLED" for error in self.errors)


def parse_response(status: int, headers: Mapping[str, str], body: bytes, read_at: int) -> GraphqlResponse:
    """Parse an HTTP response. `headers` must accept names in lower case.

    Raises TokenRejectedError for 401, ThrottledError for 429 and 430, QueryTooExpensiveError for a query over the cost
    limit, AccountBlockedError for a shop that is closed to every query or served in an API version that is too old,
    TransientError for errors that may pass, and PermanentError for all others. Two kinds of responses are returned with
    their `errors`: one with data, and one to a throttled query, for its state of the rate limit.
    """
    if status == 401:
        raise TokenRejectedError
    if status in DEFAULT_RETRY_AFTER:
        seconds = _parse_seconds(headers.get("retry-after"), DEFAULT_RETRY_AFTER[status])
        raise ThrottledError(f"the platform answered {status}", retry_after=seconds)
    if status in BLOCKED_REASONS:
        raise AccountBlockedError(BLOCKED_REASONS[status])
    if status >= 500:
        raise TransientError(f"the platform answered {status}")
    content = _parse_content(status, body)
    version = headers.get("x-shopify-api-version")
    if version is not None and version < OLDEST_COMPLETE_VERSION:
        raise AccountBlockedError(f"served in API version {version[:20]}, in which collections are missing")
    return _parse_graphql(content, read_at, version)


def _parse_seconds(header: str | None, default: float) -> float:
    try:
        return max(0.0, float(header or default))
    except ValueError:
        return default


def _parse_content(status: int, body: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise TransientError("the platform's response is not JSON") from None
    if not isinstance(content, dict):
        raise TransientError("the platform's response is no object")
    if status != 200:
        raise PermanentError(f"the platform answered {status}")
    return content


def _parse_graphql(content: dict[str, Any], read_at: int, version: str | None) -> GraphqlResponse:
    extensions = content.get("extensions") or {}
    cost = _parse_cost(extensions.get("cost"))
    response = GraphqlResponse(content.get("data") or {}, read_at, cost, _parse_errors(content.get("errors")), version)
    if response.is_throttled:
        return response
    if any(error.code == INACTIVE_CODE for error in response.errors):
        raise AccountBlockedError(INACTIVE_REASON)
    if any(error.code == "MAX_COST_EXCEEDED" for error in response.errors):
        requested = float((extensions.get("cost") or {}).get("requestedQueryCost") or 0)
        raise QueryTooExpensiveError("a query requests more points than any query may", requested)
    if content.get("data") is None:
        _raise_without_data(response.errors)
    for search in extensions.get("search") or ():
        if search.get("warnings"):
            raise PermanentError(f"the platform did not understand a search: {str(search['warnings'])[:200]}")
    return response


def _raise_without_data(errors: tuple[FieldError, ...]) -> None:
    if not errors:
        raise TransientError("error: no data and no errors")
    if errors[0].is_transient:
        raise TransientError(errors[0].reason)
    raise errors[0].build_permanent_error()


def _parse_errors(content: Any) -> tuple[FieldError, ...]:
    if isinstance(content, str):
        return (FieldError((), "", content),)
    return tuple(
        FieldError(
            tuple(error.get("path") or ()),
            str((error.get("extensions") or {}).get("code") or ""),
            str(error.get("message") or ""),
        )
        for error in content or ()
    )


def _parse_cost(cost: dict[str, Any] | None) -> QueryCost | None:
    status = _parse_throttle_status(cost or {})
    if cost is None or status is None:
        return None
    requested = float(cost.get("requestedQueryCost") or 0)
    actual = cost.get("actualQueryCost")
    return QueryCost(requested, requested if actual is None else float(actual), status)


def _parse_throttle_status(cost: dict[str, Any]) -> ThrottleStatus | None:
    status = cost.get("throttleStatus")
    if not status:
        return None
    return ThrottleStatus(
        float(status["maximumAvailable"]), float(status["currentlyAvailable"]), float(status["restoreRate"])
    )
