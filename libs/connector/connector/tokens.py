"""The right to read one connection: an access token with what is known of it. Never logged, never said."""

from dataclasses import dataclass, field
from hashlib import sha256

MARGIN_MS = 60_000
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
        """SHA-256 of the token: names it to the gateway without saying it."""
        return sha256(self.token.encode()).hexdigest()

    def is_valid_for(self, epoch: int, now: int) -> bool:
        """Whether it may be used at `now` (ms) for a request that knows `epoch`."""
        return self.epoch >= epoch and (self.expires_at is None or now < self.expires_at - MARGIN_MS)
