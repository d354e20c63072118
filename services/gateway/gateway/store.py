"""The gateway's schema in Postgres: merchants, sessions, logins, connections with sealed tokens, self-tests."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import topics
from gateway.connections import Connection, SealedTokens, changed_event
from messaging import outbox
from messaging.publisher import Outgoing
from storing.database import Database

_COLUMNS = """name, merchant, state, epoch, revision, scopes, granted_at, wanted_sync,
              access_token, access_expires_at, refresh_token, refresh_expires_at, holder"""
_ONE = text(f"SELECT {_COLUMNS} FROM connections WHERE name = :name")
_ALL_OF = text(f"SELECT {_COLUMNS} FROM connections WHERE merchant = :merchant ORDER BY name")
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_LOCKED = text(f"SELECT {_COLUMNS} FROM connections WHERE name = :name FOR UPDATE")
_SAVE = text(f"""
INSERT INTO connections ({_COLUMNS}, changed_at)
VALUES (:name, CAST(:merchant AS uuid), :state, :epoch, :revision, CAST(:scopes AS text[]), :granted_at,
        CAST(:wanted_sync AS uuid), :access_token, CAST(:access_expires_at AS bigint), :refresh_token,
        CAST(:refresh_expires_at AS bigint), :holder, now())
ON CONFLICT (name) DO UPDATE SET
    merchant = excluded.merchant, state = excluded.state, epoch = excluded.epoch, revision = excluded.revision,
    scopes = excluded.scopes, granted_at = excluded.granted_at, wanted_sync = excluded.wanted_sync,
    access_token = excluded.access_token, access_expires_at = excluded.access_expires_at,
    refresh_token = excluded.refresh_token, refresh_expires_at = excluded.refresh_expires_at,
    holder = excluded.holder, changed_at = now()
""")
_START_LOGIN = text("""
INSERT INTO login_states (state_hash, browser_hash, connection, expires_at)
VALUES (:state_hash, :browser_hash, :connection, now() + make_interval(secs => :seconds))
""")
_TAKE_LOGIN = text("""
DELETE FROM login_states
WHERE state_hash = :state_hash AND browser_hash = :browser_hash AND connection = :connection AND expires_at > now()
RETURNING 1
""")
_SESSION = text("SELECT merchant FROM sessions WHERE id_hash = :id_hash AND expires_at > now()")
_PROLONG_SESSION = text(
    "UPDATE sessions SET expires_at = now() + make_interval(secs => :seconds) WHERE id_hash = :id_hash"
)
_END_SESSION = text("DELETE FROM sessions WHERE id_hash = :id_hash")
_OPEN_SESSION = text("""
INSERT INTO sessions (id_hash, merchant, expires_at)
VALUES (:id_hash, :merchant, now() + make_interval(secs => :seconds))
""")
_MERCHANT = text("INSERT INTO merchants (id) VALUES (:merchant) ON CONFLICT DO NOTHING")
_OPEN_TEST = text("""
INSERT INTO self_tests (sync_id, connection, webhook_status, webhook_test)
VALUES (:sync_id, :connection, CAST(:status AS jsonb), CAST(:test AS jsonb))
ON CONFLICT (sync_id) DO UPDATE SET webhook_test = coalesce(excluded.webhook_test, self_tests.webhook_test)
WHERE self_tests.connection = excluded.connection
""")
_SAVE_STATUS = text("UPDATE self_tests SET webhook_status = CAST(:outcome AS jsonb) WHERE sync_id = :sync_id")
_SAVE_TEST = text("UPDATE self_tests SET webhook_test = CAST(:outcome AS jsonb) WHERE sync_id = :sync_id")
_TEST = text("""
SELECT connection, CAST(webhook_status AS text) AS webhook_status, CAST(webhook_test AS text) AS webhook_test, made_at
FROM self_tests WHERE sync_id = :sync_id
""")
_LAST_TEST = text("""
SELECT CAST(webhook_test AS text) FROM self_tests WHERE connection = :connection AND webhook_test IS NOT NULL
ORDER BY made_at DESC LIMIT 1
""")
_PRUNE = (
    text("DELETE FROM login_states WHERE expires_at < now()"),
    text("DELETE FROM sessions WHERE expires_at < now()"),
    text("""DELETE FROM self_tests WHERE made_at < now() - interval '30 days'
            AND sync_id NOT IN (SELECT wanted_sync FROM connections WHERE wanted_sync IS NOT NULL)"""),
)


@dataclass(frozen=True)
class SelfTest:
    """The gateway's own part of a sync: outcomes as `{"status", "message", …}`, None where it has none."""

    connection: str
    webhook_status: dict[str, Any] | None
    webhook_test: dict[str, Any] | None
    made_at: int


class Held:
    """One connection whose row is locked until the transaction ends, whether there is a row yet or not."""

    def __init__(self, tx: AsyncConnection, row: Connection | None, object_key: Callable[[str], str]) -> None:
        self.row = row
        self._tx = tx
        self._object_key = object_key

    async def save(self, row: Connection) -> None:
        """Store the row, and say it to the others when its revision is a new one: both or neither."""
        if row.merchant is not None:
            await self._tx.execute(_MERCHANT, {"merchant": row.merchant})
        await self._tx.execute(_SAVE, _values(row))
        if self.row is None or row.revision > self.row.revision:
            event = changed_event(row, self._object_key(row.name))
            said = Outgoing(topics.CONNECTION_CHANGED, row.name, event, f"{row.name}:{row.revision}")
            await outbox.say(self._tx, [said])
        self.row = row

    async def open_self_test(self, sync_id: UUID, *, status: object, test: object) -> None:
        """Begin the gateway's part of a sync of this connection; a part begun before keeps its outcomes."""
        assert self.row is not None
        await _open_test(self._tx, self.row.name, sync_id, status, test)


class HeldTogether:
    """The connections of one consent under their locks, and the session that it is given in: all or nothing."""

    def __init__(self, tx: AsyncConnection, connections: Mapping[str, Held]) -> None:
        self.connections = connections
        self._tx = tx

    async def session_merchant(self, id_hash: bytes | None) -> UUID | None:
        """The merchant of a session that lives, if any."""
        return (await self._tx.execute(_SESSION, {"id_hash": id_hash})).scalar() if id_hash else None

    async def prolong_session(self, id_hash: bytes, seconds: int) -> None:
        """Let a session live so long from now."""
        await self._tx.execute(_PROLONG_SESSION, {"id_hash": id_hash, "seconds": seconds})

    async def replace_session(self, old: bytes | None, new: bytes, merchant: UUID, seconds: int) -> None:
        """End the session `old`, open `new` for `merchant`."""
        if old:
            await self._tx.execute(_END_SESSION, {"id_hash": old})
        await self._tx.execute(_OPEN_SESSION, {"id_hash": new, "merchant": merchant, "seconds": seconds})


class Store:
    """Small functions on the schema, each its own transaction. All raise `StoreAway` when Postgres is away.

    `locks` is a pool of its own, because a lock is held while a platform answers: it must not starve the rest.
    `said` is called after a transaction that may have put something into the outbox.
    """

    def __init__(
        self, database: Database, locks: Database, *, object_key: Callable[[str], str], said: Callable[[], None]
    ) -> None:
        self._database = database
        self._locks = locks
        self._object_key = object_key
        self._said = said

    @asynccontextmanager
    async def held(self, name: str) -> AsyncIterator[Held]:
        """Hold the connection `name` for one transaction: nobody else changes it, or makes it, meanwhile."""
        async with self.held_together([name]) as held:
            yield held.connections[name]

    @asynccontextmanager
    async def held_together(self, names: Iterable[str]) -> AsyncIterator[HeldTogether]:
        """Hold all these connections for one transaction; taken in one order, so that no two wait for each other."""
        async with self._locks.transaction() as tx:
            held = {name: await self._locked(tx, name) for name in sorted(names)}
            yield HeldTogether(tx, held)
        self._said()

    async def _locked(self, tx: AsyncConnection, name: str) -> Held:
        await tx.execute(_LOCK, {"name": name})
        row = (await tx.execute(_LOCKED, {"name": name})).one_or_none()
        return Held(tx, _connection(row) if row else None, self._object_key)

    async def connection(self, name: str) -> Connection | None:
        """The connection as it is now."""
        async with self._database.transaction() as tx:
            row = (await tx.execute(_ONE, {"name": name})).one_or_none()
        return _connection(row) if row else None

    async def connections_of(self, merchant: UUID) -> list[Connection]:
        """All connections of a merchant, by name."""
        async with self._database.transaction() as tx:
            return [_connection(row) for row in await tx.execute(_ALL_OF, {"merchant": merchant})]

    async def start_login(self, *, state_hash: bytes, browser_hash: bytes, connection: str, seconds: int) -> None:
        """Remember a state, for the browser that got it, for one connection, for so long."""
        values = {"state_hash": state_hash, "browser_hash": browser_hash, "connection": connection}
        async with self._database.transaction() as tx:
            await tx.execute(_START_LOGIN, {**values, "seconds": seconds})

    async def take_login(self, *, state_hash: bytes, browser_hash: bytes, connection: str) -> bool:
        """Whether this state was given to this browser for this connection, and not used yet; now it is."""
        values = {"state_hash": state_hash, "browser_hash": browser_hash, "connection": connection}
        async with self._database.transaction() as tx:
            return (await tx.execute(_TAKE_LOGIN, values)).scalar() is not None

    async def session_merchant(self, id_hash: bytes) -> UUID | None:
        """The merchant of a session that lives, if any."""
        async with self._database.transaction() as tx:
            merchant: UUID | None = (await tx.execute(_SESSION, {"id_hash": id_hash})).scalar()
            return merchant

    async def open_self_test(self, connection: str, sync_id: UUID, *, status: object, test: object) -> None:
        """Begin the gateway's part of a sync; `test` None where the sync has no webhook test."""
        async with self._database.transaction() as tx:
            await _open_test(tx, connection, sync_id, status, test)

    async def save_webhook_status(self, sync_id: UUID, outcome: object) -> None:
        """Keep the outcome of the assertion of subscriptions."""
        async with self._database.transaction() as tx:
            await tx.execute(_SAVE_STATUS, {"sync_id": sync_id, "outcome": _json(outcome)})

    async def save_webhook_test(self, sync_id: UUID, outcome: object) -> None:
        """Keep the outcome of the webhook test."""
        async with self._database.transaction() as tx:
            await tx.execute(_SAVE_TEST, {"sync_id": sync_id, "outcome": _json(outcome)})

    async def self_test(self, sync_id: UUID) -> SelfTest | None:
        """The gateway's part of a sync, if it has one."""
        async with self._database.transaction() as tx:
            row = (await tx.execute(_TEST, {"sync_id": sync_id})).one_or_none()
        if row is None:
            return None
        made_at = int(row.made_at.timestamp() * 1000)
        return SelfTest(row.connection, _parsed(row.webhook_status), _parsed(row.webhook_test), made_at)

    async def last_webhook_test(self, connection: str) -> dict[str, Any] | None:
        """The latest webhook test of a connection: whether deliveries reach us, as far as we know."""
        async with self._database.transaction() as tx:
            return _parsed((await tx.execute(_LAST_TEST, {"connection": connection})).scalar())

    async def prune(self) -> None:
        """Remove what has expired."""
        async with self._database.transaction() as tx:
            for statement in _PRUNE:
                await tx.execute(statement)


async def _open_test(tx: AsyncConnection, name: str, sync_id: UUID, status: object, test: object) -> None:
    values = {"sync_id": sync_id, "connection": name, "status": _json(status), "test": _json(test)}
    await tx.execute(_OPEN_TEST, values)


def _json(value: object) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _parsed(value: str | None) -> dict[str, Any] | None:
    parsed: dict[str, Any] | None = None if value is None else orjson.loads(value)
    return parsed


def _connection(row: Row[Any]) -> Connection:
    tokens = (
        SealedTokens(row.access_token, row.access_expires_at, row.refresh_token, row.refresh_expires_at)
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
        wanted_sync=row.wanted_sync,
        tokens=tokens,
        holder=row.holder,
    )


def _values(row: Connection) -> dict[str, object]:
    tokens = row.tokens
    return {
        "name": row.name,
        "merchant": row.merchant,
        "state": row.state,
        "epoch": row.epoch,
        "revision": row.revision,
        "scopes": list(row.scopes),
        "granted_at": row.granted_at,
        "wanted_sync": row.wanted_sync,
        "access_token": tokens.access if tokens else None,
        "access_expires_at": tokens.expires_at if tokens else None,
        "refresh_token": tokens.refresh if tokens else None,
        "refresh_expires_at": tokens.refresh_expires_at if tokens else None,
        "holder": row.holder,
    }
