"""Stores the hashes of the keys for the data API, and enqueues the events of their changes."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row

from contracts import topics
from gateway.audit import Actor
from gateway.keys.keys import NewKey, StoredKey, build_keys_event
from gateway.sessions.browsers import Browser
from gateway.store.transactions import OpenTransaction
from messaging import outbox
from messaging.publisher import OutboundMessage

EXPIRED_KEPT_DAYS = 7
"""How long an expired key stays listed, so that its owner sees why it is refused."""
_ADD = text("""
INSERT INTO api_keys (id, connection, name, prefix, hash, scopes, epoch, merchant, lifetime_seconds, made_by, session,
                      address, browser, origin, expires_at)
VALUES (:id, :connection, :name, :prefix, :hash, CAST(:scopes AS text[]), :epoch, :merchant,
        CAST(:lifetime_seconds AS bigint), :made_by, CAST(:session AS uuid), :address, :browser, :origin,
        now() + make_interval(secs => CAST(:lifetime_seconds AS bigint)))
""")
_LIST = text("""
SELECT id, connection, name, prefix, hash, scopes, epoch, merchant, lifetime_seconds, made_by, session, address,
       browser, origin,
       (extract(epoch FROM made_at) * 1000)::bigint AS made_at,
       (extract(epoch FROM expires_at) * 1000)::bigint AS expires_at,
       (extract(epoch FROM last_used_at) * 1000)::bigint AS last_used_at,
       coalesce(expires_at <= now(), false) AS has_expired
FROM api_keys WHERE connection = :connection ORDER BY made_at, id
""")
_SHORTEN = text("""
UPDATE api_keys SET expires_at = least(expires_at, now() + make_interval(secs => :seconds)) WHERE id = :id
""")
_DELETE = text("DELETE FROM api_keys WHERE id = :id")
# Locked by id, as for the saving of uses: two transactions never wait for each other's keys.
_DELETE_ALL = text("""
WITH locked AS (SELECT id FROM api_keys WHERE connection = :connection ORDER BY id FOR UPDATE)
DELETE FROM api_keys USING locked WHERE api_keys.id = locked.id RETURNING api_keys.id
""")
# At least the present time in ms, so that a database that was restored from a backup gives no revision a second time.
_RAISE_REVISION = text("""
UPDATE connections SET keys_revision = greatest(keys_revision + 1, (extract(epoch FROM now()) * 1000)::bigint)
WHERE name = :connection RETURNING keys_revision
""")
_SAVE_USES = text("""
WITH used AS (SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:times AS bigint[])) AS one (id, ms)),
     locked AS (SELECT id, ms FROM api_keys JOIN used USING (id) ORDER BY id FOR NO KEY UPDATE OF api_keys)
UPDATE api_keys SET last_used_at = greatest(last_used_at, to_timestamp(locked.ms / 1000.0))
FROM locked WHERE api_keys.id = locked.id
""")
_PRUNE = text("DELETE FROM api_keys WHERE expires_at < now() - make_interval(days => :days)")


class KeyStore:
    """Stores keys without their text.

    Whoever changes the keys of a connection holds its lock, and calls `enqueue_event` in the same transaction.
    """

    def __init__(self, transaction: OpenTransaction) -> None:
        self._transaction = transaction

    async def add(self, key: NewKey) -> None:
        """Store a new key. It expires after its lifetime, if it has one."""
        browser = key.made_by.browser
        values = {
            "id": key.id,
            "connection": key.connection,
            "name": key.name,
            "prefix": key.prefix,
            "hash": key.hash,
            "scopes": list(key.scopes),
            "epoch": key.epoch,
            "merchant": key.merchant,
            "lifetime_seconds": key.lifetime_seconds,
            "made_by": key.made_by.kind,
            "session": key.made_by.session,
            "address": browser.address if browser else None,
            "browser": browser.name if browser else None,
            "origin": key.origin,
        }
        async with self._transaction() as tx:
            await tx.execute(_ADD, values)

    async def list_all(self, connection: str) -> list[StoredKey]:
        """Return the connection's keys, the oldest first, with those that have expired a short time ago."""
        async with self._transaction() as tx:
            return [_build_key(row) for row in await tx.execute(_LIST, {"connection": connection})]

    async def shorten(self, key: UUID, seconds: float) -> None:
        """Let a key expire `seconds` from now, unless it expires before."""
        async with self._transaction() as tx:
            await tx.execute(_SHORTEN, {"id": key, "seconds": seconds})

    async def delete(self, key: UUID) -> None:
        """Delete a key."""
        async with self._transaction() as tx:
            await tx.execute(_DELETE, {"id": key})

    async def delete_all(self, connection: str) -> int:
        """Delete all keys of a connection, enqueue the event that says so, and return how many keys there were.

        There is an event also when there are none: the last one can still have keys that have expired, or that were
        made after the backup from which the database was restored.
        """
        async with self._transaction() as tx:
            count = len((await tx.execute(_DELETE_ALL, {"connection": connection})).all())
        await self.enqueue_event(connection)
        return count

    async def enqueue_event(self, connection: str) -> None:
        """Raise the revision of the connection's keys, and enqueue the event `key.changed` with all good ones."""
        keys = await self.list_all(connection)
        async with self._transaction() as tx:
            revision = (await tx.execute(_RAISE_REVISION, {"connection": connection})).scalar_one()
            event = build_keys_event(connection, revision, keys)
            message = OutboundMessage(topics.KEY_CHANGED, connection, event, f"{connection}:keys:{revision}")
            await outbox.enqueue(tx, [message])

    async def save_uses(self, used: Mapping[UUID, int]) -> None:
        """Store when keys were used last (ms). A time before the stored one, and an unknown key change nothing."""
        async with self._transaction() as tx:
            await tx.execute(_SAVE_USES, {"ids": list(used), "times": list(used.values())})

    async def prune(self) -> None:
        """Delete the keys that expired more than `EXPIRED_KEPT_DAYS` days ago."""
        async with self._transaction() as tx:
            await tx.execute(_PRUNE, {"days": EXPIRED_KEPT_DAYS})


def _build_key(row: Row[Any]) -> StoredKey:
    browser = Browser(row.address, row.browser or "") if row.address is not None else None
    return StoredKey(
        id=row.id,
        connection=row.connection,
        name=row.name,
        scopes=tuple(row.scopes),
        lifetime_seconds=row.lifetime_seconds,
        prefix=row.prefix,
        hash=row.hash,
        epoch=row.epoch,
        merchant=row.merchant,
        made_by=Actor(row.made_by, row.session, browser),
        origin=row.origin,
        made_at=row.made_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        has_expired=row.has_expired,
    )
