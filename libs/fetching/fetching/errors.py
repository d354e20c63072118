"""Why a fetch does not go on: one exception type per consequence. Who cannot reach the gateway raises `Away`."""


class NotNow(Exception):
    """What is left must wait: it is postponed, with the place where it goes on.

    `seconds` is how long, or None where only experience tells: then longer with each try in vain.
    """

    def __init__(self, reason: str, *, seconds: float | None = None, throttled: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.seconds = seconds
        self.throttled = throttled


class Refused(Exception):
    """The platform will not give it; `retry` says whether trying again later can help."""

    def __init__(self, reason: str, *, retry: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry = retry


class ConnectionEnded(Refused):
    """The grant is gone (uninstalled, reauthorise, redacted): nothing can be read until a person acts."""

    def __init__(self, state: str) -> None:
        super().__init__(f"connection is {state}")
        self.state = state
