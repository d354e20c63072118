"""Logins that have begun, and sessions: kept by the hash of what the browser holds."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_START = text("""
INSERT INTO login_states (state_hash, browser_hash, connection, expires_at)
VALUES (:state_hash, :browser_hash, :connection, now() + make_interval(secs => :seconds))
""")
_TAKE = text("""
DELETE FROM login_states
WHERE state_hash = :state_hash AND browser_hash = :browser_hash AND connection = :connection AND expires_at > now()
RETURNING 1
""")
_FORGET = text("DELETE FROM login_states WHERE connection = :connection")
_SESSION = text("SELECT merchant FROM sessions WHERE id_hash = :id_hash AND expires_at > now()")
_PROLONG_SESSION = text(
    "UPDATE sessions SET expires_at = now() + make_interval(secs => :seconds) WHERE id_hash = :id_hash"
)
_END_SESSION = text("DELETE FROM sessions WHERE id_hash = :id_hash")
_END_SESSIONS = text("DELETE FROM sessions WHERE merchant = :merchant")
_OPEN_SESSION = text("""
INSERT INTO sessions (id_hash, merchant, expires_at)
VALUES (:id_hash, :merchant, now() + make_interval(secs => :seconds))
""")
_PRUNE = (
    text("DELETE FROM login_states WHERE expires_at < now()"),
    text("DELETE FROM sessions WHERE expires_at < now()"),
)


async def start(tx: AsyncConnection, *, state_hash: bytes, browser_hash: bytes, connection: str, seconds: int) -> None:
    """Remember a state, for the browser that got it, for one connection, for so long."""
    values = {"state_hash": state_hash, "browser_hash": browser_hash, "connection": connection}
    await tx.execute(_START, {**values, "seconds": seconds})


async def take(tx: AsyncConnection, *, state_hash: bytes, browser_hash: bytes, connection: str) -> bool:
    """Whether this state was given to this browser for this connection, and not used yet; now it is."""
    values = {"state_hash": state_hash, "browser_hash": browser_hash, "connection": connection}
    return (await tx.execute(_TAKE, values)).scalar() is not None


async def forget_states(tx: AsyncConnection, connection: str) -> None:
    """Logins that have begun for this connection cannot be finished."""
    await tx.execute(_FORGET, {"connection": connection})


async def session_merchant(tx: AsyncConnection, id_hash: bytes) -> UUID | None:
    """The merchant of a session that lives, if any."""
    merchant: UUID | None = (await tx.execute(_SESSION, {"id_hash": id_hash})).scalar()
    return merchant


async def prolong_session(tx: AsyncConnection, id_hash: bytes, seconds: int) -> None:
    """Let a session live so long from now."""
    await tx.execute(_PROLONG_SESSION, {"id_hash": id_hash, "seconds": seconds})


async def replace_session(tx: AsyncConnection, old: bytes | None, new: bytes, merchant: UUID, seconds: int) -> None:
    """End the session `old`, open `new` for `merchant`."""
    if old:
        await tx.execute(_END_SESSION, {"id_hash": old})
    await tx.execute(_OPEN_SESSION, {"id_hash": new, "merchant": merchant, "seconds": seconds})


async def end_sessions(tx: AsyncConnection, merchant: UUID) -> None:
    """End all sessions of a merchant."""
    await tx.execute(_END_SESSIONS, {"merchant": merchant})


async def prune(tx: AsyncConnection) -> None:
    """Remove what has expired."""
    for statement in _PRUNE:
        await tx.execute(statement)
