"""Errors of a platform's API. The type of an error says what must follow from it.

`RetryLaterError`, `PermanentError` and `AccountBlockedError` end a step of a sync: the handlers postpone the step,
report its failure, or report that the account is blocked. The other types are handled by the API session, which
retries, waits or replaces the token. When that does not help, the session raises `RetryLaterError` or `PermanentError`.
"""


class RetryLaterError(Exception):
    """The rest of a step of a sync must wait. The step is postponed and continues later at its cursor.

    `seconds` is how long to wait. None means that the wait is unknown: it then doubles with each attempt. With
    `escalates`, `seconds` is the first wait, and each further attempt waits longer.

    The scheduler fails a sync after a few postponements without progress. It counts those that have a `reason` and are
    not `throttled`. `throttled` marks a used-up rate limit, which may recur any number of times. A postponement whose
    `reason` is None continues immediately.
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
    """The platform's response has an error at one record that may pass. Requesting the record again may succeed."""


class PermanentError(Exception):
    """The platform refuses the request. `retryable` says whether a new sync may succeed later.

    `details` is the error as the platform's own package models it, for callers within that package, or None.
    """

    def __init__(self, reason: str, *, retryable: bool = False, details: object = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retryable = retryable
        self.details = details


class AccessDeniedError(PermanentError):
    """The scopes or permissions of the access token do not cover the request."""


class LargeAnswerError(PermanentError):
    """An answer of a merchant's server is larger than it may be. Less must be asked for at once."""


_ENDED_STATES = {
    "reauthorise": "the sign-in is no longer accepted, and the merchant has to sign in again",
    "uninstalled": "the account is disconnected",
    "redacted": "the account is disconnected, and its data is deleted",
}


def describe_ended_state(state: str) -> str:
    """Say in words a merchant understands why nothing is read of a connection in this state."""
    return _ENDED_STATES.get(state, f"the connection is {state}")


class ConnectionEndedError(PermanentError):
    """The connection has no valid grant, so that nothing can be read until the merchant connects the account again.

    `state` is the connection's state: `uninstalled`, `reauthorise` or `redacted`.
    """

    def __init__(self, state: str) -> None:
        super().__init__(describe_ended_state(state))
        self.state = state


class TransientError(Exception):
    """The platform is not reached, or responds with an error that may be gone at the next attempt."""


class AccountBlockedError(TransientError):
    """The platform answers every call about the account with a refusal that says nothing about what was asked.

    The account is frozen or locked, for example. No other attempt helps until the platform opens the account again,
    which may take days, and no token is at fault. `reason` is a phrase that completes "the account is ...", such as
    "frozen"; merchants see it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the account is {reason}")
        self.reason = reason


class TokenRejectedError(Exception):
    """The platform does not accept the token.

    The gateway decides whether to obtain a new token, or whether the account must be connected again.
    """


class ThrottledError(Exception):
    """A rate limit is used up. `retry_after` is the wait in seconds that the platform names; None when it names none.

    `limit` is the name of the rate limit, for platforms that have several.
    """

    def __init__(self, reason: str, *, retry_after: float | None = None, limit: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.limit = limit


class QueryTooExpensiveError(Exception):
    """A query costs more points than the platform allows, or its response is too large. It must request fewer records.

    `cost` is the number of points that the platform computed for the query; 0 when the response is too large.
    """

    def __init__(self, reason: str, cost: float = 0.0) -> None:
        super().__init__(reason)
        self.cost = cost


class RequestRejectedError(Exception):
    """A request of a browser or a platform is not accepted. Nothing is stored, and `reason` is shown to the sender.

    `status` is the HTTP status of the response. `ask_again` says that the merchant declined a scope without which no
    account can be connected: the consent page must ask for it once more. `retry_after` is the number of seconds after
    which the same request may be accepted; None where time changes nothing.
    """

    def __init__(self, status: int, reason: str, *, ask_again: bool = False, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.status = status
        self.reason = reason
        self.ask_again = ask_again


class NotFoundError(Exception):
    """The connection, sync or deletion request does not exist, or the caller may not see it."""
