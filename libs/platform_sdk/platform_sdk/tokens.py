"""Access tokens of connections. A token is never logged and never part of an event."""

import json
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


def join_login(login_secret: str, own_part: str) -> str:
    """Return the token of an account that shares a login with others: `login_secret` and the account's own part."""
    return json.dumps([login_secret, own_part], separators=(",", ":"))


def split_login(token: str) -> tuple[str, str]:
    """Return the secret of the shared login and the account's own part, of which `join_login` has made `token`.

    Raises `ValueError`, without the token's text, for a token of another form.
    """
    try:
        parts = json.loads(token)
    except ValueError:
        parts = None
    if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(part, str) for part in parts):
        raise ValueError("the token is not made of a shared login and an account's own part")
    return parts[0], parts[1]
