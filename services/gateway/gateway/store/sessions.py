"""Stores the sessions of browsers, by the hash of the session cookie's value, and the proofs that they hold."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import text

from gateway.sessions.browsers import Browser
from gateway.store.transactions import OpenTransaction

_IS_OPEN = "s.expires_at > now() AND s.seen_at > now() - make_interval(secs => :idle_seconds)"
_FIND = text(f"""
SELECT s.id, s.seen_at < now() - interval '1 minute' AS is_seen_long_ago,
       p.connection, extract(epoch FROM now() - p.proved_at) AS age
FROM sessions s LEFT JOIN proofs p ON p.session = s.id
WHERE s.id_hash = :id_hash AND {_IS_OPEN}
""")
_LOAD_PROOF_AGE = text(f"""
SELECT extract(epoch FROM now() - p.proved_at) FROM proofs p JOIN sessions s ON s.id = p.session
WHERE p.session = :session AND p.connection = :connection AND {_IS_OPEN}
""")
_TOUCH = text("UPDATE sessions SET seen_at = now() WHERE id = :id")
_OPEN = text("""
INSERT INTO sessions (id, id_hash, address, browser, expires_at)
VALUES (:id, :id_hash, :address, :browser, now() + make_interval(secs => :seconds))
""")
_RENEW = text(f"""
UPDATE sessions s SET id_hash = :id_hash, address = :address, browser = :browser, seen_at = now(),
    expires_at = now() + make_interval(secs => :seconds)
WHERE id_hash = :old AND {_IS_OPEN} RETURNING id
""")
_SAVE_PROOFS = text("""
INSERT INTO proofs (connection, session) SELECT unnest(CAST(:connections AS text[])), :session
ON CONFLICT (connection, session) DO UPDATE SET proved_at = now()
""")
_LIST = text(f"""
SELECT s.id, s.address, s.browser, (extract(epoch FROM p.proved_at) * 1000)::bigint AS proved_at,
       (extract(epoch FROM s.seen_at) * 1000)::bigint AS seen_at
FROM proofs p JOIN sessions s ON s.id = p.session
WHERE p.connection = :connection AND p.proved_at > now() - make_interval(secs => :read_seconds) AND {_IS_OPEN}
ORDER BY p.proved_at DESC
""")
_END = text("DELETE FROM sessions WHERE id_hash = :id_hash")
_DELETE_OTHER_PROOFS = text("""
DELETE FROM proofs WHERE connection = :connection AND session <> :session RETURNING session
""")
_DELETE_PROOFS = text("DELETE FROM proofs WHERE connection = :connection RETURNING session")
_DELETE_WITHOUT_PROOF = text("""
DELETE FROM sessions WHERE id = ANY(:ids) AND NOT EXISTS (SELECT FROM proofs WHERE session = sessions.id)
""")
_PRUNE = text(f"DELETE FROM sessions s WHERE NOT ({_IS_OPEN})")


@dataclass(frozen=True)
class StoredSession:
    """An open session. `proof_ages` are the seconds since each connection was proved, by the connection's name."""

    id: UUID
    proof_ages: Mapping[str, float]


@dataclass(frozen=True)
class SessionWithProof:
    """A session as it is shown to whoever has proved one of its connections. Times are in ms since 1970."""

    id: UUID
    browser: Browser
    proved_at: int
    seen_at: int


class SessionStore:
    """Stores sessions and their proofs.

    A session ends after `idle_seconds` without use, and at a fixed time after its latest sign-in.
    """

    def __init__(self, transaction: OpenTransaction, *, idle_seconds: float) -> None:
        self._transaction = transaction
        self._idle_seconds = idle_seconds

    async def find(self, id_hash: bytes, *, is_used: bool = True) -> StoredSession | None:
        """Return the open session with this hash, and with `is_used` note its use; None where there is none."""
        async with self._transaction() as tx:
            rows = (await tx.execute(_FIND, {"id_hash": id_hash, "idle_seconds": self._idle_seconds})).all()
            if is_used and rows and rows[0].is_seen_long_ago:
                await tx.execute(_TOUCH, {"id": rows[0].id})
        if not rows:
            return None
        return StoredSession(rows[0].id, {row.connection: float(row.age) for row in rows if row.connection})

    async def open_or_renew(self, old: bytes | None, new: bytes, browser: Browser, seconds: float) -> UUID:
        """Give the open session with the hash `old` the hash `new`, or open a session with it; return the session's id.

        The session ends `seconds` from now. A renewed session keeps its proofs, and `old` is not valid any more.
        """
        values = {"id_hash": new, "address": browser.address, "browser": browser.name, "seconds": seconds}
        async with self._transaction() as tx:
            if old:
                renewed = {**values, "old": old, "idle_seconds": self._idle_seconds}
                session: UUID | None = (await tx.execute(_RENEW, renewed)).scalar()
                if session:
                    return session
            session = uuid4()
            await tx.execute(_OPEN, {**values, "id": session})
        return session

    async def save_proofs(self, session: UUID, connections: Iterable[str]) -> None:
        """Store that the session has proved these connections just now."""
        async with self._transaction() as tx:
            await tx.execute(_SAVE_PROOFS, {"session": session, "connections": list(connections)})

    async def load_proof_age(self, session: UUID, connection: str) -> float | None:
        """Return the seconds since the open session proved the connection; None where it has no such proof."""
        values = {"session": session, "connection": connection, "idle_seconds": self._idle_seconds}
        async with self._transaction() as tx:
            age = (await tx.execute(_LOAD_PROOF_AGE, values)).scalar()
        return None if age is None else float(age)

    async def list_with_proof(self, connection: str, read_seconds: float) -> list[SessionWithProof]:
        """Return the open sessions that proved the connection at most `read_seconds` ago, the latest proof first."""
        values = {"connection": connection, "read_seconds": read_seconds, "idle_seconds": self._idle_seconds}
        async with self._transaction() as tx:
            return [
                SessionWithProof(row.id, Browser(row.address, row.browser), row.proved_at, row.seen_at)
                for row in await tx.execute(_LIST, values)
            ]

    async def end(self, id_hash: bytes) -> None:
        """Delete a session and its proofs."""
        async with self._transaction() as tx:
            await tx.execute(_END, {"id_hash": id_hash})

    async def delete_other_proofs(self, connection: str, session: UUID) -> int:
        """Delete the proofs of the connection in all sessions but `session`, and return how many there were.

        Those sessions keep their proofs of other connections.
        """
        async with self._transaction() as tx:
            return len((await tx.execute(_DELETE_OTHER_PROOFS, {"connection": connection, "session": session})).all())

    async def delete_proofs(self, connection: str) -> None:
        """Delete the proofs of the connection in all sessions, and the sessions that had no other proof."""
        async with self._transaction() as tx:
            ids = list((await tx.execute(_DELETE_PROOFS, {"connection": connection})).scalars())
            await tx.execute(_DELETE_WITHOUT_PROOF, {"ids": ids})

    async def prune(self) -> None:
        """Delete the sessions that have ended."""
        async with self._transaction() as tx:
            await tx.execute(_PRUNE, {"idle_seconds": self._idle_seconds})
