"""A connection's row and its transitions. Every change of state, scopes or wanted sync raises the revision.

The other services ignore events with a lower revision. The wanted sync is the full sync for which the last consent,
change of scopes or operator asked. The epoch rises with each uninstall and redaction (deletion of all data). Other
services refuse whatever carries a lower epoch.
"""

from dataclasses import dataclass, field, replace
from uuid import UUID

from contracts.events import ConnectionChanged
from contracts.headers import derive_id

CONNECTED = "connected"
REAUTHORISE = "reauthorise"
UNINSTALLED = "uninstalled"
REDACTED = "redacted"
CONNECT, MANUAL = "connect", "manual"
ENDING_SOON_MS = 14 * 86_400_000
"""How long before the end of access people are warned of it."""


@dataclass(frozen=True)
class EncryptedTokens:
    """A connection's encrypted tokens as the database stores them.

    Times are in ms; None where the token does not expire. `refresh` is None where the platform gave no refresh token.
    """

    access: str = field(repr=False)
    expires_at: int | None = None
    refresh: str | None = field(default=None, repr=False)
    refresh_expires_at: int | None = None


@dataclass(frozen=True)
class StoredLogin:
    """Credentials that the connections of one sign-in share, encrypted as the database stores them.

    `is_refused` says that the platform has refused a token that was made of them: none of the connections is read any
    more.
    """

    id: UUID
    secret: str = field(repr=False)
    is_refused: bool = False


@dataclass(frozen=True)
class Connection:
    """One merchant's account at one platform, as the gateway stores it. Its tokens are encrypted."""

    name: str
    merchant: UUID | None
    state: str
    epoch: int
    revision: int
    scopes: tuple[str, ...]
    granted_at: int
    wanted_sync: UUID | None
    tokens: EncryptedTokens | None
    granted_by: str | None = None
    """The platform's id of the user who granted access; None where the platform reports no deletions by user.

    It is never published.
    """
    wanted_cause: str = CONNECT
    """The cause of `wanted_sync`: `CONNECT` or `MANUAL`."""
    wanted_revision: int = 0
    """The revision with which `wanted_sync` was requested. It is never published."""
    title: str = ""
    """The account's display name, for the merchant's pages. It is never published."""
    readable_until: int | None = None
    """When access ends unless the user consents again (ms); None when the platform names no such time."""
    allowed_deletions: UUID | None = None
    """The full sync whose deletions the deletion guard has stopped and an operator has allowed."""
    redacted_epoch: int = 0
    """The epoch of the latest redaction (deletion of all data); 0 if there was none."""
    login: StoredLogin | None = None
    """The credentials that it shares with others, besides its own part in `tokens`; None where it shares none."""

    @property
    def has_refused_login(self) -> bool:
        """Whether it shares a login that the platform has refused, so that it must be connected again."""
        return self.login is not None and self.login.is_refused

    def is_ending_soon(self, now: int) -> bool:
        """Whether access ends within two weeks after `now` (ms), or has ended, unless somebody signs in again."""
        return self.readable_until is not None and self.readable_until - now < ENDING_SOON_MS

    @property
    def is_live(self) -> bool:
        """Whether the account's data may be read: it is connected and has tokens."""
        return self.state == CONNECTED and self.tokens is not None


def derive_wanted_sync(name: str, revision: int, granted_at: int, cause: str = CONNECT) -> UUID:
    """Return the id of the full sync that is wanted after a consent, a change of scopes or an operator's request.

    `cause` is `MANUAL` for an operator's request, otherwise `CONNECT`. The same arguments always give the same id. So
    publishing the same row again starts no second sync.
    """
    return derive_id(cause, name, str(revision), str(granted_at))


def apply_grant(
    before: Connection | None,
    *,
    name: str,
    merchant: UUID,
    scopes: tuple[str, ...],
    granted_at: int,
    tokens: EncryptedTokens,
    granted_by: str | None = None,
    title: str = "",
    readable_until: int | None = None,
    login: StoredLogin | None = None,
) -> Connection:
    """Return the connection as it is after a consent: connected, with the new tokens and a new id in `wanted_sync`.

    `before` is None for an account that has no row yet. `wanted_sync` is the id of the full sync that the scheduler is
    to run. The epoch (the number that rises when a connection ends) stays.
    """
    revision = before.revision + 1 if before else 1
    return Connection(
        name=name,
        merchant=merchant,
        state=CONNECTED,
        epoch=before.epoch if before else 1,
        revision=revision,
        scopes=scopes,
        granted_at=granted_at,
        wanted_sync=derive_wanted_sync(name, revision, granted_at),
        wanted_revision=revision,
        tokens=tokens,
        granted_by=granted_by,
        title=title,
        readable_until=readable_until,
        redacted_epoch=before.redacted_epoch if before else 0,
        login=login,
    )


def apply_move(row: Connection, merchant: UUID) -> Connection:
    """Return the connection as one of another merchant's. Its state, tokens and epoch stay."""
    return replace(row, merchant=merchant, revision=row.revision + 1)


def apply_refresh(row: Connection, *, scopes: tuple[str, ...], tokens: EncryptedTokens) -> Connection:
    """Return the connection with refreshed tokens, and with `scopes` unless they are empty.

    When `scopes` differ from the stored ones, the revision (the number that rises with each published change) rises and
    a full sync is wanted, see `apply_scope_change`. Otherwise the revision and the wanted sync stay.
    """
    return replace(apply_scope_change(row, scopes or row.scopes), tokens=tokens)


def apply_scope_change(row: Connection, scopes: tuple[str, ...]) -> Connection:
    """Return the connection with the scopes that the platform grants now; the same row when nothing changed.

    When the scopes changed, the row has a new id in `wanted_sync`: the scheduler is to run this full sync, because
    other resources can be read now.
    """
    if scopes == row.scopes:
        return row
    return replace(_request_full_sync(row, CONNECT), scopes=scopes)


def apply_manual_sync_request(row: Connection) -> Connection:
    """Return the connection with a new id in `wanted_sync`: a person or a reader has requested a full sync."""
    return _request_full_sync(row, MANUAL)


def _request_full_sync(row: Connection, cause: str) -> Connection:
    revision = row.revision + 1
    wanted = derive_wanted_sync(row.name, revision, row.granted_at, cause)
    return replace(row, revision=revision, wanted_sync=wanted, wanted_cause=cause, wanted_revision=revision)


def apply_token_rejection(row: Connection) -> Connection:
    """Return the connection in state reauthorise, for when the platform no longer accepts its tokens.

    The merchant has to sign in again.
    """
    return replace(row, state=REAUTHORISE, wanted_sync=None, revision=row.revision + 1)


def apply_uninstall(row: Connection) -> Connection:
    """Return the connection after the app was removed from the account: no tokens, and a higher epoch.

    The higher epoch makes the other services refuse records that were read before.
    """
    return replace(
        row,
        state=UNINSTALLED,
        epoch=row.epoch + 1,
        wanted_sync=None,
        tokens=None,
        login=None,
        revision=row.revision + 1,
    )


def apply_redaction(row: Connection) -> Connection:
    """Return the connection after the deletion of its data: only its name, and a higher epoch and revision.

    The higher epoch makes the other services refuse records that were read before the deletion. An account that is
    connected again keeps this epoch.
    """
    return Connection(
        name=row.name,
        merchant=None,
        state=REDACTED,
        epoch=row.epoch + 1,
        revision=row.revision + 1,
        scopes=(),
        granted_at=0,
        wanted_sync=None,
        tokens=None,
        redacted_epoch=row.epoch + 1,
    )


def build_changed_event(row: Connection, object_key: str) -> ConnectionChanged:
    """Return the event that publishes the row: everything except its tokens, `granted_at` and `granted_by`.

    `object_key` is the key of the connection's snapshot in the bucket. The event of a redacted connection does not have
    it.
    """
    return ConnectionChanged(
        connection=row.name,
        revision=row.revision,
        epoch=row.epoch,
        state=row.state,
        merchant=row.merchant,
        object_key=None if row.state == REDACTED else object_key,
        wanted_sync=row.wanted_sync,
        wanted_cause=row.wanted_cause,
        allowed_deletions=row.allowed_deletions,
        redacted_epoch=row.redacted_epoch,
        scopes=row.scopes,
    )
