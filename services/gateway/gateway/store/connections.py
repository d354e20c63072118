"""Stores connections with their encrypted tokens, locks them, and enqueues the events of their changes."""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import topics
from contracts.events import SyncRequested, parse_platform
from gateway.audit import Action, AuditEntry
from gateway.connections import Connection, EncryptedTokens, StoredLogin, apply_move, build_changed_event
from gateway.erasure.deletion_requests import DeletionRequest
from gateway.keys.keys import is_same_binding
from gateway.store.audit_log import AuditLogStore
from gateway.store.deletion_requests import DeletionRequestStore
from gateway.store.keys import KeyStore
from gateway.store.logins import LoginStore
from gateway.store.oauth_states import OAuthStateStore
from gateway.store.sessions import SessionStore
from gateway.store.transactions import OpenTransaction, join_transaction
from gateway.store.webhook_checks import WebhookCheckStore
from messaging import outbox
from messaging.publisher import OutboundMessage

_COLUMNS = """name, merchant, state, epoch, revision, scopes, granted_at, granted_by, wanted_sync, wanted_cause,
              wanted_revision, allowed_deletions, access_token, access_expires_at, refresh_token, refresh_expires_at,
              title, readable_until, redacted_epoch, login"""
_SELECT = f"SELECT {_COLUMNS}, secret, is_refused FROM connections LEFT JOIN logins ON logins.id = login"
_FIND = text(f"{_SELECT} WHERE name = :name")
_FIND_MANY = text(f"{_SELECT} WHERE name = ANY(CAST(:names AS text[]))")
_FIND_EXISTING_NAMES = text("SELECT name FROM connections WHERE name = ANY(CAST(:names AS text[]))")
_LIST_NAMES_BY_LOGIN = text("SELECT name FROM connections WHERE login = :login AND state = 'connected' ORDER BY name")
_LIST_NAMES_BY_MERCHANT = text("SELECT name FROM connections WHERE merchant = :merchant ORDER BY name")
# An advisory lock, because a connection that has no row yet has to be locked, too.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_FIND_LOCKED = text(f"{_SELECT} WHERE name = :name FOR UPDATE OF connections")
_SAVE = text(f"""
INSERT INTO connections ({_COLUMNS}, changed_at)
VALUES (:name, CAST(:merchant AS uuid), :state, :epoch, :revision, CAST(:scopes AS text[]), :granted_at, :granted_by,
        CAST(:wanted_sync AS uuid), :wanted_cause, :wanted_revision, CAST(:allowed_deletions AS uuid), :access_token,
        CAST(:access_expires_at AS bigint), :refresh_token, CAST(:refresh_expires_at AS bigint), :title,
        CAST(:readable_until AS bigint), :redacted_epoch, CAST(:login AS uuid), now())
ON CONFLICT (name) DO UPDATE SET
    merchant = excluded.merchant, state = excluded.state, epoch = excluded.epoch, revision = excluded.revision,
    scopes = excluded.scopes, granted_at = excluded.granted_at, granted_by = excluded.granted_by,
    wanted_sync = excluded.wanted_sync, wanted_cause = excluded.wanted_cause,
    wanted_revision = excluded.wanted_revision, allowed_deletions = excluded.allowed_deletions,
    access_token = excluded.access_token, access_expires_at = excluded.access_expires_at,
    refresh_token = excluded.refresh_token, refresh_expires_at = excluded.refresh_expires_at,
    title = excluded.title, readable_until = excluded.readable_until,
    redacted_epoch = excluded.redacted_epoch, login = excluded.login, changed_at = now()
""")
_LOAD_SECONDS_SINCE_CHANGE = text("SELECT extract(epoch FROM now() - changed_at) FROM connections WHERE name = :name")
_TOUCH = text("UPDATE connections SET changed_at = now() WHERE name = :name")
_SAVE_MERCHANT = text("INSERT INTO merchants (id) VALUES (:merchant) ON CONFLICT DO NOTHING")
_LOCK_MERCHANT = text("SELECT 1 FROM merchants WHERE id = :merchant FOR UPDATE")
_HAS_CONNECTIONS = text("SELECT EXISTS (SELECT FROM connections WHERE merchant = :merchant)")
_DELETE_MERCHANT = text("DELETE FROM merchants WHERE id = :merchant")


class LockedConnection:
    """A merchant's connection that no other transaction can change or create until this transaction ends.

    `row` is None where the connection has no row yet. All methods read and write in this transaction, `tx`.
    """

    def __init__(
        self,
        tx: AsyncConnection,
        name: str,
        row: Connection | None,
        parts: "TransactionParts",
        dropped_logins: set[UUID],
    ) -> None:
        self.name = name
        self.row = row
        self._tx = tx
        self._parts = parts
        self._dropped_logins = dropped_logins

    async def save_and_notify(self, row: Connection) -> None:
        """Store the row, and its merchant if that is a new one.

        Enqueue the event `connection.changed` when the row's revision is higher than that of the stored row, if any.
        The keys for the data API end when they are not good for the new row. A login that the row refers to must be
        stored already. One that it refers to no more is deleted at the end of the transaction, unless others do.
        """
        if row.merchant is not None:
            await self._tx.execute(_SAVE_MERCHANT, {"merchant": row.merchant})
        await self._tx.execute(_SAVE, _build_values(row))
        before, self.row = self.row, row
        if before is not None and before.login is not None and (row.login is None or row.login.id != before.login.id):
            self._dropped_logins.add(before.login.id)
        if before is None or row.revision > before.revision:
            await self.enqueue_event()
        if before is not None and not is_same_binding(before, row):
            await self.keys.delete_all(self.name)

    @property
    def keys(self) -> KeyStore:
        """The store of the keys for the data API, in this transaction."""
        return KeyStore(join_transaction(self._tx))

    @property
    def logins(self) -> LoginStore:
        """The store of shared logins, in this transaction."""
        return LoginStore(join_transaction(self._tx))

    async def enqueue_event(self) -> None:
        """Enqueue the event `connection.changed` with the present row, even if its revision was published before."""
        assert self.row is not None
        event = build_changed_event(self.row, self._parts.get_object_key(self.row.name))
        message = OutboundMessage(
            topics.CONNECTION_CHANGED, event.connection, event, f"{event.connection}:{event.revision}"
        )
        await outbox.enqueue(self._tx, [message])

    async def repeat_event(self, after_seconds: float) -> None:
        """Enqueue the event `connection.changed` once more, unless the row was changed or repeated a short time ago."""
        seconds = (await self._tx.execute(_LOAD_SECONDS_SINCE_CHANGE, {"name": self.name})).scalar_one()
        if seconds >= after_seconds:
            await self._tx.execute(_TOUCH, {"name": self.name})
            await self.enqueue_event()

    async def request_sync(self, request: SyncRequested) -> None:
        """Enqueue a sync request for the connection's fetcher."""
        topic = topics.get_sync_topic(parse_platform(request.connection))
        await outbox.enqueue(self._tx, [OutboundMessage(topic, request.connection, request, str(request.sync_id))])

    async def move(self, merchant: UUID) -> None:
        """Move the connection to another merchant, and delete the former one unless it has other connections."""
        assert self.row is not None
        former = self.row.merchant
        await self.save_and_notify(apply_move(self.row, merchant))
        if former is not None:
            await self._delete_merchant_without_connections(former)

    async def load_proof_age(self, session: UUID) -> float | None:
        """Return the seconds since the session proved the connection; None where it has no such proof (any more)."""
        return await self._parts.create_sessions(join_transaction(self._tx)).load_proof_age(session, self.name)

    async def record(self, entry: AuditEntry) -> None:
        """Add an entry to the audit log."""
        await self._parts.create_audit_log(join_transaction(self._tx)).add(entry)

    async def load_seconds_since(self, action: Action, actor_kind: str) -> float | None:
        """Return the seconds since such an actor last did this to the connection; None where none has."""
        log = self._parts.create_audit_log(join_transaction(self._tx))
        return await log.load_seconds_since(self.name, action, actor_kind)

    async def delete_related(self, merchant: UUID | None) -> None:
        """Delete what belongs to the connection: webhook checks (results of its webhook tests), OAuth states (begun
        logins), and the proofs in sessions. Its entries in the audit log lose what tells of people.

        The connection's former `merchant` is deleted as well, unless the merchant has other connections.
        """
        assert self.row is not None
        transaction = join_transaction(self._tx)
        await WebhookCheckStore(transaction).delete(self.row.name)
        await OAuthStateStore(transaction).delete(self.row.name)
        await self._parts.create_sessions(transaction).delete_proofs(self.row.name)
        await self._parts.create_audit_log(transaction).strip(self.row.name)
        if merchant is not None:
            await self._delete_merchant_without_connections(merchant)

    async def _delete_merchant_without_connections(self, merchant: UUID) -> None:
        """Delete the merchant unless it has connections."""
        # Lock the merchant first: transactions that connect, move or redact another account of it have then committed.
        await self._tx.execute(_LOCK_MERCHANT, {"merchant": merchant})
        if not (await self._tx.execute(_HAS_CONNECTIONS, {"merchant": merchant})).scalar():
            await self._tx.execute(_DELETE_MERCHANT, {"merchant": merchant})

    async def save_executed_request(self, request: DeletionRequest) -> bool:
        """Store the deletion request that this transaction executes, and mark it executed.

        Return False when a copy of the request was stored before.
        """
        store = DeletionRequestStore(join_transaction(self._tx))
        stored = await store.save_or_find_copy(request)
        await store.mark_executed(request.code)
        return stored.code == request.code

    async def save_initial_webhook_checks(self, sync_id: UUID, *, status: object, result: object) -> None:
        """Insert the webhook checks of a sync of this connection, see `WebhookCheckStore.save_initial_checks`."""
        assert self.row is not None
        store = WebhookCheckStore(join_transaction(self._tx))
        await store.save_initial_checks(self.row.name, sync_id, status=status, result=result)


class LockedConnections:
    """Locked connections by name, and the stores of sessions and of logins in the same transaction."""

    def __init__(self, by_name: Mapping[str, LockedConnection], sessions: SessionStore, logins: LoginStore) -> None:
        self.by_name = by_name
        self.sessions = sessions
        self.logins = logins


@dataclass(frozen=True)
class TransactionParts:
    """What a transaction with locked connections needs besides the connections.

    `get_object_key` returns the key of a connection's snapshot in the bucket. The other functions create stores that
    write in a given transaction.
    """

    get_object_key: Callable[[str], str]
    create_sessions: Callable[[OpenTransaction], SessionStore]
    create_audit_log: Callable[[OpenTransaction], AuditLogStore]


class ConnectionStore:
    """Finds and locks connections by name.

    `transaction` begins a transaction, `lock_transaction` one in the second pool of database connections, which is for
    locks. See `create_stores` for this pool and for the other parameters.
    """

    def __init__(
        self,
        transaction: OpenTransaction,
        lock_transaction: OpenTransaction,
        *,
        parts: TransactionParts,
        wake_relay: Callable[[], None],
    ) -> None:
        self._transaction = transaction
        self._lock_transaction = lock_transaction
        self._parts = parts
        self._wake_relay = wake_relay

    async def find(self, name: str) -> Connection | None:
        """Return the connection without a lock; None where there is none."""
        async with self._transaction() as tx:
            row = (await tx.execute(_FIND, {"name": name})).one_or_none()
        return _build_connection(row) if row else None

    async def find_many(self, names: Collection[str]) -> list[Connection]:
        """Return the connections that exist among these names, without locks."""
        async with self._transaction() as tx:
            return [_build_connection(row) for row in await tx.execute(_FIND_MANY, {"names": list(names)})]

    async def list_names_by_merchant(self, merchant: UUID) -> list[str]:
        """Return the names of all connections of a merchant, sorted."""
        async with self._transaction() as tx:
            return list((await tx.execute(_LIST_NAMES_BY_MERCHANT, {"merchant": merchant})).scalars())

    async def find_existing_names(self, names: Collection[str]) -> list[str]:
        """Return those of these names that connections have, also ones whose data is deleted."""
        async with self._transaction() as tx:
            return list((await tx.execute(_FIND_EXISTING_NAMES, {"names": list(names)})).scalars())

    async def list_names_by_login(self, login: UUID) -> list[str]:
        """Return the names of the connected connections that share a login, sorted."""
        async with self._transaction() as tx:
            return list((await tx.execute(_LIST_NAMES_BY_LOGIN, {"login": login})).scalars())

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncIterator[LockedConnection]:
        """Lock the connection, also when it has no row yet, in a transaction that lasts for the `async with` block."""
        async with self.lock_all([name]) as locked:
            yield locked.by_name[name]

    @asynccontextmanager
    async def lock_all(self, names: Iterable[str]) -> AsyncIterator[LockedConnections]:
        """Lock all these connections in one transaction, which lasts for the `async with` block."""
        async with self._lock_transaction() as tx:
            # Always in the same order, so that two transactions never wait for each other.
            dropped_logins: set[UUID] = set()
            locked = {name: await self._lock(tx, name, dropped_logins) for name in sorted(names)}
            transaction = join_transaction(tx)
            logins = LoginStore(transaction)
            yield LockedConnections(locked, self._parts.create_sessions(transaction), logins)
            # At the end, so that all transactions lock connections first, then merchants, then logins.
            if dropped_logins:
                await logins.delete_unused(dropped_logins)
        self._wake_relay()

    async def _lock(self, tx: AsyncConnection, name: str, dropped_logins: set[UUID]) -> LockedConnection:
        await tx.execute(_LOCK, {"name": name})
        row = (await tx.execute(_FIND_LOCKED, {"name": name})).one_or_none()
        return LockedConnection(tx, name, _build_connection(row) if row else None, self._parts, dropped_logins)


def _build_connection(row: Row[Any]) -> Connection:
    tokens = (
        EncryptedTokens(row.access_token, row.access_expires_at, row.refresh_token, row.refresh_expires_at)
        if row.access_token
        else None
    )
    return Connection(
        name=row.name,
        merchant=row.merchant,
        state=row.state,
        epoch=row.epoch,
        revision=row.revision,
        scopes=tuple(row.scopes),
        granted_at=row.granted_at,
        granted_by=row.granted_by,
        wanted_sync=row.wanted_sync,
        wanted_cause=row.wanted_cause,
        wanted_revision=row.wanted_revision,
        allowed_deletions=row.allowed_deletions,
        tokens=tokens,
        title=row.title,
        readable_until=row.readable_until,
        redacted_epoch=row.redacted_epoch,
        login=StoredLogin(row.login, row.secret, row.is_refused) if row.login else None,
    )


def _build_values(row: Connection) -> dict[str, object]:
    tokens = row.tokens
    return {
        "name": row.name,
        "merchant": row.merchant,
        "state": row.state,
        "epoch": row.epoch,
        "revision": row.revision,
        "scopes": list(row.scopes),
        "granted_at": row.granted_at,
        "granted_by": row.granted_by,
        "wanted_sync": row.wanted_sync,
        "wanted_cause": row.wanted_cause,
        "wanted_revision": row.wanted_revision,
        "allowed_deletions": row.allowed_deletions,
        "access_token": tokens.access if tokens else None,
        "access_expires_at": tokens.expires_at if tokens else None,
        "refresh_token": tokens.refresh if tokens else None,
        "refresh_expires_at": tokens.refresh_expires_at if tokens else None,
        "title": row.title,
        "readable_until": row.readable_until,
        "redacted_epoch": row.redacted_epoch,
        "login": row.login.id if row.login else None,
    }
