"""Makes, rotates and revokes the keys of a connection for the data API.

Each change is one transaction under the connection's lock, with its entry in the audit log and the event `key.changed`.
When the process is killed after the commit, the new key exists and nobody has seen it: it is listed, to be revoked.
"""

from uuid import UUID

import structlog

from gateway.audit import Action, AuditEntry
from gateway.connections import CONNECTED, REAUTHORISE, REDACTED, Connection
from gateway.keys.keys import MAX_KEYS, IssuedKey, KeyRequest, StoredKey, generate_key
from gateway.requesters import Requester
from gateway.store.connections import ConnectionStore, LockedConnection
from gateway.store.keys import KeyStore
from platform_sdk.errors import ConnectionEndedError, NotFoundError, RequestRejectedError

log = structlog.get_logger()


class KeyService:
    """Changes the keys of connections.

    Every method raises NotFoundError when there is no such connection or its data is deleted, and the errors of
    `require_acting`. Those that change one key raise RequestRejectedError (404) when the connection has no such key.
    """

    def __init__(self, connections: ConnectionStore, keys: KeyStore) -> None:
        self._connections = connections
        self._keys = keys

    async def make(self, connection: str, request: KeyRequest, requester: Requester) -> IssuedKey:
        """Make a key of a connection whose stored data can be read.

        Raises ConnectionEndedError when the connection is not one, and RequestRejectedError when it has `MAX_KEYS`
        keys that have not expired.
        """
        async with self._connections.lock(connection) as locked:
            await requester.require_acting(locked)
            issued = await _add_key(locked, _require_readable(locked.row), request, requester)
            await _record(locked, Action.MAKE_KEY, issued.key, requester)
        log.info("key made", connection=connection, prefix=issued.key.prefix)
        return issued

    async def rotate(self, connection: str, key: UUID, requester: Requester, *, keep_seconds: int) -> IssuedKey:
        """Make a key with the name, the scopes and the lifetime of another, which ends `keep_seconds` from now.

        Raises the errors of `make`.
        """
        async with self._connections.lock(connection) as locked:
            await requester.require_acting(locked)
            row, old = _require_readable(locked.row), await _require_key(locked, key)
            if keep_seconds:
                await locked.keys.shorten(key, keep_seconds)
            else:
                await locked.keys.delete(key)
            issued = await _add_key(locked, row, old.request, requester, origin=old.origin)
            await _record(locked, Action.ROTATE_KEY, issued.key, requester, replaces=str(old.id))
        log.info("key rotated", connection=connection, prefix=issued.key.prefix, replaces=old.prefix)
        return issued

    async def revoke(self, connection: str, key: UUID, requester: Requester) -> None:
        """Revoke a key: it is good for nothing any more."""
        async with self._connections.lock(connection) as locked:
            await requester.require_acting(locked)
            _require_data(locked.row)
            revoked = await _require_key(locked, key)
            await locked.keys.delete(key)
            await locked.keys.enqueue_event(connection)
            await _record(locked, Action.REVOKE_KEY, revoked, requester)
        log.info("key revoked", connection=connection, prefix=revoked.prefix)

    async def revoke_all(self, connection: str, requester: Requester) -> int:
        """Revoke all keys of a connection, and return how many there were."""
        async with self._connections.lock(connection) as locked:
            await requester.require_acting(locked)
            _require_data(locked.row)
            count = await locked.keys.delete_all(connection)
            details = {"keys": str(count)}
            await locked.record(AuditEntry(Action.REVOKE_ALL_KEYS, connection, requester.actor, details))
        log.info("all keys revoked", connection=connection, keys=count)
        return count

    async def list_all(self, connection: str) -> list[StoredKey]:
        """Return the connection's keys, the oldest first. Needs no right: the caller decides who sees them."""
        _require_data(await self._connections.find(connection))
        return await self._keys.list_all(connection)


async def _add_key(
    locked: LockedConnection,
    row: Connection,
    request: KeyRequest,
    requester: Requester,
    *,
    origin: UUID | None = None,
) -> IssuedKey:
    """Store a new key and enqueue the event. Raises RequestRejectedError when there are `MAX_KEYS` good ones."""
    good = [key for key in await locked.keys.list_all(row.name) if not key.has_expired]
    if len(good) >= MAX_KEYS:
        raise RequestRejectedError(409, f"this account has {MAX_KEYS} keys, which is the most: revoke one first")
    text, new = generate_key(row, request, requester.actor, origin=origin)
    await locked.keys.add(new)
    await locked.keys.enqueue_event(row.name)
    return IssuedKey(text, await _require_key(locked, new.id))


async def _require_key(locked: LockedConnection, key: UUID) -> StoredKey:
    for one in await locked.keys.list_all(locked.name):
        if one.id == key:
            return one
    raise RequestRejectedError(404, "this account has no such key (any more)")


async def _record(locked: LockedConnection, action: Action, key: StoredKey, requester: Requester, **more: str) -> None:
    details = {"name": key.name, "prefix": key.prefix, "key": str(key.id), **more}
    await locked.record(AuditEntry(action, locked.name, requester.actor, details))


def _require_data(row: Connection | None) -> Connection:
    if row is None or row.state == REDACTED:
        raise NotFoundError
    return row


def _require_readable(row: Connection | None) -> Connection:
    row = _require_data(row)
    if row.state not in (CONNECTED, REAUTHORISE):
        raise ConnectionEndedError(row.state)
    return row
