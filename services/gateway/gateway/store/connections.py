"""Connections with their sealed tokens: a row, its lock, and what is said of its changes."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import topics
from contracts.events import SyncRequested, parse_platform
from gateway.connections import Connection, SealedTokens, changed_event
from gateway.erasure.deletion_requests import Receipt
from gateway.store import logins, receipts, selftests
from messaging import outbox
from messaging.publisher import OutboundMessage

_COLUMNS = """name, merchant, state, epoch, revision, scopes, granted_at, wanted_sync, wanted_cause,
              access_token, access_expires_at, refresh_token, refresh_expires_at, holder"""
_ONE = text(f"SELECT {_COLUMNS} FROM connections WHERE name = :name")
_SOME = text(f"SELECT {_COLUMNS} FROM connections WHERE name = ANY(CAST(:names AS text[]))")
_ALL_OF = text(f"SELECT {_COLUMNS} FROM connections WHERE merchant = :merchant ORDER BY name")
_HELD_BY = text("""
SELECT name FROM connections
WHERE holder = :holder AND starts_with(name, :beginning) AND granted_at <= :granted_by ORDER BY name
""")
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_LOCKED = text(f"SELECT {_COLUMNS} FROM connections WHERE name = :name FOR UPDATE")
_SAVE = text(f"""
INSERT INTO connections ({_COLUMNS}, changed_at)
VALUES (:name, CAST(:merchant AS uuid), :state, :epoch, :revision, CAST(:scopes AS text[]), :granted_at,
        CAST(:wanted_sync AS uuid), :wanted_cause, :access_token, CAST(:access_expires_at AS bigint), :refresh_token,
        CAST(:refresh_expires_at AS bigint), :holder, now())
ON CONFLICT (name) DO UPDATE SET
    merchant = excluded.merchant, state = excluded.state, epoch = excluded.epoch, revision = excluded.revision,
    scopes = excluded.scopes, granted_at = excluded.granted_at, wanted_sync = excluded.wanted_sync,
    wanted_cause = excluded.wanted_cause,
    access_token = excluded.access_token, access_expires_at = excluded.access_expires_at,
    refresh_token = excluded.refresh_token, refresh_expires_at = excluded.refresh_expires_at,
    holder = excluded.holder, changed_at = now()
""")
_MERCHANT = text("INSERT INTO merchants (id) VALUES (:merchant) ON CONFLICT DO NOTHING")
_LOCK_MERCHANT = text("SELECT 1 FROM merchants WHERE id = :merchant FOR UPDATE")
_HAS_ANY = text("SELECT EXISTS (SELECT FROM connections WHERE merchant = :merchant)")
_FORGET_MERCHANT = text("DELETE FROM merchants WHERE id = :merchant")


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
        known, self.row = self.row, row
        if known is None or row.revision > known.revision:
            await self.say()

    async def say(self) -> None:
        """Say the row as it is to the others, perhaps once more."""
        assert self.row is not None
        event = changed_event(self.row, self._object_key(self.row.name))
        said = OutboundMessage(
            topics.CONNECTION_CHANGED, event.connection, event, f"{event.connection}:{event.revision}"
        )
        await outbox.enqueue(self._tx, [said])

    async def ask(self, request: SyncRequested) -> None:
        """Ask the connection's fetcher for records, once this transaction is committed."""
        topic = topics.get_sync_topic(parse_platform(request.connection))
        await outbox.enqueue(self._tx, [OutboundMessage(topic, request.connection, request, str(request.sync_id))])

    async def forget(self, name: str, merchant: UUID | None) -> None:
        """Remove what is kept beside the row of `name`, and its former `merchant` when no connection is left to it."""
        await selftests.forget(self._tx, name)
        await logins.forget_states(self._tx, name)
        if merchant is not None:
            await _forget_if_alone(self._tx, merchant)

    async def keep_carried_out(self, receipt: Receipt) -> bool:
        """Keep the receipt of what this transaction does; False when its request has one already."""
        kept = await receipts.keep(self._tx, receipt)
        await receipts.carried_out(self._tx, receipt.code)
        return kept.code == receipt.code

    async def open_self_test(self, sync_id: UUID, *, status: object, test: object) -> None:
        """Begin the gateway's part of a sync of this connection; a part begun before keeps its outcomes."""
        assert self.row is not None
        await selftests.begin(self._tx, self.row.name, sync_id, status, test)


class HeldTogether:
    """The connections of one consent under their locks, and the session that it is given in: all or nothing."""

    def __init__(self, tx: AsyncConnection, connections: Mapping[str, Held]) -> None:
        self.connections = connections
        self._tx = tx

    async def session_merchant(self, id_hash: bytes | None) -> UUID | None:
        """The merchant of a session that lives, if any."""
        return await logins.session_merchant(self._tx, id_hash) if id_hash else None

    async def prolong_session(self, id_hash: bytes, seconds: int) -> None:
        """Let a session live so long from now."""
        await logins.prolong_session(self._tx, id_hash, seconds)

    async def replace_session(self, old: bytes | None, new: bytes, merchant: UUID, seconds: int) -> None:
        """End the session `old`, open `new` for `merchant`."""
        await logins.replace_session(self._tx, old, new, merchant, seconds)


async def held_together(tx: AsyncConnection, names: Iterable[str], object_key: Callable[[str], str]) -> HeldTogether:
    """Connections under their locks; taken in one order, so that no two wait for each other."""
    return HeldTogether(tx, {name: await _held(tx, name, object_key) for name in sorted(names)})


async def _held(tx: AsyncConnection, name: str, object_key: Callable[[str], str]) -> Held:
    """The connection under its lock."""
    await tx.execute(_LOCK, {"name": name})
    row = (await tx.execute(_LOCKED, {"name": name})).one_or_none()
    return Held(tx, _connection(row) if row else None, object_key)


async def one(tx: AsyncConnection, name: str) -> Connection | None:
    """The connection as it is now."""
    row = (await tx.execute(_ONE, {"name": name})).one_or_none()
    return _connection(row) if row else None


async def some(tx: AsyncConnection, names: Collection[str]) -> list[Connection]:
    """Those of these connections that there are, as they are now."""
    return [_connection(row) for row in await tx.execute(_SOME, {"names": list(names)})]


async def all_of(tx: AsyncConnection, merchant: UUID) -> list[Connection]:
    """All connections of a merchant, by name."""
    return [_connection(row) for row in await tx.execute(_ALL_OF, {"merchant": merchant})]


async def names_held_by(tx: AsyncConnection, platform: str, holder: str, granted_by: int) -> tuple[str, ...]:
    """The connections at `platform` that the person `holder` had granted by that moment (ms), by name."""
    found = await tx.execute(_HELD_BY, {"holder": holder, "beginning": f"{platform}:", "granted_by": granted_by})
    return tuple(found.scalars())


async def _forget_if_alone(tx: AsyncConnection, merchant: UUID) -> None:
    """The merchant's lock first: who connects or redacts another account of the same merchant has then committed."""
    await tx.execute(_LOCK_MERCHANT, {"merchant": merchant})
    if not (await tx.execute(_HAS_ANY, {"merchant": merchant})).scalar():
        await logins.end_sessions(tx, merchant)
        await tx.execute(_FORGET_MERCHANT, {"merchant": merchant})


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
        wanted_cause=row.wanted_cause,
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
        "wanted_cause": row.wanted_cause,
        "access_token": tokens.access if tokens else None,
        "access_expires_at": tokens.expires_at if tokens else None,
        "refresh_token": tokens.refresh if tokens else None,
        "refresh_expires_at": tokens.refresh_expires_at if tokens else None,
        "holder": row.holder,
    }
