"""What an HTTP answer of the Admin API means: the data with its price, or one exception per consequence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from platform_sdk.errors import PermanentError, RetryLaterError
from shopify_fetcher.budget import Status

OLDEST_WHOLE = "2026-07"
"""Versions before this one silently leave collections out."""
TOO_MANY = (429, 430)
OURS_NO_MORE = {
    402: "the shop is frozen (402)",
    403: "access is forbidden (403)",
    404: "there is no such shop (404)",
    423: "the shop is locked (423)",
}
DEFAULT_PAUSE = {429: 1.0, 430: 30.0}


class Throttled(Exception):
    """The bucket was too empty for the document."""

    def __init__(self, cost: float, status: Status | None) -> None:
        super().__init__("throttled")
        self.cost = cost
        self.status = status


class TooCostly(Exception):
    """The document asks for more than any may, or answers more than we take: ask for less at once."""

    def __init__(self, reason: str, cost: float = 0.0) -> None:
        super().__init__(reason)
        self.cost = cost


class TokenRefused(Exception):
    """The access token is not accepted; the gateway decides what that means."""


class Pause(Exception):
    """The platform wants no requests for `seconds`."""

    def __init__(self, status: int, seconds: float) -> None:
        super().__init__(f"the platform answered {status}")
        self.seconds = seconds


class Unwell(Exception):
    """The platform did not answer properly; it may the next time."""


class Denied(PermanentError):
    """The scopes of the access token do not cover what was asked for."""


class Faulty(RetryLaterError):
    """An error at one place of an answer that otherwise came; the same question may be answered the next time."""


@dataclass(frozen=True)
class FieldError:
    """An error at one place of the data; what is null there is not known."""

    path: tuple[str | int, ...]
    code: str
    message: str

    @property
    def reason(self) -> str:
        """For people."""
        return f"{self.code or 'error'}: {self.message}"[:300]

    @property
    def passes(self) -> bool:
        """Whether the same question may be answered the next time."""
        return self.code in ("INTERNAL_SERVER_ERROR", "TIMEOUT")

    @property
    def refusal(self) -> PermanentError:
        """What it is where it does not pass."""
        return Denied(self.reason) if self.denied else PermanentError(self.reason)

    @property
    def denied(self) -> bool:
        """Whether a scope is wanting."""
        return self.code == "ACCESS_DENIED"


@dataclass(frozen=True)
class Cost:
    """Points asked for and charged, and the bucket after it."""

    requested: float
    actual: float
    status: Status


@dataclass(frozen=True)
class Answer:
    """Data that came, when its request was sent (ms), what it cost, errors by place, and the version served."""

    data: dict[str, Any]
    read_at: int
    cost: Cost | None = None
    errors: tuple[FieldError, ...] = ()
    version: str | None = None


def understand(status: int, headers: Mapping[str, str], body: bytes, read_at: int) -> Answer:
    """The answer, or the exception that says what follows. `headers` are looked up in lower case."""
    if status == 401:
        raise TokenRefused
    if status in TOO_MANY:
        raise Pause(status, _seconds(headers.get("retry-after"), DEFAULT_PAUSE[status]))
    if status in OURS_NO_MORE:
        raise PermanentError(OURS_NO_MORE[status])
    if status >= 500:
        raise Unwell(f"the platform answered {status}")
    content = _content(status, body)
    version = headers.get("x-shopify-api-version")
    if version is not None and version < OLDEST_WHOLE:
        raise PermanentError(f"the platform serves API version {version[:20]}, in which collections are missing")
    return _answered(content, read_at, version)


def _seconds(header: str | None, default: float) -> float:
    try:
        return max(0.0, float(header or default))
    except ValueError:
        return default


def _content(status: int, body: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unwell("the platform's answer is not JSON") from None
    if not isinstance(content, dict):
        raise Unwell("the platform's answer is no object")
    if status != 200:
        raise PermanentError(f"the platform answered {status}")
    return content


def _answered(content: dict[str, Any], read_at: int, version: str | None) -> Answer:
    extensions = content.get("extensions") or {}
    errors = _errors(content.get("errors"))
    cost = _cost(extensions.get("cost"))
    for error in errors:
        _raise_for(error, extensions.get("cost") or {})
    data = content.get("data")
    if data is None:
        first = errors[0] if errors else FieldError((), "", "no data and no errors")
        raise Unwell(first.reason) if first.passes or not errors else first.refusal
    for search in extensions.get("search") or ():
        if search.get("warnings"):
            raise PermanentError(f"the platform did not understand a search: {str(search['warnings'])[:200]}")
    return Answer(data, read_at, cost, errors, version)


def _errors(listed: Any) -> tuple[FieldError, ...]:
    if isinstance(listed, str):
        return (FieldError((), "", listed),)
    return tuple(
        FieldError(
            tuple(error.get("path") or ()),
            str((error.get("extensions") or {}).get("code") or ""),
            str(error.get("message") or ""),
        )
        for error in listed or ()
    )


def _raise_for(error: FieldError, cost: dict[str, Any]) -> None:
    if error.code == "THROTTLED":
        raise Throttled(float(cost.get("requestedQueryCost") or 0), _status(cost))
    if error.code == "MAX_COST_EXCEEDED":
        raise TooCostly("a document asks for more points than any may", float(cost.get("requestedQueryCost") or 0))


def _cost(cost: dict[str, Any] | None) -> Cost | None:
    status = _status(cost or {})
    if cost is None or status is None:
        return None
    requested = float(cost.get("requestedQueryCost") or 0)
    actual = cost.get("actualQueryCost")
    return Cost(requested, requested if actual is None else float(actual), status)


def _status(cost: dict[str, Any]) -> Status | None:
    status = cost.get("throttleStatus")
    if not status:
        return None
    return Status(float(status["maximumAvailable"]), float(status["currentlyAvailable"]), float(status["restoreRate"]))
