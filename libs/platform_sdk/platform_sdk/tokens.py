"""Access tokens of connections. A token is never logged and never part of an event."""

from dataclasses import dataclass, field
from hashlib import sha256

EXPIRY_MARGIN_MS = 60_000
"""The time before its expiry during which a token is not used any more."""


@dataclass(frozen=True)
class AccessToken:
    """An access token of `connection` for `scopes`.

    `epoch` is the connection's epoch (the number that an uninstall raises) in which the token was granted. `expires_at`
    is in ms since the Unix epoch; None for a token that does not expire.
    """

    connection: str
    epoch: int
    token: str = field(repr=False)
    scopes: frozenset[str] = frozenset()
    expires_at: int | None = None

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the token in hex. It identifies the token to the gateway without containing it."""
        return sha256(self.token.encode()).hexdigest()

    def is_valid_for(self, min_epoch: int, now: int) -> bool:
        """Return whether the token has not expired at `now` (ms) and was granted in `min_epoch` or a later one."""
        return self.epoch >= min_epoch and (self.expires_at is None or now < self.expires_at - EXPIRY_MARGIN_MS)
