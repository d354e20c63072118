"""Answers of any platform: asked for three times within eight seconds, by its own hints, before it counts as away."""

from collections.abc import Awaitable, Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
import stamina
from pydantic import BaseModel, ValidationError

from platform_sdk.errors import TransientError

M = TypeVar("M", bound=BaseModel)

TIMEOUT = httpx.Timeout(4.0, connect=2.0)
ATTEMPTS, TRYING_SECONDS, LONGEST_WAIT = 3, 8.0, 4.0


class Again(Exception):
    """Not answered this time; `wait` is the platform's own hint in seconds, if it gave one."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


async def until_answered(platform: str, send: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """The answer, unless it is 429, 430 or 5xx, or `send` says `Again`, three times over: then `TransientError`."""
    try:
        async for attempt in stamina.retry_context(on=_again, attempts=ATTEMPTS, timeout=TRYING_SECONDS, wait_max=2.0):
            with attempt:
                answer = await send()
                if answer.status_code in (429, 430) or answer.is_server_error:
                    raise Again(f"HTTP {answer.status_code}", _hint(answer))
    except Again as error:
        raise TransientError(f"{platform} answers {error}") from error
    except httpx.HTTPError as error:
        raise TransientError(f"{platform} does not answer ({type(error).__name__})") from error
    return answer


def dated(answer: httpx.Response) -> int | None:
    """The answer's `Date` in ms."""
    try:
        stamp = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None
    return int((stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp() * 1000)


def parsed(platform: str, kind: type[M], answer: httpx.Response) -> M:
    """The body as `kind`. Raises `TransientError`, whose text holds nothing of it."""
    try:
        return kind.model_validate_json(answer.content)
    except ValidationError:
        raise TransientError(f"{platform}'s answer is not what it should be") from None


def _again(error: Exception) -> bool | float:
    """Whether to try again, or after how many seconds."""
    if isinstance(error, Again) and error.wait is not None:
        return max(0.05, error.wait) if error.wait <= LONGEST_WAIT else False
    return isinstance(error, (Again, httpx.HTTPError))


def _hint(answer: httpx.Response) -> float | None:
    given = answer.headers.get("retry-after", "")
    return float(given) if given.replace(".", "", 1).isdigit() else None
