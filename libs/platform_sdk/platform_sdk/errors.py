"""Why a fetch does not go on: one exception type per consequence. Who cannot reach the gateway raises `Away`."""


class RetryLaterError(Exception):
    """What is left must wait: it is postponed, with the place where it goes on.

    `seconds` is how long, or None where only experience tells: then longer with each try in vain. With `grows`,
    `seconds` is the first wait, and the next ones are longer, too.

    `throttled` and `reason` say whether the scheduler counts the try as one in vain, of which there may be few:
    `throttled` is for rate limits alone, which may come again without end; `reason` None is for work whose rest
    follows at once; whatever has a reason and is no rate limit only looks as if it passed, and is counted.
    """

    def __init__(
        self, reason: str | None, *, seconds: float | None = None, escalates: bool = False, throttled: bool = False
    ) -> None:
        super().__init__(reason or "the rest follows at once")
        self.reason = reason
        self.seconds = seconds
        self.escalates = escalates
        self.throttled = throttled


class PermanentError(Exception):
    """The platform will not give it; `retry` says whether trying again later can help."""

    def __init__(self, reason: str, *, retryable: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retryable = retryable


class ConnectionEndedError(PermanentError):
    """The grant is gone (uninstalled, reauthorise, redacted): nothing can be read until a person acts."""

    def __init__(self, state: str) -> None:
        super().__init__(f"connection is {state}")
        self.state = state
