"""What a platform grants for an account. The tokens are in clear text; the gateway stores them encrypted."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SharedLogin:
    """Credentials that several accounts of one sign-in share. The gateway stores them once for all of these.

    The accounts end together: when the platform refuses the token of one, all must be connected again. To uninstall one
    of them leaves the login good for the others.
    """

    secret: str = field(repr=False)
    """The credentials, as the platform's package encodes them."""


@dataclass(frozen=True)
class Grant:
    """The tokens and scopes of one account. Tokens are left out of `repr`, of logs and of events.

    Times are in ms since the Unix epoch."""

    access_token: str = field(repr=False)
    """What a fetcher authenticates with: a token, or credentials as the platform's package encodes them.

    With `login` it is the account's own part alone, and the fetcher gets both (`platform_sdk.tokens.join_login`)."""
    scopes: tuple[str, ...]
    granted_at: int
    """The `Date` of the platform's response; the time of the gateway's clock when the response has no `Date`."""
    expires_at: int | None = None
    """When the access token expires; None when it does not expire."""
    refresh_token: str | None = field(default=None, repr=False)
    refresh_expires_at: int | None = None
    """When the refresh token expires; None when it does not, or when there is none."""
    granted_by: str | None = None
    """The platform's id of the user who granted access; None when the platform's deletion requests name no user."""
    title: str = ""
    """The account's display name. It is shown after connecting and not stored."""
    readable_until: int | None = None
    """When access to the data ends unless the user consents again; None when the platform names no such time."""
    login: SharedLogin | None = None
    """What the account shares with others of the same sign-in; None for nothing. A refreshed grant does not name it."""
