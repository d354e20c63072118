"""Stores the audit log."""

from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.engine import Row

from gateway.audit import Action, Actor, AuditEntry, StoredAuditEntry
from gateway.sessions.browsers import Browser
from gateway.store.transactions import OpenTransaction

_ADD = text("""
INSERT INTO audit_log (connection, action, actor, session, address, browser, details)
VALUES (:connection, :action, :actor, CAST(:session AS uuid), :address, :browser, CAST(:details AS jsonb))
""")
_COLUMNS = """id, (extract(epoch FROM at) * 1000)::bigint AS at, connection, action, actor, session, address, browser,
              details"""
_LIST_LATEST = text(f"""
SELECT entry.* FROM unnest(CAST(:actions AS text[])) AS one (name), LATERAL (
    SELECT {_COLUMNS} FROM audit_log WHERE connection = :connection AND action = one.name ORDER BY id DESC LIMIT :count
) AS entry ORDER BY entry.id DESC
""")
_LOAD_SECONDS_SINCE = text("""
SELECT extract(epoch FROM now() - at) FROM audit_log
WHERE connection = :connection AND action = :action AND actor = :actor ORDER BY id DESC LIMIT 1
""")
_LIST_AFTER = text(f"""
SELECT {_COLUMNS} FROM audit_log
WHERE id > :after AND (CAST(:connection AS text) IS NULL OR connection = :connection) ORDER BY id LIMIT :count
""")
_STRIP = text("""
UPDATE audit_log SET session = NULL, address = NULL, browser = NULL, details = details - ARRAY['merchant', 'name']
WHERE connection = :connection
""")
_PRUNE = text("DELETE FROM audit_log WHERE at < now() - make_interval(days => :days)")


class AuditLogStore:
    """Stores the entries of the audit log for `kept_days`."""

    def __init__(self, transaction: OpenTransaction, *, kept_days: int) -> None:
        self._transaction = transaction
        self._kept_days = kept_days

    async def add(self, entry: AuditEntry) -> None:
        """Store an entry with the present time."""
        browser = entry.actor.browser
        values = {
            "connection": entry.connection,
            "action": entry.action.value,
            "actor": entry.actor.kind,
            "session": entry.actor.session,
            "address": browser.address if browser else None,
            "browser": browser.name if browser else None,
            "details": orjson.dumps(dict(entry.details)).decode(),
        }
        async with self._transaction() as tx:
            await tx.execute(_ADD, values)

    async def list_latest(self, connection: str, count: int) -> list[StoredAuditEntry]:
        """Return the latest `count` entries of each action on a connection, the latest first."""
        values = {"connection": connection, "actions": [action.value for action in Action], "count": count}
        async with self._transaction() as tx:
            return [_build_entry(row) for row in await tx.execute(_LIST_LATEST, values)]

    async def load_seconds_since(self, connection: str, action: Action, actor_kind: str) -> float | None:
        """Return the seconds since such an actor last did this to the connection; None where no entry says so."""
        values = {"connection": connection, "action": action.value, "actor": actor_kind}
        async with self._transaction() as tx:
            seconds = (await tx.execute(_LOAD_SECONDS_SINCE, values)).scalar()
        return None if seconds is None else float(seconds)

    async def list_after(self, after: int, connection: str | None, count: int) -> list[StoredAuditEntry]:
        """Return up to `count` entries with higher ids than `after`, by id: of one connection, or of all for None."""
        values = {"after": after, "connection": connection, "count": count}
        async with self._transaction() as tx:
            return [_build_entry(row) for row in await tx.execute(_LIST_AFTER, values)]

    async def strip(self, connection: str) -> None:
        """Delete from the connection's entries what tells of people: sessions, addresses, browsers, merchants, and the
        names of keys."""
        async with self._transaction() as tx:
            await tx.execute(_STRIP, {"connection": connection})

    async def prune(self) -> None:
        """Delete the entries that are older than `kept_days`."""
        async with self._transaction() as tx:
            await tx.execute(_PRUNE, {"days": self._kept_days})


def _build_entry(row: Row[Any]) -> StoredAuditEntry:
    session: UUID | None = row.session
    browser = Browser(row.address, row.browser or "") if row.address is not None else None
    actor = Actor(row.actor, session, browser)
    return StoredAuditEntry(row.id, row.at, AuditEntry(Action(row.action), row.connection, actor, row.details))
