"""Stores logins: encrypted credentials that several connections share."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text

from gateway.connections import StoredLogin
from gateway.store.transactions import OpenTransaction

_SAVE = text("""
INSERT INTO logins (id, secret, is_refused) VALUES (:id, :secret, :is_refused)
ON CONFLICT (id) DO UPDATE SET secret = excluded.secret
""")
_MARK_REFUSED = text("UPDATE logins SET is_refused = true WHERE id = :id")
# Locked before the connections are looked at: of two transactions that drop the last two references, the second one
# sees what the first one has committed. By id, so that they never wait for each other.
_LOCK = text("SELECT 1 FROM logins WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE")
_DELETE_UNUSED = text("""
DELETE FROM logins WHERE id = ANY(CAST(:ids AS uuid[])) AND NOT EXISTS (SELECT FROM connections WHERE login = logins.id)
""")


class LoginStore:
    """Stores logins. A login that no connection refers to is deleted by the transaction that drops the reference."""

    def __init__(self, transaction: OpenTransaction) -> None:
        self._transaction = transaction

    async def save(self, login: StoredLogin) -> None:
        """Store a new login, or the secret of a known one as it is encrypted now."""
        values = {"id": login.id, "secret": login.secret, "is_refused": login.is_refused}
        async with self._transaction() as tx:
            await tx.execute(_SAVE, values)

    async def mark_refused(self, login: UUID) -> None:
        """Store that the platform has refused a token that was made of this login."""
        async with self._transaction() as tx:
            await tx.execute(_MARK_REFUSED, {"id": login})

    async def delete_unused(self, logins: Collection[UUID]) -> None:
        """Delete those of the logins to which no connection refers."""
        async with self._transaction() as tx:
            await tx.execute(_LOCK, {"ids": list(logins)})
            await tx.execute(_DELETE_UNUSED, {"ids": list(logins)})
