"""The gateway's schema in PostgreSQL: one store class for each kind of row."""

from collections.abc import Callable
from dataclasses import dataclass

from database.pool import Database
from gateway.store.connections import ConnectionStore
from gateway.store.deletion_requests import DeletionRequestStore
from gateway.store.oauth_states import OAuthStateStore
from gateway.store.sessions import SessionStore
from gateway.store.webhook_checks import WebhookCheckStore


@dataclass(frozen=True)
class Stores:
    """The stores of the gateway's database, one for each kind of row.

    Each call of a store's method is a transaction of its own. It raises UnavailableError when the database is
    unavailable.
    """

    connections: ConnectionStore
    oauth_states: OAuthStateStore
    sessions: SessionStore
    deletion_requests: DeletionRequestStore
    webhook_checks: WebhookCheckStore

    async def prune(self) -> None:
        """Delete expired rows of all stores."""
        for store in (self.oauth_states, self.sessions, self.webhook_checks, self.deletion_requests):
            await store.prune()


def create_stores(
    database: Database, locks: Database, *, get_object_key: Callable[[str], str], wake_relay: Callable[[], None]
) -> Stores:
    """Return the stores of the gateway's `database`.

    `locks` is a second pool of database connections, for transactions that lock a merchant's connection. Such a
    transaction stays open while a platform answers, and must not exhaust the pool of all other queries.
    `get_object_key` returns the key of a connection's snapshot in the bucket. `wake_relay` is called after each
    transaction that may have put messages into the outbox (the table of messages to publish).
    """
    transaction = database.transaction
    return Stores(
        ConnectionStore(transaction, locks.transaction, get_object_key=get_object_key, wake_relay=wake_relay),
        OAuthStateStore(transaction),
        SessionStore(transaction),
        DeletionRequestStore(transaction),
        WebhookCheckStore(transaction),
    )
