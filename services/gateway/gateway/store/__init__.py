"""The gateway's schema in PostgreSQL: one store class for each kind of row."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from database.pool import Database
from gateway.store.audit_log import AuditLogStore
from gateway.store.connections import ConnectionStore, TransactionParts
from gateway.store.deletion_requests import DeletionRequestStore
from gateway.store.keys import KeyStore
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
    audit_log: AuditLogStore
    keys: KeyStore

    async def prune(self) -> None:
        """Delete expired rows of all stores."""
        for store in (
            self.oauth_states,
            self.sessions,
            self.webhook_checks,
            self.deletion_requests,
            self.audit_log,
            self.keys,
        ):
            await store.prune()


def create_stores(
    database: Database,
    locks: Database,
    *,
    get_object_key: Callable[[str], str],
    wake_relay: Callable[[], None],
    session_idle_seconds: float,
    audit_kept_days: int,
) -> Stores:
    """Return the stores of the gateway's `database`.

    `locks` is a second pool of database connections, for transactions that lock a merchant's connection. Such a
    transaction stays open while a platform answers, and must not exhaust the pool of all other queries.
    `get_object_key` returns the key of a connection's snapshot in the bucket. `wake_relay` is called after each
    transaction that may have put messages into the outbox (the table of messages to publish). Sessions end after
    `session_idle_seconds` without a request.
    """
    transaction = database.transaction
    create_sessions = partial(SessionStore, idle_seconds=session_idle_seconds)
    create_audit_log = partial(AuditLogStore, kept_days=audit_kept_days)
    parts = TransactionParts(get_object_key, create_sessions, create_audit_log)
    return Stores(
        connections=ConnectionStore(transaction, locks.transaction, parts=parts, wake_relay=wake_relay),
        oauth_states=OAuthStateStore(transaction),
        sessions=create_sessions(transaction),
        deletion_requests=DeletionRequestStore(transaction),
        webhook_checks=WebhookCheckStore(transaction),
        audit_log=create_audit_log(transaction),
        keys=KeyStore(transaction),
    )
