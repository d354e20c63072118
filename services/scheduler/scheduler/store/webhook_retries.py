"""The retries for connections whose webhook subscriptions could not be ensured before a full sync."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_SCHEDULE = text("""
UPDATE connections SET unsubscribed_sync = coalesce(unsubscribed_sync, :sync_id),
    webhooks_due_at = GREATEST(webhooks_due_at, :due), webhook_attempts = GREATEST(webhook_attempts, 1)
WHERE connection = :connection AND epoch = :epoch AND state = 'connected'
""")
_CLAIM_DUE = text("""
UPDATE connections SET webhooks_due_at = now() + interval '2 minutes' WHERE connection IN (
    SELECT connection FROM connections WHERE webhooks_due_at <= now() AND state = 'connected' AND blocked IS NULL
    ORDER BY webhooks_due_at LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING connection, epoch, unsubscribed_sync, webhook_attempts,
    coalesce((SELECT cause = 'connect' FROM syncs WHERE sync_id = unsubscribed_sync), false)
""")
_IS_OF = "connection = :connection AND epoch = :epoch AND unsubscribed_sync = :missed AND state = 'connected'"
_POSTPONE = text(f"UPDATE connections SET webhooks_due_at = :due, webhook_attempts = :attempts WHERE {_IS_OF}")
_END = text(f"""
UPDATE connections SET unsubscribed_sync = NULL, webhooks_due_at = NULL, webhook_attempts = 0 WHERE {_IS_OF}
RETURNING connection
""")
_CLEAR = text("""
UPDATE connections SET unsubscribed_sync = NULL, webhooks_due_at = NULL, webhook_attempts = 0
WHERE connection = :connection AND epoch = :epoch AND webhooks_due_at IS NOT NULL
""")


@dataclass(frozen=True)
class WebhookRetry:
    """A due retry to create the webhook subscriptions without which the full sync `unsubscribed_sync` has started.

    `attempts` is how often their creation has failed, the attempt at the start of that sync included. It is 0 when they
    exist by now, and only the full sync that reads what changed without them is still to come. `is_first_sync` says
    whether `unsubscribed_sync` was the first sync after an account was connected.
    """

    connection: str
    epoch: int
    unsubscribed_sync: UUID
    attempts: int
    is_first_sync: bool


async def schedule(tx: AsyncConnection, connection: str, epoch: int, sync_id: UUID, due: datetime) -> None:
    """Store that the full sync `sync_id` starts without webhook subscriptions, and when their creation is tried again.

    If a retry is waiting already, it keeps its sync, and the later of the two times counts. Nothing is stored when the
    connection is not connected, or when its epoch (a number that rises when it ends) is not `epoch` any more.
    """
    values = {"connection": connection, "epoch": epoch, "sync_id": sync_id, "due": due}
    await tx.execute(_SCHEDULE, values)


async def claim_due(tx: AsyncConnection, limit: int) -> list[WebhookRetry]:
    """Claim at most `limit` due retries to create webhook subscriptions, and return them.

    Blocked connections are left out: their owed full sync creates the subscriptions before it reads. A claim keeps
    other processes away for two minutes. If this process dies, the retries are due again when their
    claims have expired.
    """
    return [WebhookRetry(*row) for row in (await tx.execute(_CLAIM_DUE, {"limit": limit})).all()]


async def postpone(tx: AsyncConnection, retry: WebhookRetry, due: datetime, *, attempts: int) -> None:
    """Store when the retry is due again, and its number of failed `attempts`. Do nothing if it has ended since."""
    await tx.execute(_POSTPONE, {**_build_key(retry), "due": due, "attempts": attempts})


async def end(tx: AsyncConnection, retry: WebhookRetry) -> bool:
    """Delete the retry. Return False when it was not there any more, for example because the connection has ended."""
    return (await tx.execute(_END, _build_key(retry))).scalar() is not None


async def clear(tx: AsyncConnection, connection: str, epoch: int) -> None:
    """Delete the connection's retry to create webhook subscriptions, because a full sync starts while they exist."""
    await tx.execute(_CLEAR, {"connection": connection, "epoch": epoch})


def _build_key(retry: WebhookRetry) -> dict[str, object]:
    return {"connection": retry.connection, "epoch": retry.epoch, "missed": retry.unsubscribed_sync}
