"""Stores the sessions of browsers by the hash of the session cookie's value."""

from uuid import UUID

from sqlalchemy import text

from gateway.store.transactions import OpenTransaction

_MERCHANT = text("SELECT merchant FROM sessions WHERE id_hash = :id_hash AND expires_at > now()")
_PROLONG = text("UPDATE sessions SET expires_at = now() + make_interval(secs => :seconds) WHERE id_hash = :id_hash")
_END = text("DELETE FROM sessions WHERE id_hash = :id_hash")
_END_ALL = text("DELETE FROM sessions WHERE merchant = :merchant")
_OPEN = text("""
INSERT INTO sessions (id_hash, merchant, expires_at)
VALUES (:id_hash, :merchant, now() + make_interval(secs => :seconds))
""")
_PRUNE = text("DELETE FROM sessions WHERE expires_at < now()")


class SessionStore:
    """Stores sessions. Each session belongs to one merchant."""

    def __init__(self, transaction: OpenTransaction) -> None:
        self._transaction = transaction

    async def find_merchant(self, id_hash: bytes) -> UUID | None:
        """Return the merchant of the session with this hash; None where there is no such session or it has expired."""
        async with self._transaction() as tx:
            merchant: UUID | None = (await tx.execute(_MERCHANT, {"id_hash": id_hash})).scalar()
        return merchant

    async def prolong(self, id_hash: bytes, seconds: int) -> None:
        """Set the session to expire `seconds` from now."""
        async with self._transaction() as tx:
            await tx.execute(_PROLONG, {"id_hash": id_hash, "seconds": seconds})

    async def replace(self, old: bytes | None, new: bytes, merchant: UUID, seconds: int) -> None:
        """Delete the session with the hash `old`, if any, and create the session with the hash `new` for `merchant`.

        The new session expires after `seconds`.
        """
        async with self._transaction() as tx:
            if old:
                await tx.execute(_END, {"id_hash": old})
            await tx.execute(_OPEN, {"id_hash": new, "merchant": merchant, "seconds": seconds})

    async def end_all(self, merchant: UUID) -> None:
        """Delete all sessions of a merchant."""
        async with self._transaction() as tx:
            await tx.execute(_END_ALL, {"merchant": merchant})

    async def prune(self) -> None:
        """Delete expired sessions."""
        async with self._transaction() as tx:
            await tx.execute(_PRUNE)
