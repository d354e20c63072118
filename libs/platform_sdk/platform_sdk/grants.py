"""What a platform grants for an account: tokens in clear text, on their way to the gateway's store."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Grant:
    """Tokens for one account. They are not in its repr, and never in a log line or an event. Times are in ms."""

    access_token: str = field(repr=False)
    """What a fetcher authenticates with: a token, or for credentials the platform's own encoding of them."""
    scopes: tuple[str, ...]
    granted_at: int
    """The `Date` of the platform's response, or the gateway's clock where the response has none."""
    expires_at: int | None = None
    """When the access token expires; None where it does not."""
    refresh_token: str | None = field(default=None, repr=False)
    refresh_expires_at: int | None = None
    granted_by: str | None = None
    """The platform's own id of the person who granted it, where the platform reports deletions by person."""
    title: str = ""
    """The account's name for people. It is shown after connecting and not stored."""
    readable_until: int | None = None
    """When the platform requires consent again, where it says so."""
