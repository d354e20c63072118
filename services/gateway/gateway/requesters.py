"""Who requests something of a connection: a session, which needs a proof of the connection, or the operator."""

from typing import Protocol
from uuid import UUID

from gateway.audit import BY_OPERATOR, Actor


class StaleProofError(Exception):
    """The sign-in at the account of `connection` is not fresh enough to change it."""

    def __init__(self, connection: str) -> None:
        super().__init__(connection)
        self.connection = connection


class LockedProofs(Protocol):
    """The proofs of a locked connection. Nobody can end them until the transaction with the lock has ended."""

    @property
    def name(self) -> str:
        """The connection's name."""

    async def load_proof_age(self, session: UUID) -> float | None:
        """Return the seconds since the session proved the connection; None where it has no such proof."""


class Requester(Protocol):
    """Whoever requests something of a connection.

    What changes a connection calls `require_acting` in the transaction that locks the connection.
    """

    @property
    def actor(self) -> Actor:
        """Who it is, for the audit log."""

    async def require_acting(self, locked: LockedProofs) -> None:
        """Raise NotFoundError where the requester may not even read the connection, and StaleProofError where the
        requester may read but not change it."""


class Operator:
    """The operator, who needs no proof."""

    actor = BY_OPERATOR

    async def require_acting(self, locked: LockedProofs) -> None:
        """Raise nothing: the operator may change every connection."""
