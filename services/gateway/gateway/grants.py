"""A grant: what a platform's token endpoint gave, for whatever platform."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Grant:
    """Tokens in clear, on their way from the platform to the store: never logged (not in its repr), never said."""

    access_token: str = field(repr=False)
    scopes: tuple[str, ...]
    granted_at: int
    """The `Date` of the answer, in ms; our own clock where the answer has none."""
    expires_at: int | None = None
    """Of the access token, in ms; None for one that does not expire."""
    refresh_token: str | None = field(default=None, repr=False)
    refresh_expires_at: int | None = None
    holder: str | None = None
    """The platform's own id of the person who granted, where it lets go of accounts by person."""
    title: str = ""
    """What people call the account: shown after the consent, and not kept."""
    readable_until: int | None = None
    """When the platform wants to be asked for consent again, in ms, where it says so."""
