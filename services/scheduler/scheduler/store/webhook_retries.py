"""The retries for connections whose webhook subscriptions could not be ensured before a full sync."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_SCHEDULE = text("""
UPDATE connections SET unsubscribed_sync = :sync_id, webhooks_due_at = :due, webhook_attempts = :attempts
WHERE connection = :connection AND state = 'connected'
""")
_CLAIM_DUE = text("""
UPDATE connections SET webhooks_due_at = now() + interval '2 minutes' WHERE connection IN (
    SELECT connection FROM connections WHERE webhooks_due_at <= now() AND state = 'connected'
    ORDER BY webhooks_due_at LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING connection, epoch, unsubscribed_sync, webhook_attempts,
    coalesce((SELECT cause = 'connect' FROM syncs WHERE sync_id = unsubscribed_sync), false)
""")
_CLEAR = text("""
UPDATE connections SET unsubscribed_sync = NULL, webhooks_due_at = NULL, webhook_attempts = 0
WHERE connection = :connection AND webhooks_due_at IS NOT NULL
""")


@dataclass(frozen=True)
class WebhookRetry:
    """A retry that is due: the subscriptions of a connection are missing since the full sync `unsubscribed_sync`.

    `attempts` is how often they could not be ensured since that sync has started. `is_first_sync` says whether the sync
    was the first one after an account was connected.
    """

    connection: str
    epoch: int
    unsubscribed_sync: UUID
    attempts: int
    is_first_sync: bool


async def schedule(tx: AsyncConnection, connection: str, sync_id: UUID, due: datetime, *, attempts: int) -> None:
    """Store that the full sync `sync_id` runs without subscriptions, and when they are tried again.

    Does nothing when the connection is not connected any more.
    """
    values = {"connection": connection, "sync_id": sync_id, "due": due, "attempts": attempts}
    await tx.execute(_SCHEDULE, values)


async def claim_due(tx: AsyncConnection, limit: int) -> list[WebhookRetry]:
    """Claim at most `limit` retries that are due, and return them.

    A claim lasts for two minutes. If this process dies, the retries are due again when their claims have expired.
    """
    return [WebhookRetry(*row) for row in (await tx.execute(_CLAIM_DUE, {"limit": limit})).all()]


async def clear(tx: AsyncConnection, connection: str) -> None:
    """Delete the retry of a connection, because its subscriptions were ensured or it has ended."""
    await tx.execute(_CLEAR, {"connection": connection})
