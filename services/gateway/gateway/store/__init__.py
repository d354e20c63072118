"""The gateway's schema in PostgreSQL: one store for each noun."""

from collections.abc import Callable
from dataclasses import dataclass

from database.pool import Database
from gateway.store.connections import ConnectionStore
from gateway.store.deletion_requests import DeletionRequestStore
from gateway.store.oauth_states import OAuthStateStore
from gateway.store.sessions import SessionStore
from gateway.store.webhook_probes import WebhookProbeStore


@dataclass(frozen=True)
class Stores:
    """The stores of one database. Each call is a transaction of its own and may raise UnavailableError."""

    connections: ConnectionStore
    oauth_states: OAuthStateStore
    sessions: SessionStore
    deletion_requests: DeletionRequestStore
    webhook_probes: WebhookProbeStore

    async def prune(self) -> None:
        """Delete what has expired."""
        for store in (self.oauth_states, self.sessions, self.webhook_probes, self.deletion_requests):
            await store.prune()


def create_stores(
    database: Database, locks: Database, *, get_object_key: Callable[[str], str], wake_relay: Callable[[], None]
) -> Stores:
    """Return the stores. `wake_relay` is called after a transaction that may have put something into the outbox.

    `locks` is a pool of its own for connections under their locks: a lock is held while a platform answers, and must
    not use up the connections that everything else needs.
    """
    transaction = database.transaction
    return Stores(
        ConnectionStore(transaction, locks.transaction, get_object_key=get_object_key, wake_relay=wake_relay),
        OAuthStateStore(transaction),
        SessionStore(transaction),
        DeletionRequestStore(transaction),
        WebhookProbeStore(transaction),
    )
