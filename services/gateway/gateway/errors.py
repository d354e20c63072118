"""One exception type per consequence. None of their texts ever holds a token, a code or a secret."""


class Refusal(Exception):
    """What a browser brought cannot be accepted: 400 with this reason, and nothing was stored."""


class PlatformAway(Exception):
    """The platform does not answer, or answers that it cannot now: 502 to a browser, 424 to a service,
    because it may be this one account's trouble: a shop that is gone answers 404 where another answers 200."""


class NotGranted(Exception):
    """The consent lacks what nothing works without: 400 with this reason, and a way to be asked again."""


class CodeRefused(Exception):
    """The platform does not take this authorization code: 400, and nothing was stored."""


class GrantDead(Exception):
    """The platform says that the refresh token which was sent is worth nothing any more."""


class TokenRefused(Exception):
    """The platform answered 401 to an access token."""


class NotLive(Exception):
    """The connection is there, and not connected: 409 with its state."""

    def __init__(self, state: str) -> None:
        super().__init__(f"the connection is {state}")
        self.state = state


class NotKnown(Exception):
    """There is no such connection or sync, or none that the asker may see: 404."""


class SchedulerAway(Exception):
    """The scheduler's read API does not answer."""


class NotReached(Exception):
    """An address did not answer at all: the network error in words."""
