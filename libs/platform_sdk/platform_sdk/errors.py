"""Errors of a platform's API, one exception type per consequence.

`RetryLaterError` and `PermanentError` end a sync's step; the handlers turn them into postponements and failures. The
other types are raised below them: an API session retries, waits or replaces the token, and raises one of the two when
that does not help.
"""


class RetryLaterError(Exception):
    """The rest of the work must wait: it is postponed, with the cursor where it continues.

    `seconds` is how long to wait; None means that nobody knows, and the wait doubles with each attempt. With
    `escalates`, `seconds` is the first wait, and later waits are longer, too.

    The scheduler allows few postponements that make no progress, and `throttled` and `reason` decide which ones it
    counts. `throttled` marks rate limits: they may recur without end and are not counted. Without a `reason` the rest
    follows at once, which is not counted either. A postponement with a `reason` that is not `throttled` is counted.
    """

    def __init__(
        self, reason: str | None, *, seconds: float | None = None, escalates: bool = False, throttled: bool = False
    ) -> None:
        super().__init__(reason or "the rest follows at once")
        self.reason = reason
        self.seconds = seconds
        self.escalates = escalates
        self.throttled = throttled


class RecordError(RetryLaterError):
    """One record of a response has an error that may be gone when the same record is requested again."""


class PermanentError(Exception):
    """The platform refuses the request; `retryable` says whether a new sync may succeed later.

    `details` is the error in the platform's own form, for callers within the platform's package; None where there is
    none.
    """

    def __init__(self, reason: str, *, retryable: bool = False, details: object = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retryable = retryable
        self.details = details


class AccessDeniedError(PermanentError):
    """The scopes or permissions of the access token do not cover the request."""


class ConnectionEndedError(PermanentError):
    """The grant is gone (uninstalled, reauthorise, redacted): nothing can be read until a person acts."""

    def __init__(self, state: str) -> None:
        super().__init__(f"connection is {state}")
        self.state = state


class TransientError(Exception):
    """The platform did not respond properly, and may do so the next time."""


class TokenRejectedError(Exception):
    """The platform does not accept the access token; the gateway decides what that means."""


class ThrottledError(Exception):
    """A rate limit is used up. `retry_after` is the platform's wait in seconds, None where it names none.

    `limit` names the rate limit where a platform has several.
    """

    def __init__(self, reason: str, *, retry_after: float | None = None, limit: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.limit = limit


class QueryTooExpensiveError(Exception):
    """A query costs more than the platform allows, or its response is too large: less must be requested at once.

    `cost` is the platform's price of the query, 0 where the response is too large.
    """

    def __init__(self, reason: str, cost: float = 0.0) -> None:
        super().__init__(reason)
        self.cost = cost


class RequestRejectedError(Exception):
    """What a browser or a platform sent cannot be accepted: nothing is stored, and `reason` is shown to the sender.

    `status` is the HTTP status of the answer. `ask_again` says that the person can only go on by being asked once more
    for what they declined.
    """

    def __init__(self, status: int, reason: str, *, ask_again: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.ask_again = ask_again


class NotFoundError(Exception):
    """There is no such connection, sync or request, or none that the caller may see."""
