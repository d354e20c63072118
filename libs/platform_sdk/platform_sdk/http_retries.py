"""Sends a request with few retries, because a browser or another service waits, and parses the response.

A request is sent at most three times within eight seconds. A `Retry-After` of the platform is respected.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
import stamina
from pydantic import BaseModel, ValidationError

from platform_sdk.errors import TransientError

REQUEST_TIMEOUT = httpx.Timeout(4.0, connect=2.0)
MAX_ATTEMPTS, RETRY_SECONDS, MAX_WAIT_SECONDS = 3, 8.0, 4.0
RATE_LIMIT_STATUSES = (429, 430)

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class FailedAttempt:
    """A failed attempt at a request, which may be repeated.

    `retry_after` is the wait in seconds that the platform names; None when it names none.
    """

    reason: str
    retry_after: float | None = None


async def request_until_answered(
    platform: str, send: Callable[[], Awaitable[httpx.Response | FailedAttempt]]
) -> httpx.Response:
    """Call `send` until it returns a response that is neither a server error nor a refusal by a rate limit; return it.

    Raises TransientError when the last attempt has failed, too. Exceptions of `send` that are not network errors are
    raised unchanged and not retried. `platform` is the platform's name in error texts.
    """
    failure: FailedAttempt | None = None

    def decide_retry(error: Exception) -> bool | float:
        """Return whether to retry after the default wait, or the seconds to wait before the retry."""
        if failure is None:
            return isinstance(error, httpx.HTTPError)
        if failure.retry_after is None:
            return True
        return max(0.05, failure.retry_after) if failure.retry_after <= MAX_WAIT_SECONDS else False

    try:
        async for attempt in stamina.retry_context(
            on=decide_retry, attempts=MAX_ATTEMPTS, timeout=RETRY_SECONDS, wait_max=2.0
        ):
            with attempt:
                failure = None
                result = _classify_response(await send())
                if isinstance(result, FailedAttempt):
                    failure = result
                    raise TransientError(f"{platform} answers {result.reason}")
                response = result
    except httpx.HTTPError as error:
        raise TransientError(f"{platform} does not answer ({type(error).__name__})") from error
    return response


def read_date(response: httpx.Response) -> int | None:
    """Return the response's `Date` header in ms; None where it is missing or malformed."""
    try:
        date = parsedate_to_datetime(response.headers.get("date", ""))
    except ValueError:
        return None
    return int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() * 1000)


def parse_response(platform: str, model: type[M], response: httpx.Response) -> M:
    """Return the body as `model`. Raises TransientError when it does not fit; the error's text quotes nothing of it.

    `platform` is the platform's name in the error's text.
    """
    try:
        return model.model_validate_json(response.content)
    except ValidationError:
        # Without the cause, because pydantic quotes the input, which may hold a token.
        raise TransientError(f"{platform}'s response has an unexpected form") from None


def _classify_response(response: httpx.Response | FailedAttempt) -> httpx.Response | FailedAttempt:
    """Return a failed attempt for a server error or a used-up rate limit; anything else unchanged."""
    if isinstance(response, httpx.Response) and (
        response.status_code in RATE_LIMIT_STATUSES or response.is_server_error
    ):
        return FailedAttempt(f"HTTP {response.status_code}", _parse_retry_after(response))
    return response


def _parse_retry_after(response: httpx.Response) -> float | None:
    text = response.headers.get("retry-after", "")
    return float(text) if text.replace(".", "", 1).isdigit() else None
