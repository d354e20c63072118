"""Stores the hashed states of OAuth authorization requests until they are used or expire."""

from sqlalchemy import text

from gateway.store.transactions import OpenTransaction

_CREATE = text("""
INSERT INTO oauth_states (state_hash, browser_hash, connection, purpose, expires_at)
VALUES (:state_hash, :browser_hash, :connection, :purpose, now() + make_interval(secs => :seconds))
""")
_CONSUME = text("""
DELETE FROM oauth_states
WHERE state_hash = :state_hash AND browser_hash = :browser_hash AND connection = :connection AND expires_at > now()
RETURNING purpose
""")
_DELETE = text("DELETE FROM oauth_states WHERE connection = :connection")
_PRUNE = text("DELETE FROM oauth_states WHERE expires_at < now()")


class OAuthStateStore:
    """Stores the states of authorization requests. Each is bound to one browser and one connection."""

    def __init__(self, transaction: OpenTransaction) -> None:
        self._transaction = transaction

    async def create(
        self, *, state_hash: bytes, browser_hash: bytes, connection: str, purpose: str, seconds: int
    ) -> None:
        """Store the state of a login that this browser begins for this connection. It expires after `seconds`.

        `purpose` is returned when the state is consumed.
        """
        values = {
            "state_hash": state_hash,
            "browser_hash": browser_hash,
            "connection": connection,
            "purpose": purpose,
            "seconds": seconds,
        }
        async with self._transaction() as tx:
            await tx.execute(_CREATE, values)

    async def consume(self, *, state_hash: bytes, browser_hash: bytes, connection: str) -> str | None:
        """Delete a valid state and return its purpose; None when the state is not valid.

        It is valid when it exists, has not expired, and belongs to this browser and connection. Any other state is left
        as it is.
        """
        values = {"state_hash": state_hash, "browser_hash": browser_hash, "connection": connection}
        async with self._transaction() as tx:
            purpose: str | None = (await tx.execute(_CONSUME, values)).scalar()
        return purpose

    async def delete(self, connection: str) -> None:
        """Delete all states of a connection, so that a login that has begun cannot be completed."""
        async with self._transaction() as tx:
            await tx.execute(_DELETE, {"connection": connection})

    async def prune(self) -> None:
        """Delete expired states."""
        async with self._transaction() as tx:
            await tx.execute(_PRUNE)
