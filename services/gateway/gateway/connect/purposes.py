"""What a sign-in at a platform is for."""

from enum import StrEnum


class Purpose(StrEnum):
    """What a sign-in is for: to connect accounts, or only to prove that the browser's user has access to them.

    Connecting stores tokens and starts a full sync. Proving stores no token and starts no sync.
    """

    CONNECT = "connect"
    PROVE = "prove"
