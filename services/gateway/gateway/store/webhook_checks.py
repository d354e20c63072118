"""Stores two checks for a sync: the state of the connection's webhook subscriptions, and a webhook probe's result.

A webhook probe is a signed test delivery that the gateway sends to its own webhook address. The subscriptions belong to
the connection. Missing ones are created before each full sync, and their state is then stored for this sync.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text

from gateway.store.transactions import OpenTransaction

_START = text("""
INSERT INTO webhook_checks (sync_id, connection, webhook_status, probe_result)
SELECT :sync_id, name, CAST(:status AS jsonb), CAST(:result AS jsonb)
FROM (SELECT name FROM connections WHERE name = :connection AND state <> 'redacted' FOR SHARE) AS present
ON CONFLICT (sync_id) DO UPDATE SET probe_result = coalesce(excluded.probe_result, webhook_checks.probe_result)
WHERE webhook_checks.connection = excluded.connection
""")
_SAVE_STATUS = text("UPDATE webhook_checks SET webhook_status = CAST(:value AS jsonb) WHERE sync_id = :sync_id")
_SAVE_RESULT = text("UPDATE webhook_checks SET probe_result = CAST(:value AS jsonb) WHERE sync_id = :sync_id")
_FIND = text("""
SELECT connection, CAST(webhook_status AS text) AS webhook_status, CAST(probe_result AS text) AS probe_result,
       created_at
FROM webhook_checks WHERE sync_id = :sync_id
""")
_FIND_LAST_RESULT = text("""
SELECT CAST(probe_result AS text) FROM webhook_checks WHERE connection = :connection AND probe_result IS NOT NULL
ORDER BY created_at DESC LIMIT 1
""")
_DELETE = text("DELETE FROM webhook_checks WHERE connection = :connection")
_PRUNE = text("""
DELETE FROM webhook_checks WHERE created_at < now() - interval '30 days'
AND sync_id NOT IN (SELECT wanted_sync FROM connections WHERE wanted_sync IS NOT NULL)
""")


@dataclass(frozen=True)
class WebhookChecks:
    """The state of the connection's webhook subscriptions at one sync, and the result of the webhook probe.

    The probe is a test delivery that the gateway sends to itself. State and result have the form
    `{"status", "message", …}`; each is None where the sync has none. `created_at` is in ms.
    """

    connection: str
    webhook_status: dict[str, Any] | None
    probe_result: dict[str, Any] | None
    created_at: int


class WebhookCheckStore:
    """Stores the webhook checks (state of the subscriptions, result of the probe) of syncs, by sync id."""

    def __init__(self, transaction: OpenTransaction) -> None:
        self._transaction = transaction

    async def save_initial_checks(self, connection: str, sync_id: UUID, *, status: object, result: object) -> None:
        """Insert the webhook checks of a sync: `status` of the subscriptions and `result` of the webhook probe.

        When the sync has a row already, only the result is replaced, and only by a `result` that is not None. For a
        redacted connection nothing is stored, not even by a call that began before the redaction.
        """
        values = {"sync_id": sync_id, "connection": connection, "status": _dump(status), "result": _dump(result)}
        async with self._transaction() as tx:
            await tx.execute(_START, values)

    async def save_status(self, sync_id: UUID, status: object) -> None:
        """Replace, for this sync, the stored state of the connection's webhook subscriptions."""
        async with self._transaction() as tx:
            await tx.execute(_SAVE_STATUS, {"sync_id": sync_id, "value": _dump(status)})

    async def save_probe_result(self, sync_id: UUID, result: object) -> None:
        """Replace, for this sync, the stored result of the webhook probe, the gateway's test delivery to itself."""
        async with self._transaction() as tx:
            await tx.execute(_SAVE_RESULT, {"sync_id": sync_id, "value": _dump(result)})

    async def find(self, sync_id: UUID) -> WebhookChecks | None:
        """Return the webhook checks that are stored for a sync; None where nothing is stored.

        They are the state of the webhook subscriptions and the result of the test delivery.
        """
        async with self._transaction() as tx:
            row = (await tx.execute(_FIND, {"sync_id": sync_id})).one_or_none()
        if row is None:
            return None
        created_at = int(row.created_at.timestamp() * 1000)
        return WebhookChecks(row.connection, _load(row.webhook_status), _load(row.probe_result), created_at)

    async def find_last_probe_result(self, connection: str) -> dict[str, Any] | None:
        """Return the result of the connection's latest webhook probe (test delivery); None where there was no probe."""
        async with self._transaction() as tx:
            return _load((await tx.execute(_FIND_LAST_RESULT, {"connection": connection})).scalar())

    async def delete(self, connection: str) -> None:
        """Delete the webhook checks of all syncs of a connection."""
        async with self._transaction() as tx:
            await tx.execute(_DELETE, {"connection": connection})

    async def prune(self) -> None:
        """Delete webhook checks that are older than 30 days, except those of each connection's wanted sync.

        The wanted sync is the full sync that was requested last.
        """
        async with self._transaction() as tx:
            await tx.execute(_PRUNE)


def _dump(value: object) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _load(value: str | None) -> dict[str, Any] | None:
    document: dict[str, Any] | None = None if value is None else orjson.loads(value)
    return document
