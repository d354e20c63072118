"""A connection's row and how it changes: every change gives the next revision, and can be said to the others."""

from dataclasses import dataclass, field, replace
from typing import Protocol
from uuid import UUID

from contracts.events import ConnectionChanged
from contracts.headers import derive_id

CONNECTED = "connected"
REAUTHORISE = "reauthorise"
UNINSTALLED = "uninstalled"
REDACTED = "redacted"
CONNECT, MANUAL = "connect", "manual"


@dataclass(frozen=True)
class SealedTokens:
    """A connection's tokens as they are stored, sealed; times in ms."""

    access: str = field(repr=False)
    expires_at: int | None = None
    refresh: str | None = field(default=None, repr=False)
    refresh_expires_at: int | None = None


@dataclass(frozen=True)
class Connection:
    """One merchant's account at one platform, as the gateway keeps it. Tokens are there only sealed."""

    name: str
    merchant: UUID | None
    state: str
    epoch: int
    revision: int
    scopes: tuple[str, ...]
    granted_at: int
    wanted_sync: UUID | None
    tokens: SealedTokens | None
    holder: str | None = None
    """The platform's own id of the person who granted, where it lets go of accounts by person; never said."""
    wanted_cause: str = CONNECT
    """Why `wanted_sync` is wanted: `CONNECT`, or `MANUAL`."""

    @property
    def live(self) -> bool:
        """Whether its data may be read."""
        return self.state == CONNECTED and self.tokens is not None


class HeldConnection(Protocol):
    """A connection under its lock, for one transaction."""

    row: Connection | None

    async def save(self, row: Connection) -> None:
        """Store it and say its change."""


def wanted_sync(name: str, revision: int, granted_at: int, cause: str = CONNECT) -> UUID:
    """The full sync that a consent, other scopes or an operator ask for: the same for the same revision of the same
    grant, so that saying it again starts it once."""
    return derive_id(cause, name, str(revision), str(granted_at))


def granted(
    before: Connection | None,
    *,
    name: str,
    merchant: UUID,
    scopes: tuple[str, ...],
    granted_at: int,
    tokens: SealedTokens,
    holder: str | None = None,
) -> Connection:
    """The connection after a consent: connected, new tokens, a new wanted full sync; its epoch is as it was."""
    revision = before.revision + 1 if before else 1
    return Connection(
        name=name,
        merchant=merchant,
        state=CONNECTED,
        epoch=before.epoch if before else 1,
        revision=revision,
        scopes=scopes,
        granted_at=granted_at,
        wanted_sync=wanted_sync(name, revision, granted_at),
        tokens=tokens,
        holder=holder,
    )


def refreshed(row: Connection, *, scopes: tuple[str, ...], tokens: SealedTokens) -> Connection:
    """The connection with refreshed tokens; a new revision only when the scopes changed with them."""
    return replace(rescoped(row, scopes or row.scopes), tokens=tokens)


def rescoped(row: Connection, scopes: tuple[str, ...]) -> Connection:
    """The connection with the scopes that the platform now grants, and a new wanted full sync, because what may be read
    is not what was read; the same row when nothing changed."""
    if scopes == row.scopes:
        return row
    revision = row.revision + 1
    wanted = wanted_sync(row.name, revision, row.granted_at)
    return replace(row, scopes=scopes, revision=revision, wanted_sync=wanted, wanted_cause=CONNECT)


def wishing(row: Connection) -> Connection:
    """The connection with a full sync wanted by an operator."""
    revision = row.revision + 1
    wanted = wanted_sync(row.name, revision, row.granted_at, MANUAL)
    return replace(row, revision=revision, wanted_sync=wanted, wanted_cause=MANUAL)


def revoked(row: Connection) -> Connection:
    """The connection when its tokens are worth nothing: the merchant has to sign in again."""
    return replace(row, state=REAUTHORISE, wanted_sync=None, revision=row.revision + 1)


def uninstalled(row: Connection) -> Connection:
    """The connection after an uninstall: a higher epoch, and no tokens."""
    return replace(
        row, state=UNINSTALLED, epoch=row.epoch + 1, wanted_sync=None, tokens=None, revision=row.revision + 1
    )


def redacted(row: Connection) -> Connection:
    """The connection when its data is to go: a higher epoch, so that nothing which is on its way brings any back, and
    beside it only the name. Connected anew, it goes on from there."""
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
    )


def changed_event(row: Connection, object_key: str) -> ConnectionChanged:
    """What the others are told about this row: everything but its tokens and its holder."""
    return ConnectionChanged(
        connection=row.name,
        revision=row.revision,
        epoch=row.epoch,
        state=row.state,
        merchant=row.merchant,
        object_key=None if row.state == REDACTED else object_key,
        wanted_sync=row.wanted_sync,
        wanted_cause=row.wanted_cause,
        scopes=row.scopes,
    )
