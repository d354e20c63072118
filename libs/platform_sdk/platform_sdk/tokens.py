"""Access tokens of connections. A token is never logged and never part of an event."""

from dataclasses import dataclass, field
from hashlib import sha256

EXPIRY_MARGIN_MS = 60_000
"""A token is not used in the last minute before it expires."""


@dataclass(frozen=True)
class AccessToken:
    """An access token of `connection`, granted under `epoch` for `scopes`; `expires_at` in ms, None for never."""

    connection: str
    epoch: int
    token: str = field(repr=False)
    scopes: frozenset[str] = frozenset()
    expires_at: int | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the token, by which the gateway identifies it without seeing it."""
        return sha256(self.token.encode()).hexdigest()

    def is_valid_for(self, epoch: int, now: int) -> bool:
        """Return whether the token may be used at `now` (ms) for a request of `epoch`."""
        return self.epoch >= epoch and (self.expires_at is None or now < self.expires_at - EXPIRY_MARGIN_MS)
