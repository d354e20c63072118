"""Self-tests: what the gateway itself contributes to a sync."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_BEGIN = text("""
INSERT INTO self_tests (sync_id, connection, webhook_status, webhook_test)
SELECT :sync_id, name, CAST(:status AS jsonb), CAST(:test AS jsonb)
FROM (SELECT name FROM connections WHERE name = :connection AND state <> 'redacted' FOR SHARE) AS known
ON CONFLICT (sync_id) DO UPDATE SET webhook_test = coalesce(excluded.webhook_test, self_tests.webhook_test)
WHERE self_tests.connection = excluded.connection
""")
_SAVE_STATUS = text("UPDATE self_tests SET webhook_status = CAST(:outcome AS jsonb) WHERE sync_id = :sync_id")
_SAVE_TEST = text("UPDATE self_tests SET webhook_test = CAST(:outcome AS jsonb) WHERE sync_id = :sync_id")
_ONE = text("""
SELECT connection, CAST(webhook_status AS text) AS webhook_status, CAST(webhook_test AS text) AS webhook_test, made_at
FROM self_tests WHERE sync_id = :sync_id
""")
_LAST_TEST = text("""
SELECT CAST(webhook_test AS text) FROM self_tests WHERE connection = :connection AND webhook_test IS NOT NULL
ORDER BY made_at DESC LIMIT 1
""")
_FORGET = text("DELETE FROM self_tests WHERE connection = :connection")
_PRUNE = text("""
DELETE FROM self_tests WHERE made_at < now() - interval '30 days'
AND sync_id NOT IN (SELECT wanted_sync FROM connections WHERE wanted_sync IS NOT NULL)
""")


@dataclass(frozen=True)
class SelfTest:
    """The gateway's own part of a sync: outcomes as `{"status", "message", …}`, None where it has none."""

    connection: str
    webhook_status: dict[str, Any] | None
    webhook_test: dict[str, Any] | None
    made_at: int


async def begin(tx: AsyncConnection, connection: str, sync_id: UUID, status: object, test: object) -> None:
    """Begin the gateway's part of a sync; a part begun before keeps its outcomes.

    Of a redacted connection nothing is kept any more, not even by who was at it when it was redacted.
    """
    values = {"sync_id": sync_id, "connection": connection, "status": _json(status), "test": _json(test)}
    await tx.execute(_BEGIN, values)


async def save_webhook_status(tx: AsyncConnection, sync_id: UUID, outcome: object) -> None:
    """Keep the outcome of the assertion of subscriptions."""
    await tx.execute(_SAVE_STATUS, {"sync_id": sync_id, "outcome": _json(outcome)})


async def save_webhook_test(tx: AsyncConnection, sync_id: UUID, outcome: object) -> None:
    """Keep the outcome of the webhook test."""
    await tx.execute(_SAVE_TEST, {"sync_id": sync_id, "outcome": _json(outcome)})


async def one(tx: AsyncConnection, sync_id: UUID) -> SelfTest | None:
    """The gateway's part of a sync, if it has one."""
    row = (await tx.execute(_ONE, {"sync_id": sync_id})).one_or_none()
    if row is None:
        return None
    made_at = int(row.made_at.timestamp() * 1000)
    return SelfTest(row.connection, _parsed(row.webhook_status), _parsed(row.webhook_test), made_at)


async def last_webhook_test(tx: AsyncConnection, connection: str) -> dict[str, Any] | None:
    """The latest webhook test of a connection."""
    return _parsed((await tx.execute(_LAST_TEST, {"connection": connection})).scalar())


async def forget(tx: AsyncConnection, connection: str) -> None:
    """Remove all of a connection's."""
    await tx.execute(_FORGET, {"connection": connection})


async def prune(tx: AsyncConnection) -> None:
    """Remove what is older than 30 days and not wanted any more."""
    await tx.execute(_PRUNE)


def _json(value: object) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _parsed(value: str | None) -> dict[str, Any] | None:
    parsed: dict[str, Any] | None = None if value is None else orjson.loads(value)
    return parsed
